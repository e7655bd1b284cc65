"""central dies and comes back: everything that was acknowledged is still so."""

from __future__ import annotations

from decimal import Decimal

import pytest

from .peer import QUIET, message, same_answer
from .roles import Network, connector


def come_back(own: Network, *, killed: bool = True) -> None:
    """Kill or stop central and start it again on the same database."""
    own.hang_up()
    if killed:
        own.central.kill()
    else:
        assert own.central.stop() == 0
    own.central.start()


# What is remembered


def test_all_points_are_offline_at_start(own: Network) -> None:
    """Known points are listed with what is known of them, and published, Offline; epoch rises."""
    monitor = own.unregistered()
    before = monitor.register(location="Calle 9", price_per_kwh=0.5)["epoch"]
    come_back(own)
    row = own.admin().wait_row(monitor.cp_id, "Offline")
    assert row["location"] == "Calle 9"
    assert row["price_per_kwh"] == Decimal("0.5")
    assert row["epoch"] > before
    own.points.wait(monitor.cp_id, status="Offline", epoch=row["epoch"])
    assert own.driver().refused(monitor.cp_id) == "charge_point_offline"
    back = own.unregistered(monitor.cp_id)
    assert back.register()["epoch"] == row["epoch"]
    own.driver().begin(back)


def test_stopped_points_are_still_stopped(own: Network) -> None:
    """An operator's decision outlives central."""
    monitor, admin = own.monitor(), own.admin()
    asked = admin.command("stop_cp", monitor.cp_id)
    monitor.reply(monitor.take(type="stop_cp_command"))
    admin.answer_to(asked)
    come_back(own)
    back = own.unregistered(monitor.cp_id)
    assert back.register()["stopped"] is True
    assert own.driver().refused(monitor.cp_id) == "charge_point_stopped"


def test_an_open_session_continues(own: Network) -> None:
    """Readings before and after, price and driver as they were; the ticket arrives once."""
    monitor, driver = own.monitor(price_per_kwh=0.4), own.driver()
    session_id = driver.begin(monitor)
    monitor.reading(session_id, 1, 1.0)
    driver.wait_session(session_id, "charging")
    come_back(own)
    driver = own.driver(driver.driver_id)
    assert driver.state(session_id) == "charging"
    assert driver.refused(monitor.cp_id) in {"driver_busy", "charge_point_offline"}
    back = own.unregistered(monitor.cp_id)
    answer = back.register(
        engine_status="charging",
        connectors=[connector(1, "charging", session_id=session_id)],
    )
    assert answer["unsettled_sessions"] == [session_id]
    back.reading(session_id, 2, 2.0)
    told = own.events.wait(driver.driver_id, type="charging_data", energy_consumed_kwh=Decimal(2))
    assert told["epoch"] == answer["epoch"]
    own.admin().wait_row(monitor.cp_id, "Charging")
    assert own.driver().refused(monitor.cp_id) == "charge_point_busy"
    back.ticket(session_id, 3.0)
    row = driver.wait_session(session_id, "completed")
    assert row["total_cost"] == Decimal("1.2")
    back.wait_settled(session_id)


def test_a_ticket_published_while_central_was_down_counts(own: Network) -> None:
    """Kafka keeps it until central is back; the bill is right, and the driver told once."""
    monitor, driver = own.monitor(), own.driver()
    session_id = driver.begin(monitor)
    own.central.kill()
    monitor.reading(session_id, 1, 5.0)
    monitor.ticket(session_id, 7.5)
    own.hang_up()
    own.central.start()
    row = own.driver(driver.driver_id).wait_session(session_id, "completed")
    assert row["total_cost"] == Decimal("2.63")
    own.events.wait(driver.driver_id, type="charge_completion")
    own.events.read_on(QUIET)
    assert len(own.events.of(driver.driver_id, type="charge_completion")) == 1


def test_the_same_ticket_after_a_restart_is_the_same(own: Network) -> None:
    """A ticket sent again to the next central changes nothing."""
    monitor, driver = own.monitor(), own.driver()
    session_id = driver.begin(monitor)
    sent = monitor.ticket(session_id, 7.5)
    done = driver.wait_session(session_id, "completed")
    come_back(own)
    back, driver = own.monitor(monitor.cp_id), own.driver(driver.driver_id)
    back.publish(sent)
    later = own.driver()
    other = later.begin(back)
    back.ticket(other, 1.0)
    later.wait_session(other, "completed")
    assert driver.history() == [done]


# Requests before and after


@pytest.mark.parametrize("killed", [True, False], ids=["killed", "stopped"])
def test_a_charge_request_is_remembered(own: Network, killed: bool) -> None:
    """The same request before and after, by TCP and by Kafka: one session, equal answers."""
    monitor, driver = own.monitor(), own.driver()
    content = driver.request(monitor.cp_id)
    driver.post(content)
    session_id = monitor.accept_start()["session_id"]
    first = driver.answer_to(content["message_id"])
    come_back(own, killed=killed)
    driver = own.driver(driver.driver_id)
    answers = [driver.answer_to(driver.post(content)) for _ in range(3)]
    back = own.monitor(monitor.cp_id)
    answers.append(driver.answer_to(driver.post(content)))
    assert all(same_answer(first, answer) for answer in answers)
    driver.publish(content)
    by_kafka = own.events.wait(driver.driver_id, message_id=content["message_id"])
    assert (by_kafka["status"], by_kafka["session_id"]) == ("success", session_id)
    back.assert_no_command()
    wrong = driver.answer_to(driver.post({**content, "target_kwh": 1.0}))
    assert (wrong["type"], wrong["error"]) == ("error_response", "invalid_message")


def test_refusals_and_stops_and_commands_are_remembered(own: Network) -> None:
    """Each kind of request that has an effect gets its old answer from the next central."""
    monitor, driver, admin = own.monitor(), own.driver(), own.admin()
    refused = own.driver().request("CP-nobody-knows")
    session_id = driver.begin(monitor)
    stop = message(
        "stop_charging_request",
        cp_id=monitor.cp_id,
        session_id=session_id,
        driver_id=driver.driver_id,
    )
    driver.post(stop)
    monitor.accept_stop(session_id)
    order = message("manual_command", command="stop_cp", cp_id=monitor.cp_id)
    admin.post(order)
    monitor.reply(monitor.take(type="stop_cp_command"))
    firsts = [
        driver.answer_to(driver.post(refused)),
        driver.answer_to(stop["message_id"]),
        admin.answer_to(order["message_id"]),
    ]
    come_back(own)
    driver, again = own.driver(driver.driver_id), own.link()
    again.ask("auth_request", role="admin", admin_id=admin.admin_id, credential="any")
    back = own.monitor(monitor.cp_id)
    seconds = [
        driver.answer_to(driver.post(refused)),
        driver.answer_to(driver.post(stop)),
        again.answer_to(again.post(order)),
    ]
    for first, second in zip(firsts, seconds, strict=True):
        assert same_answer(first, second)
    back.assert_no_command("stop_cp_command")


def test_a_waiting_stop_outlives_central(own: Network) -> None:
    """A stop for an unreachable point is delivered by the next central."""
    monitor, driver = own.monitor(), own.driver()
    session_id = driver.begin(monitor)
    monitor.close()
    own.admin().wait_row(monitor.cp_id, "Offline")
    answer = driver.answer_to(driver.ask_stop(monitor.cp_id, session_id))
    assert answer["error"] == "charge_point_offline"
    come_back(own)
    own.monitor(monitor.cp_id).accept_stop(session_id)


# Between storing and commanding


def interrupted(own: Network) -> tuple[str, str, dict[str, object], str]:
    """A charge whose start was commanded when central died: cp, driver, request, session."""
    monitor, driver = own.monitor(), own.driver()
    content = driver.request(monitor.cp_id)
    driver.post(content)
    session_id = monitor.take(type="start_charging_command")["session_id"]
    come_back(own)
    return monitor.cp_id, driver.driver_id, content, session_id


def test_an_interrupted_start_is_confirmed_by_a_report(own: Network) -> None:
    """No start is sent again; a repeat waits; `running` makes it a success."""
    cp_id, driver_id, content, session_id = interrupted(own)
    driver = own.driver(driver_id)
    asked = driver.post(content)
    back = own.unregistered(cp_id)
    assert back.register()["unsettled_sessions"] == [session_id]
    back.assert_no_command()
    assert not driver.has(0.0, message_id=asked)
    assert own.driver().refused(cp_id) == "charge_point_busy"
    back.report(session_id, "running")
    answer = driver.answer_to(asked)
    assert (answer["type"], answer["status"]) == ("charge_request_response", "success")
    assert answer["session_id"] == session_id
    back.ticket(session_id, 2.0)
    assert driver.wait_session(session_id, "completed")["total_cost"] == Decimal("0.7")


def test_an_interrupted_start_that_was_never_seen_fails(own: Network) -> None:
    """The engine never heard of it: failed, the point is free, the repeat is refused."""
    cp_id, driver_id, content, session_id = interrupted(own)
    driver = own.driver(driver_id)
    asked = driver.post(content)
    back = own.monitor(cp_id)
    back.report(session_id, "never_seen")
    answer = driver.answer_to(asked)
    assert (answer["type"], answer["status"]) == ("charge_request_response", "failure")
    assert same_answer(answer, driver.answer_to(driver.post(content)))
    assert driver.state(session_id) == "failed"
    assert back.settled(session_id) == [session_id]
    driver.begin(back)


def test_an_interrupted_start_that_has_ended_gets_its_ticket(own: Network) -> None:
    """The engine supplied meanwhile: `ended`, then the ticket, once."""
    cp_id, driver_id, content, session_id = interrupted(own)
    back = own.monitor(cp_id)
    back.report(session_id, "ended")
    back.ticket(session_id, 7.5)
    driver = own.driver(driver_id)
    assert driver.wait_session(session_id, "completed")["total_cost"] == Decimal("2.63")
    answer = driver.answer_to(driver.post(content))
    assert answer["type"] == "charge_request_response"
    own.driver().begin(back)


def test_an_interrupted_start_is_confirmed_by_a_reading(own: Network) -> None:
    """A reading on Kafka shows that the engine said yes."""
    cp_id, driver_id, _, session_id = interrupted(own)
    back = own.monitor(cp_id)
    back.reading(session_id, 1, 1.0)
    driver = own.driver(driver_id)
    driver.wait_session(session_id, "charging")
    own.admin().wait_row(cp_id, "Charging")


def test_an_interrupted_start_keeps_its_driver(own: Network) -> None:
    """Until it is decided the driver has a session."""
    cp_id, driver_id, _, _ = interrupted(own)
    elsewhere = own.monitor()
    assert own.driver(driver_id).refused(elsewhere.cp_id) == "driver_busy"
    assert cp_id != elsewhere.cp_id


def test_many_restarts_in_the_middle_of_a_charge(own: Network) -> None:
    """However often central dies, there is one session and one ticket."""
    monitor, driver = own.monitor(), own.driver()
    session_id, cp_id = driver.begin(monitor), monitor.cp_id
    for number in range(1, 6):
        come_back(own, killed=number % 2 == 0)
        monitor = own.monitor(cp_id)
        monitor.reading(session_id, number, float(number))
    monitor.ticket(session_id, 7.5)
    driver = own.driver(driver.driver_id)
    row = driver.wait_session(session_id, "completed")
    assert row["total_cost"] == Decimal("2.63")
    assert len(driver.history()) == 1
    own.events.wait(driver.driver_id, type="charge_completion")
