"""A charge as its engine knows it: what the journal holds, and what is told of it.

A `Session` is complete in itself: the journal's last one with an id says all there is to say.
"""

from msgspec import Struct

from common.messages import ChargeCompletion, ChargingData
from common.states import EndReason
from common.units import Price, WattHours, Watts, cost


class Session(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="session"):
    """A session, from the engine's yes until it is forgotten.

    Attributes:
        limit: The most power that it may draw.
        target: The energy asked for; None for a full car.
        trace_id: The id of the request that began it all.
        started_at: Unix seconds when the supply began; while it waits for the plug, when the
            engine said yes.
        at: Unix seconds of this entry: `started_at` plus what passed since by the monotonic clock.
        meter_start_wh: The register when it began.
        meter_wh: The register now.
        sequence: The number of its last reading; 0 before the first.
        rate: The power at its last reading.
        reason: Why it ended; None while it runs.
        settled_at: Unix seconds when central was known to have its ticket; for people.
        settled_age: The journal's age then.
    """

    session_id: str
    connector_id: int
    driver_id: str
    price: Price
    limit: Watts
    target: WattHours | None = None
    trace_id: str
    started_at: int
    at: int
    meter_start_wh: int
    meter_wh: int
    sequence: int = 0
    rate: Watts = Watts(0)
    reason: EndReason | None = None
    settled_at: int | None = None
    settled_age: int = 0

    @property
    def energy(self) -> WattHours:
        """What has flowed so far."""
        return WattHours(self.meter_wh - self.meter_start_wh)


class Tombstone(Struct, frozen=True, kw_only=True, tag="tombstone"):
    """A session that never began here, and never will.

    Attributes:
        at: Unix seconds when that was decided; for people.
        age: The journal's age then.
    """

    session_id: str
    at: int
    age: int = 0


Record = Session | Tombstone


def reading_of(session: Session, cp_id: str) -> ChargingData:
    """The session's last reading, for the monitor."""
    return ChargingData(
        cp_id=cp_id,
        connector_id=session.connector_id,
        session_id=session.session_id,
        sequence=session.sequence,
        energy_consumed_kwh=session.energy,
        total_cost=cost(session.energy, session.price),
        charging_rate=session.rate,
        trace_id=session.trace_id,
    )


def ticket_of(session: Session, cp_id: str) -> ChargeCompletion:
    """The ticket of a session that has ended, for the monitor."""
    assert session.reason is not None
    return ChargeCompletion(
        cp_id=cp_id,
        connector_id=session.connector_id,
        session_id=session.session_id,
        energy_consumed_kwh=session.energy,
        total_cost=cost(session.energy, session.price),
        reason=session.reason,
        started_at=session.started_at,
        ended_at=session.at,
        meter_start_wh=session.meter_start_wh,
        meter_stop_wh=session.meter_wh,
        trace_id=session.trace_id,
    )
