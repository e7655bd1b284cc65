"""What the monitor may say, and who answers it."""

import structlog

from common.dispatch import Peer, handler
from common.errors import Reason, Refused
from common.messages import (
    AuthRequest,
    AuthResponse,
    ChargeRequestResponse,
    CommandResponse,
    ErrorResponse,
    HealthCheckRequest,
    HealthCheckResponse,
    Outcome,
    RecollectCommand,
    ReportSessionsCommand,
    ResumeCpCommand,
    SettleSessionsCommand,
    StartChargingCommand,
    StopChargingCommand,
    StopCpCommand,
)
from engine.commands import Commands
from engine.gate import Gate
from engine.moment import Timepiece
from engine.uplink import Uplink

log = structlog.get_logger()

Command = (
    HealthCheckRequest
    | StartChargingCommand
    | StopChargingCommand
    | StopCpCommand
    | ResumeCpCommand
    | ReportSessionsCommand
    | SettleSessionsCommand
    | RecollectCommand
)


class MonitorHandlers:
    """Everything that a monitor may send to an engine."""

    def __init__(
        self,
        cp_id: str,
        commands: Commands,
        uplink: Uplink,
        timepiece: Timepiece,
        gate: Gate,
    ) -> None:
        self._cp_id = cp_id
        self._gate = gate
        self._commands = commands
        self._uplink = uplink
        self._timepiece = timepiece

    @handler
    def authenticate(self, request: AuthRequest, peer: Peer) -> AuthResponse:
        link = peer.link
        answer = self._gate.answer(request, peer, link.address if link else None)
        if answer is None:
            assert link is not None
            link.close()  # unanswered: what is told to a closing link goes nowhere
            raise Refused(Reason.NOT_AUTHENTICATED, "too many wrong keys")
        if answer.status is Outcome.SUCCESS:
            self._adopt(self._cp_id, peer)
        return answer

    @handler
    def check_health(self, request: HealthCheckRequest, peer: Peer) -> HealthCheckResponse:
        self._must_be_ours(request, peer)
        return self._commands.health()

    @handler
    def start_charging(self, command: StartChargingCommand, peer: Peer) -> CommandResponse:
        self._must_be_ours(command, peer)
        return self._commands.start(command, self._timepiece.now())

    @handler
    def stop_charging(self, command: StopChargingCommand, peer: Peer) -> CommandResponse:
        self._must_be_ours(command, peer)
        return self._commands.stop(command, self._timepiece.now())

    @handler
    def stop_point(self, command: StopCpCommand, peer: Peer) -> CommandResponse:
        self._must_be_ours(command, peer)
        return self._commands.stop_point(self._timepiece.now(), command.reason)

    @handler
    def resume_point(self, command: ResumeCpCommand, peer: Peer) -> CommandResponse:
        self._must_be_ours(command, peer)
        return self._commands.resume_point()

    @handler
    def report_sessions(self, command: ReportSessionsCommand, peer: Peer) -> CommandResponse:
        self._must_be_ours(command, peer)
        return self._commands.report(command.session_ids, self._timepiece.now())

    @handler
    def settle_sessions(self, command: SettleSessionsCommand, peer: Peer) -> CommandResponse:
        self._must_be_ours(command, peer)
        return self._commands.settle(command.session_ids, self._timepiece.now())

    @handler
    def recollect(self, command: RecollectCommand, peer: Peer) -> CommandResponse:
        self._must_be_ours(command, peer)
        return self._commands.recollect(command.since)

    @handler
    def hear_error(self, error: ErrorResponse, peer: Peer) -> None:
        log.warning("the monitor refused a message", reason=error.error, text=error.message)

    @handler
    def hear_late(self, answer: ChargeRequestResponse, peer: Peer) -> None:
        log.info("late answer to a charge request", status=answer.status, text=answer.message)

    def _must_be_ours(self, command: Command, peer: Peer) -> None:
        self._gate.check(peer)
        if command.cp_id != self._cp_id:
            text = f"this is charge point {self._cp_id}, not {command.cp_id}"
            raise Refused(Reason.INVALID_MESSAGE, text)
        self._adopt(command.cp_id, peer)

    def _adopt(self, cp_id: str, peer: Peer) -> None:
        peer.id = cp_id
        if peer.link is not None:
            self._uplink.adopt(peer.link)
