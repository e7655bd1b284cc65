"""What may be said by whom: unknown types, wrong sides, missing and out-of-range fields."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from .peer import Link, Message, message
from .roles import Monitor, Network

ANY_ID = str(uuid.uuid4())
LONG = "x" * 65


def role(network: Network, name: str) -> Link:
    """A link that central knows as a monitor's, a driver's or an admin's."""
    if name == "monitor":
        return network.monitor()
    if name == "admin":
        return network.admin()
    driver = network.driver()
    driver.ask("available_cps_request", driver_id=driver.driver_id, limit=1)
    return driver


def alive(link: Link) -> bool:
    fields = {"cp_id": link.cp_id, "status": "available"} if isinstance(link, Monitor) else {}
    return bool(link.ask("heartbeat_request", **fields)["status"] == "success")


# The type

CHARGE = {"cp_id": "CP", "driver_id": "D"}
STOP = {"cp_id": "CP", "session_id": "S"}
WRONG_SIDE: list[tuple[str, str, Message]] = [
    ("monitor", "register_response", {"status": "success", "message": ""}),
    ("monitor", "heartbeat_response", {"status": "success"}),
    ("monitor", "start_charging_command", {**STOP, "driver_id": "D", "price_per_kwh": 1}),
    ("monitor", "stop_charging_command", STOP),
    ("monitor", "health_check_request", {"cp_id": "CP"}),
    ("monitor", "available_cps_request", {"driver_id": "D"}),
    ("monitor", "charging_history_request", {"driver_id": "D"}),
    ("monitor", "stop_charging_request", STOP),
    ("monitor", "manual_command", {"command": "stop_cp", "cp_id": "CP"}),
    ("monitor", "points_request", {}),
    ("driver", "charge_request_response", {"status": "success", "message": ""}),
    ("driver", "register_request", {"cp_id": "CP"}),
    ("driver", "status_update", {"cp_id": "CP", "status": "available"}),
    ("driver", "fault_notification", {"cp_id": "CP", "fault_type": "OtherError"}),
    ("driver", "recovery_notification", {"cp_id": "CP"}),
    ("driver", "session_report", {**STOP, "outcome": "running"}),
    ("driver", "command_response", {"status": "success", "message": ""}),
    ("driver", "charge_completion", {**STOP, "energy_consumed_kwh": 1, "total_cost": 1}),
    ("driver", "manual_command", {"command": "stop_cp", "cp_id": "*"}),
    ("driver", "points_request", {}),
    ("driver", "watch_request", {}),
    ("admin", "charge_request", CHARGE),
    ("admin", "available_cps_request", {"driver_id": "D"}),
    ("admin", "charging_history_request", {"driver_id": "D"}),
    ("admin", "register_request", {"cp_id": "CP"}),
    ("admin", "points_response", {"status": "success", "message": "", "points": []}),
    ("admin", "command_response", {"status": "success", "message": ""}),
    ("admin", "watch_ready", {}),
]


@pytest.mark.parametrize(
    ("name", "type_", "fields"), WRONG_SIDE, ids=[f"{who}-{what}" for who, what, _ in WRONG_SIDE]
)
def test_a_message_from_the_wrong_side_is_unsupported(
    network: Network, name: str, type_: str, fields: Message
) -> None:
    """A message that another role may send is refused by name and id, and the link lives."""
    link = role(network, name)
    answer = link.ask(type_, **fields)
    assert (answer["type"], answer["error"]) == ("error_response", "unsupported_message")
    assert alive(link)


@pytest.mark.parametrize("name", ["monitor", "driver", "admin"])
@pytest.mark.parametrize("type_", ["no_such_message", "", "CHARGE_REQUEST", "charge_request "])
def test_an_unknown_type_is_unsupported(network: Network, name: str, type_: str) -> None:
    """An unknown type is refused with the message_id of the offender, and the link lives."""
    link = role(network, name)
    answer = link.ask(type_, cp_id="CP", driver_id="D")
    assert (answer["type"], answer["error"]) == ("error_response", "unsupported_message")
    assert alive(link)


@pytest.mark.parametrize("type_", ["charging_data", "charge_completion"])
def test_readings_and_tickets_do_not_come_by_tcp(network: Network, type_: str) -> None:
    """To central, readings and tickets travel on Kafka alone."""
    link = network.monitor()
    answer = link.ask(
        type_,
        cp_id=link.cp_id,
        session_id="S",
        sequence=1,
        energy_consumed_kwh=1,
        total_cost=1,
        charging_rate=1,
    )
    assert (answer["type"], answer["error"]) == ("error_response", "unsupported_message")
    assert alive(link)


@pytest.mark.parametrize("name", ["monitor", "driver", "admin"])
def test_an_error_response_is_never_answered(network: Network, name: str) -> None:
    """central hears of our errors in silence."""
    link = role(network, name)
    for _ in range(3):
        link.send("error_response", error="internal", message="nobody waits for this")
    assert alive(link)
    assert link.inbox == []


def test_unknown_fields_are_skipped(network: Network) -> None:
    """A message of a later version is read as far as it is understood."""
    driver = network.driver()
    answer = driver.ask(
        "available_cps_request", driver_id="D", limit=1, colour={"deep": [1, None, True]}
    )
    assert answer["status"] == "success"


# The fields

CASES: list[tuple[str, str, Message, str]] = [
    ("driver", "charge_request", {"driver_id": "D"}, "cp_id"),
    ("driver", "charge_request", {"cp_id": "CP"}, "driver_id"),
    ("driver", "charge_request", {**CHARGE, "cp_id": 7}, "cp_id"),
    ("driver", "charge_request", {**CHARGE, "cp_id": None}, "cp_id"),
    ("driver", "charge_request", {**CHARGE, "cp_id": ""}, "cp_id"),
    ("driver", "charge_request", {**CHARGE, "cp_id": "with space"}, "cp_id"),
    ("driver", "charge_request", {**CHARGE, "cp_id": "ñ"}, "cp_id"),
    ("driver", "charge_request", {**CHARGE, "cp_id": "CP\n"}, "cp_id"),
    ("driver", "charge_request", {**CHARGE, "driver_id": "x" * 37}, "driver_id"),
    ("driver", "charge_request", {**CHARGE, "driver_id": "a/b"}, "driver_id"),
    ("driver", "charge_request", {**CHARGE, "target_kwh": -1}, "target_kwh"),
    ("driver", "charge_request", {**CHARGE, "target_kwh": 100_000.1}, "target_kwh"),
    ("driver", "charge_request", {**CHARGE, "target_kwh": "ten"}, "target_kwh"),
    ("driver", "charge_request", {**CHARGE, "target_kwh": True}, "target_kwh"),
    ("driver", "charge_request", {**CHARGE, "connector_id": 0}, "connector_id"),
    ("driver", "charge_request", {**CHARGE, "connector_id": "1"}, "connector_id"),
    ("driver", "charge_request", {**CHARGE, "timestamp": "now"}, "timestamp"),
    ("driver", "charge_request", {**CHARGE, "trace_id": 5}, "trace_id"),
    ("driver", "stop_charging_request", {"cp_id": "CP", "driver_id": "D"}, "session_id"),
    ("driver", "stop_charging_request", {"session_id": "S", "driver_id": "D"}, "cp_id"),
    ("driver", "stop_charging_request", {**STOP, "session_id": ""}, "session_id"),
    ("driver", "stop_charging_request", {**STOP, "session_id": LONG}, "session_id"),
    ("driver", "available_cps_request", {}, "driver_id"),
    ("driver", "available_cps_request", {"driver_id": "D", "limit": -1}, "limit"),
    ("driver", "available_cps_request", {"driver_id": "D", "limit": 201}, "limit"),
    ("driver", "available_cps_request", {"driver_id": "D", "limit": 1.5}, "limit"),
    ("driver", "available_cps_request", {"driver_id": "D", "after": 5}, "after"),
    ("driver", "charging_history_request", {}, "driver_id"),
    ("driver", "charging_history_request", {"driver_id": "D", "limit": 201}, "limit"),
    ("driver", "charging_history_request", {"driver_id": "D", "limit": "all"}, "limit"),
    ("monitor", "register_request", {"cp_id": "no spaces please"}, "cp_id"),
    ("monitor", "register_request", {"max_charging_rate_kw": -1}, "max_charging_rate_kw"),
    ("monitor", "register_request", {"max_charging_rate_kw": 10_000.1}, "max_charging_rate_kw"),
    ("monitor", "register_request", {"max_charging_rate_kw": "11"}, "max_charging_rate_kw"),
    ("monitor", "register_request", {"price_per_kwh": -0.1}, "price_per_kwh"),
    ("monitor", "register_request", {"price_per_kwh": 1000.1}, "price_per_kwh"),
    ("monitor", "register_request", {"connectors": {"1": "available"}}, "connectors"),
    ("monitor", "register_request", {"connectors": [{"connector_id": 0}]}, "connectors"),
    ("monitor", "register_request", {"held_sessions": "S"}, "held_sessions"),
    ("monitor", "register_request", {"held_sessions": [LONG]}, "held_sessions"),
    ("monitor", "heartbeat_request", {"status": 5}, "status"),
    ("monitor", "status_update", {}, "status"),
    ("monitor", "fault_notification", {}, "fault_type"),
    ("monitor", "session_report", {"outcome": "running"}, "session_id"),
    ("monitor", "session_report", {"session_id": "S"}, "outcome"),
    ("monitor", "session_report", {"session_id": "S", "outcome": "perhaps"}, "outcome"),
    ("monitor", "charge_request", {"driver_id": None}, "driver_id"),
    ("monitor", "auth_request", {"role": "pilot", "credential": "x"}, "role"),
    ("admin", "manual_command", {"cp_id": "CP"}, "command"),
    ("admin", "manual_command", {"command": "stop_cp"}, "cp_id"),
    ("admin", "manual_command", {"command": "explode", "cp_id": "CP"}, "command"),
    ("admin", "manual_command", {"command": "stop_cp", "cp_id": "a b"}, "cp_id"),
    ("admin", "points_request", {"limit": 201}, "limit"),
    ("admin", "points_request", {"limit": -1}, "limit"),
    ("admin", "points_request", {"search": 5}, "search"),
]


@pytest.mark.parametrize(
    ("name", "type_", "fields", "field"),
    CASES,
    ids=[f"{type_}-{field}-{number}" for number, (_, type_, _, field) in enumerate(CASES)],
)
def test_a_wrong_field_is_named(
    network: Network, name: str, type_: str, fields: Message, field: str
) -> None:
    """A missing or out-of-range field is `invalid_message` and named; the link lives."""
    link = role(network, name)
    if isinstance(link, Monitor):
        fields = {"cp_id": link.cp_id, **fields}
    answer = link.ask(type_, **fields)
    assert (answer["type"], answer["error"]) == ("error_response", "invalid_message")
    assert field in answer["message"]
    assert alive(link)
    assert link.inbox == []


@pytest.mark.parametrize("message_id", [None, 5, "", LONG, ["m"]])
def test_a_message_id_that_cannot_be_used_is_replaced(network: Network, message_id: Any) -> None:
    """Where no message_id can be read, the error carries a new one, and names the field."""
    driver = role(network, "driver")
    driver.post(message("charge_request", **CHARGE, message_id=message_id))
    answer = driver.take(type="error_response")
    assert answer["error"] == "invalid_message"
    assert "message_id" in answer["message"]
    assert isinstance(answer["message_id"], str)
    assert 1 <= len(answer["message_id"]) <= 64
    assert alive(driver)


def test_a_missing_message_id_is_invalid(network: Network) -> None:
    """`message_id` is required of every message."""
    driver = role(network, "driver")
    content = message("available_cps_request", driver_id="D")
    del content["message_id"]
    driver.post(content)
    answer = driver.take(type="error_response")
    assert answer["error"] == "invalid_message"
    assert "message_id" in answer["message"]
    assert alive(driver)


@pytest.mark.parametrize("message_id", ["1", "x" * 64, "ñ 充 any text"])
def test_any_text_of_1_to_64_is_a_message_id(network: Network, message_id: str) -> None:
    """A UUID is usual, not demanded; the answer carries what came."""
    driver = network.driver()
    answer = driver.ask("available_cps_request", driver_id="D", limit=1, message_id=message_id)
    assert answer["type"] == "available_cps_response"


def test_the_timestamp_is_optional(network: Network) -> None:
    """A message without a timestamp is read, and the answer has one."""
    driver = network.driver()
    content = message("available_cps_request", driver_id="D")
    del content["timestamp"]
    answer = driver.answer_to(driver.post(content))
    assert answer["status"] == "success"
    assert isinstance(answer["timestamp"], int)


@pytest.mark.parametrize("any_id", ["a", "A.b_c-9", "x" * 36])
def test_every_legal_id_is_taken(network: Network, any_id: str) -> None:
    """Letters, digits, dot, underscore and dash, 1 to 36 of them."""
    assert network.driver(any_id).refused(any_id) == "unknown_charge_point"
