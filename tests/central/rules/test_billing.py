"""The bill."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from central.rules.billing import NOBODY, closed, estimated, is_suspect, unknown
from common.states import EndReason, SessionState
from common.units import Money, Price, WattHours, Watts, cost
from tests.central.rules.examples import AUTHORISED, completion

NOW = 3000


def test_the_bill_is_energy_by_the_stored_price_to_the_cent() -> None:
    """0.35 x 7.5 kWh is 2.63: halves up, once."""
    after, ticket = closed(AUTHORISED, completion(7500, EndReason.UNPLUGGED), None, NOW)
    assert ticket is not None
    assert (ticket.cost, after.cost) == (Money(263), Money(263))
    assert ticket.reason is EndReason.UNPLUGGED
    assert after.state is SessionState.COMPLETED
    assert (after.settled, after.holds_connector, after.holds_driver) == (True, False, False)


@given(wh=st.integers(1, 10**8), price=st.integers(0, 10**7))
def test_the_engines_own_sum_is_recorded_and_not_believed(wh: int, price: int) -> None:
    """Whatever the engine thinks it costs, the bill is central's."""
    session = replace(AUTHORISED, price=Price(price))
    _, ticket = closed(session, completion(wh), None, NOW)
    assert ticket is not None
    assert ticket.cost == cost(WattHours(wh), Price(price))
    assert ticket.engine_cost == Money(1)


def test_no_energy_and_no_wish_is_no_bill() -> None:
    """A session that nobody used fails, settled, without a ticket."""
    after, ticket = closed(AUTHORISED, completion(0, EndReason.NOT_PLUGGED_IN), None, NOW)
    assert ticket is None
    assert after.state is SessionState.FAILED
    assert (after.settled, after.cost, after.revision) == (True, None, 0)


def test_what_it_was_told_to_end_for_stands_in_for_a_missing_reason() -> None:
    """An engine that gives no reason ended it because it was asked to."""
    after, ticket = closed(AUTHORISED, completion(0), EndReason.DRIVER_REQUEST, NOW)
    assert ticket is not None
    assert after.reason is EndReason.DRIVER_REQUEST


def test_a_failed_session_that_used_energy_gets_its_ticket() -> None:
    """Energy delivered after a start that timed out is billed."""
    failed = replace(AUTHORISED, state=SessionState.FAILED)
    after, ticket = closed(failed, completion(100, EndReason.CANCELLED), None, NOW)
    assert after.state is SessionState.COMPLETED
    assert ticket is not None


def test_the_engines_times_are_taken_where_it_gives_them() -> None:
    """Else the session's start, and the time at which the ticket came."""
    given_, _ = closed(AUTHORISED, completion(1, started_at=5, ended_at=9), None, NOW)
    assert (given_.started_at, given_.ended_at) == (5, 9)
    missing, _ = closed(AUTHORISED, completion(1), None, NOW)
    assert (missing.started_at, missing.ended_at) == (AUTHORISED.started_at, NOW)


@pytest.mark.parametrize(
    ("wh", "read", "seconds", "time_scale", "suspect"),
    [
        (5_000, 5_000, 3600, 1.0, False),
        (4_999, 5_000, 3600, 1.0, True),  # below a reading
        (13_100, 0, 3600, 1.0, False),  # 11 kW for an hour, a tenth more, and 1 kWh
        (13_101, 0, 3600, 1.0, True),
        (1_000, 0, 0, 1.0, False),
        (1_001, 0, 0, 1.0, True),
        (1_001, 0, -60, 1.0, True),  # a clock that was set back gives no time
        (13_100, 0, 60, 60.0, False),  # a simulated hour
        (13_101, 0, 60, 60.0, True),
    ],
)
def test_a_ticket_is_suspect_below_a_reading_or_above_what_the_rate_allows(
    wh: int, read: int, seconds: int, time_scale: float, suspect: bool
) -> None:
    """At 11 kW: maximum rate x time since authorisation x 1.1 + 1 kWh is just possible."""
    session = replace(AUTHORISED, energy=WattHours(read))
    now = session.requested_ms / 1000 + seconds
    assert is_suspect(session, WattHours(wh), Watts(11_000), time_scale, now) is suspect


# -- A ticket that does not come --


@given(wh=st.integers(1, 10**8))
def test_what_was_read_last_is_billed_where_no_ticket_comes(wh: int) -> None:
    """As an estimate, `lost`; it frees everything, and its engine's word is still wanted."""
    charging = replace(
        AUTHORISED, state=SessionState.CHARGING, energy=WattHours(wh), sequence=1, confirmed=True
    )
    after, ticket = estimated(charging, NOW)
    assert ticket is not None
    assert (ticket.energy, ticket.cost) == (wh, cost(WattHours(wh), AUTHORISED.price))
    assert (ticket.estimated, ticket.revision, ticket.reason) == (True, 1, EndReason.LOST)
    assert (ticket.ended_at, ticket.meter_start_wh) == (NOW, None)
    assert (after.state, after.estimated, after.settled) == (SessionState.COMPLETED, True, False)
    assert not after.holds_connector
    assert not after.holds_driver


@pytest.mark.parametrize(
    "state", [SessionState.AUTHORISED, SessionState.CHARGING, SessionState.FINISHING]
)
def test_without_energy_there_is_nothing_to_estimate(state: SessionState) -> None:
    """The session fails, without a bill."""
    after, ticket = estimated(replace(AUTHORISED, state=state), NOW)
    assert ticket is None
    assert (after.state, after.revision, after.estimated) == (SessionState.FAILED, 0, False)
    assert (after.reason, after.settled) == (EndReason.LOST, False)
    assert not after.holds_connector


def test_a_cancelled_start_of_which_nothing_is_heard_frees_its_connector() -> None:
    """It stays failed, with its own reason."""
    failed = replace(AUTHORISED, state=SessionState.FAILED, holds_driver=False)
    after, ticket = estimated(failed, NOW)
    assert ticket is None
    assert after == replace(failed, holds_connector=False)


@given(read=st.integers(1, 10**7), wh=st.integers(0, 10**7))
def test_the_true_ticket_replaces_an_estimate(read: int, wh: int) -> None:
    """As its second revision, also without energy; then it is settled, and not estimated."""
    charging = replace(AUTHORISED, state=SessionState.CHARGING, energy=WattHours(read))
    guessed, _ = estimated(charging, NOW)
    after, ticket = closed(guessed, completion(wh, EndReason.UNPLUGGED), None, NOW + 9)
    assert ticket is not None
    assert (ticket.energy, ticket.cost) == (wh, cost(WattHours(wh), AUTHORISED.price))
    assert (ticket.estimated, ticket.revision, ticket.issued_at) == (False, 2, NOW + 9)
    assert (ticket.meter_start_wh, ticket.meter_stop_wh) == (10, 10 + wh)
    assert (after.state, after.revision, after.settled) == (SessionState.COMPLETED, 2, True)
    assert not after.estimated


def test_a_ticket_for_a_session_that_nobody_knows_is_kept_and_not_billed() -> None:
    """Whose it was is not known; what it would cost can be seen from its energy and price."""
    told = completion(4000, EndReason.UNPLUGGED, started_at=5, ended_at=9)
    session = unknown(told, Price(3500), "EUR", NOW)
    assert (session.session_id, session.cp_id, session.driver_id) == ("s-1", "CP-1", NOBODY)
    assert (session.energy, session.price, session.cost) == (4000, 3500, None)
    assert (session.state, session.revision) == (SessionState.FAILED, 0)
    assert (session.disputed, session.settled) == (True, True)
    assert not session.holds_connector
    assert not session.holds_driver
    assert (session.started_at, session.ended_at) == (5, 9)
    assert unknown(completion(1), Price(1), "EUR", NOW).ended_at == NOW
