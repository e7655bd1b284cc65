"""Bills as CSV."""

import csv
import io

from admin.tickets import COLUMNS, TicketWriter
from common.messages import TicketRow
from common.states import EndReason
from common.units import Money, Price, WattHours


def ticket(cp_id: str = "CP-1", reason: EndReason | None = None) -> TicketRow:
    return TicketRow(
        session_id='a "quoted", one',
        cp_id=cp_id,
        connector_id=1,
        driver_id="D-1",
        energy_consumed_kwh=WattHours(7_500),
        price_per_kwh=Price(3_500),
        total_cost=Money(263),
        currency="EUR",
        started_at=1_790_000_000,
        ended_at=1_790_000_060,
        reason=reason,
        meter_start_wh=None,
        meter_stop_wh=7_510,
        estimated=False,
        revision=1,
    )


def test_amounts_are_exact_and_times_are_in_utc() -> None:
    """A header, a line a ticket, every digit as billed; what is unknown is empty."""
    out = io.StringIO()
    TicketWriter(out).write([ticket(), ticket("CP-2", EndReason.UNPLUGGED)])
    first, second = csv.DictReader(io.StringIO(out.getvalue()))
    assert tuple(first) == COLUMNS
    assert first["session_id"] == 'a "quoted", one'
    assert (first["energy_consumed_kwh"], first["price_per_kwh"]) == ("7.500", "0.3500")
    assert (first["total_cost"], first["currency"]) == ("2.63", "EUR")
    assert (first["meter_start_wh"], first["meter_stop_wh"]) == ("", "7510")
    assert first["started_at"].endswith("Z")
    assert (first["reason"], second["reason"], first["estimated"]) == ("", "unplugged", "false")


def test_lines_end_as_rfc_4180_says() -> None:
    out = io.StringIO()
    TicketWriter(out).write([])
    assert out.getvalue() == ",".join(COLUMNS) + "\r\n"
