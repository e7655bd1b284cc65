"""What is passed on: central's commands to the engine, and requests from its menu to central.

Theory of operation. A command goes to the engine as a new message of the same trace, and the
engine's answer goes back. What central may conclude from a failure differs: a refusal means that
the engine does not supply, so it is said only where that is sure. A start that may have reached the
engine, and a stop that surely had no effect, are both `timed_out`: central then keeps the stop
until the engine confirms it.
"""

from typing import TypeVar

import structlog
from msgspec.structs import replace

from common.dispatch import Peer, handler
from common.errors import LinkLost, NoAnswer, Reason, Refused
from common.messages import (
    ChargeRequest,
    ChargeRequestResponse,
    CommandResponse,
    Outcome,
    RecollectCommand,
    ResumeCpCommand,
    StartChargingCommand,
    StopChargingCommand,
    StopCpCommand,
)
from common.protocol import wire_name
from monitor.point import Point

log = structlog.get_logger()

Command = TypeVar(
    "Command",
    bound=StartChargingCommand
    | StopChargingCommand
    | StopCpCommand
    | ResumeCpCommand
    | RecollectCommand,
)
Answer = TypeVar("Answer", CommandResponse, ChargeRequestResponse)

CENTRAL_ANSWERS_WITHIN = 9.0
"""Seconds to wait for central's answer to a request from the engine's menu: longer than central
takes, shorter than the engine waits."""


class Relay:
    """Passes requests on, either way, and the answers back."""

    def __init__(self, point: Point) -> None:
        self._point = point
        self._in_work: set[str] = set()

    # -- From central to the engine --

    @handler
    async def start_charging(self, command: StartChargingCommand, peer: Peer) -> CommandResponse:
        """Nothing can have started where no engine is linked: that is a refusal."""
        self._check(command)
        return await self._command(command, unsent=Reason.ENGINE_REFUSED)

    @handler
    async def stop_charging(self, command: StopChargingCommand, peer: Peer) -> CommandResponse:
        """A stop that does not reach the engine must not look done."""
        self._check(command)
        return await self._command(command, unsent=Reason.TIMED_OUT)

    @handler
    async def stop_cp(self, command: StopCpCommand, peer: Peer) -> CommandResponse:
        """It also says what central wants from now on."""
        return await self._stop_or_resume(command, stopped=True)

    @handler
    async def resume_cp(self, command: ResumeCpCommand, peer: Peer) -> CommandResponse:
        """It also says what central wants from now on."""
        return await self._stop_or_resume(command, stopped=False)

    @handler
    async def recollect(self, command: RecollectCommand, peer: Peer) -> CommandResponse:
        """The tickets come after the engine's answer, on their own way to Kafka."""
        self._check(command)
        return await self._command(command, unsent=Reason.TIMED_OUT)

    async def _stop_or_resume(
        self, command: StopCpCommand | ResumeCpCommand, *, stopped: bool
    ) -> CommandResponse:
        self._check(command)
        stopping = self._point.stopping
        stopping.commanded(stopped=stopped)
        answer = await self._command(command, unsent=Reason.TIMED_OUT)
        if answer.status is Outcome.SUCCESS:
            stopping.confirmed(stopped=stopped)
        return answer

    async def _command(self, command: Command, *, unsent: Reason) -> CommandResponse:
        """Pass a command on; `unsent` is what central learns if it surely did not reach it."""
        engine = self._point.engine
        session_id = getattr(command, "session_id", None)
        try:
            if engine is None:
                raise Refused(unsent, "the engine cannot be reached")
            answer = _unstamped(await engine.ask(_for_engine(command)))
        except Refused as refused:
            answer = _engines_no(refused, session_id)
        except (NoAnswer, LinkLost) as lost:
            # It may have reached the engine all the same.
            answer = _failure(Reason.TIMED_OUT, str(lost), session_id)
        # Central's panel is to show what it did, before the next check is due.
        self._point.look_soon()
        if answer.status is Outcome.SUCCESS:
            log.info(wire_name(type(command)), outcome="success")
        else:
            log.warning(wire_name(type(command)), outcome=answer.error, text=answer.message)
        return answer

    def _check(self, command: Command) -> None:
        point = self._point
        if command.cp_id != point.cp_id:
            text = f"this is {point.cp_id}, not {command.cp_id}"
            raise Refused(Reason.INVALID_MESSAGE, text)
        if not point.epochs.admits(command.epoch):
            text = f"a central of epoch {point.epochs.last} leads, not of {command.epoch}"
            raise Refused(Reason.STANDBY, text)

    # -- From the engine to central --

    @handler
    async def asked_at_menu(self, request: ChargeRequest, peer: Peer) -> ChargeRequestResponse:
        """Someone asks for a charge at the point itself."""
        point = self._point
        if request.cp_id != point.cp_id:
            raise Refused(Reason.INVALID_MESSAGE, f"this is {point.cp_id}, not {request.cp_id}")
        if point.central is None:
            raise Refused(Reason.CHARGE_POINT_OFFLINE, "cannot reach CENTRAL")
        if request.message_id in self._in_work:
            raise Refused(Reason.OVERLOADED, "this request is in work already")
        self._in_work.add(request.message_id)
        try:
            # It keeps its id: a repeat is the same request to central.
            answer = await point.central.ask(request, within=CENTRAL_ANSWERS_WITHIN)
        except Refused as refused:
            if not isinstance(refused.answer, ChargeRequestResponse):
                raise
            answer = refused.answer
        except (NoAnswer, LinkLost) as lost:
            raise Refused(Reason.TIMED_OUT, str(lost)) from None
        finally:
            self._in_work.discard(request.message_id)
        log.info("charge asked for at the point", outcome=str(answer.error or answer.status))
        return _unstamped(answer)


def _for_engine(command: Command) -> Command:
    trace_id = command.trace_id or command.message_id
    return replace(command, message_id="", timestamp=0, trace_id=trace_id, epoch=None)


def _unstamped(answer: Answer) -> Answer:
    """The answer, to be sent with the envelope of the request that it is passed back to."""
    return replace(answer, message_id="", timestamp=0, trace_id=None)


def _engines_no(refused: Refused, session_id: str | None) -> CommandResponse:
    """What central is told when the engine refused."""
    if isinstance(refused.answer, CommandResponse):
        error = refused.answer.error or Reason.ENGINE_REFUSED
        return _unstamped(replace(refused.answer, error=error))
    if refused.reason is Reason.INTERNAL:
        # It failed while it worked on the command, and may have done a part of it.
        return _failure(Reason.TIMED_OUT, "the engine failed", session_id)
    reason = refused.reason if refused.reason is Reason.TIMED_OUT else Reason.ENGINE_REFUSED
    return _failure(reason, refused.text or str(refused.reason), session_id)


def _failure(reason: Reason, text: str, session_id: str | None) -> CommandResponse:
    return CommandResponse(
        status=Outcome.FAILURE, error=reason, message=text, session_id=session_id
    )
