"""Bounds: requests in work, bytes nobody reads, and answers that would outgrow a frame.

The reader of this suite refuses frames longer than 65,536 bytes by itself.
"""

from __future__ import annotations

import contextlib

from .peer import MAX_DATA, Message, message, new_id, pack
from .roles import Driver, Network, connector

IN_WORK = 32  # requests per link


def test_a_33rd_request_in_work_is_overloaded(network: Network) -> None:
    """It is told so at once, nothing is stored, and the link goes on when there is room again."""
    monitors = [network.monitor() for _ in range(IN_WORK + 1)]
    link = network.driver()
    contents = [
        message("charge_request", cp_id=monitor.cp_id, driver_id=new_id("D"))
        for monitor in monitors
    ]
    for content, monitor in zip(contents[:-1], monitors[:-1], strict=True):
        link.post(content)
        monitor.take(type="start_charging_command")
        monitor.inbox.clear()
    link.post(contents[-1])
    error = link.answer_to(contents[-1]["message_id"], within=2.0)
    assert (error["type"], error["error"]) == ("error_response", "overloaded")
    monitors[-1].assert_no_command()
    for content in contents[:-1]:
        assert link.answer_to(content["message_id"])["error"] == "timed_out"
    link.post(contents[-1])
    monitors[-1].accept_start()
    assert link.answer_to(contents[-1]["message_id"])["status"] == "success"


def test_another_link_is_not_overloaded(network: Network) -> None:
    """The 32 are counted for each link."""
    busy, free = network.driver(), network.driver()
    for _ in range(IN_WORK):
        monitor = network.monitor()
        busy.send("charge_request", cp_id=monitor.cp_id, driver_id=new_id("D"))
        monitor.take(type="start_charging_command")
    free.begin(network.monitor())


def test_a_slow_reader_is_closed(network: Network) -> None:
    """Who asks and never reads is closed at 1 MiB unsent; the others do not notice."""
    for _ in range(80):
        network.monitor(location="x" * 100).close()
    slow = network.link(receive_buffer=4096)
    other = network.driver()
    question = pack(message("points_request", limit=200))
    with contextlib.suppress(ConnectionError, TimeoutError):
        for _ in range(3000):  # of more than 20 kB of answer each
            slow.write(question)
            other.ask("available_cps_request", driver_id="D", limit=1)
    slow.wait_closed()
    other.begin(network.monitor())


# Pages that would be too large


def test_pages_of_points_never_outgrow_a_frame(network: Network) -> None:
    """210 points with long names, places and two connectors: every row, in frames of 64 KiB."""
    both = [connector(1), connector(2)]
    place = "Avenida de los Poetas, planta sótano, 3" * 2
    mine = set()
    for _ in range(210):
        monitor = network.monitor(
            new_id("CP-a-rather-long-name-here"[:23]), location=place, connectors=both
        )
        mine.add(monitor.cp_id)
    admin, driver = network.admin(), network.driver()
    rows: list[Message] = []
    after: dict[str, str] = {}
    while True:
        page = admin.ask("points_request", limit=200, **after)
        rows += page["points"]
        if page.get("next") is None:
            break
        after = {"after": page["next"]}
    listed = [row["cp_id"] for row in rows]
    assert mine <= set(listed)
    assert len(listed) == len(set(listed))
    points = driver.pages("available_cps_request", "charging_points", driver_id="D", limit=200)
    assert mine <= {point["cp_id"] for point in points}


def test_pages_of_history_never_outgrow_a_frame(network: Network) -> None:
    """200 sessions with long ids: every one of them, newest first, in frames of 64 KiB."""
    monitor = network.monitor(new_id("CP-a-rather-long-name-h"))
    driver: Driver = network.driver(new_id("D-a-rather-long-name-he"))
    made = []
    for _ in range(205):
        session_id = driver.begin(monitor)
        made.append(session_id)
        monitor.reading(session_id, 1, 1.234)
        monitor.ticket(session_id, 1.234, "operator_request")
        monitor.finish(session_id)
        driver.wait_free()
    driver.wait_session(made[-1], "completed")
    rows = driver.pages(
        "charging_history_request", "sessions", driver_id=driver.driver_id, limit=200
    )
    assert [row["session_id"] for row in rows] == made[::-1]


def test_a_very_long_place_does_no_harm(network: Network) -> None:
    """Refused or stored, a location of 60,000 characters breaks no answer."""
    for _ in range(3):
        monitor = network.unregistered()
        content = message("register_request", cp_id=monitor.cp_id, location="x" * 60_000)
        assert len(pack(content)) < MAX_DATA
        answer = monitor.answer_to(monitor.post(content))
        accepted = answer["type"] == "register_response" and answer["status"] == "success"
        assert accepted or answer["error"] == "invalid_message"
    admin = network.admin()
    assert isinstance(admin.rows(), dict)
    assert admin.ask("watch_request")["status"] == "success"
    admin.take(type="watch_ready")
    network.driver().begin(network.monitor())
