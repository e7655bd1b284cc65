"""How a charge ends, on all four screens, and the story that the logs tell of it."""

import json
import signal
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest

from tests.programs.network import Charge, ChargePoint, Json, Network, eventually

Begin = Callable[..., Charge]

FAST = ("--time-scale", "60")


def new_id(prefix: str) -> str:
    """An id that no other test on this Kafka uses."""
    return f"{prefix}-{uuid4().hex[:8]}"


def all_screens_show(
    network: Network, point: ChargePoint, charge: Charge, driver_id: str, reason: str
) -> Json:
    """Check that driver, central, monitor and engine tell one ticket; return its history row."""
    assert charge.ends() == 0
    assert reason in charge.screen.read_text()
    row = network.last_session(driver_id)
    assert (row["state"], row["reason"], row["revision"]) == ("completed", reason, 1)
    session_id = row["session_id"]
    ended = point.engine.says("ended", session_id=session_id, reason=reason)
    assert ended["energy"] == f"{row['energy_consumed_kwh']:.3f} kWh"
    point.monitor.says("ticket", session_id=session_id, reason=reason)
    bill = f"ticket: {row['energy_consumed_kwh']:.3f} kWh, {row['total_cost']:.2f} EUR, {reason}"
    network.central.says(bill, session_id=session_id)
    return row


def test_reaching_the_target_ends_a_charge_with_exactly_that_energy(
    network: Network, charge: Begin
) -> None:
    """A kWh at 0.35 is 0.35, on every screen."""
    cp_id, driver_id = new_id("CP"), new_id("D")
    point = network.point(cp_id, *FAST)
    row = all_screens_show(
        network, point, charge(driver_id, cp_id, "--kwh", "1"), driver_id, "target_reached"
    )
    assert (row["energy_consumed_kwh"], row["total_cost"]) == (1.0, 0.35)


def test_unplugging_ends_a_charge(network: Network, charge: Begin) -> None:
    """What flowed until then is billed, and the point is free again."""
    cp_id, driver_id = new_id("CP"), new_id("D")
    point = network.point(cp_id, *FAST)
    charging = charge(driver_id, cp_id)
    charging.shows("kW ")
    eventually(lambda: network.last_session(driver_id)["energy_consumed_kwh"] > 0, "energy flows")
    point.engine.press("u")
    row = all_screens_show(network, point, charging, driver_id, "unplugged")
    assert row["energy_consumed_kwh"] > 0
    eventually(lambda: cp_id in network.available(), "the point is available again")


def test_breaking_ends_a_charge_and_repairing_brings_the_point_back(
    network: Network, charge: Begin
) -> None:
    """The fault is on central's screen within 2 s; nobody is served until it is repaired."""
    cp_id, driver_id = new_id("CP"), new_id("D")
    point = network.point(cp_id, *FAST)
    charging = charge(driver_id, cp_id)
    eventually(lambda: network.last_session(driver_id).get("energy_consumed_kwh"), "energy flows")
    point.engine.press("b")
    all_screens_show(network, point, charging, driver_id, "fault")
    network.central.says("fault: InternalError", cp_id=cp_id)
    refused = charge(new_id("D"), cp_id)
    assert refused.ends() == 1
    assert "charge_point_faulted" in refused.screen.read_text() + refused.log.read_text()
    point.engine.press("r")
    network.central.says("recovered", cp_id=cp_id)
    eventually(lambda: cp_id in network.available(), "the point is available again")


def test_a_driver_stops_its_own_charge(network: Network, charge: Begin) -> None:
    """From another terminal, with the same state; both see the ticket."""
    cp_id, driver_id = new_id("CP"), new_id("D")
    point = network.point(cp_id, *FAST)
    charging = charge(driver_id, cp_id)
    session = eventually(lambda: network.last_session(driver_id), "the session is there")
    eventually(lambda: network.last_session(driver_id)["state"] == "charging", "it charges")
    network.ask(driver_id, "stop")
    row = all_screens_show(network, point, charging, driver_id, "driver_request")
    assert row["session_id"] == session["session_id"]


def test_a_car_that_is_never_plugged_in_costs_nothing(network: Network, charge: Begin) -> None:
    """After a minute on the engine's clock the session fails, without a ticket."""
    cp_id, driver_id = new_id("CP"), new_id("D")
    point = network.point(cp_id, *FAST, "--plug", "manual")
    waiting = charge(driver_id, cp_id)
    assert waiting.ends() == 1
    row = network.last_session(driver_id)
    assert (row["state"], row["reason"], row["revision"]) == ("failed", "not_plugged_in", 0)
    assert (row["energy_consumed_kwh"], row["total_cost"]) == (0, 0)
    assert "not_plugged_in" in waiting.screen.read_text() + waiting.log.read_text()
    point.engine.says("ended", session_id=row["session_id"], reason="not_plugged_in")
    network.central.says("session failed: not_plugged_in", session_id=row["session_id"])
    eventually(lambda: cp_id in network.available(), "the point is available again")


def test_a_car_that_is_plugged_in_late_charges(network: Network, charge: Begin) -> None:
    """The engine waits for the plug, and the driver is shown that it does."""
    cp_id, driver_id = new_id("CP"), new_id("D")
    point = network.point(cp_id, "--time-scale", "10", "--plug", "manual")
    charging = charge(driver_id, cp_id, "--kwh", "0.01")
    eventually(lambda: network.last_session(driver_id).get("state") == "authorised", "authorised")
    point.engine.press("p")
    all_screens_show(network, point, charging, driver_id, "target_reached")


def test_a_charge_is_asked_for_at_the_points_own_menu(network: Network) -> None:
    """The engine asks for a driver, through its monitor, and shows central's answer."""
    cp_id, driver_id = new_id("CP"), new_id("D")
    point = network.point(cp_id, *FAST)
    point.engine.press("c")
    point.engine.press(driver_id)
    eventually(lambda: network.last_session(driver_id).get("state") == "charging", "it charges")
    point.engine.press("u")
    eventually(lambda: network.last_session(driver_id)["state"] == "completed", "it has a ticket")


def test_one_search_tells_the_story_of_one_charge(
    network: Network, charge: Begin, tmp_path: Path
) -> None:
    """All lines of all programs with the charge's trace id, by time: from request to ticket."""
    cp_id, driver_id = new_id("CP"), new_id("D")
    point = network.point(cp_id, *FAST)
    charging = charge(driver_id, cp_id, "--kwh", "0.4")
    row = all_screens_show(network, point, charging, driver_id, "target_reached")
    trace_id = network.central.says("session charging", session_id=row["session_id"])["trace_id"]
    point.monitor.says("sent", type="settle_sessions_command")
    lines = [
        json.loads(line)
        for log in tmp_path.glob("*.jsonl")
        for line in log.read_text().splitlines()
        if trace_id in line
    ]
    lines.sort(key=lambda line: line["timestamp"])
    story = [(x["program"], x["event"], x["type"]) for x in lines if "type" in x]
    expected = [
        ("ev-driver", "sent", "charge_request"),
        ("ev-central", "received", "charge_request"),
        ("ev-central", "sent", "start_charging_command"),
        ("ev-monitor", "received", "start_charging_command"),
        ("ev-monitor", "sent", "start_charging_command"),
        ("ev-engine", "received", "start_charging_command"),
        ("ev-engine", "sent", "command_response"),
        ("ev-monitor", "received", "command_response"),
        ("ev-monitor", "sent", "command_response"),
        ("ev-central", "received", "command_response"),
        ("ev-central", "sent", "charge_request_response"),
        ("ev-driver", "received", "charge_request_response"),
        ("ev-engine", "sent", "charging_data"),
        ("ev-monitor", "received", "charging_data"),
        ("ev-monitor", "sent", "charging_data"),
        ("ev-central", "received", "charging_data"),
        ("ev-central", "sent", "charging_data"),
        ("ev-driver", "received", "charging_data"),
        ("ev-engine", "sent", "charge_completion"),
        ("ev-monitor", "received", "charge_completion"),
        ("ev-monitor", "sent", "charge_completion"),
        ("ev-central", "received", "charge_completion"),
        ("ev-central", "sent", "charge_completion"),
        ("ev-driver", "received", "charge_completion"),
    ]
    rest = iter(story)
    for step in expected:
        assert step in rest, f"{step} is missing, or out of order, in {story}"
    assert all(line.get("session_id", row["session_id"]) == row["session_id"] for line in lines)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_every_program_ends_cleanly_when_told_to(network: Network, number: signal.Signals) -> None:
    """With code 0, and within the time that a container is given."""
    point = network.point(new_id("CP"))
    for program in (point.monitor, point.engine, network.central):
        assert program.end(number) == 0
