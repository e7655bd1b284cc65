"""A record as it came."""

from dataclasses import dataclass
from typing import Any, Self

from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, Message


@dataclass(frozen=True, slots=True)
class Record:
    """A record of a topic.

    Attributes:
        topic: Its topic's name.
        partition: Its partition.
        offset: Its place in the partition.
        key: What chose the partition; None if there is none, or it is no UTF-8.
        value: What it says.
        timestamp_ms: Unix milliseconds.
        stamped_by_broker: The broker wrote the timestamp, on arrival; else its producer did.
        headers: What it says beside its value, in the order in which it was given.
    """

    topic: str
    partition: int
    offset: int
    key: str | None
    value: bytes
    timestamp_ms: int
    stamped_by_broker: bool
    headers: tuple[tuple[str, bytes | None], ...] = ()

    def header(self, name: str) -> bytes | None:
        """The last header of this name, which is the one that counts; None if there is none."""
        return next((value for key, value in reversed(self.headers) if key == name), None)

    @classmethod
    def of(cls, topic: str, message: Message) -> Self:
        """The record that a message of librdkafka is, which carries no error."""
        partition: Any = message.partition()
        offset: Any = message.offset()
        stamp, milliseconds = message.timestamp()
        headers: Any = message.headers()
        return cls(
            topic,
            partition,
            offset,
            _text(message.key()),
            message.value() or b"",
            milliseconds,
            stamp == TIMESTAMP_LOG_APPEND_TIME,
            tuple(headers) if headers else (),
        )


def _text(key: bytes | None) -> str | None:
    try:
        return None if key is None else key.decode()
    except UnicodeDecodeError:
        return None
