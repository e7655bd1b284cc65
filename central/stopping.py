"""How a session is ended by its driver or an operator.

A stop that cannot be delivered is stored as an intent. Intents are told at every registration of
their point, and again while it stays connected, until its engine confirms.

An OCPP charge point confirms by ending the transaction: it may say yes to a stop and forget it. So
there a stop is an intent from the beginning, and is told again, ever more seldom, until that. A
transaction that has not begun cannot be stopped; its start is taken back, and the intent stays for
the case that it begins all the same.
"""

import asyncio
from collections.abc import Iterable

import structlog

from central.answers import Answers, Asked
from central.network import LivePoint, LiveSession, Network
from central.rules.records import Session, StopIntent
from central.rules.sessions import end_confirmed
from central.rules.transactions import taken_back
from central.sessions import SessionChanges
from central.store import DropStopIntent, SaveStopIntent, Store
from common.errors import LinkLost, NoAnswer, Reason, Refused, StoreUnavailable
from common.messages import (
    Outcome,
    Role,
    StopChargingCommand,
    StopChargingRequest,
    StopChargingResponse,
)
from common.states import OPEN_STATES, EndReason

log = structlog.get_logger()

AGAIN_AFTER = 60.0
"""Seconds until an OCPP charge point that answered is told a stop again; then twice as long."""

AGAIN_AT_MOST = 3_600.0
"""Seconds until it is told again at the longest."""


class Stopping:
    """Ends sessions."""

    def __init__(
        self, network: Network, answers: Answers, changes: SessionChanges, store: Store
    ) -> None:
        self._network = network
        self._answers = answers
        self._changes = changes
        self._store = store
        self._delivering: set[asyncio.Task[None]] = set()
        self._again: dict[str, tuple[float, float]] = {}

    async def request(
        self, role: Role, driver_id: str, request: StopChargingRequest
    ) -> StopChargingResponse:
        """End the driver's session, or say why not; the same request gets the same answer."""

        async def work(asked: Asked) -> StopChargingResponse:
            return await self._stop_of_driver(asked, driver_id, request)

        return await self._answers.once(role, driver_id, request, work)

    async def _stop_of_driver(
        self, asked: Asked, driver_id: str, request: StopChargingRequest
    ) -> StopChargingResponse:
        try:
            session = await self._own_session(driver_id, request)
            stored = await self.stop(session, EndReason.DRIVER_REQUEST, request.trace_id)
        except Refused as no:
            answer = StopChargingResponse(status=Outcome.FAILURE, message=no.text, error=no.reason)
            intent = _intent_of(no)
            await self._changes.write(*intent, asked.remember(answer))
            return answer
        answer = StopChargingResponse(status=Outcome.SUCCESS, message=stored)
        await self._changes.write(asked.remember(answer))
        return answer

    async def _own_session(self, driver_id: str, request: StopChargingRequest) -> Session:
        live = self._network.sessions.get(request.session_id)
        session = live.session if live else await self._store.session(request.session_id)
        if session is None or session.cp_id != request.cp_id:
            text = f"no session {request.session_id} at {request.cp_id}"
            raise Refused(Reason.UNKNOWN_SESSION, text)
        if session.driver_id != driver_id:
            raise Refused(Reason.NOT_YOUR_SESSION, "the session is another driver's")
        return session

    async def stop(
        self,
        session: Session,
        reason: EndReason,
        trace_id: str | None,
        *,
        within: float | None = None,
    ) -> str:
        """Make the engine end this session; a sentence about what was done.

        Args:
            within: Seconds to wait for the engine; the protocol's deadline if None.

        Raises:
            NotDelivered: It could not be told, or did not answer; carries the intent to store.
            Refused: `engine_refused`.
        """
        live = self._network.sessions.get(session.session_id)
        if live is None or live.session.state not in OPEN_STATES:
            return "the session has ended"
        live.stop_reason = live.stop_reason or reason
        intent = StopIntent(
            session_id=session.session_id,
            cp_id=session.cp_id,
            connector_id=session.connector_id,
            reason=reason,
            since=int(self._network.clock.wall()),
        )
        speaks_ocpp = live.session.id_tag is not None
        if speaks_ocpp:
            if live.session.transaction_id is None and await self._take_back(live, intent):
                return "the start is taken back"
            await self._changes.write(SaveStopIntent(intent))
        link = self._network.points[session.cp_id].link
        if link is None:
            text = f"{session.cp_id} is not connected; it is told when it is back"
            raise NotDelivered(Reason.CHARGE_POINT_OFFLINE, text, intent)
        if speaks_ocpp:
            self._put_off(intent.session_id)
        try:
            told = self._command(intent, live.session, trace_id or session.trace_id)
            await link.ask(told, within=within)
        except Refused as no:
            if no.answer is not None and no.reason is not Reason.TIMED_OUT:
                raise Refused(Reason.ENGINE_REFUSED, no.text) from None
            raise NotDelivered(Reason.TIMED_OUT, str(no), intent) from None
        except (NoAnswer, LinkLost) as error:
            self._again.pop(intent.session_id, None)  # it is told as soon as it can be
            raise NotDelivered(Reason.TIMED_OUT, str(error), intent) from None
        return "the charge is ending"

    async def _take_back(self, live: LiveSession, intent: StopIntent) -> bool:
        """A transaction that has not begun is not wanted any more; False if it has meanwhile."""
        live.named_at = self._network.clock.monotonic()
        after = await self._changes.apply(
            live,
            lambda session: taken_back(session, intent.reason, intent.since),
            lambda after: [] if after.transaction_id else [SaveStopIntent(intent)],
        )
        return after.transaction_id is None

    def _command(
        self, intent: StopIntent, session: Session | None, trace_id: str | None
    ) -> StopChargingCommand:
        return StopChargingCommand(
            trace_id=trace_id,
            cp_id=intent.cp_id,
            connector_id=intent.connector_id,
            session_id=intent.session_id,
            reason=intent.reason,
            transaction_id=session.transaction_id if session else None,
            epoch=self._network.epoch,
        )

    # -- Intents --

    def begin_delivery(self, point: LivePoint) -> None:
        """Deliver the point's intents in the background."""
        task = asyncio.ensure_future(self.deliver_intents(point))
        self._delivering.add(task)
        task.add_done_callback(self._delivering.discard)

    async def deliver_intents(self, point: LivePoint) -> None:
        """Tell the point's engine every stop that it has not confirmed."""
        cp_id = point.point.cp_id
        waiting = [i for i in self._changes.intents.values() if i.cp_id == cp_id]
        await asyncio.gather(*(self._deliver(point, intent) for intent in waiting))

    async def _deliver(self, point: LivePoint, intent: StopIntent) -> None:
        link, session_id = point.link, intent.session_id
        if link is None or session_id in point.intents_on_their_way:
            return
        live = self._network.sessions.get(session_id)
        if live is not None and live.commanding:
            return
        if live is not None and live.session.id_tag is not None:
            await self._deliver_again(point, intent, live)
            return
        point.intents_on_their_way.add(session_id)
        try:
            trace_id = live.session.trace_id if live else None
            await link.ask(self._command(intent, None, trace_id))
            await self.confirmed(live, session_id)
        except (Refused, NoAnswer, LinkLost, StoreUnavailable) as error:
            log.info("stop not confirmed", session_id=session_id, why=str(error))
        finally:
            point.intents_on_their_way.discard(session_id)

    async def _deliver_again(self, point: LivePoint, intent: StopIntent, live: LiveSession) -> None:
        """Tell an OCPP charge point to end a transaction, if it is due."""
        session_id = intent.session_id
        is_due = self._again.get(session_id, (0.0, 0.0))[0] <= self._network.clock.monotonic()
        if point.link is None or not is_due:
            return
        point.intents_on_their_way.add(session_id)
        try:
            if live.session.transaction_id is None:
                if live.session.state in OPEN_STATES:
                    await self._take_back(live, intent)
                return
            self._put_off(session_id)
            told = self._command(intent, live.session, live.session.trace_id)
            await point.link.ask(told)
        except (NoAnswer, LinkLost) as error:
            self._again.pop(session_id, None)  # it heard nothing
            log.info("stop not delivered", session_id=session_id, why=str(error))
        except (Refused, StoreUnavailable) as error:
            log.info("stop not confirmed", session_id=session_id, why=str(error))
        finally:
            point.intents_on_their_way.discard(session_id)

    def _put_off(self, session_id: str) -> None:
        """Tell an OCPP charge point this stop again, but not soon."""
        if len(self._again) > 2 * len(self._changes.intents) + 100:
            self._again = {s: t for s, t in self._again.items() if s in self._changes.intents}
        wait = min(self._again.get(session_id, (0.0, AGAIN_AFTER / 2))[1] * 2, AGAIN_AT_MOST)
        self._again[session_id] = self._network.clock.monotonic() + wait, wait

    async def confirmed(self, live: LiveSession | None, session_id: str) -> None:
        """The engine will not run this session any more: a cancelled start frees its connector."""
        if live is None:
            await self._changes.write(DropStopIntent(session_id))
        else:
            await self._changes.apply(live, end_confirmed, lambda _: [DropStopIntent(session_id)])

    async def seen_ended(self, live: LiveSession) -> None:
        """A report said that the session runs no more: what waited for that is done."""
        session = live.session
        if session.session_id in self._changes.intents:
            await self.confirmed(live, session.session_id)
        else:
            await self._changes.apply(live, end_confirmed)

    def points_with_intents(self) -> Iterable[LivePoint]:
        """Connected points whose engine has a stop yet to confirm."""
        ids = dict.fromkeys(intent.cp_id for intent in self._changes.intents.values())
        points = (self._network.points.get(cp_id) for cp_id in ids)
        return [point for point in points if point is not None and point.link is not None]


class NotDelivered(Refused):
    """A stop that the engine may not have heard; `intent` is to be stored with the answer."""

    def __init__(self, reason: Reason, text: str, intent: StopIntent) -> None:
        super().__init__(reason, text)
        self.intent = intent


def _intent_of(no: Refused) -> list[SaveStopIntent]:
    return [SaveStopIntent(no.intent)] if isinstance(no, NotDelivered) else []
