"""A charge as its driver sees it, and what moves it.

Theory of operation. What central tells of a session comes late, twice, in any order, and partly
never. So `seen` is made of maxima only: the furthest state, the largest energy, the latest ticket.
Whatever the order, the same messages lead to the same charge, and one that says nothing new
changes nothing.

- Another session's message, and one of a lower epoch than the highest seen, changes nothing: the
  latter is a central's that no longer leads.
- A ticket ends the charge, and its figures replace the live ones; a later revision replaces it.
- A failed session has no figures; only a ticket moves it again.

Nothing here waits or reads a clock.
"""

from dataclasses import dataclass, replace

from common.messages import ChargeCompletion, ChargingData, ChargingStatusUpdate, SessionRow
from common.states import EndReason, SessionState
from common.units import Money, Price, WattHours, Watts

Event = ChargingStatusUpdate | ChargingData | ChargeCompletion
"""What central tells a driver about a session."""

USUAL_CHARGE = WattHours(50_000)
"""What 100 % stands for where no energy was asked for."""

NO_ENERGY = WattHours(0)
NO_COST = Money(0)
NO_POWER = Watts(0)

_RANK = {
    SessionState.AUTHORISED: 0,
    SessionState.CHARGING: 1,
    SessionState.FINISHING: 2,
    SessionState.FAILED: 3,
    SessionState.COMPLETED: 4,
}
"""How far a state is. No step of the session's table leads to a lower rank."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a charge came to.

    Attributes:
        price: Of a kWh; None if central did not say.
        currency: ISO 4217 code; None if central did not say.
        started_at: Unix seconds; `ended_at` too.
        estimated: Closed without the charge point's own figure; a revision may follow.
        revision: 1, or higher once it has been corrected.
    """

    energy: WattHours
    cost: Money
    price: Price | None = None
    currency: str | None = None
    reason: EndReason | None = None
    started_at: int | None = None
    ended_at: int | None = None
    estimated: bool = False
    revision: int = 1


@dataclass(frozen=True, slots=True)
class Charge:
    """One session, as far as its driver knows.

    Attributes:
        target: The energy asked for; None if none was, or if it is not known here.
        sequence: Of the latest reading; 0 before the first.
        power: At the latest reading; None where it was the history that told of the energy.
        progress: Percent of the target, or of the usual charge.
        epoch: The highest seen.
    """

    session_id: str
    cp_id: str
    connector_id: int = 1
    target: WattHours | None = None
    state: SessionState = SessionState.AUTHORISED
    energy: WattHours = NO_ENERGY
    sequence: int = 0
    power: Watts | None = NO_POWER
    cost: Money = NO_COST
    progress: int = 0
    price: Price | None = None
    currency: str | None = None
    reason: EndReason | None = None
    ticket: Ticket | None = None
    epoch: int = 0

    @property
    def over(self) -> bool:
        """Nothing more is to come: there is a ticket, or it failed."""
        return self.ticket is not None or self.state is SessionState.FAILED


def from_row(row: SessionRow, target: WattHours | None = None) -> Charge:
    """The charge that a row of the history tells of."""
    charge = Charge(row.session_id, row.cp_id, row.connector_id, target)
    return told(charge, row)


def seen(charge: Charge, event: Event) -> Charge:
    """The charge after central has told this of it; the same one if that is nothing new."""
    epoch = event.epoch or charge.epoch
    if event.session_id != charge.session_id or epoch < charge.epoch:
        return charge
    charge = replace(charge, epoch=epoch)
    match event:
        case ChargingStatusUpdate():
            moved = _moved(charge, event.status, event.reason)
            return moved if moved.over else _progressed(moved, event.progress)
        case ChargingData():
            reading = (event.energy_consumed_kwh, event.sequence or 0)
            return _read(charge, reading, event.total_cost, event.charging_rate)
        case ChargeCompletion():
            return _ended(charge, _ticket(event))


def told(charge: Charge, row: SessionRow) -> Charge:
    """The charge after a row of the history: what was missed by Kafka is made up for."""
    if row.session_id != charge.session_id:
        return charge
    charge = replace(charge, price=row.price_per_kwh, currency=row.currency)
    if row.state is SessionState.COMPLETED:
        return _ended(charge, _ticket_of(row))
    charge = _moved(charge, row.state, row.reason)
    return _read(charge, (row.energy_consumed_kwh, 0), row.total_cost, None)


def _moved(charge: Charge, state: SessionState, reason: EndReason | None) -> Charge:
    if charge.ticket is not None or _RANK[state] < _RANK[charge.state]:
        return charge
    if state is charge.state:
        return replace(charge, reason=charge.reason or reason)
    if state is SessionState.FAILED:
        charge = _without_figures(charge)
    return replace(charge, state=state, reason=reason)


def _read(
    charge: Charge, reading: tuple[WattHours, int], cost: Money, power: Watts | None
) -> Charge:
    # Energy is cumulative: more of it is later, whatever was lost between.
    if charge.over or reading <= (charge.energy, charge.sequence):
        return charge
    energy, sequence = reading
    charge = replace(charge, energy=energy, sequence=sequence, cost=cost, power=power)
    charge = _moved(charge, SessionState.CHARGING, None)
    return _progressed(charge, _percent(energy, charge.target))


def _ended(charge: Charge, ticket: Ticket) -> Charge:
    if charge.ticket is not None and ticket.revision <= charge.ticket.revision:
        return charge
    ended = _progressed(_without_figures(charge), _percent(ticket.energy, charge.target))
    return replace(
        ended,
        state=SessionState.COMPLETED,
        energy=ticket.energy,
        cost=ticket.cost,
        reason=ticket.reason,
        ticket=ticket,
    )


def _without_figures(charge: Charge) -> Charge:
    return replace(charge, energy=NO_ENERGY, sequence=0, power=NO_POWER, cost=NO_COST, progress=0)


def _progressed(charge: Charge, progress: int) -> Charge:
    return replace(charge, progress=max(charge.progress, progress))


def _percent(energy: WattHours, target: WattHours | None) -> int:
    return min(100, energy * 100 // (target or USUAL_CHARGE))


def _ticket(event: ChargeCompletion) -> Ticket:
    return Ticket(
        energy=event.energy_consumed_kwh,
        cost=event.total_cost,
        price=event.price_per_kwh,
        currency=event.currency,
        reason=event.reason,
        started_at=event.started_at,
        ended_at=event.ended_at,
        estimated=bool(event.estimated),
        revision=event.revision or 1,
    )


def _ticket_of(row: SessionRow) -> Ticket:
    return Ticket(
        energy=row.energy_consumed_kwh,
        cost=row.total_cost,
        price=row.price_per_kwh,
        currency=row.currency,
        reason=row.reason,
        started_at=row.started_at,
        ended_at=row.ended_at,
        estimated=row.estimated,
        revision=row.revision or 1,
    )
