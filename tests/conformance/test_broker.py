"""Kafka dies, and comes back with or without its data: charges go on, every ticket arrives."""

from __future__ import annotations

import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Protocol

import pytest
from confluent_kafka.admin import AdminClient

from .central import Central
from .peer import QUIET, message
from .records import CHARGING, EVENTS, POINTS, REQUESTS, Publisher, Topic
from .roles import Driver, Monitor, Network

RECOVERY = 40.0  # seconds for clients on a loaded machine to find their broker again


class OwnBroker(Protocol):
    """What these tests need of the fixture `own_kafka`."""

    @property
    def bootstrap(self) -> str: ...
    def start(self) -> None: ...
    def kill(self) -> None: ...
    def empty(self) -> None: ...


@pytest.fixture
def network(own_kafka: OwnBroker, tmp_path: Path) -> Iterator[Network]:
    """A network around a central on a broker that may be killed."""
    central = Central(tmp_path, own_kafka.bootstrap)
    central.start()
    network = Network(central)
    yield network
    network.close()
    central.close()


def supply(monitor: Monitor, driver: Driver) -> str:
    """A charge told of by TCP alone, up to the end of the supply."""
    session_id = driver.begin(monitor)
    for word, state in (("charging", "charging"), ("available", "finishing")):
        monitor.send("status_update", cp_id=monitor.cp_id, status=word, session_id=session_id)
        driver.wait_session(session_id, state)
    return session_id


def test_charges_go_on_while_kafka_is_down(own_kafka: OwnBroker, network: Network) -> None:
    """They start, show and end on the panel; when Kafka is back the tickets are applied."""
    monitor, driver, admin = network.monitor(), network.driver(), network.admin()
    driver.begin(monitor)
    own_kafka.kill()
    later, other = network.monitor(), network.driver()
    session_id = supply(later, other)
    assert admin.wait_row(later.cp_id, "Finishing")
    assert other.refused("CP-nobody-knows") == "unknown_charge_point"
    own_kafka.start()
    later.ticket(session_id, 7.5)
    until = time.monotonic() + RECOVERY
    while other.state(session_id) != "completed":
        assert time.monotonic() < until, "the ticket was not applied"
        later.heartbeat()
        later.is_open(0.2)
    ticket = network.events.wait(other.driver_id, RECOVERY, type="charge_completion")
    assert ticket["total_cost"] == Decimal("2.63")
    network.events.read_on(QUIET)
    assert len(network.events.of(other.driver_id, type="charge_completion")) == 1


def test_an_empty_broker_takes_the_place_of_the_old(own_kafka: OwnBroker, network: Network) -> None:
    """The topics are there again, a ticket sent again arrives once, requests are answered."""
    monitor, driver = network.monitor(), network.driver()
    first = driver.begin(monitor)
    done = monitor.ticket(first, 1.0)
    driver.wait_session(first, "completed")
    own_kafka.kill()
    own_kafka.empty()
    session_id = supply(monitor, driver)
    own_kafka.start()
    wait_topics(own_kafka.bootstrap)
    monitor.publisher = driver.publisher = Publisher(own_kafka.bootstrap)
    events = Topic(own_kafka.bootstrap, EVENTS)
    try:
        monitor.publish(done)
        monitor.ticket(session_id, 7.5)
        asked = message("available_cps_request", driver_id=driver.driver_id)
        driver.publish(asked)
        events.wait(driver.driver_id, RECOVERY, message_id=asked["message_id"])
        names = {"type": "charge_completion", "session_id": session_id}
        ticket = events.wait(driver.driver_id, within=RECOVERY, count=1, **names)
        assert ticket["total_cost"] == Decimal("2.63")
    finally:
        events.close()
    states = {row["session_id"]: row["total_cost"] for row in driver.history()}
    assert states == {first: Decimal("0.35"), session_id: Decimal("2.63")}


def wait_topics(bootstrap: str) -> None:
    """Until central has made its topics again."""
    client = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    until = time.monotonic() + RECOVERY
    while not {CHARGING, REQUESTS, EVENTS, POINTS} <= set(client.list_topics(timeout=10).topics):
        assert time.monotonic() < until, "the topics were not made again"
        time.sleep(0.2)
