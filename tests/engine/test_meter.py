"""The meter: no energy is lost or made, whatever it is given."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.meter import WATT_NS_PER_WH, Meter
from engine.moment import NS

FAR = 10**9
powers = st.integers(0, 10_000_000)
spans = st.integers(0, 3_600 * NS)
steps = st.lists(st.tuples(powers, spans), max_size=30)


@given(st.integers(0, 10**9), steps)
def test_energy_is_conserved_to_the_last_watt_nanosecond(
    register: int, given_: list[tuple[int, int]]
) -> None:
    """The register is the sum of all power times time, cut to whole Wh only when it is read."""
    meter = Meter(register)
    meter.open()
    for power, ns in given_:
        meter.add(power, ns, up_to_wh=10**15)
    total = sum(power * ns for power, ns in given_)
    assert meter.register_wh == register + total // WATT_NS_PER_WH


@given(steps, st.integers(0, 200_000))
def test_the_register_only_grows_and_never_passes_its_end(
    given_: list[tuple[int, int]], end: int
) -> None:
    """It is whole, never falls, and stands at exactly the end when it says that it does."""
    meter = Meter()
    meter.open()
    before = 0
    for power, ns in given_:
        reached = meter.add(power, ns, up_to_wh=end)
        assert isinstance(meter.register_wh, int)
        assert before <= meter.register_wh <= end
        assert reached == (meter.register_wh == end)
        before = meter.register_wh


@given(powers, spans, st.lists(st.integers(0, 3_600 * NS), max_size=10))
def test_it_does_not_matter_how_a_time_is_cut(power: int, ns: int, cuts: list[int]) -> None:
    """The same time in one piece or in many gives the same energy."""
    whole, pieces = Meter(), Meter()
    whole.open()
    pieces.open()
    whole.add(power, ns, up_to_wh=FAR)
    edges = [0, *sorted(cut for cut in cuts if cut < ns), ns]
    for begin, end in pairwise(edges):
        pieces.add(power, end - begin, up_to_wh=FAR)
    assert pieces.register_wh == whole.register_wh


def test_what_is_less_than_a_watt_hour_becomes_part_of_a_later_one() -> None:
    """Half a Wh in one session and half in the next are one Wh on the register."""
    meter = Meter(5)
    for expected in (5, 6):
        meter.open()
        meter.add(1_800, NS, up_to_wh=FAR)
        meter.close()
        assert meter.register_wh == expected


def test_an_end_that_was_passed_long_ago_takes_nothing_back() -> None:
    """A register never falls, not even to its end."""
    meter = Meter(10)
    meter.open()
    assert meter.add(1_000, NS, up_to_wh=3)
    assert meter.register_wh == 10


@pytest.mark.parametrize("opened", [False, True])
def test_nothing_is_counted_outside_a_session(opened: bool) -> None:
    """Before `open` and after `close` there is no energy to count."""
    meter = Meter()
    if opened:
        meter.open()
        meter.close()
    with pytest.raises(AssertionError):
        meter.add(1_000, NS, up_to_wh=FAR)
