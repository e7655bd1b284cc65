"""Who is served when several ask in the same moment: exactly one, every time."""

from __future__ import annotations

import threading
import time
from collections import Counter

from .peer import DEADLINE, Message, pack
from .roles import Driver, Monitor, Network

ROUNDS = 50


def at_once(*writes: tuple[Driver, Message]) -> None:
    """Send from one thread each, which start together."""
    barrier = threading.Barrier(len(writes))

    def send(driver: Driver, content: Message) -> None:
        barrier.wait()
        driver.write(pack(content))

    threads = [threading.Thread(target=send, args=each) for each in writes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def first_asked(monitors: list[Monitor]) -> Monitor:
    """The point that is told to start."""
    until = time.monotonic() + DEADLINE
    while time.monotonic() < until:
        for monitor in monitors:
            if monitor.has(0.01, type="start_charging_command"):
                return monitor
    raise AssertionError("no point was told to start")


def end(monitor: Monitor, session_id: str, *drivers: Driver) -> None:
    """The supply is over: connector and drivers are free again."""
    monitor.finish(session_id)
    for driver in drivers:
        driver.wait_free()


def outcome(answer: Message) -> str:
    assert answer["type"] == "charge_request_response", answer
    return "served" if answer["status"] == "success" else str(answer["error"])


def test_two_drivers_ask_for_one_point_in_the_same_moment(network: Network) -> None:
    """Fifty times: one is served, the other is told that the point is busy."""
    monitor, drivers = network.monitor(), [network.driver(), network.driver()]
    for _ in range(ROUNDS):
        contents = [driver.request(monitor.cp_id) for driver in drivers]
        at_once(*zip(drivers, contents, strict=True))
        session_id = monitor.accept_start()["session_id"]
        found = [
            outcome(driver.answer_to(content["message_id"]))
            for driver, content in zip(drivers, contents, strict=True)
        ]
        assert Counter(found) == {"served": 1, "charge_point_busy": 1}
        end(monitor, session_id, *drivers)
    monitor.assert_no_command()


def test_two_drivers_on_one_link_in_one_write(network: Network) -> None:
    """Two requests in one write are two drivers all the same."""
    link, other = network.driver(), network.driver()
    for _ in range(ROUNDS):
        monitor = network.monitor()
        contents = [who.request(monitor.cp_id) for who in (link, other)]
        link.write(b"".join(map(pack, contents)))
        session_id = monitor.accept_start()["session_id"]
        found = [outcome(link.answer_to(content["message_id"])) for content in contents]
        assert Counter(found) == {"served": 1, "charge_point_busy": 1}
        end(monitor, session_id, link, other)
        monitor.close()


def test_tcp_and_kafka_in_the_same_moment(network: Network) -> None:
    """One asks by TCP, one by Kafka: exactly one is served."""
    by_tcp, by_kafka = network.driver(), network.driver()
    for _ in range(10):
        monitor = network.monitor()
        one, two = by_tcp.request(monitor.cp_id), by_kafka.request(monitor.cp_id)
        by_kafka.publish(two)
        by_tcp.post(one)
        session_id = monitor.accept_start()["session_id"]
        found = [
            outcome(by_tcp.answer_to(one["message_id"])),
            outcome(network.events.wait(by_kafka.driver_id, message_id=two["message_id"])),
        ]
        assert Counter(found) == {"served": 1, "charge_point_busy": 1}
        end(monitor, session_id, by_tcp, by_kafka)


def test_one_driver_asks_for_two_points_in_the_same_moment(network: Network) -> None:
    """A driver has one session at a time, whatever it asks for at once."""
    driver = network.driver()
    second = network.driver(driver.driver_id)
    for _ in range(20):
        monitors = [network.monitor(), network.monitor()]
        contents = [driver.request(monitor.cp_id) for monitor in monitors]
        at_once((driver, contents[0]), (second, contents[1]))
        served = first_asked(monitors)
        session_id = served.accept_start()["session_id"]
        found = [
            outcome(driver.answer_to(contents[0]["message_id"])),
            outcome(second.answer_to(contents[1]["message_id"])),
        ]
        assert Counter(found) == {"served": 1, "driver_busy": 1}
        end(served, session_id, driver)
