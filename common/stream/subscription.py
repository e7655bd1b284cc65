"""Records in: the side of the event loop."""

import asyncio
from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from typing import Self

import structlog
from confluent_kafka import KafkaError, KafkaException

from common.protocol import Topic
from common.stream.assignment import Reading, Start
from common.stream.client import Health, KafkaSettings, sentence
from common.stream.offsets import OffsetTracker
from common.stream.place import Place
from common.stream.reader import librdkafka_reader
from common.stream.record import Record

log = structlog.get_logger()

MAX_BATCH = 500
"""Records in one batch."""

MAX_IN_WORK = 20_000
"""Records handed out and not done, with a group; no batch is fetched until some are."""

ENTER_WITHIN = 5.0
"""Seconds that entering waits for the ends of the partitions, where reading begins there."""

COMMIT_WITHIN = 5.0
"""Seconds in which the broker must have stored the offsets."""


class Subscription:
    """Hands out the records of a topic, in batches, each record at least once.

    Use as an async context manager and iterate over it, one task at a time. It reads for as long
    as it is entered: a broker that is not there, or has no such topic, is waited for quietly.
    Cancelling the wait for a batch loses nothing.

    With `start="end"` every record is handed out that is published after it was entered. Where
    no broker answers within `ENTER_WITHIN`, that is decided by the records' timestamps, once one
    does.

    Args:
        settings: How to reach Kafka.
        topic: What to read.
        group: Under which name offsets are kept; None: they are not. No membership goes with it,
            so that two subscriptions of one group both read everything.
        start: Where to begin, see `Reading`.
        partitions: Which to read; None: all.
        key: Read only the partition that this key hashes to.
        max_batch: Records in one batch, at most.
        max_in_work: With a group: records handed out and not done, before it waits.

    Raises:
        CannotStart: On entering: the settings are wrong.

    Attributes:
        topic: What it reads.
        handed_out: Records that were handed out so far.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        topic: Topic,
        *,
        group: str | None,
        start: Start = "committed",
        partitions: Sequence[int] | None = None,
        key: str | None = None,
        max_batch: int = MAX_BATCH,
        max_in_work: int = MAX_IN_WORK,
    ) -> None:
        assert group or start != "committed", "offsets are committed by a group"
        assert key is None or partitions is None, "a key says which partition"
        self.topic = topic
        self.handed_out = 0
        self._settings = settings
        self._group = group
        self._health = Health(f"subscription {topic}")
        self._reading = Reading(topic.name, group, start, partitions, key, max_batch)
        self._max_in_work = max_in_work
        self._batches: deque[list[Record]] = deque()
        self._changed = asyncio.Event()
        self._place: Place | None = None
        self._trackers: defaultdict[int, OffsetTracker[Record]] = defaultdict(OffsetTracker)
        self._slots_taken = 0
        self._committed: dict[int, int] = {}
        self._committing = asyncio.Lock()
        self._ended = False
        self._error: BaseException | None = None

    @property
    def healthy(self) -> bool:
        """Whether the broker answers and has the topic."""
        return self._health.healthy

    @property
    def last_error(self) -> str:
        """A sentence about what failed last, also when that is over."""
        return self._health.last_error

    def lag(self) -> int:
        """Records at the broker that were not handed out yet, as of the last fetch."""
        return self._reader.lag + sum(map(len, self._batches))

    async def __aenter__(self) -> Self:
        clients = self._settings.clients
        make = clients.reader if clients else librdkafka_reader
        call_soon = asyncio.get_running_loop().call_soon_threadsafe
        self._reader = make(self._settings, self._reading, self._health, self, call_soon)
        try:
            if self._reading.start == "end":
                # Not wait_for: before Python 3.12 it may swallow the cancellation of its caller.
                async with asyncio.timeout(ENTER_WITHIN):
                    await self._until_assigned()
        except TimeoutError:
            pass  # it is waited for quietly
        except BaseException:
            self._reader.stop()  # nobody is going to leave what was not entered
            raise
        return self

    async def _until_assigned(self) -> None:
        while self._place is None and not self._ended:
            await self._change()

    async def __aexit__(self, *_: object) -> None:
        self._reader.stop()
        await asyncio.to_thread(self._reader.join)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> list[Record]:
        while not self._batches:
            if self._error is not None:
                raise self._error
            if self._ended:
                raise StopAsyncIteration
            await self._change()
        batch = self._batches.popleft()
        self.handed_out += len(batch)
        self._slots_taken += 1
        self._free_slots()
        return batch

    def done(self, records: Iterable[Record]) -> None:
        """The effect of these records is durable. In any order, with the objects handed out.

        Those of a topic that is no more, or done before, change nothing.
        """
        for record in records:
            tracker = self._trackers.get(record.partition)
            if tracker is not None:
                tracker.done(record)
        self._free_slots()

    def leave(self, record: Record) -> None:
        """This record is not going to be done here; whoever begins at the offsets gets it again.

        Its partition is read on, but nothing from it on is committed any more.
        """
        tracker = self._trackers.get(record.partition)
        if tracker is not None:
            tracker.leave(record)
        self._free_slots()

    async def commit(self) -> None:
        """Store, for each partition, the offset below which everything is done.

        Never raises for a broker that does not answer within `COMMIT_WITHIN`: the next commit
        includes what this one could not store.
        """
        assert self._group is not None, "offsets are committed by a group"
        async with self._committing:
            offsets = {
                partition: offset
                for partition, tracker in self._trackers.items()
                if (offset := tracker.committable) is not None
                and offset != self._committed.get(partition)
            }
            if offsets and self._place is not None:
                await self._store(offsets, self._place, self._committed)

    async def _store(
        self, offsets: dict[int, int], place: Place, committed: dict[int, int]
    ) -> None:
        try:
            async with asyncio.timeout(COMMIT_WITHIN):  # not wait_for, as above
                stored = await asyncio.wrap_future(self._reader.commit(place, offsets))
            for partition in stored:
                if partition.error is None:
                    committed[partition.partition] = partition.offset
                else:
                    self._not_committed(partition.error)
        except (KafkaException, TimeoutError) as error:
            self._not_committed(error)

    def _not_committed(self, error: KafkaError | KafkaException | TimeoutError) -> None:
        why = f"offsets were not committed: {sentence(error) or 'no answer'}"
        if why != self._health.last_error:
            log.warning(why, topic=self._reading.topic)
        self._health.last_error = why

    def _free_slots(self) -> None:
        in_work = sum(tracker.in_work for tracker in self._trackers.values())
        while self._slots_taken and in_work < self._max_in_work:
            self._slots_taken -= 1
            self._reader.free_slot()

    # Called by the reader

    def assigned(self, place: Place) -> None:
        if self._place is None or self._place.identity != place.identity:
            self._place = place
            self._trackers = defaultdict(OffsetTracker)
            self._committed = {}
        self._free_slots()
        self._changed.set()

    def fetched(self, records: list[Record]) -> None:
        if self._group is not None:
            for record in records:
                self._trackers[record.partition].begin(record)
        self._batches.append(records)
        self._changed.set()

    def ended(self, error: BaseException | None) -> None:
        self._ended, self._error = True, error
        self._changed.set()

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()
