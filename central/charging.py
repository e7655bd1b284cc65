"""How a charge begins: admitted, stored, commanded, answered."""

from collections.abc import Callable

import structlog
from msgspec.structs import replace

from central.answers import Answers, Asked
from central.board import Board
from central.network import LiveSession, Network, PointLink
from central.rules.admission import admit
from central.rules.records import Session, StopIntent
from central.rules.rows import start_answer
from central.rules.sessions import confirmed, refused, unanswered
from central.sessions import SessionChanges
from central.store import Change, SaveSession, SaveStopIntent
from central.turns import Turns
from common.clock import ordered_id
from common.errors import PASSING, LinkLost, NoAnswer, NotSent, Reason, Refused
from common.messages import (
    ChargeRequest,
    ChargeRequestResponse,
    Outcome,
    Role,
    StartChargingCommand,
)
from common.states import EndReason, SessionState

log = structlog.get_logger()

TIMED_OUT = Reason.TIMED_OUT

Heard = Refused | NoAnswer | LinkLost | None
"""What was heard of a start: None is the engine's yes."""

REQUEST_EXPIRES = 60.0
"""Seconds after which a charge request that waited in Kafka starts nothing."""


class Charging:
    """Starts charges, each request once.

    Args:
        tag_of: The id tag by which an OCPP charge point is told of a driver.
    """

    def __init__(
        self,
        network: Network,
        answers: Answers,
        changes: SessionChanges,
        board: Board,
        tag_of: Callable[[str], str],
    ) -> None:
        self._network = network
        self._answers = answers
        self._changes = changes
        self._board = board
        self._tag_of = tag_of
        self._turns = Turns()

    async def start(self, role: Role, sender: str, request: ChargeRequest) -> ChargeRequestResponse:
        """Let the driver charge, or say why not; the same request gets the same answer.

        Raises:
            Refused: With a reason that decides nothing, or `invalid_message`: see `Answers.once`.
            StoreUnavailable: Nothing was stored, and nothing began.
        """

        if not self._answers.knows(role, sender, request):
            self._turns.check()  # a refusal now costs least

        async def work(asked: Asked) -> ChargeRequestResponse:
            return await self._start(asked, request)

        return await self._answers.once(role, sender, request, work)

    async def expired(
        self, role: Role, sender: str, request: ChargeRequest
    ) -> ChargeRequestResponse:
        """Answer a request that waited too long, unless it was answered before."""

        async def too_late(asked: Asked) -> ChargeRequestResponse:
            return await self._refuse(
                asked, request, Refused(Reason.TIMED_OUT, "the request waited too long")
            )

        return await self._answers.once(role, sender, request, too_late)

    async def _start(self, asked: Asked, request: ChargeRequest) -> ChargeRequestResponse:
        undecided = self._network.of_request(asked.key)
        if undecided is not None:
            return await self._when_decided(asked, undecided)
        await self._network.applied(request.cp_id)
        async with self._turns:
            try:
                live = self._admit(asked, request)
            except Refused as no:
                if no.reason in PASSING:
                    raise
                return await self._refuse(asked, request, no)
            try:
                await self._changes.write(SaveSession(live.session))
            except BaseException:
                self._network.release(live)
                raise
        self._changes.counts.started += 1
        self._board.event(
            "charge requested",
            cp_id=request.cp_id,
            session_id=live.session.session_id,
            driver_id=request.driver_id,
            trace_id=live.session.trace_id,
        )
        return await self._command(live, asked)

    async def _when_decided(self, asked: Asked, live: LiveSession) -> ChargeRequestResponse:
        """The answer of a request whose session was stored by a central that then died."""
        await live.decided.wait()
        return self._given(asked) or start_answer(live.session)

    def _given(self, asked: Asked) -> ChargeRequestResponse | None:
        """The answer that was stored with what decided the start."""
        given = self._answers.given(asked.key)
        return given if isinstance(given, ChargeRequestResponse) else None

    async def _refuse(
        self, asked: Asked, request: ChargeRequest, no: Refused
    ) -> ChargeRequestResponse:
        answer = ChargeRequestResponse(
            status=Outcome.FAILURE, message=no.text, error=no.reason, cp_id=request.cp_id
        )
        await self._changes.write(asked.remember(answer))
        self._board.event(
            f"charge refused: {no.reason}",
            cp_id=request.cp_id,
            driver_id=request.driver_id,
            trace_id=request.trace_id or request.message_id,
        )
        return answer

    def _admit(self, asked: Asked, request: ChargeRequest) -> LiveSession:
        """Check and reserve in one step: nothing may be awaited between the two."""
        network = self._network
        situation = network.situation(request.cp_id, request.driver_id)
        connector_id = admit(request.cp_id, request.connector_id, situation)
        point = network.points[request.cp_id].point
        now = network.clock.wall()
        session = Session(
            session_id=ordered_id(now),
            cp_id=request.cp_id,
            connector_id=connector_id,
            driver_id=request.driver_id,
            state=SessionState.AUTHORISED,
            price=point.price,
            currency=network.currency,
            target=request.target_kwh,
            requested_ms=int(now * 1000),
            started_at=int(now),
            id_tag=self._tag_of(request.driver_id) if point.ocpp_version else None,
            request=asked.key,
            digest=asked.digest,
            trace_id=request.trace_id or request.message_id,
        )
        live = network.reserve(session)
        live.commanding = True
        return live

    async def _command(self, live: LiveSession, asked: Asked) -> ChargeRequestResponse:
        """Tell the engine, and commit its answer, or that there was none."""
        try:
            heard = await self._ask_engine(live)
        finally:
            live.commanding = False
        # If that is not stored, the point's next report decides, and answers.
        return await self._decide(live, asked, heard)

    async def _ask_engine(self, live: LiveSession) -> Heard:
        """What the engine said to the start: None is yes."""
        session = live.session
        point = self._network.points[session.cp_id]
        command = StartChargingCommand(
            trace_id=session.trace_id,
            cp_id=session.cp_id,
            connector_id=session.connector_id,
            session_id=session.session_id,
            driver_id=session.driver_id,
            price_per_kwh=session.price,
            max_charging_rate_kw=point.point.max_rate,
            target_kwh=session.target,
            id_tag=session.id_tag,
            epoch=self._network.epoch,
        )
        try:
            await self._link_of(session).ask(command)
        except (Refused, NoAnswer, LinkLost) as error:
            return error
        return None

    def _link_of(self, session: Session) -> PointLink:
        link = self._network.points[session.cp_id].link
        if link is None:
            raise LinkLost(f"monitor {session.cp_id}")
        return link

    async def _decide(self, live: LiveSession, asked: Asked, heard: Heard) -> ChargeRequestResponse:
        now = int(self._network.clock.wall())

        def rule(session: Session) -> Session:
            if heard is None or session.confirmed:
                return confirmed(
                    session
                )  # a report may say that it runs, whatever became of the yes
            return refused(session, now) if said_no(heard) else unanswered(session, now)

        def answer(after: Session) -> ChargeRequestResponse:
            text = heard.text if isinstance(heard, Refused) else ""
            told = start_answer(after)
            return replace(told, message=text) if text and told.error else told

        told: ChargeRequestResponse | None = None  # None where another answer was stored before

        def also(after: Session) -> list[Change]:
            nonlocal told
            also: list[Change] = []
            if after.refusal is TIMED_OUT:
                also.append(SaveStopIntent(cancelled(after, now)))
            if not live.answered:
                told = answer(after)
                also.append(asked.remember(told))
            return also

        after = await self._changes.apply(live, rule, also)
        if after.refusal is TIMED_OUT:
            live.stop_reason = EndReason.CANCELLED
        if heard is not None:
            log.warning("start failed", session_id=after.session_id, why=str(heard))
        return told or self._given(asked) or answer(after)


def said_no(heard: Heard) -> bool:
    """Whether the engine surely did not start: it, or its monitor, said so.

    An `error_response` of our own protocol's fault kind never reached the engine either; any other
    leaves it open.
    """
    if isinstance(heard, NotSent):
        return True
    if not isinstance(heard, Refused):
        return False
    if heard.answer is not None:
        return heard.reason is not Reason.TIMED_OUT
    return heard.reason in (
        Reason.INVALID_MESSAGE,
        Reason.UNSUPPORTED_MESSAGE,
        Reason.NOT_AUTHENTICATED,
        Reason.STANDBY,
    )


def cancelled(session: Session, now: int) -> StopIntent:
    """The intent to end a start that was never answered."""
    return StopIntent(
        session_id=session.session_id,
        cp_id=session.cp_id,
        connector_id=session.connector_id,
        reason=EndReason.CANCELLED,
        since=now,
    )
