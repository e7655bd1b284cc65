"""The bill: energy from the engine's ticket, price from the session, computed once."""

from msgspec.structs import replace

from central.rules.records import RequestKey, Session, Ticket
from central.rules.sessions import ticket_event
from common.messages import ChargeCompletion, Role
from common.states import EndReason, SessionEvent, SessionState, step
from common.units import Money, Price, WattHours, Watts, cost

SLACK = WattHours(1_000)
"""What a ticket may say beyond what the rate allows: clocks and meters are not exact."""


NOBODY = "unknown"
"""Whose session it was, where nobody knows."""


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

    The session must have no ticket yet, or an estimated one, which this one replaces.
    """
    reason = completion.reason or asked
    event = ticket_event(session, completion, reason)
    after = _ended(
        session,
        event,
        energy=completion.energy_consumed_kwh,
        reason=reason,
        started_at=completion.started_at or session.started_at,
        ended_at=completion.ended_at or session.ended_at or now,
    )
    after = replace(after, confirmed=True, settled=True)
    if after.cost is None:
        return after, None
    ticket = ticket_of(after, now)
    return after, replace(
        ticket,
        meter_start_wh=completion.meter_start_wh,
        meter_stop_wh=completion.meter_stop_wh,
        engine_cost=completion.total_cost,
    )


def estimated(session: Session, now: int) -> tuple[Session, Ticket | None]:
    """The session closed from its last reading, because its ticket does not come; the ticket.

    It is not settled by that: its engine's own word replaces the estimate, if it ever comes.
    Without a reading that shows energy there is nothing to bill.
    """
    if session.state is SessionState.FAILED:
        return replace(session, holds_connector=False), None
    flowed = session.energy > 0
    after = _ended(
        session,
        SessionEvent.TICKET if flowed else SessionEvent.EMPTY_TICKET,
        energy=session.energy,
        reason=EndReason.LOST,
        started_at=session.started_at,
        ended_at=session.ended_at or now,
    )
    after = replace(after, estimated=flowed)
    return after, ticket_of(after, now) if flowed else None


def _ended(
    session: Session,
    event: SessionEvent,
    *,
    energy: WattHours,
    reason: EndReason | None,
    started_at: int,
    ended_at: int,
) -> Session:
    """The session with its bill, a first one or a corrected one, or without any."""
    corrects = session.estimated
    billed = corrects or event is SessionEvent.TICKET
    return replace(
        session,
        state=step(session.state, event),
        energy=energy,
        rate=Watts(0),
        started_at=started_at,
        ended_at=ended_at,
        holds_connector=False,
        holds_driver=False,
        reason=reason,
        cost=cost(energy, session.price) if billed else None,
        revision=session.revision + 1 if billed else 0,
        estimated=False,
    )


def ticket_of(session: Session, now: int) -> Ticket:
    """The bill of a session that has ended, issued at Unix second `now`."""
    assert session.cost is not None
    assert session.ended_at is not None
    return Ticket(
        session_id=session.session_id,
        cp_id=session.cp_id,
        connector_id=session.connector_id,
        driver_id=session.driver_id,
        energy=session.energy,
        price=session.price,
        cost=session.cost,
        currency=session.currency,
        reason=session.reason,
        started_at=session.started_at,
        ended_at=session.ended_at,
        meter_start_wh=None,
        meter_stop_wh=None,
        engine_cost=Money(0),
        estimated=session.estimated,
        revision=session.revision,
        issued_at=now,
    )


def unknown(completion: ChargeCompletion, price: Price, currency: str, now: int) -> Session:
    """What is kept of a ticket for a session that nobody knows: disputed, and never billed.

    Args:
        price: What its point takes now, so that the operator sees what it may have cost.
    """
    ended_at = completion.ended_at or now
    started_at = completion.started_at or ended_at
    return Session(
        session_id=completion.session_id,
        cp_id=completion.cp_id,
        connector_id=completion.connector_id,
        driver_id=NOBODY,
        state=SessionState.FAILED,
        price=price,
        currency=currency,
        target=None,
        requested_ms=started_at * 1000,
        started_at=started_at,
        ended_at=ended_at,
        energy=completion.energy_consumed_kwh,
        confirmed=True,
        settled=True,
        holds_connector=False,
        holds_driver=False,
        reason=completion.reason,
        disputed=True,
        request=RequestKey(
            role=Role.MONITOR, sender=completion.cp_id, message_id=completion.session_id
        ),
        digest="",
        trace_id=completion.trace_id or completion.session_id,
    )
