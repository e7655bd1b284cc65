"""What lies on `ev.dead`, and how far central has committed, as any client of Kafka sees it."""

import time
from dataclasses import dataclass

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from tests.conformance.records import PARTITIONS

DEAD = "ev.dead"
WITHIN = 40.0
"""Seconds for anything to come about, a killed broker's return among it."""


def publish(
    bootstrap: str,
    topic: str,
    key: str | None,
    value: bytes,
    headers: dict[str, str | bytes | None] | None = None,
) -> None:
    """Store a record of up to a MiB."""
    settings = {"partitioner": "murmur2_random", "linger.ms": 0, "message.max.bytes": 2 << 20}
    producer = Producer({"bootstrap.servers": bootstrap, "log_level": 0, **settings})
    failed: list[object] = []
    producer.produce(
        topic, value, key, headers=headers, on_delivery=lambda error, _: failed.append(error)
    )
    left = producer.flush(WITHIN)
    assert (left, failed) == (0, [None])


@dataclass(frozen=True)
class Dead:
    """A record that was set aside."""

    key: bytes | None
    value: bytes
    headers: tuple[tuple[str, bytes | None], ...]

    def header(self, name: str) -> str:
        """The last header of this name."""
        found = [value for key, value in self.headers if key == name]
        assert found, f"no header {name} in {self.headers}"
        return (found[-1] or b"").decode()

    @property
    def place(self) -> tuple[str, int, int]:
        """Where it stood."""
        partition, offset = self.header("partition"), self.header("offset")
        return self.header("topic"), int(partition), int(offset)


class DeadTopic:
    """Follows `ev.dead` from where it ended when this was made."""

    def __init__(self, bootstrap: str) -> None:
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": "fuzz-dead",
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "reconnect.backoff.max.ms": 500,
                "log_level": 0,
            }
        )
        place = TopicPartition(DEAD, 0)
        place.offset = self._consumer.get_watermark_offsets(place, timeout=WITHIN)[1]
        self._consumer.assign([place])

    def close(self) -> None:
        self._consumer.close()

    def next(self, value: bytes | None = None, key: bytes | None = None) -> Dead:
        """The next record with this value and key, those before it skipped; None is any."""
        until = time.monotonic() + WITHIN
        while time.monotonic() < until:
            message = self._consumer.poll(0.1)
            if message is None or message.error() is not None:
                continue  # the broker is away for a moment
            found, content, headers = message.key(), message.value(), message.headers()
            assert isinstance(content, bytes)
            assert not isinstance(found, str)
            if value in (None, content) and key in (None, found):
                return Dead(found, content, tuple(headers or ()))  # type: ignore[arg-type]
        raise AssertionError(f"not set aside: {value!r:.60}")


def committed(bootstrap: str, topic: str) -> dict[int, int]:
    """The offsets that central has committed, by partition."""
    settings = {"bootstrap.servers": bootstrap, "group.id": "ev-central", "log_level": 0}
    asked = [TopicPartition(topic, number) for number in range(PARTITIONS)]
    with Consumer(settings) as consumer:
        try:
            found = consumer.committed(asked, timeout=10)
        except KafkaException:  # the broker is away for a moment
            return {}
    return {p.partition: p.offset for p in found if p.offset >= 0}


def end_of(bootstrap: str, topic: str, partition: int) -> int:
    """The offset of the partition's next record."""
    settings = {"bootstrap.servers": bootstrap, "group.id": "fuzz", "log_level": 0}
    with Consumer(settings) as consumer:
        return consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=WITHIN)[1]


def wait_committed(bootstrap: str, topic: str, partition: int, offset: int) -> None:
    """Return once central has committed so far."""
    until = time.monotonic() + WITHIN
    while (at := committed(bootstrap, topic).get(partition, -1)) < offset:
        assert time.monotonic() < until, f"{topic} [{partition}] is committed up to {at}"
        time.sleep(0.1)
