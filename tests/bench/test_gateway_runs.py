"""A short run of each row of `make bench-gateway`: nothing goes wrong in any."""

from pathlib import Path

import pytest

from bench import gateway_rows as rows
from bench import gateway_stage
from bench.gateway import on_new_stage
from bench.gateway_connections import held
from bench.gateway_rivals import NoGo
from bench.gateway_rows import WORKS
from bench.gateway_stage import Stage
from bench.rows import Figures
from tests.kafka.broker import Broker
from tests.kafka.wipe import wipe
from tests.redis.find import redis_server
from tests.redis.server import RedisServer


def figures(kafka: Broker, folder: Path, name: str, warm_up: float, seconds: float) -> Figures:
    """What one run of this name finds; nothing may be wrong in it."""
    (work,) = (work for work in WORKS if work.name == name)
    found = on_new_stage(work, folder, kafka.bootstrap, seconds, warm_up)
    assert found["wrong"] == 0, found
    return found


def test_heartbeats_are_answered_by_us_and_by_others(
    kafka: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without Go there is no figure for ocpp-go, and no failure."""

    def no_go(_: Path) -> Path:
        raise NoGo("Go is not installed")

    monkeypatch.setattr(gateway_stage, "built_go", no_go)
    found = figures(kafka, tmp_path, "heartbeats", 0.2, 0.5)
    assert min(found["rate"], found["mobilityhouse"], found["times_mobilityhouse"]) > 0
    assert "times_ocpp_go" not in found


def test_meter_values_are_acknowledged(
    kafka: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "METERS", 20)
    assert figures(kafka, tmp_path, "meter-values", 0.2, 0.5)["rate"] > 0


def test_transactions_are_started_at_a_rate(
    kafka: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each latency counts from when it was due."""
    monkeypatch.setattr(rows, "CHARGING", 20)
    monkeypatch.setattr(rows, "STARTS_PER_SECOND", 20)
    found = figures(kafka, tmp_path, "starts", 0.5, 1.0)
    assert 0 < found["p50_ms"] <= found["p99_ms"]


def test_an_idle_connection_has_a_cost(
    kafka: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "IDLE", 300)
    monkeypatch.setattr(rows, "SETTLE", 0.1)
    assert figures(kafka, tmp_path, "memory", 0.0, 0.5)["kib"] > 0


def test_commands_come_to_charge_points(
    kafka: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "CONNECTIONS", 10)
    monkeypatch.setattr(rows, "COMMANDS", 20)
    found = figures(kafka, tmp_path, "commands", 0.0, 0.0)
    assert 0 < found["p50_ms"] <= found["p99_ms"]


def test_charge_points_of_a_killed_gateway_come_back(
    kafka: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And take commands there."""
    monkeypatch.setattr(rows, "RECOVERED", 50)
    monkeypatch.setattr(rows, "SAMPLED", 10)
    monkeypatch.setattr(rows, "WATCHED", 5.0)
    found = figures(kafka, tmp_path, "recovery", 0.0, 0.0)
    assert 0 < found["back_s"] <= found["recovered_s"]


def test_connections_are_held_by_several_gateways(kafka: Broker, tmp_path: Path) -> None:
    """All of them, and every heartbeat is answered."""
    wipe(kafka.bootstrap)
    with (
        RedisServer(redis_server()) as redis,
        Stage(tmp_path, kafka.bootstrap, redis.url, on_one_core=False) as stage,
    ):
        found = held(stage, connections=90, gateways=2, interval=0.5, seconds=1.5)
    assert (found["connections"], found["lost"]) == (90, 0)
    assert found["heartbeats"] >= 90
