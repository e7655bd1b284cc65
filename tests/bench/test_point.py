"""A charge point of the load generator keeps what the protocol wants kept."""

from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bench.peers import Heard
from bench.point import Point
from common.errors import Reason
from common.messages import (
    ChargeCompletion,
    ChargingData,
    CommandResponse,
    Message,
    Outcome,
    SessionOutcome,
    SessionReport,
)
from common.states import EndReason

NOW = 1_790_000_000


def told(point: Point, type_: str, **fields: Any) -> list[Message]:
    """What a point says to a message of central with these fields."""
    return point.told(Heard(type=type_, message_id="m-1", **fields), NOW)


def start(point: Point, session_id: str = "s-1", **fields: Any) -> Outcome:
    """What it answers to a start."""
    (answer,) = told(point, "start_charging_command", session_id=session_id, **fields)
    assert isinstance(answer, CommandResponse)
    return answer.status


def stop(point: Point, session_id: str = "s-1") -> list[Message]:
    """What it says to a stop."""
    return told(point, "stop_charging_command", session_id=session_id)


def test_it_supplies_up_to_the_target_and_holds_the_ticket() -> None:
    """With readings in order before it, and its register beside it."""
    point = Point("CP-1")
    assert start(point, target_kwh=Decimal("0.010")) is Outcome.SUCCESS
    said = [point.read(1.0) for _ in range(4)]
    readings = [one for one in said if isinstance(one, ChargingData)]
    assert [one.sequence for one in readings] == [1, 2, 3]
    ticket = said[-1]
    assert isinstance(ticket, ChargeCompletion)
    assert (ticket.energy_consumed_kwh, ticket.reason) == (10, EndReason.TARGET_REACHED)
    assert (ticket.meter_start_wh, ticket.meter_stop_wh) == (0, 10)
    assert point.read(1.0) is None
    assert list(point.held) == ["s-1"]


def test_a_ticket_is_held_until_it_is_settled() -> None:
    """And named in each heartbeat and registration until then."""
    point = Point("CP-1")
    start(point)
    stop(point)
    assert point.beat().held_sessions == point.registration().held_sessions == ("s-1",)
    told(point, "heartbeat_response", settled_sessions=("s-0", "s-1"))
    assert point.beat().held_sessions == ()


def test_what_is_unsettled_is_told_again_or_was_never_seen() -> None:
    """But not what runs: its connector names that."""
    point = Point("CP-1")
    start(point, "ended")
    stop(point, "ended")
    start(point, "running")
    said = told(point, "register_response", unsettled_sessions=("ended", "running", "unknown"))
    reports = {one.session_id: one.outcome for one in said if isinstance(one, SessionReport)}
    assert reports == {"ended": SessionOutcome.ENDED, "unknown": SessionOutcome.NEVER_SEEN}
    assert [one.session_id for one in said if isinstance(one, ChargeCompletion)] == ["ended"]
    stop(point, "running")
    assert start(point, "unknown") is Outcome.FAILURE


def test_what_was_stopped_before_it_came_never_begins() -> None:
    """A start may have been delayed on an old link."""
    point = Point("CP-1")
    assert [type(one) for one in stop(point)] == [CommandResponse]
    assert start(point) is Outcome.FAILURE


def test_an_operators_stop_ends_what_runs_and_lets_nothing_begin() -> None:
    """Until it is resumed; central's lists say so, too."""
    point = Point("CP-1")
    start(point)
    said = told(point, "stop_cp_command")
    assert [type(one) for one in said] == [CommandResponse, ChargeCompletion]
    assert start(point, "s-2") is Outcome.FAILURE
    told(point, "resume_cp_command")
    assert start(point, "s-3") is Outcome.SUCCESS
    assert [type(one) for one in told(point, "heartbeat_response", stopped=True)] == [
        ChargeCompletion
    ]
    assert point.stopped


def test_a_central_that_leads_no_more_is_refused() -> None:
    """A lower epoch than the last seen is an old one's."""
    point = Point("CP-1")
    told(point, "register_response", epoch=3)
    (answer,) = told(point, "start_charging_command", session_id="s-1", epoch=2)
    assert isinstance(answer, CommandResponse)
    assert answer.error is Reason.STANDBY
    assert start(point, epoch=3) is Outcome.SUCCESS


@given(st.lists(st.tuples(st.sampled_from(["start", "stop", "read"]), st.integers(0, 3))))
def test_its_register_is_the_sum_of_its_tickets(steps: list[tuple[str, int]]) -> None:
    """Whatever it is told, in whatever order, and each session has one ticket at most."""
    point = Point("CP-1")
    tickets: list[ChargeCompletion] = []
    for what, number in steps:
        said: list[Message | None] = []
        if what == "start":
            start(point, f"s-{number}", target_kwh=Decimal("0.050"))
        elif what == "stop":
            said += stop(point, f"s-{number}")
        else:
            said.append(point.read(float(number)))
        tickets += [one for one in said if isinstance(one, ChargeCompletion)]
    tickets += [t for t in (point.end(EndReason.UNPLUGGED),) if t is not None]
    assert point.register_wh == sum(ticket.energy_consumed_kwh for ticket in tickets)
    ended = [ticket.session_id for ticket in tickets]
    assert sorted(ended) == sorted(set(ended)) == sorted(point.held)
