"""Settling: what central still wants to hear of, and what the engine may forget."""

from __future__ import annotations

from decimal import Decimal

import pytest

from .peer import QUIET
from .roles import Admin, Driver, Monitor, Network, connector


def refuse(network: Network, monitor: Monitor, driver: Driver) -> str:
    """A start that the engine refuses; its session_id."""
    asked = driver.charge(monitor.cp_id)
    command = monitor.take(type="start_charging_command")
    monitor.reply(command, "failure", error="engine_refused")
    answer = driver.answer_to(asked)
    assert (answer["status"], answer["error"]) == ("failure", "engine_refused")
    return str(command["session_id"])


# The two lists


def test_a_session_is_held_until_its_ticket_is_stored(network: Network) -> None:
    """Before the ticket a held session is not settled; afterwards it is, and stays so."""
    monitor, driver = network.monitor(), network.driver()
    session_id = driver.begin(monitor)
    assert monitor.settled(session_id) == []
    monitor.ticket(session_id, 1.0)
    monitor.wait_settled(session_id)
    assert monitor.settled(session_id) == [session_id]
    assert monitor.register(held_sessions=[session_id])["settled_sessions"] == [session_id]
    assert monitor.settled() == []


def test_only_held_sessions_are_called_settled(network: Network) -> None:
    """The list answers the question; a session that nobody knows is not settled."""
    monitor, driver = network.monitor(), network.driver()
    first = driver.begin(monitor)
    monitor.ticket(first, 1.0)
    driver.wait_session(first, "completed")
    second = driver.begin(monitor)
    assert monitor.settled("S-nobody-knows", second) == []
    assert set(monitor.settled("S-nobody-knows", second, first)) == {first}


def test_an_open_session_is_unsettled(network: Network) -> None:
    """From the engine's yes to its ticket; other points do not hear of it."""
    monitor, other, driver = network.monitor(), network.monitor(), network.driver()
    session_id = driver.begin(monitor)
    assert monitor.unsettled() == [session_id]
    assert monitor.register()["unsettled_sessions"] == [session_id]
    monitor.reading(session_id, 1, 1.0)
    driver.wait_session(session_id, "charging")
    assert monitor.unsettled() == [session_id]
    assert other.unsettled() == []
    monitor.ticket(session_id, 1.0)
    monitor.wait_settled(session_id)
    assert monitor.unsettled() == []


def test_a_start_in_work_is_not_yet_unsettled(network: Network) -> None:
    """While central waits for the engine's answer it does not ask what became of it."""
    monitor, driver = network.monitor(), network.driver()
    asked = driver.charge(monitor.cp_id)
    command = monitor.take(type="start_charging_command")
    assert monitor.unsettled() == []
    monitor.reply(command, session_id=command["session_id"])
    driver.answer_to(asked)
    assert monitor.unsettled() == [command["session_id"]]


def test_unsettled_sessions_come_oldest_first(network: Network) -> None:
    """Sessions whose tickets are missing are asked for in the order in which they began."""
    monitor = network.monitor()
    made = []
    for _ in range(5):
        driver = network.driver()
        made.append(driver.begin(monitor))
        monitor.report(made[-1], "ended")
        driver.wait_free()
    assert monitor.unsettled() == made


def test_at_most_a_hundred_unsettled_sessions_are_named(network: Network) -> None:
    """The list is bounded; the oldest are named, and the others when these are settled."""
    monitor, driver = network.monitor(), network.driver()
    made = []
    for _ in range(105):
        made.append(driver.begin(monitor))
        monitor.report(made[-1], "ended")
        driver.wait_free()
    assert monitor.unsettled() == made[:100]
    for session_id in made[:5]:
        monitor.ticket(session_id, 1.0)
        monitor.wait_settled(session_id)
    assert monitor.unsettled() == made[5:]


# Last words


def test_a_refusal_settles(network: Network, admin: Admin) -> None:
    """An engine's refusal frees connector and driver at once; there is nothing more to hear."""
    monitor, driver = network.monitor(), network.driver()
    session_id = refuse(network, monitor, driver)
    assert monitor.unsettled() == []
    assert monitor.settled(session_id) == [session_id]
    admin.wait_row(monitor.cp_id, "Available")
    assert driver.state(session_id) in {"failed", None}
    monitor.assert_no_command("stop_charging_command")
    driver.begin(monitor)


def test_an_error_response_fails_the_start(network: Network) -> None:
    """A monitor that answers with error_response has answered: the driver hears of it."""
    monitor, driver = network.monitor(), network.driver()
    asked = driver.charge(monitor.cp_id)
    command = monitor.take(type="start_charging_command")
    monitor.send(
        "error_response",
        message_id=command["message_id"],
        error="unsupported_message",
        message="no such thing here",
    )
    answer = driver.answer_to(asked, within=4.0)
    assert (answer["type"], answer["status"]) == ("charge_request_response", "failure")
    assert answer["error"]


@pytest.mark.parametrize("reason", ["not_plugged_in", "fault", "cancelled", "operator_request"])
def test_a_completion_without_energy_is_a_failure(
    network: Network, admin: Admin, reason: str
) -> None:
    """Nothing flowed and the driver did not end it: failed, settled, and no ticket."""
    monitor, driver = network.monitor(), network.driver()
    session_id = driver.begin(monitor)
    monitor.ticket(session_id, 0.0, reason)
    driver.wait_session(session_id, "failed")
    told = network.events.wait(driver.driver_id, type="charging_status_update", status="failed")
    assert told["session_id"] == session_id
    assert monitor.settled(session_id) == [session_id]
    assert monitor.unsettled() == []
    admin.wait_row(monitor.cp_id, "Available")
    network.events.read_on(QUIET)
    assert network.events.of(driver.driver_id, type="charge_completion") == []
    driver.begin(monitor)


def test_a_session_never_seen_is_failed_and_settled(network: Network) -> None:
    """An engine that never heard of a session ends it."""
    monitor, driver = network.monitor(), network.driver()
    session_id = driver.begin(monitor)
    monitor.report(session_id, "never_seen")
    driver.wait_session(session_id, "failed")
    assert monitor.unsettled() == []
    assert monitor.settled(session_id) == [session_id]
    driver.begin(monitor)


def test_a_report_of_running_changes_no_state(network: Network) -> None:
    """`running` confirms the start; the session is charging when a reading says so."""
    monitor, driver = network.monitor(), network.driver()
    session_id = driver.begin(monitor)
    monitor.report(session_id, "running")
    monitor.assert_no_command()
    assert driver.state(session_id) == "authorised"
    assert monitor.unsettled() == [session_id]


def test_a_report_of_the_end_waits_for_the_ticket(network: Network, admin: Admin) -> None:
    """`ended` makes the session finishing; the ticket then completes it."""
    monitor, driver = network.monitor(), network.driver()
    session_id = driver.begin(monitor)
    monitor.reading(session_id, 1, 1.0)
    driver.wait_session(session_id, "charging")
    monitor.report(session_id, "ended")
    driver.wait_session(session_id, "finishing")
    admin.wait_row(monitor.cp_id, "Finishing")
    assert monitor.unsettled() == [session_id]
    monitor.ticket(session_id, 2.0)
    assert driver.wait_session(session_id, "completed")["total_cost"] == Decimal("0.7")
    assert monitor.unsettled() == []


def test_reports_of_unknown_sessions_are_harmless(network: Network, admin: Admin) -> None:
    """A report about a session that central does not know changes nothing."""
    monitor = network.monitor()
    for outcome in ("running", "ended", "never_seen"):
        monitor.report("S-nobody-knows", outcome)
    monitor.assert_no_command()
    assert admin.rows()[monitor.cp_id]["status"] == "Available"
    assert monitor.inbox == []


def test_never_seen_after_the_ticket_changes_nothing(network: Network) -> None:
    """A settled session stays what it is."""
    monitor, driver = network.monitor(), network.driver()
    session_id = driver.begin(monitor)
    monitor.ticket(session_id, 1.0)
    done = driver.wait_session(session_id, "completed")
    monitor.report(session_id, "never_seen")
    monitor.report(session_id, "ended")
    monitor.assert_no_command()
    assert driver.history() == [done]


# A start whose answer never comes


def time_out(monitor: Monitor, driver: Driver) -> str:
    """A start that the engine never answers; its session_id."""
    asked = driver.charge(monitor.cp_id)
    command = monitor.take(type="start_charging_command")
    answer = driver.answer_to(asked, within=9.0)
    assert (answer["type"], answer["status"]) == ("charge_request_response", "failure")
    assert answer["error"] == "timed_out"
    return str(command["session_id"])


def test_a_start_without_an_answer_is_timed_out_and_stopped_until_confirmed(
    network: Network, admin: Admin
) -> None:
    """The connector stays held, the driver does not; each registration sends the stop."""
    monitor, elsewhere = network.monitor(), network.monitor()
    driver, other = network.driver(), network.driver()
    other.history()  # says who it is before its first 5 s are over
    session_id = time_out(monitor, driver)
    assert driver.state(session_id) == "failed"
    assert other.refused(monitor.cp_id) == "charge_point_busy"
    driver.begin(elsewhere)
    assert monitor.unsettled() == [session_id]
    for _ in range(2):
        monitor = network.monitor(monitor.cp_id)
        monitor.take(type="stop_charging_command", session_id=session_id)
        assert other.refused(monitor.cp_id) == "charge_point_busy"
    monitor = network.monitor(monitor.cp_id)
    monitor.accept_stop(session_id)
    other.begin_when_free(monitor)
    admin.wait_row(monitor.cp_id, "Preparing")
    again = network.monitor(monitor.cp_id)
    again.assert_no_command("stop_charging_command")
    assert session_id in again.unsettled()
    again.report(session_id, "never_seen")
    again.wait_settled(session_id)
    assert session_id not in again.unsettled()


def test_energy_after_a_timeout_still_gets_its_ticket(network: Network) -> None:
    """A session that failed by silence and supplied all the same is billed."""
    monitor, driver = network.monitor(), network.driver()
    session_id = time_out(monitor, driver)
    assert driver.state(session_id) == "failed"
    monitor.ticket(session_id, 7.5, "cancelled")
    row = driver.wait_session(session_id, "completed")
    assert row["total_cost"] == Decimal("2.63")
    ticket = network.events.wait(driver.driver_id, type="charge_completion")
    assert ticket["total_cost"] == Decimal("2.63")
    assert monitor.settled(session_id) == [session_id]


def test_a_yes_that_comes_too_late_is_no_yes(network: Network) -> None:
    """The answer `timed_out` is definite: a late yes changes neither it nor the session."""
    monitor, driver = network.monitor(), network.driver()
    content = driver.request(monitor.cp_id)
    asked = driver.post(content)
    command = monitor.take(type="start_charging_command")
    first = driver.answer_to(asked, within=9.0)
    monitor.reply(command, session_id=command["session_id"])
    monitor.assert_no_command()
    again = driver.answer_to(driver.post(content))
    assert (again["status"], again["error"]) == ("failure", "timed_out")
    assert first["error"] == "timed_out"
    assert driver.state(command["session_id"]) == "failed"


# Connectors and their sessions


def test_two_connectors_settle_each_for_itself(network: Network) -> None:
    """The ticket of one connector's session leaves the other's alone."""
    monitor = network.monitor(connectors=[connector(1), connector(2)])
    one, two = network.driver(), network.driver()
    first, second = one.begin(monitor), two.begin(monitor)
    assert set(monitor.unsettled()) == {first, second}
    monitor.ticket(second, 2.0)
    two.wait_session(second, "completed")
    assert monitor.unsettled() == [first]
    assert one.state(first) == "authorised"
    assert monitor.settled(first, second) == [second]
