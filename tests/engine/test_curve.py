"""What a car draws: ramp, constant, taper."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.units import WattHours, Watts
from engine.curve import FULL, RAMP_SECONDS, power, wanted_energy

LIMIT = Watts(22_000)
limits = st.integers(1, 10_000_000).map(Watts)
energies = st.integers(0, 10**8)


def test_a_car_takes_what_was_asked_for_or_until_it_is_full() -> None:
    """Without a target a car is full at 50 kWh."""
    assert wanted_energy(None) == FULL == WattHours(50_000)
    assert wanted_energy(WattHours(7_500)) == WattHours(7_500)


@given(limits, st.integers(0, 10**6), energies, energies)
def test_it_never_draws_more_than_it_may(
    limit: Watts, seconds: int, delivered: int, wanted: int
) -> None:
    """The power is a whole number of watts within the limit."""
    drawn = power(limit, seconds, delivered, wanted)
    assert isinstance(drawn, Watts)
    assert 0 <= drawn <= limit


@given(limits, st.integers(0, 10**6), energies, energies)
def test_it_draws_something_until_it_has_what_it_wants(
    limit: Watts, seconds: int, delivered: int, wanted: int
) -> None:
    """So every supply ends; a car that has all that it wants draws nothing."""
    assert (power(limit, seconds, delivered, wanted) > 0) == (delivered < wanted)


@given(limits, energies)
def test_it_ramps_up(limit: Watts, wanted: int) -> None:
    """In the first seconds it draws more and more, from little to all."""
    wanted += 1
    drawn = [power(limit, s, 0, wanted) for s in range(RAMP_SECONDS + 1)]
    assert all(before <= after for before, after in pairwise(drawn))
    assert drawn[0] == max(1, limit // RAMP_SECONDS)
    assert drawn[RAMP_SECONDS - 1] == drawn[RAMP_SECONDS] == limit


@pytest.mark.parametrize(
    ("delivered", "drawn"),
    [
        (0, 22_000),
        (40_000, 22_000),
        (45_000, 11_000),
        (47_500, 5_500),
        (49_000, 5_500),
        (49_999, 5_500),
        (50_000, 0),
        (50_001, 0),
    ],
)
def test_it_tapers_off(delivered: int, drawn: int) -> None:
    """Over the last fifth it draws less and less, but never less than a quarter."""
    assert power(LIMIT, 3_600, delivered, FULL) == drawn


def test_nothing_is_drawn_where_nothing_may_be() -> None:
    """A limit of 0 is kept, too."""
    assert power(Watts(0), 100, 0, 1_000) == 0
