"""A Kafka in memory: what its clients see of one, with all that can become of a broker.

Theory of operation. The programs' own `Publisher` and `Subscription` run; here is what they run
on: a producer that sends in order and is told later what became of it, a reader that hands over
batches. A record is in the log some time before its producer hears of it, so that a program which
dies in between leaves a record that it does not know of, and publishes it again. A broker that is
replaced by an empty one forgets all topics, records and offsets.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from common.protocol import Topic
from common.stream import ClusterInfo, KafkaUnreachable, Record, partition_of
from common.stream.assignment import Reading
from common.stream.client import Health, KafkaSettings
from common.stream.delivery import Headers
from common.stream.reader import Taker
from sim.clients import Key, SimulatedProducer, SimulatedReader
from sim.loop import SimulatedLoop

Appended = Callable[[Record], None]


@dataclass(slots=True)
class Log:
    """A topic.

    Attributes:
        identity: Tells it from others that had its name.
        partitions: Records, in order.
    """

    identity: str
    partitions: list[list[Record]]


class Broker:
    """The broker's side.

    Attributes:
        up: It answers.
        delay: Seconds by which everything takes longer.
    """

    def __init__(self, loop: SimulatedLoop, random: Random, on_append: Appended) -> None:
        self.loop = loop
        self.random = random
        self.up = True
        self.delay = 0.0
        self.generation = 1
        self._on_append = on_append
        self._logs: dict[str, Log] = {}
        self._offsets: dict[tuple[str | None, str, int], int] = {}
        self._readers: dict[SimulatedReader, None] = {}

    # -- What happens to it --

    def replace(self) -> None:
        """An empty one comes into its place."""
        self.generation += 1
        self._logs.clear()
        self._offsets.clear()
        for reader in list(self._readers):
            reader.lose_place()

    def came_back(self) -> None:
        """It answers again."""
        self.up = True
        for reader in list(self._readers):
            reader.wake()

    # -- What clients do --

    def takes(self) -> float:
        """Seconds that one way takes."""
        return self.delay + self.random.uniform(0.001, 0.008)

    def log(self, topic: str) -> Log | None:
        """The topic, if it is there."""
        return self._logs.get(topic)

    def append(self, topic: str, key: Key, value: bytes, headers: Headers | None) -> None:
        """Put a record at the end of its partition."""
        log = self._logs[topic]
        name = key.decode() if isinstance(key, bytes) else key
        number = partition_of(name or "", len(log.partitions))
        records = log.partitions[number]
        stamp = int((self.wall()) * 1000)
        said = tuple(
            (k, v if isinstance(v, bytes) else None) for k, v in dict(headers or ()).items()
        )
        record = Record(topic, number, len(records), name, value, stamp, True, said)
        records.append(record)
        self._on_append(record)
        for reader in list(self._readers):
            if reader.topic == topic:
                reader.wake()

    def wall(self) -> float:
        """Its own clock, which is right."""
        return 1_750_000_000.0 + self.loop.now

    def committed(self, group: str | None, identity: str, partition: int) -> int | None:
        """The group's offset."""
        return self._offsets.get((group, identity, partition))

    def commit(self, group: str | None, identity: str, offsets: Mapping[int, int]) -> None:
        """Keep these offsets."""
        for partition, offset in offsets.items():
            self._offsets[group, identity, partition] = offset

    def join(self, reader: SimulatedReader) -> None:
        """This reader wants to know of new records."""
        self._readers[reader] = None

    def leave(self, reader: SimulatedReader) -> None:
        """It does not any more."""
        self._readers.pop(reader, None)

    # -- `common.stream.client.Clients` --

    def producer(self, config: dict[str, Any]) -> SimulatedProducer:
        """A producer of the process that runs now."""
        assert self.loop.process is not None
        return SimulatedProducer(self, self.loop.process, config["error_cb"])

    def reader(
        self,
        _settings: KafkaSettings,
        reading: Reading,
        health: Health,
        taker: Taker,
        _call_soon: Callable[..., object],
    ) -> SimulatedReader:
        """A reader of the process that runs now."""
        assert self.loop.process is not None
        return SimulatedReader(self, self.loop.process, reading, health, taker)

    def ensure(self, settings: KafkaSettings, topics: Sequence[Topic]) -> ClusterInfo:
        """Make the topics that are missing."""
        if not self.up:
            raise KafkaUnreachable(settings.bootstrap, "no broker is ready")
        for topic in topics:
            if topic.name not in self._logs:
                identity = f"{topic.name}/{self.generation}"
                self._logs[topic.name] = Log(identity, [[] for _ in range(topic.partitions)])
        for reader in list(self._readers):
            reader.wake()
        return ClusterInfo(f"cluster-{self.generation}", 1)
