"""The arithmetic of the bench."""

import json

from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from bench import machine, overload
from bench.__main__ import main
from bench.report import markdown, measured
from bench.rows import WORKS, Goal


@given(st.lists(st.floats(0, 1000), min_size=1), st.integers(1, 100))
def test_a_percentile_is_one_of_the_values_and_not_exceeded_by_so_many(
    values: list[float], percent: int
) -> None:
    """The smallest value that at least so many percent do not exceed."""
    found = machine.percentile(values, percent)
    assert found in values
    assert sum(v <= found for v in values) * 100 >= percent * len(values)
    assert sum(v < found for v in values) * 100 < percent * len(values)


def test_a_spoilt_run_does_not_count_and_is_reported() -> None:
    """The median is that of the runs in which nothing was lost or refused."""
    goal = Goal("frames answered", "rate", "at least", 50_000, "/s")
    runs = [
        {"rate": 90_000.0, "wrong": 0.0},
        {"rate": 60_000.0, "wrong": 0.0},
        {"rate": 1.0, "wrong": 3.0},
    ]
    row = measured(goal, runs)
    assert (row["median"], row["spoilt"], row["reached"]) == (75_000.0, 1, True)
    assert "| 75,000/s | 90,000 · 60,000 · 1.0* | at least 50,000/s | yes |" in markdown([row])
    only_spoilt = measured(goal, runs[2:])
    assert (only_spoilt["median"], only_spoilt["reached"]) == (0.0, False)
    json.dumps(row)


def test_a_rate_is_also_told_for_a_whole_core() -> None:
    """On a machine that others use, central gets a part of its core only."""
    runs = [{"rate": 30_000.0, "wrong": 0.0, "server_cpu": 0.5}]
    rate = Goal("frames answered", "rate", "at least", 50_000, "/s")
    latency = Goal("p99", "rate", "below", 50, "ms")
    assert measured(rate, runs)["whole_core"] == 60_000.0
    assert measured(latency, runs)["whole_core"] == 0.0


def test_a_goal_below_a_limit_is_missed_at_the_limit() -> None:
    """50 ms are not less than 50 ms."""
    goal = Goal("p99", "p99_ms", "below", 50, "ms")
    assert goal.reached(49.9)
    assert not goal.reached(50.0)


def test_central_is_back_to_normal_after_the_last_window_in_which_many_waited() -> None:
    """One slow request in twenty is not an overload; all that came before counts."""
    ended = 100.0
    fine = [(ended + n / 100, 0.01, "") for n in range(300)]
    assert overload._normal_after(ended, fine) == 0.0
    one_slow = [*fine, (ended + 2.0, 9.0, "")]
    assert overload._normal_after(ended, one_slow) == 0.0
    slow = [(ended + 1.3 + n / 100, 0.5, "") for n in range(10)]
    assert overload._normal_after(ended, [*fine, *slow]) == 1.5
    refused = [(ended + 2.6 + n / 100, 0.01, "overloaded") for n in range(10)]
    assert overload._normal_after(ended, [*fine, *slow, *refused]) == 3.0


def test_every_row_has_a_name_of_its_own() -> None:
    """In the table, and on the command line."""
    names = [goal.name for work in WORKS for goal in work.goals]
    assert len(names) == len(set(names))
    assert len(WORKS) == len({work.name for work in WORKS})


def test_an_unknown_row_and_impossible_numbers_are_refused() -> None:
    """With a sentence, before anything is measured."""
    for words in (["--only", "beauty"], ["--runs", "0"], ["--seconds", "-1"], ["--warm-up", "x"]):
        result = CliRunner().invoke(main, words)
        assert result.exit_code == 2
        assert "Error: Invalid value for '" in result.output
