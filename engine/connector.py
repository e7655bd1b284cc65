"""What one connector does: waits for a plug, supplies, ends; stopped or broken it does nothing.

Theory of operation. A connector's status is a function of its facts, first row that fits:

| broken | session   | stopped | car                         | status    |
|--------|-----------|---------|-----------------------------|-----------|
| yes    |           |         |                             | faulted   |
| no     | supplying |         |                             | charging  |
| no     | waiting   |         |                             | preparing |
| no     | none      | yes     |                             | stopped   |
| no     | none      | no      | served, still plugged in    | finishing |
| no     | none      | no      | anything else               | available |

Whatever happens to it is a method that takes a `Moment` and returns the `Session` as it is then,
where that has changed and must be journaled: begun, supplied, read, ended. There is no I/O here,
and no time but the moments.

Energy is metered in steps of simulated time that are counted from the supply's begin, each with
one power; so it never depends on how often, or when, `advance` is called.
"""

from dataclasses import dataclass

from msgspec.structs import replace

from common.messages import StartChargingCommand
from common.states import EndReason, EngineStatus
from common.units import Watts
from engine.curve import power, wanted_energy
from engine.meter import Meter
from engine.moment import NS, Moment
from engine.session import Session

PLUG_WITHIN_NS = 60 * NS
"""Simulated time for which a session waits for its plug."""


@dataclass(slots=True)
class _Supply:
    """The session that a connector serves.

    Attributes:
        session: As it was last returned.
        since: When the supply began; while it waits for the plug, when it was accepted.
        power: What the car draws in the present step.
        charging: Whether energy flows.
        metered_ns: Simulated time since then that the meter has counted.
    """

    session: Session
    since: Moment
    power: Watts
    charging: bool = False
    metered_ns: int = 0


class Connector:
    """One connector.

    Args:
        power_limit: The most that it can supply.
        auto_plug: A car is plugged in whenever a session begins, and leaves when it ends.
        step_seconds: Simulated seconds in which the power stays the same.

    Attributes:
        faulted: It is broken.
        stopped: An operator stopped it.
        plugged: A car is plugged in.
        last_session_id: The session that it serves or served last.
    """

    def __init__(
        self,
        connector_id: int,
        meter: Meter,
        *,
        power_limit: Watts,
        auto_plug: bool,
        step_seconds: int = 1,
        last_session_id: str | None = None,
    ) -> None:
        self.connector_id = connector_id
        self.meter = meter
        self.faulted = False
        self.stopped = False
        self.plugged = False
        self.last_session_id = last_session_id
        self._power_limit = power_limit
        self._auto_plug = auto_plug
        self._step_seconds = step_seconds
        self._supply: _Supply | None = None
        self._served = False

    @property
    def session(self) -> Session | None:
        """The session that it serves, as it was last returned."""
        return self._supply.session if self._supply else None

    @property
    def status(self) -> EngineStatus:
        """What it does, in the engine's words."""
        if self.faulted:
            return EngineStatus.FAULTED
        if self._supply is not None:
            return EngineStatus.CHARGING if self._supply.charging else EngineStatus.PREPARING
        if self.stopped:
            return EngineStatus.STOPPED
        if self.plugged and self._served:
            return EngineStatus.FINISHING
        return EngineStatus.AVAILABLE

    # -- Beginning --

    def objection(self) -> str:
        """Why no session can begin here now, in a few words; empty if one can."""
        if self.faulted:
            return "is broken"
        if self.stopped:
            return "is out of order"
        if self._supply is not None:
            return f"is serving session {self._supply.session.session_id}"
        return ""

    def begin(self, command: StartChargingCommand, now: Moment) -> Session:
        """Accept a session, to which there must be no objection; supply if a car is there."""
        assert not self.objection()
        register = self.meter.register_wh
        session = Session(
            session_id=command.session_id,
            connector_id=self.connector_id,
            driver_id=command.driver_id,
            price=command.price_per_kwh,
            limit=min(command.max_charging_rate_kw, self._power_limit),
            target=command.target_kwh,
            trace_id=command.trace_id or command.message_id,
            started_at=now.unix,
            at=now.unix,
            meter_start_wh=register,
            meter_wh=register,
        )
        self._supply = _Supply(session, since=now, power=Watts(0))
        self.last_session_id = session.session_id
        self._served = False
        if self._auto_plug or self.plugged:
            self._open(self._supply, now)
        return self._supply.session

    def plug(self, now: Moment) -> Session | None:
        """A car is plugged in: the supply begins if a session waits for it."""
        if self.plugged:
            return None
        self.plugged = True
        self._served = False
        if self._supply is None or self._supply.charging:
            return None
        self._open(self._supply, now)
        return self._supply.session

    def _open(self, supply: _Supply, now: Moment) -> None:
        supply.session = replace(supply.session, started_at=now.unix, at=now.unix)
        supply.since = now
        supply.charging = True
        self.plugged = True
        self.meter.open()

    # -- Supplying --

    def advance(self, now: Moment) -> Session | None:
        """Let time pass; the session if it ended by that."""
        supply = self._supply
        if supply is None:
            return None
        if not supply.charging:
            if now.ns - supply.since.ns < PLUG_WITHIN_NS:
                return None
            return self.end(EndReason.NOT_PLUGGED_IN, now)
        return self.end(EndReason.TARGET_REACHED, now) if self._meter(supply, now) else None

    def read(self, now: Moment) -> Session | None:
        """Take the next reading; None if no energy flows."""
        supply = self._supply
        if supply is None or not supply.charging:
            return None
        self._meter(supply, now)
        supply.session = replace(
            self._metered(supply, now), sequence=supply.session.sequence + 1, rate=supply.power
        )
        return supply.session

    def _meter(self, supply: _Supply, now: Moment) -> bool:
        """Count the energy up to now; whether the car has all that it wants."""
        session = supply.session
        wanted = wanted_energy(session.target)
        end_wh = session.meter_start_wh + wanted
        step_ns = self._step_seconds * NS
        elapsed_ns = now.ns - supply.since.ns
        full = self.meter.register_wh >= end_wh
        while supply.metered_ns < elapsed_ns and not full:
            if supply.metered_ns % step_ns == 0:
                delivered = self.meter.register_wh - session.meter_start_wh
                supply.power = power(session.limit, supply.metered_ns // NS, delivered, wanted)
            step_end = (supply.metered_ns // step_ns + 1) * step_ns
            until = min(step_end, elapsed_ns)
            full = self.meter.add(supply.power, until - supply.metered_ns, up_to_wh=end_wh)
            supply.metered_ns = until
        return full

    def _metered(self, supply: _Supply, now: Moment) -> Session:
        session = supply.session
        at = session.started_at + now.seconds_since(supply.since)
        return replace(session, meter_wh=self.meter.register_wh, at=max(at, session.at))

    # -- Ending --

    def end(self, reason: EndReason, now: Moment) -> Session | None:
        """End the session that it serves, with the energy up to now; None if there is none.

        A `now` that is past ends it then, but never before its last entry.
        """
        supply = self._supply
        if supply is None:
            return None
        if supply.charging:
            self._meter(supply, now)
        ended = replace(self._metered(supply, now), rate=Watts(0), reason=reason)
        self.meter.close()
        self._supply = None
        self._served = supply.charging
        self.plugged = self.plugged and not self._auto_plug
        return ended

    def unplug(self, now: Moment) -> Session | None:
        """The car is unplugged, which ends its session."""
        if not self.plugged:
            return None
        ended = self.end(EndReason.UNPLUGGED, now)
        self.plugged = self._served = False
        return ended

    def break_down(self, now: Moment) -> Session | None:
        """It breaks, which ends its session."""
        self.faulted = True
        return self.end(EndReason.FAULT, now)

    def repair(self) -> None:
        """It works again."""
        self.faulted = False

    def stop(self, now: Moment) -> Session | None:
        """An operator takes it out of order, which ends its session."""
        self.stopped = True
        return self.end(EndReason.CP_STOPPED, now)

    def resume(self) -> None:
        """An operator puts it back in order."""
        self.stopped = False
