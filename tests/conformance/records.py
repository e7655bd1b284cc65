"""Kafka as the peers see it: records published as monitors and drivers do, topics followed."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from .peer import DEADLINE, QUIET, Message, unpack

CHARGING = "ev.charging"
REQUESTS = "ev.driver.requests"
EVENTS = "ev.driver.events"
POINTS = "ev.points"
PARTITIONS = 12


def partition_of(key: str) -> int:
    """Where `partitioner=murmur2_random` puts a key: the one rule that all programs share."""
    return (_murmur2(key.encode()) & 0x7FFFFFFF) % PARTITIONS


def _murmur2(data: bytes) -> int:
    """Kafka's hash of keys, as an unsigned 32-bit number."""
    mask, factor = 0xFFFFFFFF, 0x5BD1E995
    hashed = (0x9747B28C ^ len(data)) & mask
    whole = len(data) - len(data) % 4
    for start in range(0, whole, 4):
        word = int.from_bytes(data[start : start + 4], "little") * factor & mask
        word = (word ^ word >> 24) * factor & mask
        hashed = (hashed * factor & mask) ^ word
    if whole < len(data):
        hashed = (hashed ^ int.from_bytes(data[whole:], "little")) * factor & mask
    hashed = (hashed ^ hashed >> 13) * factor & mask
    return hashed ^ hashed >> 15


@dataclass(frozen=True)
class Record:
    key: str
    partition: int
    content: Message


class Topic:
    """Follows a topic from where it ended when this was made; keeps all that it read."""

    def __init__(self, bootstrap: str, name: str) -> None:
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": f"conformance-{name}",
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "fetch.wait.max.ms": 20,
                "reconnect.backoff.max.ms": 500,
                "log_level": 0,
            }
        )
        places = [TopicPartition(name, number) for number in range(PARTITIONS)]
        for place in places:
            place.offset = self._end_of(place)
        self._consumer.assign(places)
        self.records: list[Record] = []

    def _end_of(self, place: TopicPartition) -> int:
        """The offset of the next record; a new topic may be without a leader for a moment."""
        until = time.monotonic() + DEADLINE
        while True:
            try:
                return self._consumer.get_watermark_offsets(place, timeout=DEADLINE)[1]
            except KafkaException:
                if time.monotonic() > until:
                    raise
                time.sleep(0.05)

    def close(self) -> None:
        self._consumer.close()

    def of(self, key: str, **fields: Any) -> list[Message]:
        """What has been read with this key and these fields, oldest first."""
        return [
            record.content
            for record in self.records
            if record.key == key
            and all(record.content.get(name) == value for name, value in fields.items())
        ]

    def wait(self, key: str, within: float = DEADLINE, *, count: int = 1, **fields: Any) -> Message:
        """The `count`-th record with this key and these fields."""
        until = time.monotonic() + within
        while len(found := self.of(key, **fields)) < count:
            if not self._read(until):
                raise AssertionError(f"no {fields} for {key} in {within} s; read: {self.of(key)}")
        return found[count - 1]

    def read_on(self, seconds: float = QUIET) -> None:
        """Read whatever comes in this time, to show that something does not come."""
        until = time.monotonic() + seconds
        while self._read(until):
            pass

    def _read(self, until: float) -> bool:
        wait = until - time.monotonic()
        if wait <= 0:
            return False
        for record in self._consumer.consume(500, timeout=min(wait, 0.05)):
            key, value = record.key(), record.value()
            if record.error() is not None or value is None:
                continue  # the broker is away for a moment, or a tombstone
            assert isinstance(key, bytes), f"a record without a key: {value!r}"
            assert isinstance(value, bytes)
            place = record.partition()
            assert place is not None
            self.records.append(Record(key.decode(), place, unpack(value)))
        return True


class Publisher:
    """Writes records as the peers' producers do; every record is acknowledged at once."""

    def __init__(self, bootstrap: str) -> None:
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "partitioner": "murmur2_random",
                "acks": "all",
                "linger.ms": 0,
                "reconnect.backoff.max.ms": 500,
                "log_level": 0,
            }
        )

    def publish(
        self,
        topic: str,
        key: str | None,
        *values: bytes,
        timestamp_ms: int | None = None,
        headers: dict[str, str | bytes | None] | None = None,
    ) -> None:
        for value in values:
            if timestamp_ms is None:
                self._producer.produce(topic, value, key, headers=headers)
            else:
                self._producer.produce(topic, value, key, timestamp=timestamp_ms)
        left = self._producer.flush(DEADLINE)
        assert left == 0, f"{left} records not acknowledged"
