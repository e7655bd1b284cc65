"""A driver's requests by Kafka: the same requests, answered on `ev.driver.events`."""

from __future__ import annotations

from .peer import QUIET, Message, message, same_answer
from .records import REQUESTS, partition_of
from .roles import Network, encode


def wait_answer(network: Network, driver_id: str, content: Message, count: int = 1) -> Message:
    return network.events.wait(driver_id, message_id=content["message_id"], count=count)


def test_a_charge_is_asked_for_by_kafka(network: Network) -> None:
    """The answer comes on the driver's own partition, and the session is one like any other."""
    monitor, driver = network.monitor(), network.driver()
    asked = driver.request(monitor.cp_id, target_kwh=5.0)
    driver.publish(asked)
    command = monitor.accept_start(driver_id=driver.driver_id)
    assert command["target_kwh"] == 5
    answer = wait_answer(network, driver.driver_id, asked)
    assert (answer["type"], answer["status"]) == ("charge_request_response", "success")
    assert answer["session_id"] == command["session_id"]
    assert answer["cp_id"] == monitor.cp_id
    places = {r.partition for r in network.events.records if r.key == driver.driver_id}
    assert places == {partition_of(driver.driver_id)}
    assert driver.state(command["session_id"]) == "authorised"


def test_a_refusal_comes_by_kafka(network: Network) -> None:
    """A request by Kafka is refused with the same reasons."""
    driver = network.driver()
    asked = driver.request("CP-nobody-knows")
    driver.publish(asked)
    answer = wait_answer(network, driver.driver_id, asked)
    assert (answer["type"], answer["status"]) == ("charge_request_response", "failure")
    assert answer["error"] == "unknown_charge_point"


def test_a_stop_by_kafka(network: Network) -> None:
    """With driver_id, and without it, where the record's key says whose stop it is."""
    driver = network.driver()
    for extra in ({"driver_id": driver.driver_id}, {}):
        monitor = network.monitor()
        session_id = driver.begin(monitor)
        asked = message(
            "stop_charging_request", cp_id=monitor.cp_id, session_id=session_id, **extra
        )
        driver.publish(asked)
        monitor.accept_stop(session_id)
        answer = wait_answer(network, driver.driver_id, asked)
        assert (answer["type"], answer["status"]) == ("stop_charging_response", "success")
        monitor.ticket(session_id, 1.0)
        driver.wait_session(session_id, "completed")


def test_a_stop_of_anothers_session_by_kafka(network: Network) -> None:
    """The record's key decides whose stop it is, and it is not this driver's session."""
    monitor, driver, other = network.monitor(), network.driver(), network.driver()
    session_id = driver.begin(monitor)
    asked = message("stop_charging_request", cp_id=monitor.cp_id, session_id=session_id)
    other.publish(asked)
    answer = wait_answer(network, other.driver_id, asked)
    assert (answer["status"], answer["error"]) == ("failure", "not_your_session")


def test_available_points_by_kafka(network: Network) -> None:
    """The list of available points is answered on the topic, in pages."""
    monitor, driver = network.monitor(), network.driver()
    asked = message("available_cps_request", driver_id=driver.driver_id, limit=200)
    driver.publish(asked)
    answer = wait_answer(network, driver.driver_id, asked)
    assert (answer["type"], answer["status"]) == ("available_cps_response", "success")
    assert monitor.cp_id in {point["cp_id"] for point in answer["charging_points"]}


def test_each_copy_on_the_topic_is_answered_once(network: Network) -> None:
    """Three copies of one request: one start, and three equal answers."""
    monitor, driver = network.monitor(), network.driver()
    asked = driver.request(monitor.cp_id)
    driver.publish(asked, asked, asked)
    monitor.accept_start()
    answers = [wait_answer(network, driver.driver_id, asked, count) for count in (1, 2, 3)]
    assert all(same_answer(answers[0], answer) for answer in answers)
    network.events.read_on(QUIET)
    assert len(network.events.of(driver.driver_id, message_id=asked["message_id"])) == 3
    monitor.assert_no_command()


def test_the_same_id_with_other_content_is_invalid(network: Network) -> None:
    """By Kafka too the answer is an error_response."""
    driver = network.driver()
    asked = driver.request("CP-nobody-knows")
    driver.publish(asked)
    wait_answer(network, driver.driver_id, asked)
    driver.publish({**asked, "cp_id": "CP-another"})
    answer = wait_answer(network, driver.driver_id, asked, count=2)
    assert (answer["type"], answer["error"]) == ("error_response", "invalid_message")


def test_records_that_cannot_be_read_hold_nothing_up(network: Network) -> None:
    """Garbage on `ev.driver.requests` is passed over; the request behind it is answered."""
    driver = network.driver()
    asked = message("available_cps_request", driver_id=driver.driver_id)
    network.publisher.publish(
        REQUESTS,
        driver.driver_id,
        b"",
        b"\xff",
        b"{}",
        b"not json",
        encode(message("no_such_request", driver_id=driver.driver_id)),
        encode(message("manual_command", command="stop_cp", cp_id="*")),
        encode(message("charge_request", driver_id=driver.driver_id)),
        encode(message("charging_history_request", driver_id=driver.driver_id)),
        b"[" * 50_000,
        encode(asked),
    )
    assert wait_answer(network, driver.driver_id, asked)["status"] == "success"
    assert network.link().is_open()


def test_requests_by_kafka_wait_for_one_another_no_longer_than_needed(network: Network) -> None:
    """A request whose engine is silent does not hold up those behind it."""
    silent, monitor = network.monitor(), network.monitor()
    driver = network.driver()
    driver.publish(driver.request(silent.cp_id))
    silent.take(type="start_charging_command")
    asked = message("available_cps_request", driver_id=driver.driver_id)
    driver.publish(asked)
    network.events.wait(driver.driver_id, 3.0, message_id=asked["message_id"])
    other = network.driver()
    other.begin(monitor)
