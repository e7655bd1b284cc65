"""What monitors tell central over TCP: registration, heartbeats, faults, reports."""

from collections.abc import Callable, Iterable

import structlog
from msgspec.structs import replace

from central.board import Board
from central.charging import Charging
from central.network import DISPLACEMENTS, LivePoint, LiveSession, Network
from central.rules.records import Point
from central.rules.settling import settled_of, unsettled_of
from central.sessions import SessionChanges
from central.stopping import Stopping
from central.store import SavePoint, Store
from common.dispatch import Peer, SoonOrLater, handler
from common.errors import Reason, Refused
from common.link import Link
from common.messages import (
    CommandResponse,
    ConnectorEntry,
    ErrorResponse,
    FaultNotification,
    HeartbeatRequest,
    HeartbeatResponse,
    Outcome,
    RecoveryNotification,
    RegisterRequest,
    RegisterResponse,
    SessionOutcome,
    SessionReport,
    Severity,
    StatusUpdate,
)
from common.protocol import MONITOR
from common.states import OPEN_STATES, EngineStatus, SessionEvent, read_status
from common.units import MAX_LISTED_SESSIONS, Price

log = structlog.get_logger()

HEARTBEAT_INTERVAL = 5
FIRST_VERSION_INTERVAL = 30
"""Seconds between a monitor's heartbeats; the longer one where its registration shows that it was
written to the first version of the protocol."""

DISPLACED_WITHIN = 60.0
"""Seconds in which links that take one another's place `DISPLACEMENTS` times raise an alarm."""

SILENT_INTERVALS = 3
"""Intervals without a byte after which a monitor's link is closed."""


class Monitors:
    """Handles what comes from monitors.

    Args:
        default_price: Of a point that proposes none.
        trusts: Whether a monitor is believed about prices and simulated time: not where
            credentials are used.
    """

    def __init__(
        self,
        network: Network,
        store: Store,
        changes: SessionChanges,
        charging: Charging,
        stopping: Stopping,
        board: Board,
        *,
        default_price: Price,
        trusts: Callable[[], bool],
    ) -> None:
        self._network = network
        self._store = store
        self._changes = changes
        self._charging = charging
        self._stopping = stopping
        self._board = board
        self._default_price = default_price
        self._trusts = trusts

    # -- Registration --

    @handler
    async def register(self, request: RegisterRequest, peer: Peer) -> RegisterResponse:
        """Take up a point; the newest link of its id wins."""
        try:
            return await self._register(request, peer)
        except Refused as no:
            return RegisterResponse(
                status=Outcome.FAILURE, message=no.text, error=no.reason, reason=no.reason
            )

    async def _register(self, request: RegisterRequest, peer: Peer) -> RegisterResponse:
        link = _link(peer)
        if peer.id not in (None, request.cp_id):
            raise Refused(Reason.NOT_ALLOWED, f"this link is {peer.id}'s")
        if request.time_scale not in (None, 1.0) and not self._trusts():
            text = "a simulation's time_scale is not taken where credentials are used"
            raise Refused(Reason.NOT_ALLOWED, f"{text} - at `$.time_scale`")
        claim = self._network.claim(request.cp_id)
        async with self._network.writing(request.cp_id):
            stored = self._point(request)
            await self._changes.write(SavePoint(stored))
            point = self._network.put_point(stored)
        if claim != self._network.claims[request.cp_id]:
            link.close(ErrorResponse(error=Reason.REPLACED, message="a newer link has this id"))
        if link.is_closing:
            raise Refused(Reason.REPLACED, "the link is closed")
        interval = FIRST_VERSION_INTERVAL if _is_first_version(request) else HEARTBEAT_INTERVAL
        self._take_over(point, link, interval)
        self._take_facts(point, request.engine_status, request.fault_type, request.connectors)
        held = request.held_sessions or ()
        self._note_named(held)
        await self._look_up(held)
        await self._network.applied(request.cp_id)
        self._stopping.begin_delivery(point)
        return RegisterResponse(
            status=Outcome.SUCCESS,
            message=f"{request.cp_id} is registered",
            epoch=self._network.epoch,
            heartbeat_interval=interval,
            stopped=point.point.stopped,
            settled_sessions=settled_of(held, self._network.is_settled),
            unsettled_sessions=self._unsettled(point, held),
        )

    def _point(self, request: RegisterRequest) -> Point:
        """The point as it is to be stored: what it says of itself, and what only central says."""
        live = self._network.points.get(request.cp_id)
        known = live.point if live else None
        proposed = request.price_per_kwh if self._trusts() else None
        price = known.price if known else proposed
        numbers = [entry.connector_id for entry in request.connectors or ()]
        return Point(
            cp_id=request.cp_id,
            location=request.location or (known.location if known else ""),
            max_rate=request.max_charging_rate_kw,
            price=self._default_price if price is None else price,
            stopped=known.stopped if known else False,
            connectors=max(numbers, default=known.connectors if known else 1),
            last_seen=int(self._network.clock.wall()),
            time_scale=request.time_scale or 1.0,
        )

    def _take_over(self, point: LivePoint, link: Link, interval: int) -> None:
        cp_id = point.point.cp_id
        old, point.link = point.link, link
        link.identify(MONITOR, cp_id)
        link.patience = float(SILENT_INTERVALS * interval)
        if old is not None and old is not link:
            self._displaced(point)
            old.close(ErrorResponse(error=Reason.REPLACED, message="another link has this id"))
        if point.offline_since is not None:
            point.offline_since = None
            self._board.event("connected", cp_id=cp_id)
        self._board.changed(cp_id)

    def _displaced(self, point: LivePoint) -> None:
        """A link took another one's place; two that keep doing so are two monitors of one id."""
        cp_id, now = point.point.cp_id, self._network.clock.monotonic()
        point.displaced.append(now)
        self._board.event("another link took its place", Severity.WARNING, cp_id=cp_id)
        if len(point.displaced) == DISPLACEMENTS and now - point.displaced[0] <= DISPLACED_WITHIN:
            point.displaced.clear()  # the next alarm wants as many again
            text = "monitors displace one another: do two run with this id?"
            self._board.event(text, Severity.ALARM, cp_id=cp_id)

    def gone(self, link: Link) -> None:
        """A monitor's link is closed: its point is offline, unless a newer link has taken over."""
        point = self._network.points.get(link.peer.id or "")
        if point is None or point.link is not link:
            return
        point.link = None
        point.offline_since = self._network.clock.monotonic()
        self._board.event(f"disconnected: {link.why}", Severity.WARNING, cp_id=point.point.cp_id)
        self._board.changed(point.point.cp_id)

    # -- Heartbeats, updates, notifications --

    @handler
    def heartbeat(self, beat: HeartbeatRequest, peer: Peer) -> SoonOrLater[HeartbeatResponse]:
        """Note that the point is alive, and how it is; say what is wanted of it."""
        point = self._own(beat.cp_id, peer)
        self._take_facts(point, beat.status, beat.fault_type, beat.connectors)
        if self._network.is_applying(beat.cp_id):
            return self._answer_once_applied(point, beat)
        return self._answer(point, beat)

    async def _answer_once_applied(
        self, point: LivePoint, beat: HeartbeatRequest
    ) -> HeartbeatResponse:
        await self._network.applied(beat.cp_id)
        return self._answer(point, beat)

    def _answer(self, point: LivePoint, beat: HeartbeatRequest) -> HeartbeatResponse:
        held = beat.held_sessions or ()
        self._note_named(held)
        unknown = [s for s in held if not self._network.is_settled(s)]
        if unknown:  # in time for the next heartbeat
            self._network.apply(beat.cp_id, self._look_up(unknown))
        return HeartbeatResponse(
            status=Outcome.SUCCESS,
            stopped=point.point.stopped,
            settled_sessions=settled_of(held, self._network.is_settled),
            unsettled_sessions=self._unsettled(point, held),
        )

    @handler
    def status_update(self, update: StatusUpdate, peer: Peer) -> None:
        """Take up a connector's new status."""
        point = self._own(update.cp_id, peer)
        entry = ConnectorEntry(
            connector_id=update.connector_id, status=update.status, session_id=update.session_id
        )
        word = read_status(update.status)
        if word is not None:
            if word is not EngineStatus.FAULTED:
                self._set_fault(point, None)
            elif point.point.connectors == 1:
                self._set_fault(point, point.fault or "OtherError")
        self._take_entries(point, [entry])

    @handler
    def fault(self, notification: FaultNotification, peer: Peer) -> None:
        """The point has a fault."""
        self._set_fault(self._own(notification.cp_id, peer), notification.fault_type)

    @handler
    def recovery(self, notification: RecoveryNotification, peer: Peer) -> None:
        """The point is well again."""
        point = self._own(notification.cp_id, peer)
        point.faulted.clear()
        self._set_fault(point, None)

    @handler
    def session_report(self, report: SessionReport, peer: Peer) -> None:
        """Take up what an engine knows of a session that was listed as unsettled."""
        self._own(report.cp_id, peer)
        live = self._network.sessions.get(report.session_id)
        if live is not None and live.session.cp_id == report.cp_id and not live.commanding:
            if report.outcome is not SessionOutcome.NEVER_SEEN:
                live.named_at = self._network.clock.monotonic()
            self._network.apply(report.cp_id, self._reported(live, report.outcome))

    async def _reported(self, live: LiveSession, outcome: SessionOutcome) -> None:
        if outcome is SessionOutcome.RUNNING:
            await self._changes.confirm(live)
        else:
            ended = outcome is SessionOutcome.ENDED
            event = SessionEvent.ENDED if ended else SessionEvent.NEVER_SEEN
            await self._changes.event(live, event)
            await self._stopping.seen_ended(live)

    @handler
    def late_answer(self, answer: CommandResponse, peer: Peer) -> None:
        """A command's answer came after its deadline: what it decided stays decided.

        A start that is answered late is being cancelled; its engine's next report tells the rest.
        """
        log.warning("late answer", cp_id=peer.id, status=answer.status)

    # -- Facts --

    def _own(self, cp_id: str, peer: Peer) -> LivePoint:
        """The point that this link speaks for.

        Raises:
            Refused: It is not registered, or the message is about another point.
        """
        point = self._network.points.get(peer.id or "")
        if point is None or point.link is not peer.link:
            raise Refused(Reason.UNSUPPORTED_MESSAGE, "register first")
        if cp_id != peer.id:
            raise Refused(Reason.INVALID_MESSAGE, f"this link is {peer.id}'s - at `$.cp_id`")
        now = int(self._network.clock.wall())
        if point.point.last_seen != now:
            point.point = replace(point.point, last_seen=now)
        return point

    def _take_facts(
        self,
        point: LivePoint,
        status: str | None,
        fault_type: str | None,
        entries: Iterable[ConnectorEntry] | None,
    ) -> None:
        word = read_status(status) if status else None
        if fault_type is not None or word is EngineStatus.FAULTED:
            self._set_fault(point, fault_type or "OtherError")
        elif word is not None or status is None:
            self._set_fault(point, None)
        if entries is not None:
            self._take_entries(point, entries)

    def _set_fault(self, point: LivePoint, fault: str | None) -> None:
        if fault == point.fault:
            return
        point.fault = fault
        cp_id = point.point.cp_id
        if fault is None:
            self._board.event("recovered", cp_id=cp_id)
        else:
            self._board.event(f"fault: {fault}", Severity.ALARM, cp_id=cp_id)
        self._board.changed(cp_id)

    def _take_entries(self, point: LivePoint, entries: Iterable[ConnectorEntry]) -> None:
        for entry in entries:
            word = read_status(entry.status)
            faulted = word is EngineStatus.FAULTED
            if word is not None and faulted != (entry.connector_id in point.faulted):
                (point.faulted.add if faulted else point.faulted.discard)(entry.connector_id)
                self._board.changed(point.point.cp_id)
            live = self._network.sessions.get(entry.session_id) if entry.session_id else None
            if live is None or live.session.cp_id != point.point.cp_id or live.commanding:
                continue
            live.named_at = self._network.clock.monotonic()
            if word in (EngineStatus.FINISHING, EngineStatus.AVAILABLE):
                self._learn(live, SessionEvent.ENDED)
            elif word is EngineStatus.CHARGING:
                self._learn(live, SessionEvent.SUPPLYING)
            elif word is EngineStatus.PREPARING and not live.session.confirmed:
                self._network.apply(live.session.cp_id, self._changes.confirm(live))

    def _learn(self, live: LiveSession, event: SessionEvent) -> None:
        if live.session.state in OPEN_STATES:
            self._network.apply(live.session.cp_id, self._changes.event(live, event))

    # -- Settling --

    def _note_named(self, held: Iterable[str]) -> None:
        """Their engine still has them: their tickets may come."""
        for session_id in held:
            live = self._network.sessions.get(session_id)
            if live is not None:
                live.named_at = self._network.clock.monotonic()

    async def _look_up(self, held: Iterable[str]) -> None:
        """Learn from the store which of these sessions are settled, and which nobody knows."""
        unknown = [
            s for s in held if not self._network.is_settled(s) and s not in self._network.sessions
        ]
        if unknown:
            found = await self._store.sessions(unknown)
            for session_id in unknown:
                session = found.get(session_id)
                if session is None:
                    self._network.note_unknown(session_id)
                elif session.settled:
                    self._network.note_settled(session_id)

    def _unsettled(self, point: LivePoint, held: Iterable[str]) -> tuple[str, ...]:
        live = list(self._network.of_point(point.point.cp_id))
        # Held by the engine and lost by us, as after a restored backup: their tickets are wanted.
        lost = [session_id for session_id in held if self._network.is_unknown(session_id)]
        if not live:
            return tuple(lost[:MAX_LISTED_SESSIONS])
        commanding = {s.session.session_id for s in live if s.commanding}
        known = unsettled_of((s.session for s in live), commanding.__contains__)
        return (*known, *lost)[:MAX_LISTED_SESSIONS]


def _is_first_version(request: RegisterRequest) -> bool:
    """Whether the registration has no field that the first version of the protocol lacked."""
    news = (
        request.location,
        request.engine_status,
        request.fault_type,
        request.connectors,
        request.held_sessions,
        request.time_scale,
    )
    return all(value is None for value in news)


def _link(peer: Peer) -> Link:
    assert isinstance(peer.link, Link)
    return peer.link
