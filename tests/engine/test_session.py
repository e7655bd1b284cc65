"""A session, and what is told of it."""

import pytest

from common.messages import ChargeCompletion, ChargingData
from common.states import EndReason
from common.units import Money, WattHours, Watts
from engine.session import reading_of, ticket_of
from tests.engine.fakes import BEGAN, CP, a_session


def test_a_reading_says_what_has_flowed() -> None:
    """Energy since the session's start, its cost at the session's price, the power now."""
    session = a_session(meter_wh=8_500, connector_id=2)
    assert reading_of(session, CP) == ChargingData(
        cp_id=CP,
        connector_id=2,
        session_id="s1",
        sequence=10,
        energy_consumed_kwh=WattHours(7_500),
        total_cost=Money(263),
        charging_rate=Watts(11_000),
        trace_id="t1",
    )


def test_a_ticket_says_how_it_was() -> None:
    """Energy, cost, reason, times, the register at both ends, and the trace that began it."""
    session = a_session(meter_wh=8_500, reason=EndReason.UNPLUGGED)
    assert ticket_of(session, CP) == ChargeCompletion(
        cp_id=CP,
        session_id="s1",
        energy_consumed_kwh=WattHours(7_500),
        total_cost=Money(263),
        reason=EndReason.UNPLUGGED,
        started_at=BEGAN,
        ended_at=BEGAN + 10,
        meter_start_wh=1_000,
        meter_stop_wh=8_500,
        trace_id="t1",
    )


def test_what_runs_has_no_ticket() -> None:
    """A ticket is of a session that has ended."""
    with pytest.raises(AssertionError):
        ticket_of(a_session(), CP)
