"""What makes the clients of a broker, where they are not librdkafka's: a simulation has its own."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, Protocol

from confluent_kafka import TopicPartition

from common.protocol import Topic
from common.stream.assignment import Reading
from common.stream.client import Health, KafkaSettings
from common.stream.place import Place
from common.stream.publisher import ProducerLike
from common.stream.reader import Taker
from common.stream.topics import ClusterInfo


class ReaderLike(Protocol):
    """What `Subscription` uses of a `Reader`."""

    lag: int

    def free_slot(self) -> None: ...
    def commit(
        self, place: Place, offsets: Mapping[int, int]
    ) -> "Future[list[TopicPartition]]": ...
    def stop(self) -> None: ...
    def join(self) -> None: ...


class Clients(Protocol):
    """Makes what speaks to a broker."""

    def producer(self, config: dict[str, Any]) -> ProducerLike:
        """A producer with these settings of librdkafka."""

    def reader(
        self,
        settings: KafkaSettings,
        reading: Reading,
        health: Health,
        taker: Taker,
        call_soon: Callable[..., object],
    ) -> ReaderLike:
        """A reader that has begun."""

    def ensure(self, settings: KafkaSettings, topics: Sequence[Topic]) -> ClusterInfo:
        """Create what is missing of these topics.

        Raises:
            KafkaUnreachable: The broker does not answer.
        """
