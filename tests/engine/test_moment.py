"""The engine's time."""

import pytest

from engine.moment import NS, Moment, Timepiece
from tests.engine.fakes import BEGAN, FakeClock


@pytest.mark.parametrize("scale", [0.5, 1.0, 60.0, 100_000.0])
def test_simulated_time_passes_as_often_as_told(scale: float) -> None:
    """A real second is `scale` simulated ones; both begin with the engine."""
    clock = FakeClock()
    timepiece = Timepiece(clock, scale)
    assert timepiece.now() == Moment(BEGAN, 0, 0)
    clock.pass_(2.5)
    assert timepiece.now() == Moment(BEGAN + 2, 2_500_000_000, round(2.5 * NS * scale))


def test_a_jump_of_the_wall_clock_measures_nothing() -> None:
    """Only `unix` follows a clock that is set."""
    clock = FakeClock()
    timepiece = Timepiece(clock, 1.0)
    clock.pass_(1)
    clock.jumped = -3_600
    assert timepiece.now() == Moment(BEGAN - 3_599, NS, NS)


def test_whole_seconds_since() -> None:
    """Seconds between two moments are real ones, and whole."""
    assert Moment(0, 2_999_999_999, 0).seconds_since(Moment(0, NS, 0)) == 1
