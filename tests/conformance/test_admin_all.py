"""The operator, for all points at once: each test alone with a central of its own."""

from __future__ import annotations

from .roles import Network


def test_all_points_are_stopped_and_resumed(own: Network) -> None:
    """`*` reaches every known point; those away are noted for later."""
    monitors, gone = [own.monitor() for _ in range(3)], own.monitor()
    admin = own.admin()
    gone.close()
    admin.wait_row(gone.cp_id, "Offline")
    for command, status in (("stop_cp", "Unavailable"), ("resume_cp", "Available")):
        asked = admin.command(command, "*")
        for monitor in monitors:
            monitor.reply(monitor.take(type=f"{command}_command"))
        answer = admin.answer_to(asked)
        assert (answer["type"], answer["status"]) == ("manual_command_response", "success")
        assert (answer["succeeded"], answer.get("failed", 0)) == (4, 0)
        for monitor in monitors:
            admin.wait_row(monitor.cp_id, status)
        stopped = command == "stop_cp"
        admin.wait_row(gone.cp_id, "Offline", stopped=stopped)
        back = own.unregistered(gone.cp_id)
        assert back.register().get("stopped", False) is stopped
        back.close()
        admin.wait_row(gone.cp_id, "Offline")


def test_all_charges_are_stopped(own: Network) -> None:
    """`stop_charging` for `*` ends every running charge, and only those."""
    monitors = [own.monitor() for _ in range(3)]
    idle, admin = own.monitor(), own.admin()
    sessions = [own.driver().begin(monitor) for monitor in monitors]
    asked = admin.command("stop_charging", "*")
    for monitor, session_id in zip(monitors, sessions, strict=True):
        monitor.accept_stop(session_id)
    answer = admin.answer_to(asked)
    assert answer["type"] == "manual_command_response"
    assert answer["succeeded"] >= 3
    idle.assert_no_command("stop_charging_command")


def test_a_failure_among_many_is_listed(own: Network) -> None:
    """One engine says no: it is counted and named."""
    willing, unwilling, admin = own.monitor(), own.monitor(), own.admin()
    asked = admin.command("stop_cp", "*")
    willing.reply(willing.take(type="stop_cp_command"))
    unwilling.reply(unwilling.take(type="stop_cp_command"), "failure", error="engine_refused")
    answer = admin.answer_to(asked)
    assert (answer["succeeded"], answer["failed"]) == (1, 1)
    (result,) = answer["results"]
    assert result["cp_id"] == unwilling.cp_id
    assert result["status"] == "failure"
    assert result["error"] == "engine_refused"
