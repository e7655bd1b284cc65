"""What central takes from `ev.up`: all that charge points say to gateways, and its answers.

Theory of operation. One charge point's messages are handled one after another, those of different
ones side by side. Most need no waiting, and are done as they come. One that has to wait opens its
charge point's *lane*: what follows from there stands behind it. What the database does not take
now is tried again in its place, so nothing overtakes it; how much may wait is the subscription's
to say, which reads no further then.

A record is said to be done, and its offset may be committed, only after its effect is durable: with
the next flush, or once the answer that followed its transaction was acknowledged. A repeat, after a
crash or by the charge point, is known by its natural key. A record that fails by itself is set
aside (see `dead`), and who asked is told so. The answer to a command stands in no lane: whoever is
in front of it there may be waiting for it.
"""

import asyncio
from collections import deque
from collections.abc import Coroutine
from contextlib import suppress
from functools import partial

import structlog

from central.dead import DeadLetters
from central.gateways.arrivals import Arrival, Arrivals
from central.gateways.commands import Commands
from central.gateways.connections import Connections
from central.gateways.points import GatewayPoints
from central.gateways.replies import Replies
from central.gateways.unsaved import Unsaved
from central.intake import FLUSH_EVERY, TRY_AGAIN
from central.store import Store
from common.clock import Clock
from common.dispatch import Dispatcher, Handled, refusal
from common.errors import Reason, Refused, StoreUnavailable
from common.gateway_messages import BootRequest, LinkDown, LinkUp, NodeAlive
from common.messages import CommandResponse, Message, Request
from common.stream import Publisher, Record, Subscription

log = structlog.get_logger()

MAX_BATCH = 200
"""Records that are taken up before others get their turn: a few milliseconds."""

FLUSH_AT = 500
"""Records that are flushed without waiting for the second to end: often and little, so that a
charge that starts meanwhile waits for little."""

OF_CONNECTIONS = (LinkUp, LinkDown, NodeAlive)
"""Messages of a gateway itself, not of a charge point."""

PASSING = frozenset({Reason.OVERLOADED, Reason.STANDBY})
"""Refusals that are not the record's fault: it is handled again."""


Outcome = Handled | Coroutine[object, object, Handled]
"""What handling a message leads to: nothing, an answer, or work that leads to either."""


class GatewayIntake:
    """Handles `ev.up`, and answers on `ev.down`."""

    def __init__(
        self,
        subscription: Subscription,
        dispatcher: Dispatcher,
        connections: Connections,
        points: GatewayPoints,
        commands: Commands,
        unsaved: Unsaved,
        store: Store,
        publisher: Publisher,
        clock: Clock,
        dead: DeadLetters,
    ) -> None:
        self._subscription = subscription
        self._dispatcher = dispatcher
        self._connections = connections
        self._points = points
        self._commands = commands
        self._unsaved = unsaved
        self._store = store
        self._replies = Replies(publisher, clock, store.epoch)
        self._dead = dead
        self._arrivals = Arrivals()
        self._lanes: dict[str, deque[Arrival]] = {}
        self._tasks: asyncio.TaskGroup | None = None
        self._applied: list[Record] = []
        self._many = asyncio.Event()

    @property
    def waiting(self) -> int:
        """Lanes in which a message has to wait for something."""
        return len(self._lanes)

    async def run(self) -> None:
        """Handle what comes, for ever."""
        async with asyncio.TaskGroup() as self._tasks:
            for lane in self._lanes:  # left by a run that failed
                self._tasks.create_task(self._work_off(lane))
            async for batch in self._subscription:
                for record in batch:
                    self._take(record)
                if len(self._applied) >= FLUSH_AT:
                    self._many.set()
                await asyncio.sleep(0)  # what is handled at once must not keep others waiting

    # -- Taking --

    def _take(self, record: Record) -> None:
        """Handle a record: now if nothing is in its way, else as soon as it is its turn."""
        try:
            arrival = self._arrivals.read(record)
        except Exception as error:
            self._set_aside(record, error)
            return
        name = _lane(arrival)
        if name in self._lanes:
            self._lanes[name].append(arrival)
            return
        try:
            outcome = self._begin(arrival)
        except Exception as error:
            outcome = _raising(error)
        if outcome is None:
            self._applied.append(record)
            return
        assert self._tasks is not None  # it runs
        self._lanes[name] = deque([arrival])
        self._tasks.create_task(self._work_off(name, outcome))

    async def _work_off(self, name: str, begun: Outcome = None) -> None:
        """Handle what stands in a lane, until nothing does.

        Args:
            begun: What its first message has led to, where it is being handled.
        """
        lane = self._lanes[name]
        while lane:
            await self._one(lane[0], begun)
            begun = None
            lane.popleft()
        del self._lanes[name]

    # -- Handling --

    async def _one(self, arrival: Arrival, begun: Outcome) -> None:
        """Handle a message until that is done, whatever the database says meanwhile."""
        while True:
            try:
                outcome = begun or self._begin(arrival)
                answer = await outcome if isinstance(outcome, Coroutine) else outcome
                await self._done(arrival, answer)
                return
            except Exception as error:
                if not _is_passing(error):
                    await self._failed(arrival, error)
                    return
                log.warning("not taken up yet", cp_id=arrival.whose, why=str(error))
            begun = None
            await asyncio.sleep(TRY_AGAIN)

    def _begin(self, arrival: Arrival) -> Outcome:
        message, peer, cp_id = arrival.message, arrival.peer, arrival.whose
        if isinstance(message, OF_CONNECTIONS):
            return self._dispatcher.call(message, peer)
        if isinstance(message, CommandResponse):
            return self._commands.answered(message, arrival.connection)
        self._connections.heard(cp_id, arrival.connection)
        if self._points.heard(cp_id) or isinstance(message, BootRequest):
            return self._dispatcher.call(message, peer)
        return self._introduced(arrival, cp_id)

    async def _introduced(self, arrival: Arrival, cp_id: str) -> Handled:
        """Handle a message of a charge point that was not known, which is taken up first."""
        await self._points.take_up(cp_id)
        outcome = self._dispatcher.call(arrival.message, arrival.peer)
        return await outcome if isinstance(outcome, Coroutine) else outcome

    # -- What became of it --

    async def _done(self, arrival: Arrival, answer: Handled) -> None:
        if answer is None:
            self._applied.append(arrival.record)
        else:
            await self._answer(arrival, answer)

    async def _failed(self, arrival: Arrival, error: Exception) -> None:
        """A rule said no to who asked; or it is a record that nobody can handle."""
        is_request = isinstance(arrival.message, Request)
        if is_request and isinstance(error, Refused) and error.reason is not Reason.INTERNAL:
            answer = refusal(arrival.message, error)
            assert answer is not None  # a request gets one
            await self._answer(arrival, answer)
        else:
            self._set_aside(arrival.record, error, arrival)

    async def _answer(self, arrival: Arrival, answer: Message) -> None:
        """Answer; the record is done once that is acknowledged."""
        while True:
            try:
                published = self._replies.answer(arrival, answer)
                break
            except Refused:  # full: Kafka is slow
                await asyncio.sleep(TRY_AGAIN)
        published.add_done_callback(partial(self._acknowledged, arrival.record))

    def _acknowledged(self, record: Record, published: "asyncio.Future[None]") -> None:
        if not published.cancelled() and published.exception() is None:
            self._applied.append(record)

    def _set_aside(self, record: Record, error: Exception, arrival: Arrival | None = None) -> None:
        """The record fails by itself: it goes to `ev.dead`, and who asked is told so."""
        self._dead.set_aside(self._subscription, record, error)
        self._replies.fault(record, error, arrival)

    # -- Durability --

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
            await self._unsaved.flush(self._store)
        except (StoreUnavailable, Refused) as error:
            self._applied = applied + self._applied
            log.warning("reports not stored", why=str(error), records=len(applied))
            return
        except BaseException:
            self._applied = applied + self._applied
            raise
        self._subscription.done(applied)
        await self._subscription.commit()


def _lane(arrival: Arrival) -> str:
    """The lane that a message stands in: its charge point's; a command's answer has its own."""
    if isinstance(arrival.message, CommandResponse):
        return f"\0{arrival.message.message_id}"  # no charge point is called so
    return arrival.whose


def _is_passing(error: Exception) -> bool:
    """Whether it is not the record's fault: it is to be handled again."""
    if isinstance(error, Refused):
        return error.reason in PASSING
    return isinstance(error, StoreUnavailable)


async def _raising(error: Exception) -> Handled:
    raise error
