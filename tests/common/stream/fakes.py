"""A producer that acknowledges and fails as it is told."""

from collections.abc import Callable
from typing import Any

from confluent_kafka import KafkaError

from common.stream.delivery import Headers

OnDelivery = Callable[[KafkaError | None, object], None]


def error(code: int, text: str = "it broke", *, fatal: bool = False) -> KafkaError:
    """An error of librdkafka."""
    return KafkaError(code, text, fatal)


class FakeProducer:
    """Behaves as confluent-kafka's `Producer`: reports are heard in `poll` only.

    Attributes:
        sent: The values that it was given.
        purged: What it had was dropped.
        polled: It has told all there was to tell.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        self.sent: list[bytes] = []
        self.purged = False
        self._on_error: Callable[[KafkaError], None] = config["error_cb"]
        self._waiting: dict[bytes, OnDelivery] = {}
        self._events: list[Callable[[], None]] = []

    def produce(
        self,
        topic: str,
        value: bytes,
        key: str | bytes | None,
        *,
        on_delivery: OnDelivery,
        headers: Headers | None = None,
        partition: int = -1,
    ) -> None:
        self.sent.append(value)
        self._waiting[value] = on_delivery

    def poll(self, timeout: float) -> int:
        events, self._events = self._events, []
        for event in events:
            event()
        return len(events)

    @property
    def polled(self) -> bool:
        return not self._events

    def purge(self) -> None:
        self.purged = True

    def list_topics(self, *, timeout: float) -> None:
        """The broker answers."""

    def waits(self, value: bytes) -> bool:
        """A record waits for its report."""
        return value in self._waiting

    def report(self, value: bytes, failure: KafkaError | None = None) -> None:
        """Report on a record at the next poll."""
        on_delivery = self._waiting.pop(value)
        self._events.append(lambda: on_delivery(failure, None))

    def fail(self, failure: KafkaError) -> None:
        """Tell of an error of the producer itself at the next poll."""
        self._events.append(lambda: self._on_error(failure))


class Factory:
    """Makes producers and keeps them.

    Attributes:
        made: All of them, oldest first.
    """

    def __init__(self) -> None:
        self.made: list[FakeProducer] = []

    def __call__(self, config: dict[str, Any]) -> FakeProducer:
        self.made.append(FakeProducer(config))
        return self.made[-1]

    @property
    def last(self) -> FakeProducer:
        """The one in use."""
        return self.made[-1]
