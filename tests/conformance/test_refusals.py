"""Refusals of a charge: every reason, provoked, and what is left after it: nothing."""

from __future__ import annotations

from .peer import Message
from .roles import Admin, Driver, Network, connector


def assert_refusal(answer: Message, reason: str) -> None:
    assert (answer["type"], answer["status"]) == ("charge_request_response", "failure")
    assert answer["error"] == reason
    assert isinstance(answer["message"], str)


def test_a_refusal_is_an_answer_in_full(network: Network) -> None:
    """It has the request's id, the reason, and a sentence for people."""
    driver = network.driver()
    asked = driver.charge("CP-nobody-knows")
    answer = driver.answer_to(asked)
    assert_refusal(answer, "unknown_charge_point")
    assert answer["message_id"] == asked


def test_unknown_charge_point(network: Network) -> None:
    """No such id, however similar to one that there is: case matters."""
    monitor = network.monitor()
    driver = network.driver()
    assert driver.refused(monitor.cp_id.lower()) == "unknown_charge_point"
    assert driver.refused(monitor.cp_id[:-1]) == "unknown_charge_point"
    driver.begin(monitor)


def test_charge_point_busy(network: Network) -> None:
    """Held from the moment of asking until the end of the supply."""
    monitor, driver, other = network.monitor(), network.driver(), network.driver()
    asked = driver.charge(monitor.cp_id)
    command = monitor.take(type="start_charging_command")
    assert other.refused(monitor.cp_id) == "charge_point_busy"
    monitor.reply(command, session_id=command["session_id"])
    driver.answer_to(asked)
    assert other.refused(monitor.cp_id) == "charge_point_busy"
    monitor.reading(command["session_id"], 1, 1.0)
    driver.wait_session(command["session_id"], "charging")
    assert other.refused(monitor.cp_id) == "charge_point_busy"
    monitor.ticket(command["session_id"], 1.0)
    driver.wait_session(command["session_id"], "completed")
    other.begin(monitor)


def test_charge_point_offline(network: Network, admin: Admin) -> None:
    """A point whose monitor is gone."""
    monitor, driver = network.monitor(), network.driver()
    monitor.close()
    admin.wait_row(monitor.cp_id, "Offline")
    assert driver.refused(monitor.cp_id) == "charge_point_offline"
    driver.begin(network.monitor(monitor.cp_id))


def test_charge_point_faulted(network: Network, admin: Admin) -> None:
    """A point that told of a fault; after its recovery it serves."""
    monitor, driver = network.monitor(), network.driver()
    monitor.send("fault_notification", cp_id=monitor.cp_id, fault_type="GroundFailure")
    admin.wait_row(monitor.cp_id, "Faulted")
    assert driver.refused(monitor.cp_id) == "charge_point_faulted"
    monitor.send("recovery_notification", cp_id=monitor.cp_id)
    admin.wait_row(monitor.cp_id, "Available")
    driver.begin(monitor)


def test_a_faulted_connector_is_not_given(network: Network, admin: Admin) -> None:
    """Of two connectors the healthy one serves; the faulted one by name is refused."""
    monitor = network.monitor(connectors=[connector(1), connector(2, "faulted")])
    admin.wait_connector(monitor.cp_id, 2, status="Faulted")
    admin.wait_connector(monitor.cp_id, 1, status="Available")
    driver, other = network.driver(), network.driver()
    assert driver.refused(monitor.cp_id, connector_id=2) == "charge_point_faulted"
    driver.begin(monitor)
    assert other.refused(monitor.cp_id) in {"charge_point_busy", "charge_point_faulted"}


def test_charge_point_stopped(network: Network, admin: Admin) -> None:
    """A point that an operator put out of order."""
    monitor, driver = network.monitor(), network.driver()
    asked = admin.command("stop_cp", monitor.cp_id)
    monitor.reply(monitor.take(type="stop_cp_command"))
    admin.answer_to(asked)
    assert driver.refused(monitor.cp_id) == "charge_point_stopped"
    asked = admin.command("resume_cp", monitor.cp_id)
    monitor.reply(monitor.take(type="resume_cp_command"))
    admin.answer_to(asked)
    driver.begin(monitor)


def test_driver_busy(network: Network) -> None:
    """One session at a time: elsewhere, and on the other connector of the same point."""
    monitor = network.monitor(connectors=[connector(1), connector(2)])
    elsewhere, driver = network.monitor(), network.driver()
    session_id = driver.begin(monitor)
    assert driver.refused(elsewhere.cp_id) == "driver_busy"
    assert driver.refused(monitor.cp_id, connector_id=2) == "driver_busy"
    elsewhere.assert_no_command()
    monitor.ticket(session_id, 1.0)
    driver.wait_session(session_id, "completed")
    driver.begin(elsewhere)


def test_engine_refused(network: Network) -> None:
    """The engine says no, and its sentence may say why; nothing stays held."""
    monitor, driver = network.monitor(), network.driver()
    asked = driver.charge(monitor.cp_id)
    command = monitor.take(type="start_charging_command")
    monitor.reply(command, "failure", error="engine_refused", message="journal full")
    assert_refusal(driver.answer_to(asked), "engine_refused")
    driver.begin(monitor)


def test_a_refusal_without_a_reason_is_the_engines(network: Network) -> None:
    """Engines of the first version give no reason: a failure is `engine_refused`."""
    monitor, driver = network.monitor(), network.driver()
    asked = driver.charge(monitor.cp_id)
    command = monitor.take(type="start_charging_command")
    monitor.reply(command, "failure", message="Failed to start charging")
    assert_refusal(driver.answer_to(asked), "engine_refused")


def test_timed_out(network: Network) -> None:
    """No answer of the engine in 5 s; the driver hears so before its own 10 s are over."""
    monitor, driver = network.monitor(), network.driver()
    asked = driver.charge(monitor.cp_id)
    monitor.take(type="start_charging_command")
    assert not driver.has(4.5, message_id=asked)
    assert_refusal(driver.answer_to(asked, within=4.0), "timed_out")


def test_refused_charges_leave_nothing_behind(network: Network) -> None:
    """Refusals that never made a session are not in the history."""
    monitor, holder = network.monitor(), network.driver()
    holder.begin(monitor)
    driver: Driver = network.driver()
    for cp_id in ("CP-nobody-knows", monitor.cp_id):
        driver.refused(cp_id)
    assert driver.history() == []
    monitor.assert_no_command()
