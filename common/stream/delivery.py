"""A record on its way out, and what an error means for it."""

from dataclasses import dataclass
from typing import Protocol

from confluent_kafka import KafkaError

Report = tuple["Delivery", KafkaError | None]

Headers = dict[str, str | bytes | None] | list[tuple[str, str | bytes | None]]
"""What a record says beside its value; in a list a name may come twice."""

BY_KEY = -1
"""Librdkafka's number for the partition that the key chooses."""

# Over when the topic is made, or the metadata catches up with it.
_PASSING = frozenset(
    {
        KafkaError._UNKNOWN_TOPIC,
        KafkaError._UNKNOWN_PARTITION,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.UNKNOWN_TOPIC_ID,
    }
)

# The producer's sequence of numbers is broken, or the producer was purged.
_BROKEN = frozenset(
    {
        KafkaError._FATAL,
        KafkaError._PURGE_QUEUE,
        KafkaError._PURGE_INFLIGHT,
        KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER,
        KafkaError.UNKNOWN_PRODUCER_ID,
        KafkaError.INVALID_PRODUCER_EPOCH,
        KafkaError.PRODUCER_FENCED,
    }
)


class Waiter(Protocol):
    """Who is told what became of a record; a future, or what takes less."""

    def done(self) -> bool: ...

    def set_result(self, result: None, /) -> None: ...

    def set_exception(self, error: BaseException, /) -> None: ...

    def exception(self) -> BaseException | None: ...


@dataclass(eq=False, slots=True)
class Delivery:
    """A record and who waits for it; librdkafka calls it with its report.

    Attributes:
        waiter: Done when the record is stored, or was given up.
        give_up_at: By the loop's clock; None: never.
        reports: Where its reports go.
        partition: Where to; `BY_KEY`: where its key belongs.
    """

    topic: str
    key: str | bytes | None
    value: bytes
    waiter: Waiter
    give_up_at: float | None
    reports: list[Report]
    headers: Headers | None
    partition: int

    def __call__(self, error: KafkaError | None, _message: object) -> None:
        self.reports.append((self, error))


def is_passing(error: KafkaError) -> bool:
    """The same record may be stored by another attempt."""
    return error.code() in _PASSING or error.retriable()


def is_breaking(error: KafkaError) -> bool:
    """The producer sends nothing any more; another one has to."""
    return error.fatal() or error.code() in _BROKEN
