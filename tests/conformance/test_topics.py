"""Topics: made as the protocol says, refused when they are not so, and stamped by the broker."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigResource
from confluent_kafka.admin._resource import ResourceType
from confluent_kafka.cimpl import NewTopic

from .central import Central, command
from .conftest import Broker
from .peer import message
from .records import CHARGING, EVENTS, POINTS, REQUESTS
from .roles import Network, encode

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
SHAPES = {
    CHARGING: {"retention.ms": str(7 * DAY_MS), "cleanup.policy": "delete"},
    REQUESTS: {"retention.ms": str(HOUR_MS), "message.timestamp.type": "LogAppendTime"},
    EVENTS: {"retention.ms": str(DAY_MS), "cleanup.policy": "delete"},
    POINTS: {"cleanup.policy": "compact"},
}

GATEWAYS = ("ev.up", "ev.down", "ev.access", "ev.frames")
"""For charge points that speak OCPP."""


@pytest.fixture
def fresh(fresh_kafka: Broker, tmp_path: Path) -> Iterator[Network]:
    """A network around a central that found a broker without topics."""
    central = Central(tmp_path, fresh_kafka.bootstrap)
    central.start()
    network = Network(central)
    yield network
    network.close()
    central.close()


def client(bootstrap: str) -> AdminClient:
    return AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})


def settings(admin: AdminClient, topic: str) -> dict[str, str]:
    (future,) = admin.describe_configs([ConfigResource(ResourceType.TOPIC, topic)]).values()
    return {name: str(entry.value) for name, entry in future.result(10).items()}


def test_central_creates_its_topics(fresh: Network) -> None:
    """12 partitions each, kept as long as the protocol says; never a topic per device."""
    fresh.driver().begin(fresh.monitor())
    admin = client(fresh.central.bootstrap)
    topics = admin.list_topics(timeout=10).topics
    ours = {name for name in topics if name.startswith("ev.")}
    assert set(SHAPES) <= ours <= {*SHAPES, "ev.dead", *GATEWAYS}
    for name, shape in SHAPES.items():
        assert len(topics[name].partitions) == 12, name
        found = settings(admin, name)
        assert {key: found[key] for key in shape} == shape, name


def test_a_second_start_takes_them_as_they_are(fresh: Network) -> None:
    """What central made, it accepts."""
    fresh.central.restart()
    fresh.driver().begin(fresh.monitor())


def test_central_refuses_a_topic_of_a_wrong_shape(fresh_kafka: Broker, tmp_path: Path) -> None:
    """Fewer partitions than agreed: one sentence that names the topic, and a failure's code."""
    admin = client(fresh_kafka.bootstrap)
    (made,) = admin.create_topics([NewTopic(CHARGING, 4, 1)]).values()
    made.result(10)
    central = Central(tmp_path, fresh_kafka.bootstrap)
    run = subprocess.run(
        [*command(), *central.options()], capture_output=True, text=True, timeout=40, check=False
    )
    assert run.returncode in {1, 2}
    assert CHARGING in run.stderr
    assert "Traceback" not in run.stderr
    assert not run.stdout.startswith("ready")


def test_an_old_charge_starts_nothing_but_an_old_stop_stops(fresh: Network) -> None:
    """A charge stamped more than 60 s ago is `timed_out`; a stop never expires."""
    monitor, driver, other = fresh.monitor(), fresh.driver(), fresh.driver()
    session_id = driver.begin(monitor)
    late = other.request(monitor.cp_id)
    stop = message("stop_charging_request", cp_id=monitor.cp_id, session_id=session_id)
    assert fresh.central.stop() == 0
    now = int(time.time() * 1000)
    set_stamping(fresh.central.bootstrap, "CreateTime")
    for who, content, age in ((other, late, 65), (driver, stop, 600)):
        stamp = now - age * 1000
        fresh.publisher.publish(REQUESTS, who.driver_id, encode(content), timestamp_ms=stamp)
    set_stamping(fresh.central.bootstrap, "LogAppendTime")
    fresh.central.start()
    answer = fresh.events.wait(other.driver_id, message_id=late["message_id"])
    assert (answer["type"], answer["status"]) == ("charge_request_response", "failure")
    assert answer["error"] == "timed_out"
    fresh.events.wait(driver.driver_id, message_id=stop["message_id"])
    back = fresh.monitor(monitor.cp_id)
    back.accept_stop(session_id)
    back.assert_no_command()
    again = fresh.driver(other.driver_id)
    assert again.refused(monitor.cp_id, message_id=late["message_id"]) == "timed_out"


def set_stamping(bootstrap: str, kind: str) -> None:
    """Let the broker, or let the producer, decide the time of a record."""
    admin = client(bootstrap)
    entry = ConfigEntry("message.timestamp.type", kind, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, REQUESTS, incremental_configs=[entry])
    for future in admin.incremental_alter_configs([resource]).values():
        future.result(10)
    until = time.monotonic() + 10
    while settings(admin, REQUESTS)["message.timestamp.type"] != kind:
        assert time.monotonic() < until, f"not {kind} in 10 s"
        time.sleep(0.05)
