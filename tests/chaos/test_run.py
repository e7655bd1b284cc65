"""Chaos as a command: a short run of real programs, and what it does when told wrong."""

import json
import subprocess
import sys

import pytest

SHORT = ("--points", "4", "--minutes", "0.3", "--every", "0.7", "--seed", "25")
"""A seed that kills each kind of program once, the broker and the database too."""


def run(*options: str) -> "subprocess.CompletedProcess[str]":
    """The command, as a person runs it."""
    command = [sys.executable, "-m", "chaos", *options]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=115)


def test_a_short_run_loses_nothing_and_bills_nothing_twice() -> None:
    """Everything is killed, paused or cut off, and all settles by itself."""
    planned = run(*SHORT, "--plan").stdout.splitlines()
    done = run(*SHORT, "--json")
    assert done.returncode == 0, done.stderr + done.stdout
    report = json.loads(done.stdout)
    assert report["wrong"] == []
    assert sum(report["faults"].values()) == len(planned) > 10
    assert [line for line in done.stderr.splitlines() if line in planned] == planned
    assert report["charges"] > 0
    assert report["tickets"] > 0
    assert report["metered_wh"] == report["billed_wh"] > 0
    assert min(report["deaths"].values()) > 0
    assert {"kill broker", "kill database"} < report["faults"].keys()


def test_a_plan_is_printed_and_nothing_is_done() -> None:
    """The same plan for the same seed, each time."""
    first, again, other = (run("--plan", "--seed", seed) for seed in ("1", "1", "2"))
    assert first.stdout == again.stdout != other.stdout
    assert first.stderr == ""


@pytest.mark.parametrize(
    "wrong",
    [
        ("--seed", "-1"),
        ("--points", "0"),
        ("--minutes", "0"),
        ("--every", "0"),
        ("--database", "oracle"),
        ("--no-such-option",),
    ],
)
def test_a_wrong_option_is_named(wrong: tuple[str, ...]) -> None:
    """Exit code 2, and a sentence that has the option in it."""
    done = run(*wrong)
    assert done.returncode == 2
    assert wrong[0] in done.stderr
    assert "Traceback" not in done.stderr
