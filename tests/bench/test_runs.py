"""A short run of each row against the programs themselves: nothing goes wrong in any."""

from pathlib import Path

import pytest

from bench import charges, links, overload, readings, rows, screen
from bench.__main__ import on_new_central
from bench.rows import WORKS, Figures
from tests.kafka.broker import Broker


def figures(kafka: Broker, folder: Path, name: str, warm_up: float, seconds: float) -> Figures:
    """What one run of this name finds."""
    (work,) = (work for work in WORKS if work.name == name)
    return on_new_central(work, folder, kafka.bootstrap, seconds, warm_up)


def test_frames_are_answered(kafka: Broker, tmp_path: Path) -> None:
    """A second of heartbeats, none of them wrong."""
    found = figures(kafka, tmp_path, "frames", 0.2, 1.0)
    assert found["rate"] > 0
    assert found["wrong"] == 0


def test_charges_are_started_at_a_rate(
    kafka: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of them succeeds, and each one's latency counts from when it was due."""
    monkeypatch.setattr(charges, "POINTS", 300)
    monkeypatch.setattr(rows, "STEADY", 50)
    found = figures(kafka, tmp_path, "steady", 0.5, 1.0)
    assert found["wrong"] == 0
    assert 0 < found["p50_ms"] <= found["p99_ms"]


def test_readings_are_forwarded(
    kafka: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every one that was published."""
    monkeypatch.setattr(readings, "POINTS", 20)
    monkeypatch.setattr(readings, "UNDER_WAY", 1_000)
    found = figures(kafka, tmp_path, "readings", 0.5, 0.5)
    assert found["wrong"] == 0
    assert found["forwarded"] > 0


def test_many_links_are_kept(
    kafka: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every heartbeat is answered."""
    monkeypatch.setattr(links, "LINKS", 300)
    found = figures(kafka, tmp_path, "links", 0.0, 2.0)
    assert found["wrong"] == 0
    assert found["mib"] > 0
    assert 0 < found["p50_ms"] <= found["p99_ms"]


def test_readings_come_to_the_screen(
    kafka: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through an engine, a monitor, Kafka, central and a driver's app."""
    monkeypatch.setattr(screen, "POINTS", 1)
    monkeypatch.setattr(screen, "SHOWN_WITHIN", 1.0)
    found = figures(kafka, tmp_path, "screen", 3.0, 2.0)
    assert found["wrong"] == 0
    assert found["shown"] > 0


def test_central_serves_on_under_twice_the_load_and_recovers(
    kafka: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is answered but a success or `overloaded`, and soon all is as before.

    With as many points as a full run has: under overload a ticket is settled late, and a point that
    is asked for before that would answer, rightly, that it is busy.
    """
    monkeypatch.setattr(rows, "LINKS", 50)
    monkeypatch.setattr(overload, "WATCHED", 4.0)
    found = figures(kafka, tmp_path, "overload", 0.2, 1.5)
    assert found["wrong"] == 0
    assert found["served"] > 0
    assert found["normal_s"] < 4.0
