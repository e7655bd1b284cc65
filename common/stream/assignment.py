"""What is read of a topic, and where reading begins."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from common.stream.murmur2 import partition_of
from common.stream.place import LOOK_WITHIN, Place

Start = Literal["committed", "end", "beginning"]
"""Where to begin: at the group's offsets, and at the beginning where it has none; at the end; or
at the beginning."""

CLOCK_SKEW = 10.0
"""Seconds by which the clocks of two machines may differ."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What is to be read.

    Attributes:
        topic: Its name.
        group: Under which name offsets are kept; None: they are not.
        start: Where to begin.
        partitions: Which; None: all.
        key: If given, only the partition that this key hashes to.
        max_batch: Records in one batch, at most.
    """

    topic: str
    group: str | None
    start: Start
    partitions: Sequence[int] | None
    key: str | None
    max_batch: int


class Assignment:
    """The partitions that are read, and how far.

    Attributes:
        next: For each partition the offset to read next; -2 is the beginning.
    """

    def __init__(self, reading: Reading) -> None:
        self.next: dict[int, int] = {}
        self._reading = reading
        self._place: Place | None = None
        self._made_at = time.time()

    def at(self, consumer: Consumer, place: Place) -> list[TopicPartition]:
        """What to assign to a consumer there. In a place known already it goes on.

        Raises:
            KafkaException: The broker does not answer.
        """
        if self._place is None or self._place.identity != place.identity:
            self.next = self._begin(consumer, place)
            self._place = place
        return [TopicPartition(self._reading.topic, p, at) for p, at in self.next.items()]

    def _begin(self, consumer: Consumer, place: Place) -> dict[int, int]:
        partitions = [TopicPartition(self._reading.topic, p) for p in self._partitions(place)]
        begin = {p.partition: OFFSET_BEGINNING for p in partitions}
        if self._reading.start == "committed":
            begin |= self._committed(consumer, partitions, place)
        # In a topic that came into another one's place all is new, so its end is not the start.
        elif self._reading.start == "end" and self._place is None:
            begin |= self._ends(consumer, partitions)
        return begin

    def _partitions(self, place: Place) -> Sequence[int]:
        if self._reading.key is not None:
            return [partition_of(self._reading.key, place.partitions)]
        return (
            range(place.partitions)
            if self._reading.partitions is None
            else self._reading.partitions
        )

    def _committed(
        self, consumer: Consumer, partitions: list[TopicPartition], place: Place
    ) -> Mapping[int, int]:
        return {
            found.partition: found.offset
            for found in consumer.committed(partitions, timeout=LOOK_WITHIN)
            # What was committed for a topic that is no more says nothing about this one. Where
            # no topic is named, a person has set the offset, and means it.
            if found.offset >= 0 and found.metadata in (None, "", place.identity)
        }

    def _ends(self, consumer: Consumer, partitions: list[TopicPartition]) -> Mapping[int, int]:
        """Where the partitions ended when this was made."""
        ends = {
            p.partition: consumer.get_watermark_offsets(p, timeout=LOOK_WITHIN)[1]
            for p in partitions
        }
        if time.time() - self._made_at > LOOK_WITHIN:
            # It has taken a while to find them, so what came since is told by its time.
            since = round((self._made_at - CLOCK_SKEW) * 1000)
            asked = [TopicPartition(p.topic, p.partition, since) for p in partitions]
            found = consumer.offsets_for_times(asked, timeout=LOOK_WITHIN)
            ends |= {p.partition: p.offset for p in found if p.offset >= 0}
        return ends
