"""Links: who is on them, how long they may be silent, and whose place they take."""

from __future__ import annotations

import time

from .peer import QUIET, Link, message, pack
from .roles import Admin, Network

IDENTIFY = 5.0  # seconds to say who one is
INTERVAL = 5.0  # seconds between heartbeats, three of which may be missed


def seconds_until_closed(link: Link, since: float, within: float) -> float:
    link.wait_closed(since + within - time.monotonic())
    return time.monotonic() - since


# Who


def test_a_link_that_does_not_say_who_it_is_is_closed(network: Network) -> None:
    """Silence, a heartbeat, an unknown message or junk name no role: closed after 5 s."""
    since = time.monotonic()
    silent, beating, unknown, junk = (network.link() for _ in range(4))
    half, known = network.link(), network.driver()
    assert beating.ask("heartbeat_request")["error"] == "unsupported_message"
    assert unknown.ask("what_is_this")["error"] == "unsupported_message"
    junk.write(b"GET / HTTP/1.1\r\n\r\n")
    half.write(pack(message("available_cps_request", driver_id="D"))[:20])
    assert known.ask("available_cps_request", driver_id="D")["status"] == "success"
    for link in (silent, beating, unknown, junk, half):
        assert seconds_until_closed(link, since, IDENTIFY + 3) >= IDENTIFY - 0.5
    assert known.is_open()


def test_a_heartbeat_names_no_role(network: Network) -> None:
    """A heartbeat before identification is unsupported; the link may still say who it is."""
    monitor = network.unregistered()
    early = monitor.ask("heartbeat_request", cp_id=monitor.cp_id, status="available")
    assert (early["type"], early["error"]) == ("error_response", "unsupported_message")
    monitor.register()
    monitor.heartbeat()


def test_auth_request_names_the_role(network: Network) -> None:
    """Where no credentials are used authentication succeeds, for each role, and decides it."""
    driver, monitor, admin = network.driver(), network.unregistered(), network.link()
    fields = {"credential": "secret"}
    for link, who in (
        (driver, {"role": "driver", "driver_id": driver.driver_id}),
        (monitor, {"role": "monitor", "cp_id": monitor.cp_id}),
        (admin, {"role": "admin", "admin_id": "A"}),
    ):
        answer = link.ask("auth_request", **who, **fields)
        assert (answer["type"], answer["status"]) == ("auth_response", "success")
        assert isinstance(answer["message"], str)
    assert driver.ask("points_request")["error"] == "unsupported_message"
    assert monitor.ask("points_request")["error"] == "unsupported_message"
    assert admin.ask("points_request")["type"] == "points_response"
    assert driver.history() == []
    monitor.register()


def test_a_credential_is_optional_where_none_are_used(network: Network) -> None:
    """`auth_request` without a credential succeeds too."""
    driver = network.driver()
    answer = driver.ask("auth_request", role="driver", driver_id=driver.driver_id)
    assert answer["status"] == "success"


def test_heartbeats_are_answered_on_every_link(network: Network, admin: Admin) -> None:
    """Drivers and operators send heartbeats without a cp_id."""
    driver = network.driver()
    driver.history()
    for link in (driver, admin):
        answer = link.ask("heartbeat_request")
        assert (answer["type"], answer["status"]) == ("heartbeat_response", "success")


def test_one_link_may_speak_for_any_driver(network: Network) -> None:
    """Without credentials a driver's link is not bound to one id."""
    link = network.driver()
    for driver_id in ("D-one", "D-two"):
        answer = link.ask("charging_history_request", driver_id=driver_id)
        assert answer["status"] == "success"


# Silence


def test_three_silent_intervals_close_a_link(network: Network, admin: Admin) -> None:
    """Monitors, and drivers that began to send heartbeats, may miss three; others are not timed.

    A monitor of the first version has intervals of 30 s. Nobody but the silent is closed.
    """
    modern, beating = network.monitor(), network.driver()
    beating.history()
    assert beating.ask("heartbeat_request")["status"] == "success"
    since = time.monotonic()
    early, silent, awake = network.unregistered(), network.driver(), network.monitor()
    assert early.ask("register_request", cp_id=early.cp_id)["heartbeat_interval"] == 30
    silent.history()
    admin.wait_row(modern.cp_id, "Available")

    while time.monotonic() < since + 2 * INTERVAL:
        awake.heartbeat()
        assert modern.is_open(INTERVAL / 2), "closed after fewer than three intervals"
    awake.heartbeat()
    assert seconds_until_closed(modern, since, 3 * INTERVAL + 5) > 3 * INTERVAL - 1
    awake.heartbeat()
    assert seconds_until_closed(beating, since, 3 * INTERVAL + 6) > 3 * INTERVAL - 1
    admin.wait_row(modern.cp_id, "Offline")
    for link in (early, silent, awake, admin):
        assert link.is_open()
    assert {cp: row["status"] for cp, row in admin.rows().items() if cp == early.cp_id} == {
        early.cp_id: "Available"
    }


def test_a_closed_link_is_offline_at_once(network: Network, admin: Admin) -> None:
    """A point whose monitor hangs up is Offline, and so are its connectors."""
    monitor = network.monitor()
    admin.wait_row(monitor.cp_id, "Available")
    monitor.close()
    row = admin.wait_row(monitor.cp_id, "Offline")
    assert [entry["status"] for entry in row["connectors"]] == ["Offline"]


# Newest wins


def test_the_newest_link_of_a_point_replaces_the_older(network: Network, admin: Admin) -> None:
    """The old link is told `replaced` and closed; its closing does not clear the new one."""
    old = network.monitor()
    new = network.monitor(old.cp_id)
    old.wait_closed()
    assert [m["error"] for m in old.inbox] == ["replaced"]
    assert old.inbox[0]["type"] == "error_response"
    old.close()
    new.heartbeat()
    assert not new.has(QUIET, type="error_response")
    assert admin.rows()[new.cp_id]["status"] == "Available"
    driver = network.driver()
    session_id = driver.begin(new)
    assert driver.state(session_id) == "authorised"


def test_replacing_again_and_again_leaves_the_last(network: Network, admin: Admin) -> None:
    """Ten links in a row: nine are replaced, the tenth serves."""
    first = network.monitor()
    links = [first, *(network.monitor(first.cp_id) for _ in range(9))]
    for link in links[:-1]:
        link.wait_closed()
        assert [m["error"] for m in link.inbox] == ["replaced"]
    links[-1].heartbeat()
    assert admin.rows()[first.cp_id]["status"] == "Available"


def test_a_replaced_link_does_not_lose_the_session(network: Network) -> None:
    """A session begun on the old link is stopped over the new one."""
    old, driver = network.monitor(), network.driver()
    session_id = driver.begin(old)
    new = network.monitor(old.cp_id)
    asked = driver.ask_stop(new.cp_id, session_id)
    new.accept_stop(session_id)
    assert driver.answer_to(asked)["status"] == "success"


def test_a_start_that_was_waiting_on_a_replaced_link_ends(network: Network) -> None:
    """The charge whose command went to the old link is answered, and stopped on the new one."""
    old, driver = network.monitor(), network.driver()
    asked = driver.charge(old.cp_id)
    command = old.take(type="start_charging_command")
    new = network.monitor(old.cp_id)
    answer = driver.answer_to(asked)
    assert (answer["type"], answer["status"]) == ("charge_request_response", "failure")
    assert answer["error"] == "timed_out"
    again = network.monitor(new.cp_id)
    again.accept_stop(command["session_id"])


def test_monitors_that_keep_displacing_one_another_raise_an_alarm(
    network: Network, admin: Admin
) -> None:
    """One that comes back after a cut does not; the third in a minute does."""
    assert admin.ask("watch_request")["status"] == "success"
    cp_id = network.monitor().cp_id
    for _ in range(2):
        network.monitor(cp_id)
    assert not admin.has(type="event_logged", severity="alarm", cp_id=cp_id)
    network.monitor(cp_id)
    alarm = admin.take(type="event_logged", severity="alarm", cp_id=cp_id)
    assert "displace" in alarm["text"]
