"""The soak's verdict: what grows is called so, what merely moves is not."""

import json
import subprocess
import sys
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaos.soak import Sample, judge

FLAT = Sample(at=0.0, memory=120.0, descriptors=2_100, threads=12, charges=0, held=0)


def samples(count: int = 40) -> list[Sample]:
    """A run in which nothing changes after the warm-up, and everything is half as much before."""
    warm = count // 4
    young = replace(FLAT, memory=60.0, descriptors=1_000, threads=6)
    return [replace(young if n < warm else FLAT, at=float(n)) for n in range(count)]


def test_what_grows_in_the_warm_up_is_no_leak() -> None:
    """Caches fill, links are made."""
    assert judge(samples()) == []


@given(st.integers(0, 2**32))
def test_noise_is_no_leak(seed: int) -> None:
    """Memory moves by some MiB, links come and go."""
    random = Random(seed)
    noisy = [
        replace(
            sample,
            memory=sample.memory + random.uniform(-3, 3),
            descriptors=sample.descriptors + random.randint(-3, 3),
        )
        for sample in samples()
    ]
    assert judge(noisy) == []


@pytest.mark.parametrize(
    ("field", "step", "said"),
    [
        ("memory", 1.0, "memory grows: "),
        ("descriptors", 2, "descriptors grow: "),
        ("threads", 1, "threads grow: "),
    ],
)
def test_what_grows_all_the_time_is_named(field: str, step: float, said: str) -> None:
    """A little with each sample."""
    leaking = [replace(s, **{field: getattr(s, field) + n * step}) for n, s in enumerate(samples())]
    (wrong,) = judge(leaking)
    assert wrong.startswith(said)


def test_a_run_that_is_too_short_proves_nothing() -> None:
    """So it is not called flat."""
    assert judge(samples(8)) == ["the run was too short to say whether anything grows"]


@pytest.mark.long
def test_a_short_soak_settles_and_adds_up() -> None:
    """Samples are taken of a real central; every charge is billed, to the watt-hour."""
    command = [sys.executable, "-m", "chaos.soak", "--points", "50", "--minutes", "0.5"]
    done = subprocess.run(
        [*command, "--rate", "3", "--json"],
        capture_output=True,
        text=True,
        check=False,
        timeout=115,
    )
    verdict = json.loads(done.stdout)
    assert len(verdict["samples"]) > 10
    assert verdict["samples"][-1]["charges"] > 70
    unsettled = [wrong for wrong in verdict["wrong"] if "grow" not in wrong]
    assert unsettled == []


@pytest.mark.parametrize(
    "wrong", [("--points", "0"), ("--minutes", "0"), ("--rate", "0"), ("--fill", "-1")]
)
def test_a_wrong_option_is_named(wrong: tuple[str, str]) -> None:
    """Exit code 2, and a sentence that has the option in it."""
    command = [sys.executable, "-m", "chaos.soak", *wrong]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert wrong[0] in done.stderr
