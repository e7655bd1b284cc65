"""One charge point of the load generator: its monitor and its engine in one, without I/O.

It keeps what the protocol wants kept, in memory only: a ticket is held until central says that it
is settled, a session that it called never seen never begins.
"""

from dataclasses import dataclass

from bench.peers import Heard
from common.clock import new_id
from common.errors import Reason
from common.messages import (
    ChargeCompletion,
    ChargingData,
    CommandResponse,
    ConnectorEntry,
    HeartbeatRequest,
    Message,
    Outcome,
    RegisterRequest,
    SessionOutcome,
    SessionReport,
)
from common.states import EndReason, EngineStatus
from common.units import WattHours, Watts

RATE = Watts(11_000)
"""What a point supplies while it charges."""

LISTED = 100
"""Held sessions that are named at once, as the protocol bounds it."""


@dataclass(slots=True)
class Supply:
    """A session that runs.

    Attributes:
        target: Energy at which it ends by itself; None: it does not.
        meter_start_wh: The point's lifetime register when it began.
        started_at: Unix seconds.
        energy: In Wh; a fraction of one is carried on.
        sequence: Of the last reading.
    """

    session_id: str
    trace_id: str | None
    target: int | None
    meter_start_wh: int
    started_at: int
    energy: float = 0.0
    sequence: int = 0


class Point:
    """A charge point with one connector.

    Attributes:
        register_wh: All that it has ever supplied.
        supply: The session that runs; None without one.
        held: Tickets that central has not called settled, by session, oldest first.
        stopped: An operator took it out of order.
    """

    def __init__(self, cp_id: str) -> None:
        self.cp_id = cp_id
        self.register_wh = 0
        self.supply: Supply | None = None
        self.held: dict[str, ChargeCompletion] = {}
        self.stopped = False
        self._epoch = 0
        self._never_seen: set[str] = set()
        self._last: str | None = None

    # -- What it says by itself --

    def registration(self) -> RegisterRequest:
        """Its registration, with all that it holds."""
        return RegisterRequest(
            message_id=new_id(),
            cp_id=self.cp_id,
            location="bench",
            max_charging_rate_kw=RATE,
            engine_status=self._status,
            connectors=self._connectors(),
            held_sessions=self._listed(),
        )

    def beat(self) -> HeartbeatRequest:
        """A heartbeat, with all that it holds."""
        return HeartbeatRequest(
            message_id=new_id(),
            cp_id=self.cp_id,
            status=self._status,
            connectors=self._connectors(),
            held_sessions=self._listed(),
        )

    @property
    def _status(self) -> EngineStatus:
        if self.supply is not None:
            return EngineStatus.CHARGING
        return EngineStatus.STOPPED if self.stopped else EngineStatus.AVAILABLE

    def _connectors(self) -> tuple[ConnectorEntry, ...]:
        session_id = self.supply.session_id if self.supply else self._last
        return (ConnectorEntry(connector_id=1, status=self._status, session_id=session_id),)

    def _listed(self) -> tuple[str, ...]:
        return tuple(self.held)[:LISTED]

    # -- Supplying --

    def read(self, seconds: float) -> ChargingData | ChargeCompletion | None:
        """The reading after so many more seconds, or the ticket if the target is reached."""
        supply = self.supply
        if supply is None:
            return None
        supply.energy += RATE * seconds / 3600
        if supply.target is not None and supply.energy >= supply.target:
            supply.energy = float(supply.target)
            return self.end(EndReason.TARGET_REACHED)
        supply.sequence += 1
        return ChargingData(
            message_id=new_id(),
            trace_id=supply.trace_id,
            cp_id=self.cp_id,
            session_id=supply.session_id,
            sequence=supply.sequence,
            energy_consumed_kwh=WattHours(int(supply.energy)),
            charging_rate=RATE,
        )

    def end(self, reason: EndReason, *, now: int | None = None) -> ChargeCompletion | None:
        """End what runs; its ticket, which is held from now on. None if nothing runs.

        Args:
            now: Unix seconds; None leaves the times to central.
        """
        supply, self.supply = self.supply, None
        if supply is None:
            return None
        energy = int(supply.energy)
        self.register_wh = supply.meter_start_wh + energy
        self._last = supply.session_id
        ticket = ChargeCompletion(
            message_id=new_id(),
            trace_id=supply.trace_id,
            cp_id=self.cp_id,
            session_id=supply.session_id,
            energy_consumed_kwh=WattHours(energy),
            reason=reason,
            started_at=supply.started_at if now else None,
            ended_at=now,
            meter_start_wh=supply.meter_start_wh,
            meter_stop_wh=self.register_wh,
        )
        self.held[supply.session_id] = ticket
        return ticket

    # -- What it is told --

    def told(self, heard: Heard, now: int) -> list[Message]:
        """What it says to a message of central: answers and reports by TCP, tickets by Kafka.

        Args:
            now: Unix seconds.
        """
        if heard.type.endswith("_command"):
            return self._commanded(heard, now)
        if heard.type in ("register_response", "heartbeat_response"):
            return self._listened(heard, now)
        return []

    def _commanded(self, heard: Heard, now: int) -> list[Message]:
        if heard.epoch < self._epoch:
            return [_no(heard, Reason.STANDBY)]
        self._epoch = heard.epoch
        ticket: ChargeCompletion | None = None
        if heard.type == "start_charging_command":
            if not self._start(heard, now):
                return [_no(heard, Reason.ENGINE_REFUSED)]
        elif heard.type == "stop_charging_command":
            ticket = self._stop(heard, now)
        elif heard.type == "stop_cp_command":
            self.stopped, ticket = True, self.end(EndReason.CP_STOPPED, now=now)
        elif heard.type == "resume_cp_command":
            self.stopped = False
        elif heard.type == "recollect_command":  # what was settled is forgotten here
            return [_yes(heard), *self.held.values()]
        return [_yes(heard), *([ticket] if ticket else [])]

    def _start(self, heard: Heard, now: int) -> bool:
        """Whether the session runs now."""
        session_id = heard.session_id
        if self.supply is not None and self.supply.session_id == session_id:
            return True
        known = session_id in self._never_seen or session_id in self.held
        if known or self.stopped or self.supply is not None:
            self._never_seen.add(session_id)
            return False
        target = None if heard.target_kwh is None else int(heard.target_kwh * 1000)
        trace_id = heard.trace_id
        self.supply = Supply(session_id, trace_id, target, self.register_wh, now)
        return True

    def _stop(self, heard: Heard, now: int) -> ChargeCompletion | None:
        if self.supply is not None and self.supply.session_id == heard.session_id:
            reason = EndReason(heard.reason) if heard.reason else EndReason.DRIVER_REQUEST
            return self.end(reason, now=now)
        if heard.session_id not in self.held:
            self._never_seen.add(heard.session_id)
        return None

    def _listened(self, heard: Heard, now: int) -> list[Message]:
        """Agree with central's lists."""
        self._epoch = max(self._epoch, heard.epoch)
        said: list[Message] = []
        for session_id in heard.settled_sessions or ():
            self.held.pop(session_id, None)
        if heard.stopped is not None and heard.stopped != self.stopped:
            self.stopped = heard.stopped
            ticket = self.end(EndReason.CP_STOPPED, now=now) if heard.stopped else None
            said += [ticket] if ticket else []
        for session_id in heard.unsettled_sessions or ():
            if self.supply is not None and self.supply.session_id == session_id:
                continue  # its connector's entry names it
            said += self._report(session_id)
        return said

    def _report(self, session_id: str) -> list[Message]:
        ticket = self.held.get(session_id)
        if ticket is None:
            self._never_seen.add(session_id)
        report = SessionReport(
            message_id=new_id(),
            cp_id=self.cp_id,
            session_id=session_id,
            outcome=SessionOutcome.ENDED if ticket else SessionOutcome.NEVER_SEEN,
        )
        return [ticket, report] if ticket else [report]


def _yes(heard: Heard) -> CommandResponse:
    return CommandResponse(
        message_id=heard.message_id,
        status=Outcome.SUCCESS,
        session_id=heard.session_id or None,
    )


def _no(heard: Heard, why: Reason) -> CommandResponse:
    return CommandResponse(
        message_id=heard.message_id,
        status=Outcome.FAILURE,
        error=why,
        session_id=heard.session_id or None,
    )
