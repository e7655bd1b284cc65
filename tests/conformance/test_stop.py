"""Stopping: by the driver whose session it is, at once or as soon as the point is back."""

from __future__ import annotations

from .peer import QUIET
from .roles import Admin, Network


def test_a_driver_stops_its_charge(network: Network, admin: Admin) -> None:
    """The stop is commanded, answered after the engine's yes, and the ticket ends the session."""
    monitor, driver = network.unregistered(), network.driver()
    epoch = monitor.register()["epoch"]
    session_id = driver.begin(monitor)
    monitor.reading(session_id, 1, 1.0)
    driver.wait_session(session_id, "charging")
    asked = driver.ask_stop(monitor.cp_id, session_id)
    command = monitor.take(type="stop_charging_command")
    assert command["cp_id"] == monitor.cp_id
    assert command["session_id"] == session_id
    assert command["epoch"] == epoch
    assert not driver.has(QUIET, message_id=asked)
    monitor.reply(command, session_id=session_id)
    answer = driver.answer_to(asked)
    assert (answer["type"], answer["status"]) == ("stop_charging_response", "success")
    assert isinstance(answer["message"], str)
    monitor.ticket(session_id, 1.2, "driver_request")
    row = driver.wait_session(session_id, "completed")
    assert row["reason"] == "driver_request"
    admin.wait_row(monitor.cp_id, "Available")


def test_a_stop_before_any_energy_completes_with_nothing_to_pay(network: Network) -> None:
    """A session that its driver ended is completed even without energy."""
    monitor, driver = network.monitor(), network.driver()
    session_id = driver.begin(monitor)
    asked = driver.ask_stop(monitor.cp_id, session_id)
    monitor.accept_stop(session_id)
    assert driver.answer_to(asked)["status"] == "success"
    monitor.ticket(session_id, 0.0, "driver_request")
    assert driver.wait_session(session_id, "completed")["total_cost"] == 0
    ticket = network.events.wait(driver.driver_id, type="charge_completion")
    assert ticket["total_cost"] == 0


def test_stopping_an_ended_session_is_a_success(network: Network) -> None:
    """What has ended need not be ended: no command, and yes."""
    monitor, driver = network.monitor(), network.driver()
    session_id = driver.begin(monitor)
    monitor.ticket(session_id, 1.0)
    driver.wait_session(session_id, "completed")
    answer = driver.answer_to(driver.ask_stop(monitor.cp_id, session_id))
    assert (answer["type"], answer["status"]) == ("stop_charging_response", "success")


def test_an_unknown_session_cannot_be_stopped(network: Network) -> None:
    """The reason is unknown_session."""
    monitor, driver = network.monitor(), network.driver()
    answer = driver.answer_to(driver.ask_stop(monitor.cp_id, "S-nobody-knows"))
    assert (answer["type"], answer["status"]) == ("stop_charging_response", "failure")
    assert answer["error"] == "unknown_session"


def test_only_ones_own_session_can_be_stopped(network: Network) -> None:
    """Another driver's stop is refused, and no command is sent."""
    monitor, driver, other = network.monitor(), network.driver(), network.driver()
    session_id = driver.begin(monitor)
    answer = other.answer_to(other.ask_stop(monitor.cp_id, session_id))
    assert (answer["status"], answer["error"]) == ("failure", "not_your_session")
    monitor.assert_no_command("stop_charging_command")
    monitor.ticket(session_id, 1.0)
    driver.wait_session(session_id, "completed")
    answer = other.answer_to(other.ask_stop(monitor.cp_id, session_id))
    assert (answer["status"], answer["error"]) == ("failure", "not_your_session")


def test_a_stop_without_driver_id_is_the_last_speakers(network: Network) -> None:
    """On a link that speaks for several drivers the last one named is meant."""
    monitor, driver, other = network.monitor(), network.driver(), network.driver()
    session_id = driver.begin(monitor)
    stop = {"cp_id": monitor.cp_id, "session_id": session_id}
    driver.ask("charging_history_request", driver_id=other.driver_id)
    answer = driver.ask("stop_charging_request", **stop)
    assert (answer["status"], answer["error"]) == ("failure", "not_your_session")
    driver.ask("charging_history_request", driver_id=driver.driver_id)
    asked = driver.send("stop_charging_request", **stop)
    monitor.accept_stop(session_id)
    assert driver.answer_to(asked)["status"] == "success"


def test_a_stop_for_an_unreachable_point_is_delivered_later(network: Network) -> None:
    """It is answered `charge_point_offline`, kept, and sent at the next registration."""
    monitor, driver = network.monitor(), network.driver()
    session_id = driver.begin(monitor)
    admin = network.admin()
    monitor.close()
    admin.wait_row(monitor.cp_id, "Offline")
    answer = driver.answer_to(driver.ask_stop(monitor.cp_id, session_id))
    assert (answer["status"], answer["error"]) == ("failure", "charge_point_offline")
    back = network.monitor(monitor.cp_id)
    back.accept_stop(session_id)
    back.ticket(session_id, 1.0, "driver_request")
    driver.wait_session(session_id, "completed")
    again = network.monitor(monitor.cp_id)
    again.assert_no_command("stop_charging_command")


def test_a_stop_without_an_answer_times_out_and_is_sent_again(network: Network) -> None:
    """An engine that is silent for 5 s: `timed_out`, and the stop comes at each registration."""
    monitor, driver = network.monitor(), network.driver()
    session_id = driver.begin(monitor)
    asked = driver.ask_stop(monitor.cp_id, session_id)
    monitor.take(type="stop_charging_command")
    answer = driver.answer_to(asked)
    assert (answer["status"], answer["error"]) == ("failure", "timed_out")
    monitor.register()
    monitor.take(type="stop_charging_command", session_id=session_id)
    back = network.monitor(monitor.cp_id)
    back.accept_stop(session_id)
    back.heartbeat()
    again = network.monitor(monitor.cp_id)
    again.assert_no_command("stop_charging_command")


def test_a_ticket_makes_a_waiting_stop_needless(network: Network) -> None:
    """A session that ended by itself is not stopped at the next registration."""
    monitor, driver, admin = network.monitor(), network.driver(), network.admin()
    session_id = driver.begin(monitor)
    monitor.close()
    admin.wait_row(monitor.cp_id, "Offline")
    driver.answer_to(driver.ask_stop(monitor.cp_id, session_id))
    monitor.ticket(session_id, 1.0, "unplugged")
    driver.wait_session(session_id, "completed")
    back = network.monitor(monitor.cp_id)
    if back.has(QUIET, type="stop_charging_command"):  # harmless, and then confirmed
        back.accept_stop(session_id)
        back.heartbeat()
        back = network.monitor(monitor.cp_id)
    back.assert_no_command("stop_charging_command")
