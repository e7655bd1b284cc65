"""The bill."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from central.rules.billing import closed, is_suspect
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
