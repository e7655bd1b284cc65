"""A charge from request to ticket: commands, readings, cost, state and what everybody is told."""

from __future__ import annotations

import time
from decimal import Decimal

import pytest

from .peer import QUIET, Message
from .records import partition_of
from .roles import Admin, Network, connector


def progress_of(network: Network, driver_id: str) -> list[int]:
    return [m["progress"] for m in network.events.of(driver_id, type="charging_status_update")]


# Starting


def test_a_start_command_says_all_the_engine_needs(network: Network) -> None:
    """The command carries session, driver, price, rate, target, epoch and the trace of it all."""
    monitor = network.unregistered()
    epoch = monitor.register(max_charging_rate_kw=22)["epoch"]
    driver = network.driver()
    asked = driver.charge(monitor.cp_id, target_kwh=12.5)
    command = monitor.take(type="start_charging_command")
    assert command["cp_id"] == monitor.cp_id
    assert command["driver_id"] == driver.driver_id
    assert 1 <= len(command["session_id"]) <= 64
    assert command["price_per_kwh"] == Decimal("0.35")
    assert command["max_charging_rate_kw"] == 22
    assert command["target_kwh"] == Decimal("12.5")
    assert command["epoch"] == epoch
    assert command["trace_id"] == asked
    assert command.get("connector_id", 1) == 1
    monitor.reply(command, session_id=command["session_id"])
    answer = driver.answer_to(asked)
    assert answer["type"] == "charge_request_response"
    assert answer["status"] == "success"
    assert isinstance(answer["message"], str)
    assert answer["session_id"] == command["session_id"]
    assert answer["cp_id"] == monitor.cp_id
    assert answer.get("connector_id", 1) == 1
    assert answer.get("error") is None


def test_success_waits_for_the_engines_yes(network: Network) -> None:
    """Before the engine has said yes the driver hears nothing."""
    monitor, driver = network.monitor(), network.driver()
    asked = driver.charge(monitor.cp_id)
    command = monitor.take(type="start_charging_command")
    assert not driver.has(QUIET, message_id=asked)
    monitor.reply(command, session_id=command["session_id"])
    assert driver.answer_to(asked)["status"] == "success"


def test_a_trace_id_of_the_drivers_own_is_kept(network: Network) -> None:
    """A request that belongs to an older story carries its trace on."""
    monitor, driver = network.monitor(), network.driver()
    driver.charge(monitor.cp_id, trace_id="the-story")
    assert monitor.accept_start()["trace_id"] == "the-story"


def test_an_authorised_session_holds_the_connector(network: Network, admin: Admin) -> None:
    """After the yes the point is Preparing, and the row names session and driver."""
    monitor, driver = network.monitor(), network.driver()
    session_id = driver.begin(monitor)
    row = admin.wait_row(monitor.cp_id, "Preparing")
    entry = row["connectors"][0]
    assert (entry["session_id"], entry["driver_id"]) == (session_id, driver.driver_id)
    assert driver.state(session_id) == "authorised"


# The whole story


def test_a_charge_by_kafka_from_request_to_ticket(network: Network, admin: Admin) -> None:
    """Readings move the session and reach the driver priced; the ticket ends it."""
    monitor, driver = network.unregistered(), network.driver()
    epoch = monitor.register()["epoch"]
    me = driver.driver_id
    asked = driver.charge(monitor.cp_id, target_kwh=10)
    session_id = monitor.accept_start()["session_id"]
    assert driver.answer_to(asked)["status"] == "success"

    monitor.reading(session_id, 1, 2.5, rate=7.4)
    names: Message = {"session_id": session_id, "cp_id": monitor.cp_id}
    begun = network.events.wait(me, type="charging_status_update", status="charging", **names)
    data = network.events.wait(me, type="charging_data", **names)
    assert data["energy_consumed_kwh"] == Decimal("2.5")
    assert data["total_cost"] == Decimal("0.88")  # 0.875: central's figure, not the engine's 0
    assert data["charging_rate"] == Decimal("7.4")
    row = admin.wait_row(monitor.cp_id, "Charging")
    entry = row["connectors"][0]
    assert entry["session_id"] == session_id
    assert entry["driver_id"] == me
    assert entry["charging_rate"] == Decimal("7.4")
    assert entry["energy_consumed_kwh"] == Decimal("2.5")
    assert entry["total_cost"] == Decimal("0.88")
    assert abs(entry["started_at"] - time.time()) < 60
    assert driver.state(session_id) == "charging"

    sent = monitor.ticket(session_id, 7.5, "target_reached")
    ticket = network.events.wait(me, type="charge_completion", **names)
    assert ticket["energy_consumed_kwh"] == Decimal("7.5")
    assert ticket["total_cost"] == Decimal("2.63")
    assert ticket["price_per_kwh"] == Decimal("0.35")
    assert ticket["currency"] == "EUR"
    assert ticket["reason"] == "target_reached"
    assert abs(ticket["started_at"] - sent["started_at"]) < 30
    assert abs(ticket["ended_at"] - sent["ended_at"]) < 30
    assert ticket.get("estimated", False) is False
    assert ticket.get("revision", 1) == 1
    row = admin.wait_row(monitor.cp_id, "Available")
    assert row["connectors"][0].get("session_id") is None

    told = [begun, data, ticket]
    assert {m["epoch"] for m in told} == {epoch}
    assert {m.get("trace_id") for m in told} == {asked}
    assert len({m["message_id"] for m in told}) == 3


def test_the_driver_is_told_of_changes_of_state_with_progress(network: Network) -> None:
    """Each change of state is told, with progress from 0 to 100 percent of what was asked for."""
    monitor, driver = network.monitor(), network.driver()
    session_id = driver.begin(monitor, target_kwh=10)
    monitor.reading(session_id, 1, 2.5)
    fields: Message = {"type": "charging_status_update", "session_id": session_id}
    network.events.wait(driver.driver_id, status="charging", **fields)
    monitor.ticket(session_id, 10.0, "target_reached")
    network.events.wait(driver.driver_id, status="completed", **fields)
    percents = progress_of(network, driver.driver_id)
    assert all(isinstance(percent, int) and 0 <= percent <= 100 for percent in percents)
    assert percents == sorted(percents)


@pytest.mark.parametrize(
    ("target", "kwh", "percent"), [(10.0, 4.0, 40), (None, 4.0, 8), (5.0, 6.0, 100)]
)
def test_progress_is_percent_of_the_target_or_of_50_kwh(
    network: Network, target: float | None, kwh: float, percent: int
) -> None:
    """Where nothing was asked for, 50 kWh are a hundred percent; never more than that."""
    monitor, driver = network.monitor(), network.driver()
    wanted = {} if target is None else {"target_kwh": target}
    session_id = driver.begin(monitor, **wanted)
    for sequence in range(1, 4):
        monitor.reading(session_id, sequence, kwh)
    network.events.wait(
        driver.driver_id, type="charging_status_update", status="charging", progress=percent
    )


def test_events_lie_where_the_driver_looks(network: Network) -> None:
    """All of a driver's events are in the partition that its id hashes to."""
    drivers = [network.driver() for _ in range(6)]
    for driver in drivers:
        monitor = network.monitor()
        session_id = driver.begin(monitor)
        monitor.reading(session_id, 1, 1.0)
        network.events.wait(driver.driver_id, type="charging_data")
    mine = {driver.driver_id for driver in drivers}
    for record in network.events.records:
        if record.key in mine:
            assert record.partition == partition_of(record.key)


def test_a_charge_begins_shows_and_ends_without_kafka(network: Network, admin: Admin) -> None:
    """Entries and updates that name the session move it through its states by TCP alone."""
    monitor, driver = network.monitor(), network.driver()
    session_id = driver.begin(monitor)
    monitor.send("status_update", cp_id=monitor.cp_id, status="charging", session_id=session_id)
    admin.wait_row(monitor.cp_id, "Charging")
    driver.wait_session(session_id, "charging")
    monitor.finish(session_id)
    admin.wait_row(monitor.cp_id, "Finishing")
    driver.wait_session(session_id, "finishing")
    monitor.ticket(session_id, 1.0)
    assert driver.wait_session(session_id, "completed")["total_cost"] == Decimal("0.35")
    admin.wait_row(monitor.cp_id, "Available")


@pytest.mark.parametrize("word", ["finishing", "available", "Finishing", "AVAILABLE"])
def test_an_entry_that_names_the_session_moves_it(
    network: Network, admin: Admin, word: str
) -> None:
    """A connector entry of a heartbeat says `charging`, then that the session is over."""
    monitor, driver = network.monitor(), network.driver()
    session_id = driver.begin(monitor)
    monitor.heartbeat("charging", connectors=[connector(1, "charging", session_id=session_id)])
    driver.wait_session(session_id, "charging")
    admin.wait_row(monitor.cp_id, "Charging")
    monitor.heartbeat(word, connectors=[connector(1, word, session_id=session_id)])
    driver.wait_session(session_id, "finishing")
    admin.wait_row(monitor.cp_id, "Finishing")


def test_an_entry_that_names_no_session_moves_nothing(network: Network) -> None:
    """Entries without session_id, or with another's, leave the session where it is."""
    monitor, driver = network.monitor(), network.driver()
    session_id = driver.begin(monitor)
    for status in ("charging", "finishing", "available"):
        monitor.heartbeat(status, connectors=[connector(1, status)])
        monitor.heartbeat(status, connectors=[connector(1, status, session_id="S-unknown")])
        monitor.send("status_update", cp_id=monitor.cp_id, status=status)
    monitor.assert_no_command()
    assert driver.state(session_id) == "authorised"


def test_a_finishing_session_holds_nothing(network: Network) -> None:
    """Once the supply is over, connector and driver are free, before any ticket."""
    monitor, elsewhere = network.monitor(), network.monitor()
    driver, other = network.driver(), network.driver()
    first = driver.begin(monitor)
    monitor.finish(first)
    driver.wait_session(first, "finishing")
    other.begin(monitor)
    driver.begin(elsewhere)
    monitor.ticket(first, 3.0)
    assert driver.wait_session(first, "completed")["total_cost"] == Decimal("1.05")


def test_a_ticket_may_come_before_the_engines_yes(network: Network) -> None:
    """A ticket that overtakes the answer counts, and the answer is still a yes."""
    monitor, driver = network.monitor(), network.driver()
    asked = driver.charge(monitor.cp_id)
    command = monitor.take(type="start_charging_command")
    monitor.ticket(command["session_id"], 1.0)
    network.events.wait(driver.driver_id, type="charge_completion")
    monitor.reply(command, session_id=command["session_id"])
    assert driver.answer_to(asked)["status"] == "success"
    row = driver.wait_session(command["session_id"], "completed")
    assert row["total_cost"] == Decimal("0.35")


# Connectors


def test_any_free_connector_is_named_in_the_answer(network: Network, admin: Admin) -> None:
    """Without connector_id a request gets a free one; two connectors serve two drivers."""
    monitor = network.monitor(connectors=[connector(1), connector(2)])
    given = []
    for _ in range(2):
        driver = network.driver()
        asked = driver.charge(monitor.cp_id)
        command = monitor.accept_start()
        answer = driver.answer_to(asked)
        assert answer["status"] == "success"
        assert answer.get("connector_id", 1) == command.get("connector_id", 1)
        given.append(answer.get("connector_id", 1))
    assert sorted(given) == [1, 2]
    assert network.driver().refused(monitor.cp_id) == "charge_point_busy"


def test_a_connector_may_be_chosen(network: Network) -> None:
    """With connector_id it is that one, or busy."""
    monitor = network.monitor(connectors=[connector(1), connector(2)])
    driver = network.driver()
    asked = driver.charge(monitor.cp_id, connector_id=2)
    assert monitor.accept_start()["connector_id"] == 2
    assert driver.answer_to(asked)["connector_id"] == 2
    assert network.driver().refused(monitor.cp_id, connector_id=2) == "charge_point_busy"
    other = network.driver()
    asked = other.charge(monitor.cp_id, connector_id=1)
    assert "connector_id" not in monitor.accept_start()
    assert other.answer_to(asked).get("connector_id", 1) == 1


def test_a_point_shows_the_first_of_its_connectors_words(network: Network, admin: Admin) -> None:
    """Charging goes before Preparing, Preparing before Available."""
    both = [connector(1), connector(2)]
    monitor, one, two = network.monitor(connectors=both), network.driver(), network.driver()
    asked = one.charge(monitor.cp_id, connector_id=2)
    session_id = monitor.accept_start()["session_id"]
    one.answer_to(asked)
    row = admin.wait_row(monitor.cp_id, "Preparing")
    assert statuses(row) == {1: "Available", 2: "Preparing"}
    monitor.reading(session_id, 1, 1.0)
    row = admin.wait_row(monitor.cp_id, "Charging")
    assert statuses(row) == {1: "Available", 2: "Charging"}
    two.charge(monitor.cp_id)
    monitor.accept_start()
    admin.wait_connector(monitor.cp_id, 1, status="Preparing")
    assert admin.rows()[monitor.cp_id]["status"] == "Charging"


def statuses(row: Message) -> dict[int, str]:
    return {entry.get("connector_id", 1): entry["status"] for entry in row["connectors"]}


# The point's own menu


def test_a_charge_asked_for_at_the_points_menu(network: Network) -> None:
    """The monitor's charge_request is commanded and answered on its own link."""
    monitor, driver = network.monitor(), network.driver()
    asked = monitor.send("charge_request", cp_id=monitor.cp_id, driver_id=driver.driver_id)
    command = monitor.accept_start()
    answer = monitor.answer_to(asked)
    assert (answer["type"], answer["status"]) == ("charge_request_response", "success")
    assert answer["session_id"] == command["session_id"]
    assert driver.state(command["session_id"]) == "authorised"
    again = monitor.ask("charge_request", cp_id=monitor.cp_id, driver_id="D-other")
    assert (again["status"], again["error"]) == ("failure", "charge_point_busy")
