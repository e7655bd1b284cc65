"""The arithmetic of the bench, and a run of each row against the real central."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import charges, machine
from bench.__main__ import measured, on_new_central, with_charges
from bench.frames import Frames
from bench.server import Server
from tests.kafka.broker import Broker


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
    runs = [
        {"rate": 90_000.0, "wrong": 0.0},
        {"rate": 60_000.0, "wrong": 0.0},
        {"rate": 1.0, "wrong": 3.0},
    ]
    row = measured("frames answered", "rate", runs)
    assert (row["median"], row["spoilt"], row["reached"]) == (75_000.0, 1, True)
    only_spoilt = measured("frames answered", "rate", runs[2:])
    assert (only_spoilt["median"], only_spoilt["reached"]) == (0.0, False)


def test_frames_are_answered(kafka: Broker, tmp_path: Path) -> None:
    """A second of heartbeats, none of them wrong."""

    async def run(server: Server) -> dict[str, float]:
        return await Frames(server).run(0.2, 1.0)

    figures = on_new_central(tmp_path, kafka.bootstrap, "frames", run)
    assert figures["rate"] > 0
    assert figures["wrong"] == 0


def test_charges_are_started_at_a_rate(
    kafka: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of them succeeds, and each one's latency counts from when it was due."""
    monkeypatch.setattr(charges, "POINTS", 200)

    async def run(server: Server) -> dict[str, float]:
        return await with_charges(server, lambda c: c.at_rate(50, 0.5, 1.0))

    figures = on_new_central(tmp_path, kafka.bootstrap, "charges", run)
    assert figures["wrong"] == 0
    assert 0 < figures["p50_ms"] <= figures["p99_ms"]
