"""What central takes from Kafka: the readings and tickets of `ev.charging`, drivers' requests.

A record is said to be done, and its offset may be committed, only after its effect is durable:
for a reading after the flush that holds it, for a ticket after its transaction, for a request
after its answer was acknowledged. One that fails by itself is set aside: see `dead`.
"""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress

import structlog

from central.charging import REQUEST_EXPIRES, Charging
from central.credentials import Credentials
from central.dead import DeadLetters
from central.readings import Readings
from common.clock import Clock
from common.codec import decoder, encode
from common.dispatch import Dispatcher, Peer, refusal
from common.epochs import HEADER as EPOCH
from common.errors import PASSING, BadMessage, Reason, Refused, StoreUnavailable
from common.exchange import stamped
from common.logs import Wiretap
from common.messages import ChargeRequest, ErrorResponse, Message, Role
from common.proof import HEADER
from common.protocol import (
    CENTRAL,
    CHARGING,
    DRIVER,
    DRIVER_EVENTS,
    DRIVER_REQUESTS,
    MONITOR,
    key_of,
)
from common.stream import Publisher, Record, Subscription

log = structlog.get_logger()

FLUSH_EVERY = 1.0
"""Seconds between two flushes of readings to the store."""

FLUSH_AT = 5_000
"""Readings that are flushed without waiting for that: a quarter of those that may be in work, which
would bound what is taken in a second otherwise."""

TRY_AGAIN = 1.0
"""Seconds until a batch is tried again that the database did not take."""

REQUESTS_AT_ONCE = 1_000
"""Requests by Kafka in work at once; further ones wait in Kafka."""


class ChargingIntake:
    """Applies `ev.charging`: each partition by itself, in order, each batch of it as a whole."""

    def __init__(
        self,
        subscription: Subscription,
        dispatcher: Dispatcher,
        readings: Readings,
        dead: DeadLetters,
    ) -> None:
        self._subscription = subscription
        self._dispatcher = dispatcher
        self._readings = readings
        self._dead = dead
        self._waiting: dict[int, list[Record]] = {}
        self._decoder = decoder(MONITOR, CENTRAL, CHARGING)
        self._applied: list[Record] = []
        self._many = asyncio.Event()
        self._wire = Wiretap()

    async def run(self) -> None:
        """Apply what comes, for ever."""
        async with asyncio.TaskGroup() as tasks:
            for partition in self._waiting:  # left by a run that failed
                tasks.create_task(self._work_off(partition))
            async for batch in self._subscription:
                for record in batch:
                    if record.partition not in self._waiting:
                        self._waiting[record.partition] = []
                        tasks.create_task(self._work_off(record.partition))
                    self._waiting[record.partition].append(record)

    async def _work_off(self, partition: int) -> None:
        """Apply what waits of a partition, until nothing does.

        What the database does not take is tried again as a whole, and holds back nothing else.
        """
        while batch := self._waiting[partition]:
            self._waiting[partition] = []
            stored = await self._apply(batch)
            while not stored:
                await asyncio.sleep(TRY_AGAIN)
                stored = await self._apply(batch)
            self._applied += batch
            if len(self._applied) >= FLUSH_AT:
                self._many.set()
        del self._waiting[partition]

    async def _apply(self, batch: list[Record]) -> bool:
        """Apply a batch, less what is set aside; False if it is all to be tried again.

        Trying again is harmless: a reading counts once by its sequence, a ticket by its session.
        """
        waiting: list[tuple[Record, Coroutine[object, object, object]]] = []
        dead: dict[int, tuple[Record, BaseException]] = {}
        for record in batch:
            try:
                outcome = self._begin(record)
            except Exception as error:
                dead[record.offset] = record, error
            else:
                if isinstance(outcome, Coroutine):
                    waiting.append((record, outcome))
        results = await asyncio.gather(*(work for _, work in waiting), return_exceptions=True)
        stored = True
        for (record, _), result in zip(waiting, results, strict=True):
            if isinstance(result, StoreUnavailable) or _is_passing(result):
                stored = False
            elif isinstance(result, BaseException):
                dead[record.offset] = record, result
        if dead:
            batch[:] = [record for record in batch if record.offset not in dead]
            for record, why in dead.values():
                self._dead.set_aside(self._subscription, record, why)
        return stored

    def _begin(self, record: Record) -> object:
        message = self._decoder.decode(record.value)
        if record.key != key_of(CHARGING, message):
            whose = "no key" if record.key_bytes is None else "another point's key"
            raise BadMessage(Reason.INVALID_MESSAGE, f"the record has {whose}")
        peer = Peer(role=MONITOR, id=record.key, transport=CHARGING.name)
        if self._wire.on:
            self._wire.seen("received", message, str(peer))
        return self._dispatcher.call(message, peer)

    async def flush_for_ever(self) -> None:
        """Once a second, or when it is much, make durable what was applied; commit its offsets."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(FLUSH_EVERY):
                    await self._many.wait()
            self._many.clear()
            await self.flush()

    async def flush(self) -> None:
        """Make durable what was applied, and commit its offsets; try again later if it fails."""
        applied, self._applied = self._applied, []
        try:
            await self._readings.flush(self._subscription, applied)
        except StoreUnavailable as error:
            self._applied = applied + self._applied
            log.warning("readings not stored", why=str(error), records=len(applied))


def _is_passing(result: object) -> bool:
    """Whether a record was refused for what is not its fault: too much waits for the database."""
    return isinstance(result, Refused) and result.reason in PASSING


class RequestIntake:
    """Answers `ev.driver.requests` on `ev.driver.events`, each request in a task of its own."""

    def __init__(
        self,
        subscription: Subscription,
        dispatcher: Dispatcher,
        charging: Charging,
        credentials: Credentials,
        publisher: Publisher,
        clock: Clock,
        dead: DeadLetters,
        epoch: int,
    ) -> None:
        self._subscription = subscription
        self._dispatcher = dispatcher
        self._charging = charging
        self._credentials = credentials
        self._publisher = publisher
        self._clock = clock
        self._dead = dead
        self._epoch = epoch
        self._decoder = decoder(DRIVER, CENTRAL, DRIVER_REQUESTS)
        self._gate = asyncio.Semaphore(REQUESTS_AT_ONCE)
        self._wire = Wiretap()

    async def run(self) -> None:
        """Answer what comes, for ever."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._commit_for_ever())
            async for batch in self._subscription:
                for record in batch:
                    await self._gate.acquire()
                    tasks.create_task(self._one(record))

    async def _one(self, record: Record) -> None:
        try:
            await self._answer(record)
        except Exception as error:
            self._dead.set_aside(self._subscription, record, error)
        else:
            self._subscription.done([record])
        finally:
            self._gate.release()

    async def _answer(self, record: Record) -> None:
        if record.key is None:
            raise BadMessage(Reason.INVALID_MESSAGE, "the record has no key")
        request = self._decoder.decode(record.value)
        peer = Peer(role=DRIVER, id=record.key, transport=DRIVER_REQUESTS.name)
        if self._wire.on:
            self._wire.seen("received", request, str(peer))
        outcome = self._handle(request, record, record.key, peer)
        answer = await outcome if isinstance(outcome, Coroutine) else outcome
        if isinstance(answer, Message):
            whole = stamped(answer, self._clock, answering=request)
            await self._publish(record.key, whole)
        if isinstance(answer, ErrorResponse) and answer.error is Reason.NOT_AUTHENTICATED:
            raise BadMessage(Reason.NOT_AUTHENTICATED, answer.message)

    def _handle(self, request: Message, record: Record, driver_id: str, peer: Peer) -> object:
        if self._credentials.demanded:
            proof = record.header(HEADER)
            if not self._credentials.proves(driver_id, record.value, proof):
                log.warning("record not authenticated", driver_id=driver_id, offset=record.offset)
                text = f"the record's {HEADER} is not {driver_id}'s" if proof else f"no {HEADER}"
                return ErrorResponse(error=Reason.NOT_AUTHENTICATED, message=text)
            peer.proved = True
        age = self._clock.wall() - record.timestamp_ms / 1000
        if isinstance(request, ChargeRequest) and age > REQUEST_EXPIRES:
            return self._too_late(request, driver_id)
        return self._dispatcher.dispatch(request, peer)

    async def _too_late(self, request: ChargeRequest, driver_id: str) -> Message | None:
        try:
            return await self._charging.expired(Role.DRIVER, driver_id, request)
        except Exception as error:
            return refusal(request, error)

    async def _publish(self, driver_id: str, answer: Message) -> None:
        if self._wire.on:
            self._wire.seen("sent", answer, f"driver {driver_id} by {DRIVER_EVENTS}")
        while True:
            try:
                done = self._publisher.publish(
                    DRIVER_EVENTS, driver_id, encode(answer), {EPOCH: str(self._epoch)}
                )
                break
            except Refused:  # full: Kafka is slow; the record is not done until it is answered
                await asyncio.sleep(TRY_AGAIN)
        await done

    async def _commit_for_ever(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_EVERY)
            await self._subscription.commit()
