"""Records out.

Theory of operation. librdkafka has threads of its own that send; what it needs from us is a call
of `poll`, in which it hands over its delivery reports. The event loop makes that call itself,
every 2 ms while something is under way: a thread for it would have to win the interpreter from
the loop for every single report, which halves what can be sent and lets the queue grow for
seconds.

A record is *pending* from `publish` until its future is done. Where its topic is missing it is
*held*, together with all that follow for that topic, and sent again when the topic may be there.
A producer that reports a fatal error sends nothing any more: it is replaced, and all that is
pending is sent again, in the order of `publish`.
"""

import asyncio
from asyncio import Future, Task, TimerHandle
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol, Self

import structlog
from confluent_kafka import KafkaError, KafkaException, Producer

from common.errors import CannotStart, Reason, Refused
from common.protocol import Topic
from common.stream.client import Health, KafkaSettings, Noise, NotDelivered, made, sentence
from common.stream.delivery import (
    BY_KEY,
    Delivery,
    Headers,
    Report,
    Waiter,
    is_breaking,
    is_passing,
)

log = structlog.get_logger()

MAX_QUEUED = 100_000
"""Records not yet acknowledged; one more is refused as `overloaded`."""

MAX_QUEUED_KIB = 256 * 1024
"""KiB of such records, which bounds the memory that they take; likewise."""

POLL_BUSY = 0.002
"""Seconds between two looks for delivery reports while records are under way."""

POLL_IDLE = 0.1
"""Seconds between two looks for errors while none are."""

RETRY_EVERY = 0.5
"""Seconds between two attempts with what failed, and between two questions to a silent broker."""

REPLACE_EVERY = 1.0
"""Seconds that a producer is used at least, so that a lasting fault is no busy loop."""

PROBE_WITHIN = 1.0
"""Seconds in which a broker must answer to count as there."""

CLOSE_WITHIN = 5.0
"""Seconds that closing waits for what is still under way."""

_DEFAULTS: Mapping[str, object] = {
    "linger.ms": 5,
    # What others wrote may be set aside as it came: the most that a broker takes of them, and what
    # is said about it.
    "message.max.bytes": 2 << 20,
    # A missing topic is told of after 2 s, not after 30: its records are held and sent again.
    "topic.metadata.propagation.max.ms": 2000,
}


class ProducerLike(Protocol):
    """What is used of confluent-kafka's `Producer`."""

    def produce(
        self,
        topic: str,
        value: bytes,
        key: str | bytes | None,
        *,
        on_delivery: Callable[..., None],
        headers: Headers | None = None,
        partition: int,
    ) -> None: ...
    def poll(self, timeout: float) -> int: ...
    def purge(self) -> None: ...
    def list_topics(self, *, timeout: float) -> Any: ...


def _always() -> bool:
    return True


class Publisher:
    """Sends records and says when each is stored. To be made inside a running loop.

    Use as an async context manager: leaving it waits up to `CLOSE_WITHIN` seconds for what is
    under way, and fails the rest with `NotDelivered`.

    Args:
        settings: How to reach Kafka.
        give_up_after: Seconds after which a record not stored is given up, and its future fails
            with `NotDelivered`; up to twice that if it had to be sent again. None: never.
        max_queued: Records not yet acknowledged; at this many, `publish` refuses.
        make_producer: What makes a producer of its settings; whoever makes the clients if None.

    Attributes:
        acknowledged, failed, refused: Records that were stored, given up, or not taken, so far.
        fence: Whether anything may be published now; for who may lose the right to.

    Raises:
        CannotStart: The settings are wrong.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        *,
        give_up_after: float | None = None,
        max_queued: int = MAX_QUEUED,
        make_producer: Callable[[dict[str, Any]], ProducerLike] | None = None,
    ) -> None:
        self.max_queued = max_queued
        self.acknowledged = self.failed = self.refused = 0
        self._settings = settings
        self._give_up_after = give_up_after
        usual = settings.clients.producer if settings.clients else Producer
        self._make_producer = make_producer or usual
        self._loop = asyncio.get_running_loop()
        self._health = Health("publisher")
        # A dict, because it keeps the order and forgets quickly.
        self._pending: dict[Delivery, None] = {}
        self._held: dict[str, list[Delivery]] = {}
        self._reports: list[Report] = []
        self._broken = False
        self._disturbed = True
        self._replaced_at = self._retried_at = self._probed_at = float("-inf")
        self._probe: Task[None] | None = None
        self._timer: TimerHandle | None = None
        self._emptied = asyncio.Event()
        self._closed = self._given_up = False
        self.fence: Callable[[], bool] = _always
        self._producer = self._new_producer()

    @property
    def healthy(self) -> bool:
        """Whether the broker answers, and has the topics that were published to."""
        return self._health.healthy

    @property
    def last_error(self) -> str:
        """A sentence about what failed last, also when that is over."""
        return self._health.last_error

    @property
    def queued(self) -> int:
        """Records not yet acknowledged."""
        return len(self._pending)

    @property
    def room(self) -> int:
        """Records that may be published before one is refused."""
        return self.max_queued - len(self._pending)

    def publish(
        self,
        topic: Topic,
        key: str | bytes | None,
        value: bytes,
        headers: Headers | None = None,
        *,
        partition: int | None = None,
    ) -> "Future[None]":
        """Send a record. Never blocks.

        Args:
            partition: Where to; None: where its key belongs.

        Returns:
            Done when the record is stored by all replicas in sync; fails with `NotDelivered` when
            it was given up. It may be dropped unread. Cancelling it does not recall the record.

        Raises:
            Refused: See `post`.
        """
        future = self._loop.create_future()
        self.post(topic, key, value, headers, future, partition=partition)
        return future

    def post(
        self,
        topic: Topic,
        key: str | bytes | None,
        value: bytes,
        headers: Headers | None,
        waiter: Waiter,
        *,
        partition: int | None = None,
    ) -> None:
        """Send a record, and tell `waiter` as soon as it is known what became of it.

        For who sends so much that a future for each record, and a turn of the loop to hear of it,
        is too much. The waiter must not raise.

        Raises:
            Refused: `overloaded`: too many records are under way, and this one is not; `standby`:
                the fence forbids it now.
        """
        if not self.fence():
            self.refused += 1
            raise Refused(Reason.STANDBY, "this program may not publish now")
        assert not self._closed, "published after closing"
        if len(self._pending) >= self.max_queued:
            self.refused += 1
            raise Refused(Reason.OVERLOADED, "too many records wait for Kafka")
        if not self._pending:
            self._schedule(POLL_BUSY)
        late = self._give_up_after
        give_up_at = None if late is None else self._loop.time() + late
        where = BY_KEY if partition is None else partition
        delivery = Delivery(
            topic.name, key, value, waiter, give_up_at, self._reports, headers, where
        )
        self._pending[delivery] = None
        try:
            self._send(delivery)
        except BufferError:
            del self._pending[delivery]
            self.refused += 1
            raise Refused(Reason.OVERLOADED, "too many bytes wait for Kafka") from None

    async def __aenter__(self) -> Self:
        self._schedule(0)
        return self

    def give_up(self) -> None:
        """Nothing that is under way is waited for when the block is left: it may not count."""
        self._given_up = True
        self._producer.purge()

    async def __aexit__(self, *_: object) -> None:
        self._closed = True
        try:
            if self._given_up:
                return
            # Not wait_for: before Python 3.12 it may swallow the cancellation of its caller.
            async with asyncio.timeout(CLOSE_WITHIN):
                await self._drain()
        except TimeoutError:
            log.warning("records were not delivered", count=len(self._pending))
        finally:
            if self._timer is not None:
                self._timer.cancel()
            for delivery in list(self._pending):
                self._fail(delivery, "the publisher was closed")
            await self._discard_producer()

    async def _drain(self) -> None:
        while self._pending:
            self._emptied.clear()
            await self._emptied.wait()

    async def _discard_producer(self) -> None:
        if self._probe is not None:
            await asyncio.wait([self._probe])
        self._producer.purge()
        # It refers to us by its callback: it goes now, not when the garbage is collected.
        del self._producer

    # The life of a record

    def _send(self, delivery: Delivery) -> None:
        held = self._held.get(delivery.topic)
        if held is not None:
            held.append(delivery)  # not ahead of those that wait
        elif not self._broken:
            try:
                self._producer.produce(
                    delivery.topic,
                    delivery.value,
                    delivery.key,
                    on_delivery=delivery,
                    headers=delivery.headers,
                    partition=delivery.partition,
                )
            except KafkaException as error:
                self._not_delivered(delivery, error.args[0])

    def _settle(self) -> None:
        delivered = False
        for delivery, error in self._reports:
            if error is not None:
                self._not_delivered(delivery, error)
                continue
            delivered = True
            self.acknowledged += 1
            self._pending.pop(delivery, None)
            if not delivery.waiter.done():
                delivery.waiter.set_result(None)
        self._reports.clear()
        # After an error the broker is asked: these reports may be older than that.
        if delivered and not self._held and not self._disturbed:
            self._health.answered()

    def _not_delivered(self, delivery: Delivery, error: KafkaError) -> None:
        """Send it again later, or give it up, as the error wants it."""
        if is_breaking(error):
            self._broken = True
            self._health.heard(error)
        elif is_passing(error) and not self._is_late(delivery):
            self._held.setdefault(delivery.topic, []).append(delivery)
            self._health.failed(f"{delivery.topic}: {sentence(error)}")
            self._disturbed = True
        else:
            self._fail(delivery, sentence(error))

    def _is_late(self, delivery: Delivery) -> bool:
        return delivery.give_up_at is not None and self._loop.time() >= delivery.give_up_at

    def _fail(self, delivery: Delivery, why: str) -> None:
        self.failed += 1
        self._pending.pop(delivery, None)
        if not delivery.waiter.done():
            delivery.waiter.set_exception(NotDelivered(delivery.topic, why))
            # Who dropped a future does not care; asyncio need not complain for them.
            delivery.waiter.exception()

    def _resend(self, deliveries: Iterable[Delivery]) -> None:
        self._held = {}
        for delivery in deliveries:
            if self._is_late(delivery):
                self._fail(delivery, "it took too long")
                continue
            try:
                self._send(delivery)
            except BufferError:
                self._held.setdefault(delivery.topic, []).append(delivery)

    # The life of the producer

    def _new_producer(self) -> ProducerLike:
        late = self._give_up_after
        fixed = {
            "enable.idempotence": True,
            "acks": "all",
            "partitioner": "murmur2_random",
            "message.timeout.ms": 0 if late is None else max(1, round(late * 1000)),
            "queue.buffering.max.messages": self.max_queued,
            "queue.buffering.max.kbytes": MAX_QUEUED_KIB,
            "error_cb": self._on_error,
            "logger": Noise(),
        }
        return made(self._make_producer, self._settings.client_config(_DEFAULTS, fixed))

    def _on_error(self, error: KafkaError) -> None:
        self._disturbed = True
        self._health.heard(error)
        if is_breaking(error):
            self._broken = True

    def _schedule(self, delay: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(delay, self._tick)

    def _tick(self) -> None:
        try:
            self._producer.poll(0)
            self._settle()
            self._mend(self._loop.time())
            if not self._pending:
                self._emptied.set()
        finally:
            self._schedule(POLL_BUSY if self._pending else POLL_IDLE)

    def _mend(self, now: float) -> None:
        if self._broken:
            if now >= self._replaced_at + REPLACE_EVERY:
                self._replaced_at = now
                self._replace_producer()
        elif self._held and now >= self._retried_at + RETRY_EVERY:
            self._retried_at = now
            self._resend([each for held in self._held.values() for each in held])
        if self._disturbed and self._probe is None and now >= self._probed_at + RETRY_EVERY:
            self._probed_at = now
            self._probe = self._loop.create_task(self._ask_broker(self._producer))

    def _replace_producer(self) -> None:
        log.warning("producer is replaced", why=self.last_error, pending=len(self._pending))
        try:
            producer = self._new_producer()
        except CannotStart as error:
            # The settings were right at first: a file that they name is being replaced.
            self._health.failed(str(error))
            return
        # What it has not reported by now is not heard any more: it is not polled again.
        self._producer.purge()
        self._producer = producer
        self._broken = False
        self._resend(list(self._pending))

    async def _ask_broker(self, producer: ProducerLike) -> None:
        """Ask for all topics, which also makes the producer see those that are new."""
        self._disturbed = False
        try:
            # It waits inside librdkafka, so it has a thread meanwhile.
            await asyncio.to_thread(producer.list_topics, timeout=PROBE_WITHIN)
        except KafkaException as error:
            self._disturbed = True
            self._health.failed(sentence(error))
        else:
            if self._held:
                self._disturbed = True  # until they are sent, or given up
            else:
                self._health.answered()
        finally:
            self._probe = None
