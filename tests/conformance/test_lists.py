"""Lists and their pages: available points, history, all points."""

from __future__ import annotations

import time
from decimal import Decimal

from .peer import Link, Message, new_id
from .roles import Admin, Driver, Network, connector


def walk(link: Link, type_: str, items: str, limit: int, **fields: str) -> list[list[Message]]:
    """All pages, as pages."""
    pages: list[list[Message]] = []
    after: dict[str, str] = {}
    for _ in range(1000):
        page = link.ask(type_, **fields, **after, limit=limit)
        assert page["status"] == "success", page
        pages.append(page.get(items, []))
        assert len(pages[-1]) <= limit
        if page.get("next") is None:
            return pages
        assert isinstance(page["next"], str)
        after = {"after": page["next"]}
    raise AssertionError("pages without end")


def flat(pages: list[list[Message]], key: str) -> list[str]:
    return [row[key] for page in pages for row in page]


# Available points


def test_available_points_are_described(network: Network) -> None:
    """Each point that could serve now, with what a driver wants to know of it."""
    monitor, driver = (
        network.monitor(location="Puerto 3", max_charging_rate_kw=50),
        network.driver(),
    )
    points = driver.pages("available_cps_request", "charging_points", driver_id=driver.driver_id)
    (point,) = (p for p in points if p["cp_id"] == monitor.cp_id)
    assert point["location"] == "Puerto 3"
    assert point["price_per_kwh"] == Decimal("0.35")
    assert point["currency"] == "EUR"
    assert point["max_charging_rate_kw"] == 50
    assert point["status"] == "Available"


def test_only_available_points_are_listed(network: Network, admin: Admin) -> None:
    """Points that are Offline, faulted, stopped or charging are left out."""
    free, gone, faulted, stopped, busy = (network.monitor() for _ in range(5))
    driver = network.driver()
    driver.begin(busy)
    gone.close()
    faulted.send("fault_notification", cp_id=faulted.cp_id, fault_type="OtherError")
    asked = admin.command("stop_cp", stopped.cp_id)
    stopped.reply(stopped.take(type="stop_cp_command"))
    admin.answer_to(asked)
    admin.wait_row(gone.cp_id, "Offline")
    admin.wait_row(faulted.cp_id, "Faulted")
    points = driver.pages("available_cps_request", "charging_points", driver_id=driver.driver_id)
    listed = {point["cp_id"] for point in points}
    everybody = {m.cp_id for m in (free, gone, faulted, stopped, busy)}
    assert listed & everybody == {free.cp_id}
    assert {point["status"] for point in points} == {"Available"}


def test_a_point_with_one_free_connector_serves(network: Network) -> None:
    """A point that shows Charging may still serve; if it is listed, then as Available."""
    monitor, driver, other = (
        network.monitor(connectors=[connector(1), connector(2)]),
        network.driver(),
        network.driver(),
    )
    session_id = driver.begin(monitor)
    monitor.reading(session_id, 1, 1.0)
    driver.wait_session(session_id, "charging")
    points = other.pages("available_cps_request", "charging_points", driver_id="D")
    assert {p["status"] for p in points if p["cp_id"] == monitor.cp_id} <= {"Available"}
    other.begin(monitor)


def test_available_points_come_in_pages(network: Network) -> None:
    """No page is longer than asked for; every point is on one page."""
    mine = {network.monitor().cp_id for _ in range(7)}
    driver = network.driver()
    pages = walk(driver, "available_cps_request", "charging_points", 3, driver_id="D")
    listed = flat(pages, "cp_id")
    assert mine <= set(listed)
    assert len(listed) == len(set(listed))
    whole = walk(driver, "available_cps_request", "charging_points", 200, driver_id="D")
    assert flat(whole, "cp_id") == listed


# History


def complete(network: Network, driver: Driver, kwh: float) -> str:
    monitor = network.monitor()
    session_id = driver.begin(monitor)
    monitor.ticket(session_id, kwh, "target_reached")
    driver.wait_session(session_id, "completed")
    monitor.close()
    return session_id


def test_a_new_driver_has_no_history(network: Network) -> None:
    """An empty list is a success."""
    driver = network.driver()
    answer = driver.ask("charging_history_request", driver_id=driver.driver_id)
    assert (answer["type"], answer["status"]) == ("charging_history_response", "success")
    assert answer.get("sessions", []) == []
    assert answer.get("next") is None


def test_a_row_of_history_is_the_ticket(network: Network) -> None:
    """What the ticket said stands in the history."""
    monitor, driver = network.monitor(price_per_kwh=0.4), network.driver()
    session_id = driver.begin(monitor)
    sent = monitor.ticket(session_id, 3.0, "unplugged")
    row = driver.wait_session(session_id, "completed")
    assert row["cp_id"] == monitor.cp_id
    assert row.get("connector_id", 1) == 1
    assert abs(row["started_at"] - sent["started_at"]) < 30
    assert abs(row["ended_at"] - sent["ended_at"]) < 30
    assert row["energy_consumed_kwh"] == 3
    assert row["price_per_kwh"] == Decimal("0.4")
    assert row["total_cost"] == Decimal("1.2")
    assert row["currency"] == "EUR"
    assert row["reason"] == "unplugged"
    assert row.get("estimated", False) is False
    assert row.get("revision", 1) == 1


def test_the_running_session_is_in_the_history(network: Network) -> None:
    """It comes first, with the figures of its latest reading and without an end."""
    driver = network.driver()
    done = complete(network, driver, 1.0)
    monitor = network.monitor()
    session_id = driver.begin(monitor)
    monitor.reading(session_id, 1, 2.0)
    driver.wait_session(session_id, "charging")
    rows = driver.history()
    assert [row["session_id"] for row in rows] == [session_id, done]
    assert rows[0].get("ended_at") is None
    assert rows[0].get("reason") is None
    assert rows[0]["energy_consumed_kwh"] == 2
    assert rows[0]["total_cost"] == Decimal("0.7")
    assert abs(rows[0]["started_at"] - time.time()) < 60


def test_history_comes_in_pages_newest_first(network: Network) -> None:
    """Five sessions in pages of two: 2, 2 and 1, in the order of their making, reversed."""
    driver = network.driver()
    made = [complete(network, driver, number + 1.0) for number in range(5)]
    fields = {"driver_id": driver.driver_id}
    pages = walk(driver, "charging_history_request", "sessions", 2, **fields)
    assert [len(page) for page in pages] == [2, 2, 1]
    assert flat(pages, "session_id") == made[::-1]
    assert flat(walk(driver, "charging_history_request", "sessions", 5, **fields), "cp_id")


def test_a_page_does_not_shift_when_a_session_is_added(network: Network) -> None:
    """`after` goes on behind the last row seen, whatever came in front meanwhile."""
    driver = network.driver()
    made = [complete(network, driver, 1.0) for _ in range(3)]
    fields = {"driver_id": driver.driver_id, "limit": 2}
    first = driver.ask("charging_history_request", **fields)
    complete(network, driver, 1.0)
    second = driver.ask("charging_history_request", **fields, after=first["next"])
    assert [row["session_id"] for row in second["sessions"]] == [made[0]]


def test_history_shows_only_ones_own(network: Network) -> None:
    """Another driver's sessions are nobody's business."""
    driver, other = network.driver(), network.driver()
    complete(network, driver, 1.0)
    assert other.history() == []


# All points


def test_points_come_in_pages(network: Network, admin: Admin) -> None:
    """Operators see every known point, Offline ones too, each once."""
    monitors = [network.monitor() for _ in range(7)]
    monitors[0].close()
    pages = walk(admin, "points_request", "points", 3)
    listed = flat(pages, "cp_id")
    assert {monitor.cp_id for monitor in monitors} <= set(listed)
    assert len(listed) == len(set(listed))
    assert {len(page) for page in pages[:-1]} == {3}


def test_points_can_be_searched(network: Network, admin: Admin) -> None:
    """`search` finds a point by its id."""
    wanted, other = network.monitor(), network.monitor()
    found = flat(walk(admin, "points_request", "points", 100, search=wanted.cp_id), "cp_id")
    assert found == [wanted.cp_id]
    assert other.cp_id not in found
    nothing = walk(admin, "points_request", "points", 100, search=new_id("none"))
    assert nothing == [[]]


def test_the_default_page_has_a_hundred_rows_at_most(network: Network, admin: Admin) -> None:
    """Without `limit` a page holds no more than 100 rows."""
    for _ in range(101):
        network.monitor().close()
    page = admin.ask("points_request")
    assert 0 < len(page["points"]) <= 100
    assert isinstance(page["next"], str)
