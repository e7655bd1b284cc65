"""Records in: the thread that fetches them.

Theory of operation. The thread assigns itself the partitions and belongs to no group, so nobody
has to notice that it died before somebody else may read. It fetches a batch only when there is a
slot for it at the event loop, which is all the back-pressure there is: librdkafka fetches ahead
up to its own bound, then waits.

Where another topic has come into the topic's place, it begins again at the beginning of that one.
What it read there before it noticed comes twice.
"""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from queue import SimpleQueue
from threading import Event, Semaphore, Thread
from typing import Protocol

import structlog
from confluent_kafka import (
    Consumer,
    KafkaError,
    KafkaException,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient

from common.errors import CannotStart
from common.stream.assignment import Assignment, Reading
from common.stream.client import Health, KafkaSettings, Noise, made, sentence
from common.stream.place import RETRY_EVERY, Lookout, Place
from common.stream.record import Record
from common.stream.topics import make_admin

log = structlog.get_logger()

SLOTS = 2
"""Batches that wait at the event loop; no more are fetched until one is taken."""

POLL = 0.05
"""Seconds that the thread waits for a record before it looks whether it should end."""

MEASURE_EVERY = 0.2
"""Seconds between two looks at how long the partitions have grown."""

_DEFAULTS: Mapping[str, object] = {
    # What is fetched ahead: a second's worth of the largest load, not the 64 MiB of librdkafka.
    "queued.max.messages.kbytes": 16 * 1024,
    # When that is full, fetching pauses; a second, as librdkafka has it, would be the bottleneck.
    "fetch.queue.backoff.ms": 20,
    # There is no session; but it is what a commit waits for a group's broker that is gone.
    "session.timeout.ms": 2000,
}


@dataclass(frozen=True, slots=True)
class Commit:
    """Offsets to be stored.

    Attributes:
        place: Where they are offsets.
        offsets: By partition.
        stored: What became of it.
    """

    place: Place
    offsets: Mapping[int, int]
    stored: Future[list[TopicPartition]] = field(default_factory=Future)


class Taker(Protocol):
    """The side of the event loop, where all of it is called, in the order of what happened."""

    def assigned(self, place: Place) -> None:
        """What comes from here on is from this place."""

    def fetched(self, records: list[Record]) -> None:
        """Records, which have used up one slot."""

    def ended(self, error: BaseException | None) -> None:
        """Nothing will come any more; an error is a bug of ours."""


class Reader:
    """Fetches in a thread of its own and hands over to an event loop.

    Attributes:
        lag: Records at the broker that were not handed over.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        reading: Reading,
        admin: AdminClient,
        health: Health,
        taker: Taker,
        call_soon: Callable[..., object],
    ) -> None:
        self.lag = 0
        self._health = health
        self._settings = settings
        self._reading = reading
        self._lookout = Lookout(reading.topic, admin, health)
        self._taker = taker
        self._call_soon = call_soon
        self._slots = Semaphore(SLOTS)
        self._commits: SimpleQueue[Commit] = SimpleQueue()
        self._stopping = Event()
        self._measured_at = float("-inf")
        self._assignment = Assignment(reading)
        make_consumer(settings, reading, self._on_error).close()
        name = f"kafka-{reading.topic}"
        self._thread = Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def free_slot(self) -> None:
        """A batch was taken: one more may come."""
        self._slots.release()

    def commit(self, place: Place, offsets: Mapping[int, int]) -> Future[list[TopicPartition]]:
        """Store these offsets of a place for the group.

        Returns:
            What was stored, each with its error if it was not; or fails with `KafkaException`.
        """
        commit = Commit(place, offsets)
        self._commits.put(commit)
        return commit.stored

    def stop(self) -> None:
        """Ask the thread to end."""
        self._stopping.set()

    def join(self) -> None:
        """Wait until it has: a few seconds while no broker answers, ten if one only swallows."""
        self._thread.join()

    def _run(self) -> None:
        error: BaseException | None = None
        try:
            while not self._stopping.is_set():
                self._read_one_place()
        except BaseException as unexpected:
            error = unexpected
        self._tell(self._taker.ended, error)

    def _tell(self, callback: Callable[..., None], *values: object) -> None:
        try:
            self._call_soon(callback, *values)
        except RuntimeError:  # the loop is closed, so nobody is there to be told
            self._stopping.set()

    def _read_one_place(self) -> None:
        """Read the topic until there is another one in its place, or we are to end."""
        try:
            # A new one each time, so that nothing is left of what it knew of another topic.
            with make_consumer(self._settings, self._reading, self._on_error) as consumer:
                place = self._find(consumer)
                if place is not None:
                    consumer.assign(self._assignment.at(consumer, place))
                    self._tell(self._taker.assigned, place)
                    self._follow(consumer, place)
        except (KafkaException, CannotStart) as error:
            # The settings were right at first: a file that they name is being replaced.
            self._health.failed(sentence(error))
            self._stopping.wait(RETRY_EVERY)

    # Where

    def _find(self, consumer: Consumer) -> Place | None:
        """The topic, once it is there; None when we are to end."""
        while not self._stopping.is_set():
            try:
                return self._lookout.find(consumer)
            except KafkaException as error:
                self._health.failed(sentence(error))
            retry_at = time.monotonic() + RETRY_EVERY
            while time.monotonic() < retry_at and not self._stopping.is_set():
                consumer.poll(POLL)  # hears of errors
        return None

    # What

    def _follow(self, consumer: Consumer, place: Place) -> None:
        has_slot = False
        while not self._stopping.is_set():
            has_slot = has_slot or self._slots.acquire(timeout=POLL)
            if has_slot and (records := self._fetch(consumer)):
                has_slot = False
                self._tell(self._taker.fetched, records)
            self._commit(consumer, place)
            self._measure(consumer)
            if not self._lookout.is_still(consumer, place):
                log.warning(
                    "topic was made anew: reading from its beginning", topic=self._reading.topic
                )
                break
        if has_slot:
            self._slots.release()

    def _fetch(self, consumer: Consumer) -> list[Record]:
        first = consumer.poll(POLL)
        if first is None:
            return []
        # Only what is there already: waiting for a full batch would delay the first record.
        messages = [first, *consumer.consume(self._reading.max_batch - 1, timeout=0)]
        records = []
        for message in messages:
            error = message.error()
            if error is None:
                record = Record.of(self._reading.topic, message)
                self._assignment.next[record.partition] = record.offset + 1
                records.append(record)
            else:
                self._on_error(error)
        return records

    def _commit(self, consumer: Consumer, place: Place) -> None:
        while not self._commits.empty():
            commit = self._commits.get()
            if not commit.stored.set_running_or_notify_cancel():
                continue
            # The place goes along, so that its offsets are never taken for those of another one.
            topic, tag = self._reading.topic, commit.place.identity
            offsets = [TopicPartition(topic, p, at, tag) for p, at in commit.offsets.items()]
            try:
                if tag != place.identity:
                    raise KafkaException(KafkaError(KafkaError._OUTDATED, "the topic is no more"))
                commit.stored.set_result(consumer.commit(offsets=offsets, asynchronous=False))
            except KafkaException as error:
                commit.stored.set_exception(error)

    def _measure(self, consumer: Consumer) -> None:
        now = time.monotonic()
        if now - self._measured_at < MEASURE_EVERY:
            return
        self._measured_at = now
        lag = 0
        for partition, position in self._assignment.next.items():
            place = TopicPartition(self._reading.topic, partition)
            low, end = consumer.get_watermark_offsets(place, cached=True)
            lag += max(0, end - max(low, position))  # both are negative until they are known
        self.lag = lag

    def _on_error(self, error: KafkaError) -> None:
        self._lookout.disturbed = True
        self._health.heard(error)


def librdkafka_reader(
    settings: KafkaSettings,
    reading: Reading,
    health: Health,
    taker: Taker,
    call_soon: Callable[..., object],
) -> Reader:
    """A reader on librdkafka's clients.

    Raises:
        CannotStart: The settings are wrong.
    """
    return Reader(settings, reading, make_admin(settings), health, taker, call_soon)


def make_consumer(
    settings: KafkaSettings, reading: Reading, on_error: Callable[[KafkaError], None]
) -> Consumer:
    """A consumer that decides nothing by itself.

    Raises:
        CannotStart: The settings are wrong.
    """
    fixed = {
        # librdkafka wants one even where no offsets are kept.
        "group.id": reading.group or settings.client_id,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "earliest",
        "error_cb": on_error,
        "logger": Noise(),
    }
    return made(Consumer, settings.client_config(_DEFAULTS, fixed))
