"""`python -m sim` as a person uses it."""

from collections.abc import Sequence

import pytest
from click.testing import CliRunner

from sim import __main__ as program
from sim import world
from sim.outcome import Outcome
from sim.story import Detail

ALL_WELL = 5


def run(*arguments: str) -> tuple[int, str]:
    """Exit code and output."""
    result = CliRunner().invoke(program.main, arguments)
    return result.exit_code, result.output


def test_one_seed_says_what_has_happened_in_it() -> None:
    """Its faults, its charges, and the digest by which it is known again."""
    code, output = run("--seed", str(ALL_WELL))
    assert code == 0
    assert f"seed {ALL_WELL}: " in output
    assert f"digest {world.play(ALL_WELL).digest}" in output
    assert "FAULT" not in output


def test_its_story_is_told_when_asked_for() -> None:
    """Every fault and every message, with its time."""
    code, output = run("--seed", str(ALL_WELL), "--verbose")
    assert code == 0
    assert "FAULT" in output
    assert '"type":"start_charging_command"' in output


def test_many_seeds_are_summed_up() -> None:
    """In hours, faults, charges and tickets."""
    code, output = run("--seeds", "2", "--first", str(ALL_WELL), "--jobs", "1")
    assert code == 0
    assert "2 histories, 0.0 simulated hours" in output
    assert " faults: " in output
    assert "0 histories in which something was wrong" in output


def test_a_failure_tells_its_story_and_how_to_see_it_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And the exit code says so to a script."""

    def wrong(seed: int, *, detail: Detail = Detail.NOTHING, only: Sequence[str] = ()) -> Outcome:
        return Outcome(
            seed, wrong=["a ticket is gone"], chronicle="it was like this" if detail else ""
        )

    monkeypatch.setattr(program, "play", wrong)
    code, output = run("--seeds", "1", "--first", "7", "--jobs", "1")
    assert code == 1
    assert "it was like this" in output
    assert "WRONG a ticket is gone" in output
    assert "python -m sim --seed 7" in output


@pytest.mark.parametrize(
    "arguments",
    [("--seeds", "0"), ("--seed", "-1"), ("--jobs", "0"), ("--first", "x"), ("surplus",)],
)
def test_a_wrong_option_is_refused(arguments: tuple[str, ...]) -> None:
    """With 2, as every program does."""
    code, output = run(*arguments)
    assert code == 2
    assert "Traceback" not in output
