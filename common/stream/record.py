"""A record as it came."""

from dataclasses import dataclass
from operator import methodcaller
from typing import Any, Self

from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, Message

# By a call from C, which looks whether the callee has left an error behind. A warm call from Python
# does not look, and the error then shows up anywhere.
_read_headers = methodcaller("headers")


@dataclass(frozen=True, slots=True)
class Record:
    """A record of a topic.

    Attributes:
        topic: Its topic's name.
        partition: Its partition.
        offset: Its place in the partition.
        key: What chose the partition; None if there is none, or it is no UTF-8.
        key_bytes: The key as it came.
        value: What it says.
        timestamp_ms: Unix milliseconds.
        stamped_by_broker: The broker wrote the timestamp, on arrival; else its producer did.
        headers: What it says beside its value, in the order in which it was given; none where
            one of their names is no UTF-8.
    """

    topic: str
    partition: int
    offset: int
    key: str | None
    value: bytes
    timestamp_ms: int
    stamped_by_broker: bool
    headers: tuple[tuple[str, bytes | None], ...] = ()
    key_bytes: bytes | None = None

    def header(self, name: str) -> bytes | None:
        """The last header of this name, which is the one that counts; None if there is none."""
        return next((value for key, value in reversed(self.headers) if key == name), None)

    @classmethod
    def of(cls, topic: str, message: Message) -> Self:
        """The record that a message of librdkafka is, which carries no error."""
        partition: Any = message.partition()
        offset: Any = message.offset()
        stamp, milliseconds = message.timestamp()
        key: Any = message.key()
        return cls(
            topic,
            partition,
            offset,
            _text(key),
            message.value() or b"",
            milliseconds,
            stamp == TIMESTAMP_LOG_APPEND_TIME,
            _headers(message),
            key,
        )


def _headers(message: Message) -> tuple[tuple[str, bytes | None], ...]:
    try:
        headers: Any = _read_headers(message)
    except (UnicodeError, SystemError):
        # A name that is no UTF-8, which confluent-kafka stumbles over: whoever wrote this record
        # must not stop who reads it. It is not to be asked again, for then it answers with NULLs.
        return ()
    return tuple(headers) if headers else ()


def _text(key: bytes | None) -> str | None:
    try:
        return None if key is None else key.decode()
    except UnicodeDecodeError:
        return None
