"""The bill: energy from the engine's ticket, price from the session, computed once."""

from msgspec.structs import replace

from central.rules.records import Session, Ticket
from central.rules.sessions import ticket_event
from common.messages import ChargeCompletion
from common.states import EndReason, SessionEvent, step
from common.units import WattHours, Watts, cost

SLACK = WattHours(1_000)
"""What a ticket may say beyond what the rate allows: clocks and meters are not exact."""


def is_suspect(
    session: Session, energy: WattHours, max_rate: Watts, time_scale: float, now: float
) -> bool:
    """Whether an engine's bill is below a reading that central holds, or more than can have flowed.

    More than the point's maximum rate over the time since authorisation, a tenth more, and `SLACK`.
    It is billed all the same: the engine has the meter.

    Args:
        now: Unix seconds.
    """
    seconds = max(0.0, now - session.requested_ms / 1000) * time_scale
    return energy < session.energy or energy > max_rate * seconds / 3600 * 1.1 + SLACK


def closed(
    session: Session, completion: ChargeCompletion, asked: EndReason | None, now: int
) -> tuple[Session, Ticket | None]:
    """The session after its engine's last word about it, and its ticket where there is one.

    Args:
        asked: Why it was told to end, as far as central knows; for an engine that gives no reason.

    The session must have no ticket yet.
    """
    reason = completion.reason or asked
    event = ticket_event(session, completion, reason)
    energy = completion.energy_consumed_kwh
    billed = event is SessionEvent.TICKET
    started_at = completion.started_at or session.started_at
    ended_at = completion.ended_at or session.ended_at or now
    amount = cost(energy, session.price) if billed else None
    after = replace(
        session,
        state=step(session.state, event),
        energy=energy,
        rate=Watts(0),
        started_at=started_at,
        ended_at=ended_at,
        confirmed=True,
        settled=True,
        holds_connector=False,
        holds_driver=False,
        reason=reason,
        cost=amount,
        revision=1 if billed else 0,
    )
    if amount is None:
        return after, None
    ticket = Ticket(
        session_id=session.session_id,
        cp_id=session.cp_id,
        connector_id=session.connector_id,
        driver_id=session.driver_id,
        energy=energy,
        price=session.price,
        cost=amount,
        currency=session.currency,
        reason=reason,
        started_at=started_at,
        ended_at=ended_at,
        meter_start_wh=completion.meter_start_wh,
        meter_stop_wh=completion.meter_stop_wh,
        engine_cost=completion.total_cost,
        estimated=False,
        revision=1,
        issued_at=now,
    )
    return after, ticket
