"""A history is one and the same however often it is played."""

import os
import subprocess
import sys

from sim.world import play

SEED = 200
"""Of a history with several kills in it."""


def in_a_process(hash_seed: str) -> str:
    """The digest that a fresh interpreter finds."""
    found = subprocess.run(
        [sys.executable, "-m", "sim", "--seed", str(SEED)],
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return found.stdout.splitlines()[-1].removeprefix("digest ")


def test_a_seed_played_twice_is_the_same_history() -> None:
    """To the last byte that anybody wrote."""
    first, second = play(SEED), play(SEED)
    assert first == second
    assert first.digest
    assert first.faults


def test_a_history_depends_on_nothing_of_its_process() -> None:
    """Not on how strings are hashed, nor on whether a chronicle is kept."""
    assert in_a_process("1") == in_a_process("2") == play(SEED).digest


def test_another_seed_is_another_history() -> None:
    """Or nothing would be explored."""
    assert play(SEED).digest != play(SEED + 1).digest
