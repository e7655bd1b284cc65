"""What central knows now: the charge points, their links, and the sessions that are not over.

Memory only, and only the event loop's: a check and the reservation that follows it are one step,
so two requests can never be given the same connector. What is durable is changed here after its
commit; facts that a monitor reports (link, fault, last seen) and readings change at once.
"""

import asyncio
from bisect import bisect_right, insort
from collections import Counter, OrderedDict, deque
from collections.abc import Coroutine, Iterable, Iterator
from typing import Protocol

import structlog
from msgspec.structs import replace

from central.rules.admission import Situation
from central.rules.records import Point, RequestKey, Session
from central.rules.rows import connector_row, point_changed
from common.clock import Clock
from common.dispatch import PeerLink
from common.errors import ChargingError
from common.messages import PointChanged
from common.states import TAKEN, Facts, SessionState, Status, connector_status, point_status
from common.units import WattHours, Watts

log = structlog.get_logger()

SETTLED_REMEMBERED = 50_000
"""Settled sessions whose ids are kept in memory; older ones are looked up in the store."""


UNKNOWN_REMEMBERED = 50_000
"""Sessions that engines hold and nobody here knows, whose ids are kept in memory."""

DISPLACEMENTS = 3
"""Links that took one another's place in a while, after which that is alarming."""


async def _logged(work: Coroutine[object, object, object]) -> None:
    try:
        await work
    except ChargingError as error:
        log.warning("not taken up yet", why=str(error))


class PointLink(PeerLink, Protocol):
    """The way to a charge point: its monitor's link, or a connection that a gateway holds."""

    @property
    def why(self) -> str:
        """Why it is, or will be, closed."""

    @property
    def is_closing(self) -> bool:
        """Whether nothing can be sent any more."""


class LiveSession:
    """A session that is not over for central: unsettled, or holding something.

    Attributes:
        session: As it is stored.
        energy, rate, sequence: Its latest reading, stored once a second.
        lock: Held while a change of it is being committed, so that changes follow one another.
        commanding: Its start command is yet to be sent, or its answer is awaited.
        answered: The answer to the request that began it is stored. It is stored with whatever
            decides it first: the engine's answer to the command, or what is heard before that.
        decided: Set once it is known whether its start succeeded.
        stop_reason: Why it was told to end.
        finishing_since: Monotonic time at which it began to finish.
        named_at: Monotonic time at which anything last told of it; central's start at first.
        knows_transaction: Its charge point was seen to know its transaction's id.
    """

    def __init__(self, session: Session, *, answered: bool, now: float) -> None:
        self.session = session
        self.energy: WattHours = session.energy
        self.rate: Watts = session.rate
        self.sequence = session.sequence
        self.lock = asyncio.Lock()
        self.commanding = False
        self.answered = answered
        self.decided = asyncio.Event()
        if answered:
            self.decided.set()
        self.stop_reason = session.reason
        self.finishing_since = now
        self.named_at = now
        self.knows_transaction = False

    @property
    def revision(self) -> int:
        """The ticket's; 0 without a ticket."""
        return self.session.revision

    @property
    def latest(self) -> Session:
        """The session with its latest reading."""
        if self.session.revision:
            return self.session
        return replace(self.session, energy=self.energy, rate=self.rate, sequence=self.sequence)


class LivePoint:
    """A charge point as it is now.

    Attributes:
        point: As it is stored.
        link: Its monitor's, or the way to it by a gateway; None while it is offline.
        fault: The whole point's fault; None without one.
        faulted: Connectors with a fault of their own.
        reported: What an OCPP charge point itself says of each connector; 0 is the whole point.
        serving: For each connector the session that holds it, or held it last.
        offline_since: Monotonic time at which it went offline; None while it is online.
        intents_on_their_way: Sessions whose stop is being told right now.
        displaced: Monotonic times at which a link of its monitor took another one's place.
    """

    def __init__(self, point: Point, now: float) -> None:
        self.point = point
        self.link: PointLink | None = None
        self.fault: str | None = None
        self.faulted: set[int] = set()
        self.reported: dict[int, Status] = {}
        self.serving: dict[int, LiveSession] = {}
        self.offline_since: float | None = now
        self.intents_on_their_way: set[str] = set()
        self.displaced: deque[float] = deque(maxlen=DISPLACEMENTS)

    def says(self, connector_id: int) -> Status | None:
        """What the charge point itself says of a connector; None if nothing, or to a monitor."""
        if self.point.ocpp_version is None:
            return None
        if self.reported.get(0) is Status.UNAVAILABLE:
            return Status.UNAVAILABLE
        return self.reported.get(connector_id)


class Network:
    """All charge points and open sessions, found by what one asks for.

    Attributes:
        currency: Of every price and cost.
        epoch: Of this central's leadership.
        claims: For each point, how many registrations have come; the newest wins.
    """

    def __init__(self, clock: Clock, *, currency: str, epoch: int) -> None:
        self.clock = clock
        self.currency = currency
        self.epoch = epoch
        self.points: dict[str, LivePoint] = {}
        self.sessions: dict[str, LiveSession] = {}
        self.claims: Counter[str] = Counter()
        self._applying: dict[str, set[asyncio.Task[None]]] = {}
        self._writing: dict[str, asyncio.Lock] = {}
        self._ids: list[str] = []
        self._connector_holder: dict[tuple[str, int], str] = {}
        self._driver_holder: dict[str, str] = {}
        self._by_request: dict[RequestKey, LiveSession] = {}
        self._by_transaction: dict[int, LiveSession] = {}
        self._of_driver: dict[str, dict[str, LiveSession]] = {}
        self._of_point: dict[str, dict[str, LiveSession]] = {}
        self._settled: OrderedDict[str, None] = OrderedDict()
        self._unknown: set[str] = set()

    # -- Charge points --

    def put_point(self, point: Point) -> LivePoint:
        """Take up a point as it is stored now."""
        live = self.points.get(point.cp_id)
        if live is None:
            live = self.points[point.cp_id] = LivePoint(point, self.clock.monotonic())
            insort(self._ids, point.cp_id)
        live.point = point
        return live

    def claim(self, cp_id: str) -> int:
        """A registration of this point has come: its number."""
        self.claims[cp_id] += 1
        return self.claims[cp_id]

    def writing(self, cp_id: str) -> asyncio.Lock:
        """Held while a point is being stored, so that no write undoes another."""
        return self._writing.setdefault(cp_id, asyncio.Lock())

    def apply(self, cp_id: str, work: Coroutine[object, object, object]) -> None:
        """Let what was heard about a point be committed in the background.

        If that fails, the point's next report brings it again.
        """
        task = asyncio.ensure_future(_logged(work))
        applying = self._applying.setdefault(cp_id, set())
        applying.add(task)
        task.add_done_callback(applying.discard)

    def is_applying(self, cp_id: str) -> bool:
        """Whether something that was heard about the point is not committed yet."""
        return bool(self._applying.get(cp_id))

    async def applied(self, cp_id: str) -> None:
        """Return once all that was heard about the point so far is committed, or has failed.

        Who asks after something was heard is answered as it was heard.
        """
        applying = self._applying.get(cp_id)
        if applying:
            await asyncio.wait(set(applying))

    def ids_after(self, after: str | None) -> Iterator[str]:
        """The ids of all points behind `after`, in order."""
        start = bisect_right(self._ids, after) if after else 0
        return iter(self._ids[start:])

    def situation(self, cp_id: str, driver_id: str) -> Situation:
        """What a charge request by this driver meets at this point."""
        live = self.points.get(cp_id)
        if live is None:
            return Situation(known=False)
        connectors = live.point.connectors
        return Situation(
            online=live.link is not None,
            fault=live.fault,
            stopped=live.point.stopped,
            connectors=connectors,
            faulted_connectors=live.faulted,
            held_connectors=[
                c
                for c in range(1, connectors + 1)
                if (cp_id, c) in self._connector_holder or live.says(c) in TAKEN
            ],
            driver_busy=driver_id in self._driver_holder,
        )

    def status(self, live: LivePoint) -> Status:
        """The point's word as it is now. May be asked from any thread."""
        return point_status(
            connector_status(self._facts(live, i, live.serving.get(i)))
            for i in range(1, live.point.connectors + 1)
        )

    def row(self, live: LivePoint) -> PointChanged:
        """The point's row as it is now."""
        rows = []
        for connector_id in range(1, live.point.connectors + 1):
            serving = live.serving.get(connector_id)
            facts = self._facts(live, connector_id, serving)
            session = serving.latest if serving else None
            rows.append(connector_row(connector_id, facts, session))
        return point_changed(
            live.point, rows, fault=live.fault, currency=self.currency, epoch=self.epoch
        )

    def _facts(self, live: LivePoint, connector_id: int, serving: LiveSession | None) -> Facts:
        state = serving.session.state if serving else None
        finishing_for = 0.0
        if serving is not None and serving.session.holds_connector:
            # A cancelled start that is not confirmed may still begin.
            state = SessionState.AUTHORISED if state is SessionState.FAILED else state
        elif serving is not None and state is SessionState.FINISHING:
            finishing_for = self.clock.monotonic() - serving.finishing_since
        return Facts(
            link_up=live.link is not None,
            fault=live.fault is not None or connector_id in live.faulted,
            stopped=live.point.stopped,
            session=state,
            finishing_for=finishing_for,
            reported=live.says(connector_id),
        )

    # -- Sessions --

    def reserve(self, session: Session) -> LiveSession:
        """Hold what a new session holds, before it is stored."""
        live = LiveSession(session, answered=False, now=self.clock.monotonic())
        self._index(live)
        return live

    def restore(self, session: Session, *, answered: bool) -> LiveSession:
        """Take up a session that was stored before this start."""
        live = LiveSession(session, answered=answered, now=self.clock.monotonic())
        self._index(live)
        return live

    def release(self, live: LiveSession) -> None:
        """Undo `reserve`: the session was not stored."""
        self._unindex(live)
        point = self.points.get(live.session.cp_id)
        if point is not None and point.serving.get(live.session.connector_id) is live:
            del point.serving[live.session.connector_id]

    def put_session(self, live: LiveSession, session: Session) -> None:
        """The session is stored like this now; let go of it once it is over."""
        before = live.session
        if session.connector_id != before.connector_id:
            self._leave(live)
        live.session = session
        if session.connector_id != before.connector_id:
            self._serve(live)
        if session.revision:
            live.energy, live.rate = session.energy, session.rate
        if session.state is SessionState.FINISHING and before.state is not session.state:
            live.finishing_since = self.clock.monotonic()
        self._hold(live)
        if session.settled:
            self.note_settled(session.session_id)
            while len(self._settled) > SETTLED_REMEMBERED:
                self._settled.popitem(last=False)
            self.let_go_if_over(live)

    def let_go_if_over(self, live: LiveSession) -> None:
        """Forget a session that is settled and holds nothing."""
        if live.session.settled and not live.session.holds_connector:
            self._unindex(live)

    def of_request(self, key: RequestKey) -> LiveSession | None:
        """The open session that this request began."""
        return self._by_request.get(key)

    def of_transaction(self, transaction_id: int) -> LiveSession | None:
        """The open session that is this transaction, at whatever OCPP charge point."""
        return self._by_transaction.get(transaction_id)

    def holder(self, cp_id: str, connector_id: int) -> LiveSession | None:
        """The session that holds this connector."""
        session_id = self._connector_holder.get((cp_id, connector_id))
        return self.sessions.get(session_id) if session_id else None

    def all_of_driver(self, driver_id: str) -> Iterable[LiveSession]:
        """The open sessions of a driver, one of whom at most holds the driver."""
        return self._of_driver.get(driver_id, {}).values()

    def of_point(self, cp_id: str) -> Iterable[LiveSession]:
        """The open sessions of a point."""
        return self._of_point.get(cp_id, {}).values()

    def of_driver(self, driver_id: str) -> LiveSession | None:
        """The session that holds this driver."""
        session_id = self._driver_holder.get(driver_id)
        return self.sessions.get(session_id) if session_id else None

    def is_settled(self, session_id: str) -> bool:
        """Whether a session is known, in memory, to be settled."""
        return session_id in self._settled

    def note_settled(self, session_id: str) -> None:
        """The store says that this session is settled."""
        self._settled[session_id] = None
        self._unknown.discard(session_id)

    def is_unknown(self, session_id: str) -> bool:
        """Whether an engine holds this session, and neither memory nor the store knows it."""
        return session_id in self._unknown and session_id not in self.sessions

    def note_unknown(self, session_id: str) -> None:
        """The store does not know this session, which an engine holds."""
        if len(self._unknown) >= UNKNOWN_REMEMBERED:
            self._unknown.clear()  # they are looked up again
        self._unknown.add(session_id)

    def _index(self, live: LiveSession) -> None:
        session = live.session
        self.sessions[session.session_id] = live
        self._of_point.setdefault(session.cp_id, {})[session.session_id] = live
        self._of_driver.setdefault(session.driver_id, {})[session.session_id] = live
        self._by_request[session.request] = live
        self._hold(live)
        self._serve(live)

    def _serve(self, live: LiveSession) -> None:
        session = live.session
        point = self.points.get(session.cp_id)
        if point is not None:
            newest = point.serving.get(session.connector_id)
            if newest is None or not newest.session.holds_connector:
                point.serving[session.connector_id] = live

    def _leave(self, live: LiveSession) -> None:
        """The session goes to another connector."""
        session = live.session
        self._let_go(live)
        point = self.points.get(session.cp_id)
        if point is not None and point.serving.get(session.connector_id) is live:
            del point.serving[session.connector_id]

    def _unindex(self, live: LiveSession) -> None:
        session = live.session
        self.sessions.pop(session.session_id, None)
        self._of_point.get(session.cp_id, {}).pop(session.session_id, None)
        self._by_request.pop(session.request, None)
        of_driver = self._of_driver.get(session.driver_id, {})
        of_driver.pop(session.session_id, None)
        if not of_driver:
            self._of_driver.pop(session.driver_id, None)
        if session.transaction_id is not None:
            self._by_transaction.pop(session.transaction_id, None)
        self._let_go(live)

    def _hold(self, live: LiveSession) -> None:
        session = live.session
        self._let_go(live)
        if session.transaction_id is not None:
            self._by_transaction[session.transaction_id] = live
        if session.holds_connector:
            self._connector_holder[session.cp_id, session.connector_id] = session.session_id
        if session.holds_driver:
            self._driver_holder[session.driver_id] = session.session_id

    def _let_go(self, live: LiveSession) -> None:
        session = live.session
        connector = (session.cp_id, session.connector_id)
        if self._connector_holder.get(connector) == session.session_id:
            del self._connector_holder[connector]
        if self._driver_holder.get(session.driver_id) == session.session_id:
            del self._driver_holder[session.driver_id]
