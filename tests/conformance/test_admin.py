"""The operator: stopping and resuming a point, starting and ending its charges."""

from __future__ import annotations

import pytest

from .peer import QUIET, Message, same_answer
from .roles import Admin, Monitor, Network


def carried_out(admin: Admin, monitor: Monitor, command: str) -> Message:
    """A command for one point that its engine confirms; the answer."""
    asked = admin.command(command, monitor.cp_id)
    monitor.reply(monitor.take(type=f"{command}_command"))
    return admin.answer_to(asked)


def test_a_point_is_stopped_and_resumed(network: Network, admin: Admin) -> None:
    """The point is told why, answers, is Unavailable to drivers, and is back after resume."""
    monitor = network.unregistered()
    epoch = monitor.register()["epoch"]
    asked = admin.command("stop_cp", monitor.cp_id, reason="repainting")
    command = monitor.take(type="stop_cp_command")
    assert command["cp_id"] == monitor.cp_id
    assert command["reason"] == "repainting"
    assert command["epoch"] == epoch
    monitor.reply(command)
    answer = admin.answer_to(asked)
    assert (answer["type"], answer["status"]) == ("manual_command_response", "success")
    assert isinstance(answer["message"], str)
    assert (answer["succeeded"], answer.get("failed", 0)) == (1, 0)
    (result,) = answer["results"]
    assert result["cp_id"] == monitor.cp_id
    assert result["status"] == "success"
    assert result.get("applied", True) is True
    row = admin.wait_row(monitor.cp_id, "Unavailable")
    assert row["stopped"] is True
    assert network.driver().refused(monitor.cp_id) == "charge_point_stopped"
    assert monitor.heartbeat()["stopped"] is True

    asked = admin.command("resume_cp", monitor.cp_id)
    command = monitor.take(type="resume_cp_command")
    assert (command["cp_id"], command["epoch"]) == (monitor.cp_id, epoch)
    monitor.reply(command)
    assert admin.answer_to(asked)["succeeded"] == 1
    admin.wait_row(monitor.cp_id, "Available")
    assert monitor.heartbeat().get("stopped", False) is False
    network.driver().begin(monitor)


def test_a_stopped_point_says_so_at_its_registration(network: Network, admin: Admin) -> None:
    """A point that was away while it was stopped learns of it when it is back."""
    monitor = network.monitor()
    monitor.close()
    admin.wait_row(monitor.cp_id, "Offline")
    answer = admin.answer_to(admin.command("stop_cp", monitor.cp_id))
    (result,) = answer["results"]
    assert result["applied"] is False
    row = admin.rows()[monitor.cp_id]
    assert row["status"] == "Offline"
    assert row["stopped"] is True
    back = network.unregistered(monitor.cp_id)
    assert back.register()["stopped"] is True
    admin.wait_row(monitor.cp_id, "Unavailable")
    carried_out(admin, back, "resume_cp")
    admin.wait_row(monitor.cp_id, "Available")
    assert back.register().get("stopped", False) is False


def test_stopping_a_charging_point_ends_its_charge(network: Network, admin: Admin) -> None:
    """The engine ends the supply with a ticket, then the point is out of order."""
    monitor, driver = network.monitor(), network.driver()
    session_id = driver.begin(monitor)
    monitor.reading(session_id, 1, 1.0)
    admin.wait_row(monitor.cp_id, "Charging")
    assert carried_out(admin, monitor, "stop_cp")["status"] == "success"
    assert admin.wait_row(monitor.cp_id, "Charging")["stopped"] is True
    monitor.finish(session_id)
    assert admin.wait_row(monitor.cp_id, "Finishing")["stopped"] is True
    monitor.ticket(session_id, 1.5, "cp_stopped")
    assert driver.wait_session(session_id, "completed")["reason"] == "cp_stopped"
    admin.wait_row(monitor.cp_id, "Unavailable")


def test_an_operator_starts_and_stops_a_charge(network: Network, admin: Admin) -> None:
    """start_charging and stop_charging do for a driver what its app would do."""
    monitor, driver = network.monitor(), network.driver()
    asked = admin.command("start_charging", monitor.cp_id, driver_id=driver.driver_id)
    command = monitor.accept_start()
    assert command["driver_id"] == driver.driver_id
    session_id = command["session_id"]
    answer = admin.answer_to(asked)
    assert (answer["status"], answer["succeeded"]) == ("success", 1)
    assert driver.state(session_id) == "authorised"
    monitor.reading(session_id, 1, 1.0)
    network.events.wait(driver.driver_id, type="charging_data", session_id=session_id)

    asked = admin.command("stop_charging", monitor.cp_id)
    assert monitor.accept_stop(session_id)["cp_id"] == monitor.cp_id
    answer = admin.answer_to(asked)
    assert (answer["status"], answer["succeeded"]) == ("success", 1)
    monitor.ticket(session_id, 2.0, "operator_request")
    row = driver.wait_session(session_id, "completed")
    assert row["reason"] == "operator_request"


def test_an_operators_start_is_refused_like_a_drivers(network: Network, admin: Admin) -> None:
    """A busy point is busy for everybody; the result names the reason."""
    monitor = network.monitor()
    network.driver().begin(monitor)
    answer = admin.answer_to(
        admin.command("start_charging", monitor.cp_id, driver_id=network.driver().driver_id)
    )
    assert answer["type"] == "manual_command_response"
    assert (answer.get("succeeded", 0), answer["failed"]) == (0, 1)
    assert answer["results"][0]["error"] == "charge_point_busy"
    assert answer["results"][0]["status"] == "failure"


@pytest.mark.parametrize("command", ["stop_cp", "resume_cp", "stop_charging"])
def test_an_unknown_point_is_a_failure(network: Network, admin: Admin, command: str) -> None:
    """A command for a point that nobody knows names it in its result."""
    answer = admin.answer_to(admin.command(command, "CP-nobody-knows"))
    assert (answer["type"], answer["status"]) == ("manual_command_response", "failure")
    reasons = {answer.get("error"), *(r.get("error") for r in answer.get("results", []))}
    assert "unknown_charge_point" in reasons


def test_a_silent_engine_does_not_keep_the_operator_waiting(network: Network, admin: Admin) -> None:
    """Without the engine's answer there is one within 8 s all the same."""
    monitor = network.monitor()
    asked = admin.command("stop_cp", monitor.cp_id)
    monitor.take(type="stop_cp_command")
    answer = admin.answer_to(asked, within=8.5)
    assert answer["type"] == "manual_command_response"
    monitor.register()
    admin.wait_row(monitor.cp_id)


def test_the_same_command_again_gets_the_same_answer(network: Network, admin: Admin) -> None:
    """A repeated message_id is the same command: it is carried out once."""
    monitor = network.monitor()
    first = carried_out(admin, monitor, "stop_cp")
    fields = {"message_id": first["message_id"]}
    again = admin.answer_to(admin.command("stop_cp", monitor.cp_id, **fields))
    assert same_answer(first, again)
    monitor.assert_no_command("stop_cp_command")
    other = admin.answer_to(admin.command("resume_cp", monitor.cp_id, **fields))
    assert (other["type"], other["error"]) == ("error_response", "invalid_message")
    monitor.assert_no_command("resume_cp_command")


def test_a_repeat_while_the_first_is_in_work_joins_it(network: Network, admin: Admin) -> None:
    """Three copies at once: one command to the point, three equal answers."""
    monitor = network.monitor()
    asked = admin.command("stop_cp", monitor.cp_id)
    for _ in range(2):
        admin.command("stop_cp", monitor.cp_id, message_id=asked)
    monitor.reply(monitor.take(type="stop_cp_command"))
    answers = [admin.answer_to(asked) for _ in range(3)]
    assert all(same_answer(answers[0], answer) for answer in answers)
    monitor.assert_no_command("stop_cp_command")
    assert not admin.has(QUIET, message_id=asked)
