"""What the simulation is for: many histories, and nothing wrong in any of them."""

import subprocess
import sys

import pytest

SEEDS = 100


@pytest.mark.timeout(300)  # a third of it on a machine with two cores to spare
def test_a_hundred_histories_are_right() -> None:
    """Nothing delivered is lost and nothing billed twice, whatever the seeds let happen."""
    # A process of its own: what is measured here is no code's coverage, and two cores are used.
    found = subprocess.run(
        [sys.executable, "-m", "sim", "--seeds", str(SEEDS)],
        capture_output=True,
        text=True,
        timeout=290,
        check=False,
    )
    assert found.returncode == 0, found.stdout[-20_000:] + found.stderr
    assert f"{SEEDS} histories" in found.stdout
    assert "0 histories in which something was wrong" in found.stdout
