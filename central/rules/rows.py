"""What others are shown: the row of a charge point, a line of a driver's history, progress."""

from collections.abc import Iterable, Sequence
from typing import TypeVar

from msgspec import Struct

from central.rules.records import AuditEntry, Point, Session, Ticket
from common.codec import encode
from common.errors import Reason
from common.messages import (
    AuditRow,
    AvailablePoint,
    ChargeCompletion,
    ChargeRequestResponse,
    ChargingStatusUpdate,
    ConnectorRow,
    OperatorSessionRow,
    Outcome,
    PointChanged,
    PointRow,
    SessionRow,
    TicketRow,
)
from common.states import (
    OPEN_STATES,
    Facts,
    SessionState,
    Status,
    connector_status,
    point_status,
)
from common.units import WattHours, cost

FULL_CHARGE = WattHours(50_000)
"""What progress is a part of where no energy was asked for."""

PAGE_BYTES = 60_000
"""The most bytes of rows on a page: a frame holds 65,536 bytes of data."""

Row = TypeVar("Row", bound=Struct)


def progress(energy: WattHours, target: WattHours | None) -> int:
    """Percent of the energy asked for, or of 50 kWh; 100 at most."""
    return min(100, energy * 100 // (target or FULL_CHARGE)) if target != 0 else 100


def connector_row(connector_id: int, facts: Facts, session: Session | None) -> ConnectorRow:
    """A connector's part of its point's row; a session that does not hold it is left out."""
    status = connector_status(facts)
    if session is None or not (session.state in OPEN_STATES or session.holds_connector):
        return ConnectorRow(connector_id=connector_id, status=status)
    return ConnectorRow(
        connector_id=connector_id,
        status=status,
        session_id=session.session_id,
        driver_id=session.driver_id,
        charging_rate=session.rate,
        energy_consumed_kwh=session.energy,
        total_cost=cost(session.energy, session.price),
        started_at=session.started_at,
    )


def point_changed(
    point: Point,
    connectors: Sequence[ConnectorRow],
    *,
    fault: str | None,
    currency: str,
    epoch: int,
) -> PointChanged:
    """A point's row, ready to be told."""
    return PointChanged(
        cp_id=point.cp_id,
        location=point.location,
        price_per_kwh=point.price,
        currency=currency,
        max_charging_rate_kw=point.max_rate,
        status=point_status(row.status for row in connectors),
        stopped=point.stopped,
        fault_type=fault,
        last_seen=point.last_seen,
        epoch=epoch,
        ocpp_version=point.ocpp_version,
        vendor=point.vendor,
        model=point.model,
        firmware_version=point.firmware_version,
        connectors=tuple(connectors),
    )


def bare(row: PointChanged) -> PointRow:
    """The row without its envelope, for a page of rows."""
    return PointRow(**{name: getattr(row, name) for name in PointRow.__struct_fields__})


def available(row: PointChanged) -> AvailablePoint | None:
    """The point as a driver sees it; None unless one of its connectors is available."""
    if not any(connector.status is Status.AVAILABLE for connector in row.connectors):
        return None
    return AvailablePoint(
        cp_id=row.cp_id,
        location=row.location,
        price_per_kwh=row.price_per_kwh,
        currency=row.currency,
        max_charging_rate_kw=row.max_charging_rate_kw,
        status=Status.AVAILABLE,
    )


def status_update(session: Session) -> ChargingStatusUpdate:
    """Where the session is, for its driver; the epoch is added when it is sent."""
    return ChargingStatusUpdate(
        trace_id=session.trace_id,
        session_id=session.session_id,
        cp_id=session.cp_id,
        connector_id=session.connector_id,
        status=session.state,
        progress=progress(session.energy, session.target),
        reason=session.reason,
    )


def ticket_message(ticket: Ticket, trace_id: str) -> ChargeCompletion:
    """The ticket as its driver is told it; the epoch is added when it is sent."""
    return ChargeCompletion(
        trace_id=trace_id,
        cp_id=ticket.cp_id,
        connector_id=ticket.connector_id,
        session_id=ticket.session_id,
        energy_consumed_kwh=ticket.energy,
        total_cost=ticket.cost,
        reason=ticket.reason,
        started_at=ticket.started_at,
        ended_at=ticket.ended_at,
        meter_start_wh=ticket.meter_start_wh,
        meter_stop_wh=ticket.meter_stop_wh,
        price_per_kwh=ticket.price,
        currency=ticket.currency,
        estimated=ticket.estimated,
        revision=ticket.revision,
    )


def start_answer(session: Session) -> ChargeRequestResponse:
    """The answer to the request that began this session, once its start is decided."""
    started = session.confirmed or session.state is not SessionState.FAILED
    return ChargeRequestResponse(
        status=Outcome.SUCCESS if started else Outcome.FAILURE,
        message="authorised" if started else "the charge point did not start",
        error=None if started else session.refusal or Reason.ENGINE_REFUSED,
        session_id=session.session_id,
        cp_id=session.cp_id,
        connector_id=session.connector_id,
    )


def sentence(session: Session) -> str:
    """What a person is told when a session has come to this state."""
    if session.state is SessionState.COMPLETED:
        why = f", {session.reason}" if session.reason else ""
        return f"ticket: {session.energy} kWh, {session.cost} {session.currency}{why}"
    if session.state is SessionState.FAILED:
        return f"session failed: {session.refusal or session.reason or 'never started'}"
    return f"session {session.state}"


def history_row(session: Session) -> SessionRow:
    """A session as its driver sees it; without a ticket its cost is what it has cost so far."""
    return SessionRow(
        session_id=session.session_id,
        cp_id=session.cp_id,
        connector_id=session.connector_id,
        state=session.state,
        started_at=session.started_at,
        ended_at=session.ended_at,
        energy_consumed_kwh=session.energy,
        price_per_kwh=session.price,
        total_cost=session.cost
        if session.cost is not None
        else cost(session.energy, session.price),
        currency=session.currency,
        reason=session.reason,
        estimated=session.estimated,
        revision=session.revision,
    )


def operator_row(session: Session) -> OperatorSessionRow:
    """A session as an operator sees it."""
    row = history_row(session)
    said = {name: getattr(row, name) for name in SessionRow.__struct_fields__}
    return OperatorSessionRow(
        **said,
        driver_id=session.driver_id,
        suspect=session.suspect,
        disputed=session.disputed,
        id_tag=session.id_tag,
        transaction_id=session.transaction_id,
    )


def ticket_row(ticket: Ticket) -> TicketRow:
    """A bill as an operator sees it."""
    return TicketRow(
        session_id=ticket.session_id,
        cp_id=ticket.cp_id,
        connector_id=ticket.connector_id,
        driver_id=ticket.driver_id,
        energy_consumed_kwh=ticket.energy,
        price_per_kwh=ticket.price,
        total_cost=ticket.cost,
        currency=ticket.currency,
        started_at=ticket.started_at,
        ended_at=ticket.ended_at,
        reason=ticket.reason,
        meter_start_wh=ticket.meter_start_wh,
        meter_stop_wh=ticket.meter_stop_wh,
        estimated=ticket.estimated,
        revision=ticket.revision,
    )


def audit_row(entry: AuditEntry) -> AuditRow:
    """An operator's command as the audit log shows it."""
    return AuditRow(
        at=entry.at,
        admin_id=entry.admin_id,
        command=entry.command,
        cp_id=entry.cp_id,
        reason=entry.reason,
        succeeded=entry.succeeded,
        failed=entry.failed,
    )


def fitting(rows: Iterable[Row], limit: int) -> tuple[list[Row], bool]:
    """As many rows as one page may hold, and whether there are more.

    Args:
        limit: The most rows; fewer where their bytes would not fit a frame.
    """
    page: list[Row] = []
    size = 0
    for row in rows:
        size += len(encode(row)) + 1
        if len(page) == limit or size > PAGE_BYTES:
            return page, True
        page.append(row)
    return page, False
