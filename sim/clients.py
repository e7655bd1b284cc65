"""What a program's Kafka clients do, without librdkafka: the producer's side and the reader's.

librdkafka has threads of its own; here they are events of the loop that belong to nobody, look
whether their process still lives, and stand still while it does.
"""

from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING

from confluent_kafka import KafkaError, KafkaException, TopicPartition

from common.stream import Record, partition_of
from common.stream.assignment import Reading
from common.stream.client import Health
from common.stream.delivery import Headers
from common.stream.place import Place
from common.stream.reader import SLOTS, Taker
from sim.process import Process

if TYPE_CHECKING:
    from sim.broker import Broker, Log

Key = str | bytes | None

RETRY = 0.3
"""Seconds until a client asks again that got no answer."""

NOTICED_WITHIN = 5.0
"""Seconds in which a reader notices that another topic has come into its topic's place."""


@dataclass(slots=True)
class _Sending:
    topic: str
    key: Key
    value: bytes
    headers: Headers | None
    done: Callable[..., None]


class SimulatedProducer:
    """What `Publisher` uses of librdkafka's producer."""

    def __init__(
        self, broker: "Broker", process: Process, on_error: Callable[[KafkaError], None]
    ) -> None:
        self._broker = broker
        self._process = process
        self._on_error = on_error
        self._queue: deque[_Sending] = deque()
        self._reports: deque[tuple[Callable[..., None], KafkaError | None]] = deque()
        self._errors: deque[KafkaError] = deque()
        self._generation = 0
        self._broken = self._is_sending = False

    def produce(
        self,
        topic: str,
        value: bytes,
        key: Key,
        *,
        on_delivery: Callable[..., None],
        headers: Headers | None = None,
        partition: int = -1,
    ) -> None:
        assert partition < 0, "nothing in the simulation chooses a partition"
        if self._broken:
            raise KafkaException(_error(KafkaError._FATAL, fatal=True))
        self._queue.append(_Sending(topic, key, value, headers, on_delivery))
        self._send_soon(self._broker.takes())

    def poll(self, _timeout: float) -> int:
        handled = 0
        while self._errors:
            self._on_error(self._errors.popleft())
        while self._reports:
            done, error = self._reports.popleft()
            done(error, None)
            handled += 1
        return handled

    def purge(self) -> None:
        self._queue.clear()

    def list_topics(self, *, timeout: float) -> None:
        if not self._broker.up:
            raise KafkaException(_error(KafkaError._TRANSPORT))

    def _send_soon(self, after: float) -> None:
        if not self._is_sending:
            self._is_sending = True
            self._broker.loop.do(None, after, self._send)

    def _send(self) -> None:
        """In librdkafka's thread: it goes on while the program is paused, and dies with it."""
        self._is_sending = False
        if not self._process.alive or not self._queue:
            return
        if self._process.paused:
            self._send_soon(RETRY)
            return
        if not self._broker.up:
            self._errors.append(_error(KafkaError._ALL_BROKERS_DOWN))
            self._send_soon(RETRY)
            return
        if self._generation not in (0, self._broker.generation):
            self._break()
            return
        self._generation = self._broker.generation
        stored: list[Callable[..., None]] = []
        while self._queue:
            each = self._queue.popleft()
            if self._broker.log(each.topic) is None:
                missing = _error(KafkaError.UNKNOWN_TOPIC_OR_PART, retriable=True)
                self._reports.append((each.done, missing))
            else:
                self._broker.append(each.topic, each.key, each.value, each.headers)
                stored.append(each.done)
        self._broker.loop.do(None, self._broker.takes(), self._acknowledge, stored)

    def _acknowledge(self, stored: list[Callable[..., None]]) -> None:
        if self._process.alive:
            self._reports.extend((done, None) for done in stored)

    def _break(self) -> None:
        """The broker knows nothing of this producer's numbers."""
        self._broken = True
        error = _error(KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER, fatal=True)
        self._errors.append(error)
        self._reports.extend((each.done, error) for each in self._queue)
        self._queue.clear()


class SimulatedReader:
    """What `Subscription` uses of a `Reader`."""

    def __init__(
        self,
        broker: "Broker",
        process: Process,
        reading: Reading,
        health: Health,
        taker: Taker,
    ) -> None:
        self.lag = 0
        self.topic = reading.topic
        self._broker = broker
        self._process = process
        self._reading = reading
        self._health = health
        self._taker = taker
        self._place: Place | None = None
        self._next: dict[int, int] = {}
        self._slots = SLOTS
        self._is_fetching = self._stopped = False
        broker.join(self)
        self.wake()

    def free_slot(self) -> None:
        self._slots += 1
        self.wake()

    def commit(self, place: Place, offsets: Mapping[int, int]) -> "Future[list[TopicPartition]]":
        done: Future[list[TopicPartition]] = Future()
        self._do(self._broker.takes(), self._commit, place, dict(offsets), done)
        return done

    def stop(self) -> None:
        self._stopped = True
        self._broker.leave(self)
        self._do(self._broker.takes(), self._taker.ended, None)

    def join(self) -> None:
        pass

    def lose_place(self) -> None:
        """The topic is no more; it is noticed in a while."""
        self._is_fetching = True
        wait = self._broker.random.uniform(0.1, NOTICED_WITHIN)
        self._do(wait, self._begin_anew)

    def wake(self) -> None:
        """There may be something to fetch."""
        if not (self._is_fetching or self._stopped) and self._slots > 0:
            self._is_fetching = True
            self._do(self._broker.takes(), self._fetch)

    def _do(self, after: float, what: Callable[..., object], *args: object) -> None:
        self._broker.loop.do(self._process, after, what, *args)

    def _begin_anew(self) -> None:
        self._place = None
        self._fetch()

    def _fetch(self) -> None:
        self._is_fetching = False
        if self._stopped:
            return
        log = self._broker.log(self.topic) if self._broker.up else None
        if log is None:
            self._health.failed("no broker answers")
            self._is_fetching = True
            self._do(RETRY, self._fetch)
            return
        self._health.answered()
        if self._place is None or (self._place.identity != log.identity):
            first = self._place is None and not self._next
            self._assign(log, first)
        records = self._new(log)
        if records:
            self._slots -= 1
            self._taker.fetched(records)
            self.wake()

    def _assign(self, log: "Log", first: bool) -> None:
        self._place = Place(log.identity, len(log.partitions))
        key = self._reading.key
        partitions = range(len(log.partitions))
        if key is not None:
            partitions = range(p := partition_of(key, len(log.partitions)), p + 1)
        self._next = {}
        for number in partitions:
            begin = 0
            if self._reading.start == "committed":
                at = self._broker.committed(self._reading.group, log.identity, number)
                begin = at or 0
            elif self._reading.start == "end" and first:
                begin = len(log.partitions[number])
            self._next[number] = begin
        self._taker.assigned(self._place)

    def _new(self, log: "Log") -> list[Record]:
        found: list[Record] = []
        for number, begin in self._next.items():
            room = self._reading.max_batch - len(found)
            records = log.partitions[number][begin : begin + room]
            if records:
                self._next[number] = begin + len(records)
                found += records
        return found

    def _commit(
        self, place: Place, offsets: dict[int, int], done: "Future[list[TopicPartition]]"
    ) -> None:
        if not done.set_running_or_notify_cancel():
            return
        log = self._broker.log(self.topic)
        if not self._broker.up:
            done.set_exception(KafkaException(_error(KafkaError._TRANSPORT)))
        elif log is None or log.identity != place.identity:
            done.set_exception(KafkaException(_error(KafkaError._OUTDATED)))
        else:
            self._broker.commit(self._reading.group, place.identity, offsets)
            done.set_result([TopicPartition(self.topic, p, at) for p, at in offsets.items()])


def _error(code: int, *, fatal: bool = False, retriable: bool = False) -> KafkaError:
    return KafkaError(code, None, fatal, retriable)
