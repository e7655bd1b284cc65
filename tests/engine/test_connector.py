"""One connector: every status with everything that can happen, and its metering by property."""

from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.states import EndReason, EngineStatus
from common.units import WattHours, Watts
from engine.connector import PLUG_WITHIN_NS, Connector
from engine.meter import Meter
from engine.moment import NS
from engine.session import Session
from tests.engine.fakes import BEGAN, at, exactly, start

Happening = Callable[[Connector], Session | None]


def connector(
    *, auto: bool = False, register: int = 0, power: int = 22_000, step_seconds: int = 1
) -> Connector:
    return Connector(
        1,
        Meter(register),
        power_limit=Watts(power),
        auto_plug=auto,
        step_seconds=step_seconds,
    )


def in_status(status: str) -> Connector:
    """A connector of manual plug in this status, ten seconds after the engine began."""
    one = connector()
    if status in ("charging", "finishing", "plugged in"):
        one.plug(at(0))
    if status in ("preparing", "charging", "finishing"):
        one.begin(start(), at(0))
    if status == "finishing":
        one.end(EndReason.DRIVER_REQUEST, at(10))
    if status in ("stopped", "faulted, stopped"):
        one.stop(at(0))
    if status in ("faulted", "faulted, stopped"):
        one.break_down(at(0))
    return one


def _no_session(act: Callable[[Connector], None]) -> Happening:
    def happen(one: Connector) -> None:
        act(one)

    return happen


HAPPENINGS: dict[str, Happening] = {
    "plug": lambda one: one.plug(at(11)),
    "unplug": lambda one: one.unplug(at(11)),
    "break": lambda one: one.break_down(at(11)),
    "repair": _no_session(Connector.repair),
    "stop": lambda one: one.stop(at(11)),
    "resume": _no_session(Connector.resume),
    "end": lambda one: one.end(EndReason.DRIVER_REQUEST, at(11)),
    "a minute": lambda one: one.advance(at(61)),
    "reading": lambda one: one.read(at(11)),
}

# What becomes of each status, and the reason of the session that this ends; "" where none ends.
STAYS = ("same", "")
PROMISED: dict[str, dict[str, tuple[str, str]]] = {
    "available": {
        "plug": STAYS,  # a car that nobody has asked to charge
        "unplug": STAYS,
        "break": ("faulted", ""),
        "repair": STAYS,
        "stop": ("stopped", ""),
        "resume": STAYS,
        "end": STAYS,
        "a minute": STAYS,
        "reading": STAYS,
    },
    "plugged in": {
        "plug": ("available", ""),
        "unplug": ("available", ""),
        "break": ("faulted", ""),
        "repair": ("available", ""),
        "stop": ("stopped", ""),
        "resume": ("available", ""),
        "end": ("available", ""),
        "a minute": ("available", ""),
        "reading": ("available", ""),
    },
    "preparing": {
        "plug": ("charging", ""),
        "unplug": STAYS,
        "break": ("faulted", "fault"),
        "repair": STAYS,
        "stop": ("stopped", "cp_stopped"),
        "resume": STAYS,
        "end": ("available", "driver_request"),
        "a minute": ("available", "not_plugged_in"),
        "reading": STAYS,
    },
    "charging": {
        "plug": STAYS,
        "unplug": ("available", "unplugged"),
        "break": ("faulted", "fault"),
        "repair": STAYS,
        "stop": ("stopped", "cp_stopped"),
        "resume": STAYS,
        "end": ("finishing", "driver_request"),
        "a minute": STAYS,
        "reading": STAYS,
    },
    "finishing": {
        "plug": STAYS,
        "unplug": ("available", ""),
        "break": ("faulted", ""),
        "repair": STAYS,
        "stop": ("stopped", ""),
        "resume": STAYS,
        "end": STAYS,
        "a minute": STAYS,
        "reading": STAYS,
    },
    "stopped": {
        "plug": STAYS,
        "unplug": STAYS,
        "break": ("faulted", ""),
        "repair": STAYS,
        "stop": STAYS,
        "resume": ("available", ""),
        "end": STAYS,
        "a minute": STAYS,
        "reading": STAYS,
    },
    "faulted": {
        "plug": STAYS,
        "unplug": STAYS,
        "break": STAYS,
        "repair": ("available", ""),
        "stop": STAYS,
        "resume": STAYS,
        "end": STAYS,
        "a minute": STAYS,
        "reading": STAYS,
    },
    "faulted, stopped": {
        "plug": ("faulted", ""),
        "unplug": ("faulted", ""),
        "break": ("faulted", ""),
        "repair": ("stopped", ""),
        "stop": ("faulted", ""),
        "resume": ("faulted", ""),
        "end": ("faulted", ""),
        "a minute": ("faulted", ""),
        "reading": ("faulted", ""),
    },
}


def test_the_table_is_complete() -> None:
    """It has every word of the engine, and everything that can happen."""
    assert {*EngineStatus} <= PROMISED.keys()
    assert all(row.keys() == HAPPENINGS.keys() for row in PROMISED.values())


@pytest.mark.parametrize("happening", HAPPENINGS)
@pytest.mark.parametrize("status", PROMISED)
def test_what_happens_in_each_status(status: str, happening: str) -> None:
    """Each happening leads where the table says, and ends a session as the table says."""
    becomes, reason = PROMISED[status][happening]
    one = in_status(status)
    before = one.status
    outcome = HAPPENINGS[happening](one)
    assert one.status == (before if becomes == "same" else becomes)
    ended = outcome if outcome is not None and outcome.reason is not None else None
    assert (str(ended.reason) if ended else "") == reason
    assert (one.session is not None) == (one.status in ("charging", "preparing"))


@pytest.mark.parametrize(
    ("status", "objection"),
    [
        ("available", ""),
        ("plugged in", ""),
        ("finishing", ""),
        ("preparing", "is serving session s1"),
        ("charging", "is serving session s1"),
        ("stopped", "is out of order"),
        ("faulted", "is broken"),
        ("faulted, stopped", "is broken"),
    ],
)
def test_when_a_session_may_begin(status: str, objection: str) -> None:
    """There is no objection where nothing runs, nothing is broken and nothing is out of order."""
    one = in_status(status)
    assert one.objection() == objection
    if objection:
        with pytest.raises(AssertionError):
            one.begin(start("s2"), at(20))


@pytest.mark.parametrize(
    ("status", "becomes"),
    [("available", "preparing"), ("plugged in", "charging"), ("finishing", "charging")],
)
def test_a_manual_plug_is_waited_for_unless_a_car_is_there(status: str, becomes: str) -> None:
    """A car that is plugged in already is supplied at once."""
    one = in_status(status)
    one.begin(start("s2"), at(20))
    assert one.status == becomes


def test_an_automatic_plug_is_in_at_once_and_out_at_the_end() -> None:
    """With `--plug auto` a car comes with its session and leaves with it."""
    one = connector(auto=True)
    one.begin(start(), at(0))
    assert (one.status, one.plugged) == (EngineStatus.CHARGING, True)
    one.end(EndReason.DRIVER_REQUEST, at(1))
    assert (one.status, one.plugged) == (EngineStatus.AVAILABLE, False)


def test_a_broken_connector_stays_broken_for_a_new_car() -> None:
    """What a person plugs in or out while it is broken counts once it is repaired."""
    one = in_status("faulted")
    one.plug(at(11))
    one.repair()
    one.begin(start(), at(12))
    assert one.status is EngineStatus.CHARGING


def test_a_session_begins_with_what_it_was_promised() -> None:
    """Price, target, trace and the smaller of both limits are the session's for good."""
    one = connector(auto=True, register=1_234)
    session = one.begin(start(target_kwh=WattHours(500)), at(7))
    assert session == Session(
        session_id="s1",
        connector_id=1,
        driver_id="D-1",
        price=start().price_per_kwh,
        limit=Watts(11_000),
        target=WattHours(500),
        trace_id="t-s1",
        started_at=BEGAN + 7,
        at=BEGAN + 7,
        meter_start_wh=1_234,
        meter_wh=1_234,
    )
    assert one.session == session
    assert one.last_session_id == "s1"


def test_a_start_without_a_trace_is_the_beginning_of_one() -> None:
    """The command's own id then is the trace."""
    assert connector().begin(start(trace_id=None), at(0)).trace_id == "m-s1"


def test_the_point_supplies_no_more_than_it_can() -> None:
    """`--power` limits what central commands."""
    session = connector(power=3_700).begin(start(), at(0))
    assert session.limit == 3_700


def test_a_supply_is_timed_from_its_plug() -> None:
    """Begin and end are when energy flowed; the end is the begin plus monotonic time."""
    one = connector()
    one.begin(start(), at(0))
    began = one.plug(at(30))
    assert began is not None
    assert (began.started_at, began.at) == (BEGAN + 30, BEGAN + 30)
    ended = one.end(EndReason.DRIVER_REQUEST, at(95.5))
    assert ended is not None
    assert (ended.started_at, ended.at) == (BEGAN + 30, BEGAN + 95)


def test_the_plug_is_waited_for_on_the_simulated_clock() -> None:
    """60 simulated seconds: one real second at a scale of 60; the times are real."""
    one = connector()
    one.begin(start(), at(0, scale=60))
    assert PLUG_WITHIN_NS == 60 * NS
    assert one.advance(at(0.99, scale=60)) is None
    ended = one.advance(at(1, scale=60))
    assert ended is not None
    assert ended.reason is EndReason.NOT_PLUGGED_IN
    assert (ended.energy, ended.at - ended.started_at) == (0, 1)


def test_readings_are_numbered_and_cumulative() -> None:
    """1, 2, 3 …, with energy that never falls and the power that flows."""
    one = connector(auto=True)
    one.begin(start(), at(0))
    readings = [one.read(at(second)) for second in range(1, 16)]
    taken = [reading for reading in readings if reading is not None]
    assert [reading.sequence for reading in taken] == [*range(1, 16)]
    assert all(a.energy <= b.energy for a, b in pairwise(taken))
    assert taken[0].rate == 1_100
    assert taken[-1].rate == 11_000
    assert taken[-1].at == BEGAN + 15


def test_a_target_of_nothing_is_reached_at_once() -> None:
    """A session that wants 0 kWh ends with 0 kWh."""
    one = connector(auto=True)
    one.begin(start(target_kwh=WattHours(0)), at(0))
    ended = one.advance(at(0))
    assert ended is not None
    assert (ended.reason, ended.energy) == (EndReason.TARGET_REACHED, 0)


targets = st.none() | st.integers(0, 60_000).map(WattHours)


@given(
    targets,
    st.integers(1, 350_000),
    st.integers(0, 10**9),
    st.lists(st.integers(1, 3_600 * NS), min_size=1, max_size=20),
)
def test_energy_is_monotonic_and_never_above_the_rate(
    target: WattHours | None, rate: int, register: int, spans: list[int]
) -> None:
    """At any time no more has flowed than the limit allows in that time, nor than was wanted."""
    one = connector(auto=True, register=register, power=10_000_000)
    one.begin(start(target_kwh=target, max_charging_rate_kw=Watts(rate)), exactly(0))
    now = before = 0
    for span in spans:
        now += span
        outcome = one.advance(exactly(now)) or one.read(exactly(now))
        assert outcome is not None
        assert before <= outcome.energy <= min(50_000 if target is None else target, 10**8)
        assert outcome.energy * 3_600 * NS <= rate * now
        assert outcome.rate <= rate
        if outcome.reason is not None:
            break
        before = outcome.energy


@given(targets, st.integers(1_000, 350_000), st.integers(0, 10**9), st.floats(0.01, 5_000))
def test_a_supply_ends_at_exactly_what_was_wanted(
    target: WattHours | None, rate: int, register: int, tick: float
) -> None:
    """However coarse the ticks are, a car takes its target to the Wh, or 50 kWh."""
    one = connector(auto=True, register=register, power=10_000_000, step_seconds=10)
    one.begin(start(target_kwh=target, max_charging_rate_kw=Watts(rate)), exactly(0))
    now = 0
    ended = None
    while ended is None:
        now += round(tick * 100 * NS)
        ended = one.advance(exactly(now))
    assert ended.reason is EndReason.TARGET_REACHED
    assert ended.energy == (50_000 if target is None else target)
    assert one.meter.register_wh == register + ended.energy


@given(st.lists(st.integers(0, 600 * NS), max_size=20), st.integers(0, 600 * NS))
def test_energy_does_not_depend_on_how_often_anybody_looks(looks: list[int], end: int) -> None:
    """The same supply for the same time gives the same energy and power, however it was cut."""
    watched, alone = connector(auto=True), connector(auto=True)
    for one in (watched, alone):
        one.begin(start(target_kwh=WattHours(1_000)), exactly(0))
    for look in sorted(moment for moment in looks if moment < end):
        if watched.advance(exactly(look)) is not None:
            break
        watched.read(exactly(look))
    first = watched.end(EndReason.DRIVER_REQUEST, exactly(end))
    second = alone.end(EndReason.DRIVER_REQUEST, exactly(end))
    assert watched.meter.register_wh == alone.meter.register_wh
    assert first is None or second is None or first.energy == second.energy
