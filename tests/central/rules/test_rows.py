"""What others are shown."""

import pytest
from msgspec.structs import replace

from central.rules import rows
from central.rules.billing import closed
from central.rules.records import AuditEntry, Point
from central.rules.sessions import refused, unanswered
from common.errors import Reason
from common.messages import AvailablePoint, ManualCommandName, Outcome
from common.states import EndReason, Facts, SessionState, Status
from common.units import Money, Price, WattHours, Watts
from tests.central.rules.examples import AUTHORISED, completion

POINT = Point(cp_id="CP-1", location="Alcoi", max_rate=Watts(11_000), price=Price(3500))
UP = Facts(link_up=True)


@pytest.mark.parametrize(
    ("wh", "target", "percent"),
    [(0, None, 0), (25_000, None, 50), (60_000, None, 100), (1, 3, 33), (3, 3, 100), (0, 0, 100)],
)
def test_progress_is_part_of_the_target_or_of_fifty_kwh(
    wh: int, target: int | None, percent: int
) -> None:
    """A percentage from 0 to 100, also where nothing or nothing much was asked for."""
    asked = None if target is None else WattHours(target)
    assert rows.progress(WattHours(wh), asked) == percent


def test_a_session_that_holds_the_connector_is_shown_with_its_live_figures() -> None:
    """Power, energy, cost at the stored price, driver and start."""
    session = replace(
        AUTHORISED, state=SessionState.CHARGING, energy=WattHours(7500), rate=Watts(11_000)
    )
    row = rows.connector_row(1, Facts(link_up=True, session=session.state), session)
    assert row.status is Status.CHARGING
    assert row.driver_id == "D-1"
    assert (row.energy_consumed_kwh, row.total_cost) == (WattHours(7500), Money(263))


def test_a_session_that_is_over_is_not_shown() -> None:
    """Its connector is somebody else's now."""
    over, _ = closed(AUTHORISED, completion(10), None, 1)
    assert rows.connector_row(1, UP, over).session_id is None
    assert rows.connector_row(1, UP, None).status is Status.AVAILABLE


def test_a_row_shows_the_most_important_of_its_connectors() -> None:
    """And `bare` is the same row without its envelope."""
    connectors = [rows.connector_row(1, UP, None), rows.connector_row(2, UP, None)]
    faulted = rows.connector_row(2, Facts(link_up=True, fault=True), None)
    whole = rows.point_changed(
        POINT, [connectors[0], faulted], fault="OtherError", currency="EUR", epoch=3
    )
    assert whole.status is Status.FAULTED
    bare = rows.bare(whole)
    assert (bare.cp_id, bare.epoch, bare.connectors) == ("CP-1", 3, whole.connectors)


def test_the_row_of_an_ocpp_charge_point_says_what_it_is() -> None:
    """As it said when it booted; a monitor's says nothing of the kind."""
    said = {"ocpp_version": "1.6", "vendor": "V", "model": "M", "firmware_version": "1.0"}
    free = [rows.connector_row(1, UP, None)]
    for point, expected in ((replace(POINT, **said), said), (POINT, dict.fromkeys(said))):
        row = rows.point_changed(point, free, fault=None, currency="EUR", epoch=1)
        assert {name: getattr(row, name) for name in said} == expected


def test_a_point_is_offered_while_one_of_its_connectors_is_available() -> None:
    """A station with a free connector is offered although it shows `Charging`."""
    busy = rows.connector_row(1, Facts(link_up=True, session=SessionState.CHARGING), AUTHORISED)
    free = rows.connector_row(2, UP, None)
    one = rows.point_changed(POINT, [busy, free], fault=None, currency="EUR", epoch=1)
    none = rows.point_changed(POINT, [busy], fault=None, currency="EUR", epoch=1)
    offered = rows.available(one)
    assert offered is not None
    assert offered.status is Status.AVAILABLE
    assert rows.available(none) is None


def test_history_shows_what_a_session_costs_so_far_and_then_its_bill() -> None:
    """The running one included."""
    running = replace(AUTHORISED, energy=WattHours(1000))
    assert rows.history_row(running).total_cost == Money(35)
    billed, _ = closed(running, completion(2000), None, 1)
    row = rows.history_row(billed)
    assert (row.total_cost, row.revision, row.state) == (Money(70), 1, SessionState.COMPLETED)


def test_a_driver_is_told_state_and_ticket_with_the_charges_trace() -> None:
    """One search for the trace finds them."""
    after, ticket = closed(AUTHORISED, completion(500, EndReason.UNPLUGGED), None, 1)
    assert ticket is not None
    update, bill = rows.status_update(after), rows.ticket_message(ticket, after.trace_id)
    assert (update.status, update.reason) == (SessionState.COMPLETED, EndReason.UNPLUGGED)
    assert (update.trace_id, bill.trace_id) == ("m-1", "m-1")
    assert (bill.total_cost, bill.price_per_kwh) == (Money(18), Price(3500))


def test_the_answer_to_a_start_says_what_became_of_it() -> None:
    """Success where the engine has it, the refusal where it does not."""
    assert rows.start_answer(AUTHORISED).status is Outcome.SUCCESS
    assert rows.start_answer(refused(AUTHORISED, 1)).error is Reason.ENGINE_REFUSED
    assert rows.start_answer(unanswered(AUTHORISED, 1)).error is Reason.TIMED_OUT
    failed = replace(AUTHORISED, state=SessionState.FAILED)
    assert rows.start_answer(failed).error is Reason.ENGINE_REFUSED


def test_a_person_is_told_a_sentence_for_each_state() -> None:
    """The bill with its energy; why it failed."""
    billed, _ = closed(AUTHORISED, completion(7500, EndReason.UNPLUGGED), None, 1)
    plain, _ = closed(AUTHORISED, completion(7500), None, 1)
    assert rows.sentence(billed) == "ticket: 7.500 kWh, 2.63 EUR, unplugged"
    assert rows.sentence(plain) == "ticket: 7.500 kWh, 2.63 EUR"
    assert rows.sentence(unanswered(AUTHORISED, 1)) == "session failed: timed_out"
    assert rows.sentence(AUTHORISED) == "session authorised"


def _offer(cp_id: str, location: str) -> AvailablePoint:
    return AvailablePoint(
        cp_id=cp_id,
        location=location,
        price_per_kwh=Price(1),
        currency="EUR",
        max_charging_rate_kw=Watts(1),
        status=Status.AVAILABLE,
    )


def test_a_page_holds_no_more_rows_than_asked_for() -> None:
    """And says whether there are more."""
    offers = [_offer(f"CP-{n}", "x") for n in range(5)]
    assert rows.fitting(offers, 5) == (offers, False)
    assert rows.fitting(offers, 3) == (offers[:3], True)
    assert rows.fitting(offers, 0) == ([], True)


def test_a_page_fits_a_frame_however_long_its_rows() -> None:
    """Two hundred rows with long names of places are more than one frame."""
    offers = [_offer(f"CP-{n}", "\N{EURO SIGN}" * 100) for n in range(200)]
    page, more = rows.fitting(offers, 200)
    assert more
    assert 100 < len(page) < 200


def test_an_operator_sees_a_drivers_line_and_whose_it_is() -> None:
    """The same figures as in the driver's history, and what is strange about it."""
    session = replace(AUTHORISED, energy=WattHours(7500), suspect=True)
    row, theirs = rows.operator_row(session), rows.history_row(session)
    for name in theirs.__struct_fields__:
        assert getattr(row, name) == getattr(theirs, name)
    assert (row.driver_id, row.suspect, row.disputed) == ("D-1", True, False)


def test_a_ticket_is_shown_as_it_was_billed() -> None:
    """Energy, price and cost of the bill, and the meter's readings."""
    done = completion(7500, EndReason.UNPLUGGED)
    _, ticket = closed(AUTHORISED, done, None, 3000)
    assert ticket is not None
    row = rows.ticket_row(ticket)
    assert (row.energy_consumed_kwh, row.price_per_kwh) == (WattHours(7500), Price(3500))
    assert (row.total_cost, row.currency) == (Money(263), "EUR")
    assert (row.meter_start_wh, row.meter_stop_wh) == (10, 7510)
    assert (row.driver_id, row.reason, row.revision) == ("D-1", EndReason.UNPLUGGED, 1)
    assert not row.estimated


def test_an_operators_command_is_shown_with_who_when_and_why() -> None:
    """And with what became of it; its own id is nobody's business."""
    entry = AuditEntry(
        entry_id="e",
        at=5,
        admin_id="ana",
        command=ManualCommandName.STOP_CP,
        cp_id="*",
        reason="storm",
        succeeded=3,
        failed=1,
    )
    row = rows.audit_row(entry)
    assert (row.at, row.admin_id, row.command) == (5, "ana", ManualCommandName.STOP_CP)
    assert (row.cp_id, row.reason, row.succeeded, row.failed) == ("*", "storm", 3, 1)
