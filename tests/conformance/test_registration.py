"""Registrations, heartbeats, status words, faults: what a monitor says and what becomes of it."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Any

import pytest

from .peer import Message, new_id
from .roles import Admin, Network, connector

# Registration


def test_a_registration_is_answered_in_full(network: Network) -> None:
    """The answer carries the request's id, epoch, interval, and what central wants to agree on."""
    monitor = network.unregistered()
    asked = monitor.send(
        "register_request",
        cp_id=monitor.cp_id,
        location="Calle Mayor 1",
        max_charging_rate_kw=22,
        engine_status="available",
        connectors=[connector()],
        held_sessions=[],
        time_scale=1,
    )
    answer = monitor.answer_to(asked)
    assert answer["type"] == "register_response"
    assert answer["status"] == "success"
    assert isinstance(answer["message"], str)
    assert isinstance(answer["epoch"], int)
    assert answer["epoch"] >= 1
    assert answer["heartbeat_interval"] == 5
    assert answer.get("stopped", False) is False
    assert answer.get("settled_sessions", []) == []
    assert answer.get("unsettled_sessions", []) == []
    assert abs(answer["timestamp"] - time.time()) < 30


def test_a_registration_of_the_first_version(network: Network, admin: Admin) -> None:
    """Without any newer field: 30 s between heartbeats, the defaults, and service as for all."""
    monitor = network.unregistered()
    answer = monitor.ask("register_request", cp_id=monitor.cp_id, max_charging_rate_kw=11.0)
    assert (answer["status"], answer["heartbeat_interval"]) == ("success", 30)
    row = admin.wait_row(monitor.cp_id, "Available")
    assert row["max_charging_rate_kw"] == 11
    monitor.ask("heartbeat_request", cp_id=monitor.cp_id, status="ACTIVATED")
    driver = network.driver()
    session_id = driver.begin(monitor)
    monitor.ticket(session_id, 2.0)
    assert driver.wait_session(session_id, "completed")["total_cost"] == Decimal("0.7")


def test_id_is_read_for_cp_id(network: Network, admin: Admin) -> None:
    """The first version calls it `id`; in every message of a monitor it means the same."""
    cp_id = new_id("CP")
    monitor = network.unregistered(cp_id)
    assert monitor.ask("register_request", id=cp_id)["status"] == "success"
    assert monitor.ask("heartbeat_request", id=cp_id, status="available")["status"] == "success"
    monitor.send("fault_notification", id=cp_id, fault_type="OtherError")
    admin.wait_row(cp_id, "Faulted")
    monitor.send("recovery_notification", id=cp_id)
    admin.wait_row(cp_id, "Available")


def test_the_maximum_rate_is_11_kw_by_default(network: Network, admin: Admin) -> None:
    """A registration that does not say what it can deliver is taken for 11 kW."""
    monitor = network.unregistered()
    monitor.ask("register_request", cp_id=monitor.cp_id)
    assert admin.wait_row(monitor.cp_id)["max_charging_rate_kw"] == 11


def test_a_registered_point_has_a_row(network: Network, admin: Admin) -> None:
    """The row says all there is to know of a point."""
    monitor = network.unregistered()
    epoch = monitor.register(location="Gran Vía 5", max_charging_rate_kw=7.4)["epoch"]
    row = admin.wait_row(monitor.cp_id, "Available")
    assert row["location"] == "Gran Vía 5"
    assert row["max_charging_rate_kw"] == Decimal("7.4")
    assert row["price_per_kwh"] == Decimal("0.35")
    assert row["currency"] == "EUR"
    assert row.get("stopped", False) is False
    assert row.get("fault_type") is None
    assert row["epoch"] == epoch
    assert abs(row["last_seen"] - time.time()) < 30
    (entry,) = row["connectors"]
    assert (entry.get("connector_id", 1), entry["status"]) == (1, "Available")
    assert entry.get("session_id") is None
    assert entry.get("driver_id") is None


def test_a_price_is_proposed_once(network: Network, admin: Admin) -> None:
    """A new point's proposal is its price; what later registrations propose changes nothing."""
    monitor = network.monitor(price_per_kwh=0.4217)
    assert admin.wait_row(monitor.cp_id)["price_per_kwh"] == Decimal("0.4217")
    monitor.register(price_per_kwh=0.5)
    assert admin.rows()[monitor.cp_id]["price_per_kwh"] == Decimal("0.4217")
    monitor.register()
    assert admin.rows()[monitor.cp_id]["price_per_kwh"] == Decimal("0.4217")


def test_surplus_decimals_of_a_price_are_rounded_half_up(network: Network, admin: Admin) -> None:
    """A price has four decimals; the fifth rounds half up, by its decimal digits."""
    for proposed, price in ((0.12345, "0.1235"), (0.12344, "0.1234"), (1.00005, "1.0001")):
        monitor = network.monitor(price_per_kwh=proposed)
        assert admin.wait_row(monitor.cp_id)["price_per_kwh"] == Decimal(price)


@pytest.mark.parametrize(
    "fields",
    [
        {"max_charging_rate_kw": 0},
        {"max_charging_rate_kw": 10_000},
        {"price_per_kwh": 0},
        {"price_per_kwh": 1000},
    ],
)
def test_the_bounds_themselves_are_legal(network: Network, fields: Message) -> None:
    """Ranges include both ends."""
    network.monitor(**fields)


def test_a_registration_may_be_repeated(network: Network, admin: Admin) -> None:
    """A second registration on the same link is answered alike and updates what is told."""
    monitor = network.monitor(location="old")
    monitor.register(location="new", max_charging_rate_kw=50)
    assert monitor.is_open()
    row = admin.wait_row(monitor.cp_id, location="new")
    assert row["max_charging_rate_kw"] == 50
    assert monitor.inbox == []


def test_connectors_are_known_from_the_registration(network: Network, admin: Admin) -> None:
    """A point with three connectors has three entries."""
    monitor = network.monitor(connectors=[connector(1), connector(2), connector(3)])
    row = admin.wait_row(monitor.cp_id, "Available")
    entries = {entry.get("connector_id", 1): entry["status"] for entry in row["connectors"]}
    assert entries == {1: "Available", 2: "Available", 3: "Available"}


# Heartbeats and words


def test_a_heartbeat_is_answered_in_full(network: Network) -> None:
    """The answer says what a registration's says, but for epoch and interval."""
    monitor = network.monitor()
    answer = monitor.heartbeat(connectors=[connector()], held_sessions=[])
    assert answer.get("stopped", False) is False
    assert answer.get("settled_sessions", []) == []
    assert answer.get("unsettled_sessions", []) == []


FAULTED = ["faulted", "FAULTED", "Faulted", "fAuLtEd"]
HEALTHY = ["available", "AVAILABLE", "Available"]


@pytest.mark.parametrize("word", FAULTED)
@pytest.mark.parametrize("healthy", HEALTHY)
def test_status_words_are_read_in_any_case(
    network: Network, admin: Admin, word: str, healthy: str
) -> None:
    """The engine's words and OCPP's mean the same in capitals and without."""
    monitor = network.monitor()
    monitor.heartbeat(word)
    admin.wait_row(monitor.cp_id, "Faulted")
    monitor.heartbeat(healthy)
    admin.wait_row(monitor.cp_id, "Available")


@pytest.mark.parametrize("word", ["bananas", "OK", "KO", "ACTIVATED"])
def test_any_other_word_is_a_sign_of_life_only(network: Network, admin: Admin, word: str) -> None:
    """A word that nobody knows neither makes a fault nor mends one."""
    monitor = network.monitor()
    monitor.heartbeat(word)
    assert admin.rows()[monitor.cp_id]["status"] == "Available"
    monitor.send("fault_notification", cp_id=monitor.cp_id, fault_type="OtherError")
    admin.wait_row(monitor.cp_id, "Faulted")
    monitor.heartbeat(word)
    monitor.send("status_update", cp_id=monitor.cp_id, status=word)
    monitor.heartbeat(word)
    assert admin.rows()[monitor.cp_id]["status"] == "Faulted"


@pytest.mark.parametrize("word", ["Preparing", "Charging", "SuspendedEV", "Finishing", "charging"])
def test_a_word_that_names_no_session_moves_nothing(
    network: Network, admin: Admin, word: str
) -> None:
    """A point without a session is Available, whatever its engine says it is doing."""
    monitor = network.monitor()
    monitor.heartbeat(word, connectors=[connector(1, word)])
    monitor.send("status_update", cp_id=monitor.cp_id, status=word)
    monitor.heartbeat()
    assert admin.rows()[monitor.cp_id]["status"] == "Available"


# Faults

FAULT_TYPES = [
    *("ConnectorLockFailure", "EVCommunicationError", "GroundFailure", "HighTemperature"),
    *("InternalError", "LocalListConflict", "OtherError", "OverCurrentFailure", "OverVoltage"),
    *("PowerMeterFailure", "PowerSwitchFailure", "ReaderFailure", "ResetFailure"),
    *("UnderVoltage", "WeakSignal", "EngineUnreachable"),
]


def test_every_fault_type_is_shown(network: Network, admin: Admin) -> None:
    """Each of OCPP 1.6's error codes, and our EngineUnreachable, faults the point by its name."""
    monitor = network.monitor()
    for fault_type in FAULT_TYPES:
        monitor.send("fault_notification", cp_id=monitor.cp_id, fault_type=fault_type)
        admin.wait_row(monitor.cp_id, "Faulted", fault_type=fault_type)
    assert monitor.inbox == []


def test_a_fault_and_its_recovery(network: Network, admin: Admin) -> None:
    """A notification faults the point, another one mends it; neither is answered."""
    monitor = network.monitor()
    monitor.send("fault_notification", cp_id=monitor.cp_id, fault_type="GroundFailure")
    row = admin.wait_row(monitor.cp_id, "Faulted")
    assert row["connectors"][0]["status"] == "Faulted"
    assert network.driver().refused(monitor.cp_id) == "charge_point_faulted"
    monitor.send("recovery_notification", cp_id=monitor.cp_id)
    row = admin.wait_row(monitor.cp_id, "Available")
    assert row.get("fault_type") is None
    network.driver().begin(monitor)
    assert monitor.inbox == []


def register(network: Network, monitor: Any, word: str) -> None:
    monitor.register(engine_status=word, connectors=[connector(1, word)])


def beat(network: Network, monitor: Any, word: str) -> None:
    monitor.heartbeat(word, connectors=[connector(1, word)])


def update(network: Network, monitor: Any, word: str) -> None:
    monitor.send("status_update", cp_id=monitor.cp_id, status=word)


def notify(network: Network, monitor: Any, word: str) -> None:
    if word == "faulted":
        monitor.send("fault_notification", cp_id=monitor.cp_id, fault_type="OtherError")
    else:
        monitor.send("recovery_notification", cp_id=monitor.cp_id)


WAYS = [register, beat, update, notify]


@pytest.mark.parametrize("faults", WAYS)
@pytest.mark.parametrize("mends", WAYS)
def test_the_latest_word_decides_about_a_fault(
    network: Network, admin: Admin, faults: Any, mends: Any
) -> None:
    """A fault told in one way is mended in any: a lost notification costs nothing."""
    monitor = network.monitor()
    faults(network, monitor, "faulted")
    admin.wait_row(monitor.cp_id, "Faulted")
    mends(network, monitor, "available")
    admin.wait_row(monitor.cp_id, "Available")


def test_a_registration_may_begin_with_a_fault(network: Network, admin: Admin) -> None:
    """engine_status and fault_type of the registration count."""
    monitor = network.monitor(
        engine_status="faulted",
        fault_type="EngineUnreachable",
        connectors=[connector(1, "faulted")],
    )
    admin.wait_row(monitor.cp_id, "Faulted", fault_type="EngineUnreachable")
    assert network.driver().refused(monitor.cp_id) == "charge_point_faulted"


def test_a_heartbeat_may_name_the_fault(network: Network, admin: Admin) -> None:
    """The fault_type of a heartbeat is shown like that of a notification."""
    monitor = network.monitor()
    monitor.heartbeat("faulted", fault_type="HighTemperature")
    admin.wait_row(monitor.cp_id, "Faulted", fault_type="HighTemperature")
    monitor.heartbeat()
    assert admin.wait_row(monitor.cp_id, "Available").get("fault_type") is None


def test_a_fault_during_a_charge_keeps_the_session(network: Network, admin: Admin) -> None:
    """Faulted goes before Charging, and Charging is back when the fault is over."""
    monitor, driver = network.monitor(), network.driver()
    session_id = driver.begin(monitor)
    monitor.reading(session_id, 1, 1.0)
    admin.wait_row(monitor.cp_id, "Charging")
    monitor.send("fault_notification", cp_id=monitor.cp_id, fault_type="OverVoltage")
    row = admin.wait_row(monitor.cp_id, "Faulted")
    assert row["connectors"][0]["session_id"] == session_id
    monitor.send("recovery_notification", cp_id=monitor.cp_id)
    admin.wait_row(monitor.cp_id, "Charging")
    assert driver.state(session_id) == "charging"
