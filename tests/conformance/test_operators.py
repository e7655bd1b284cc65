"""What operators look back at, and what they may set: sessions, tickets, audit, health, prices."""

from __future__ import annotations

import time
from decimal import Decimal

import pytest

from .peer import Message, new_id
from .roles import Admin, Driver, Monitor, Network, connector
from .test_admin import carried_out


def listed(admin: Admin, type_: str, items: str, **fields: object) -> list[Message]:
    """All pages of a list, joined."""
    found: list[Message] = []
    page = admin.ask(type_, **fields)
    while True:
        assert page["status"] == "success", page
        found += page[items]
        if page.get("next") is None:
            return found
        page = admin.ask(type_, **fields, after=page["next"])


def charged(network: Network, monitor: Monitor, driver: Driver, kwh: float) -> str:
    """A whole charge, to its ticket."""
    session_id = driver.begin(monitor)
    monitor.ticket(session_id, kwh)
    driver.wait_session(session_id, "completed")
    return session_id


# Sessions and tickets


def test_sessions_are_listed_newest_first_with_whose_they_are(
    network: Network, admin: Admin
) -> None:
    """The running one as it is now; each with its driver, and whether something is strange."""
    monitor, driver = network.monitor(), network.driver()
    first = charged(network, monitor, driver, 0.5)
    second = driver.begin(monitor)
    monitor.reading(second, 1, 0.2)
    admin.wait_connector(monitor.cp_id, energy_consumed_kwh=Decimal("0.2"), status="Charging")
    running, done = listed(admin, "sessions_request", "sessions", cp_id=monitor.cp_id)
    assert [running["session_id"], done["session_id"]] == [second, first]
    assert (running["state"], running["energy_consumed_kwh"]) == ("charging", Decimal("0.2"))
    for row in (running, done):
        assert row["driver_id"] == driver.driver_id
        assert (row["suspect"], row["disputed"]) == (False, False)
    assert done["total_cost"] == Decimal("0.18")


def test_sessions_are_found_by_point_driver_state_and_time(network: Network, admin: Admin) -> None:
    """All that is named must hold; what fits nothing is an empty list."""
    one, other = network.monitor(), network.monitor()
    driver, second = network.driver(), network.driver()
    done = charged(network, one, driver, 0.1)
    running = second.begin(one)
    elsewhere = driver.begin(other)

    def ids(**fields: object) -> set[str]:
        return {s["session_id"] for s in listed(admin, "sessions_request", "sessions", **fields)}

    assert ids(cp_id=one.cp_id) == {done, running}
    assert ids(driver_id=driver.driver_id) == {done, elsewhere}
    assert ids(cp_id=one.cp_id, driver_id=driver.driver_id) == {done}
    assert ids(cp_id=one.cp_id, state="completed") == {done}
    assert ids(cp_id=one.cp_id, state="authorised") == {running}
    assert ids(cp_id=one.cp_id, since=int(time.time()) + 60) == set()
    assert {done, running, elsewhere} <= ids(since=int(time.time()) - 60)
    assert ids(cp_id="CP-nobody-knows") == set()


def test_lists_are_paged(network: Network, admin: Admin) -> None:
    """Every row once, however small the page; a cursor that is none is named."""
    monitor, driver = network.monitor(), network.driver()
    made = [charged(network, monitor, driver, 0.1) for _ in range(5)]
    for type_, items in (("sessions_request", "sessions"), ("tickets_request", "tickets")):
        found = listed(admin, type_, items, cp_id=monitor.cp_id, limit=2)
        assert sorted(row["session_id"] for row in found) == sorted(made)
        assert len(admin.ask(type_, cp_id=monitor.cp_id, limit=2)[items]) == 2
    for type_ in ("sessions_request", "tickets_request", "audit_request"):
        bad = admin.ask(type_, after="page two")
        assert (bad["type"], bad["error"]) == ("error_response", "invalid_message")
        assert "$.after" in bad["message"]


def test_tickets_say_all_of_the_bill(network: Network, admin: Admin) -> None:
    """Energy, price, cost, times, meter and reason, as the driver was told them."""
    monitor, driver = network.monitor(), network.driver()
    session_id = charged(network, monitor, driver, 0.5)
    told = network.events.wait(driver.driver_id, type="charge_completion", session_id=session_id)
    (ticket,) = listed(admin, "tickets_request", "tickets", driver_id=driver.driver_id)
    for name in (
        *("session_id", "cp_id", "energy_consumed_kwh", "total_cost", "price_per_kwh", "currency"),
        *("started_at", "ended_at", "reason", "meter_start_wh", "meter_stop_wh"),
        *("estimated", "revision"),
    ):
        assert ticket[name] == told[name], name
    assert ticket["driver_id"] == driver.driver_id
    ended = ticket["ended_at"]

    def count(**fields: int) -> int:
        return len(listed(admin, "tickets_request", "tickets", cp_id=monitor.cp_id, **fields))

    assert count(since=ended, until=ended + 1) == 1
    assert count(since=ended + 1) == 0
    assert count(until=ended) == 0


# What is strange about a ticket


def test_a_ticket_below_a_reading_is_billed_and_flagged(network: Network, admin: Admin) -> None:
    """The engine has the meter; the operator is told, and finds it in the list."""
    watcher = network.admin()
    assert watcher.ask("watch_request")["status"] == "success"
    monitor, driver = network.monitor(), network.driver()
    session_id = driver.begin(monitor)
    monitor.reading(session_id, 1, 0.5)
    admin.wait_connector(monitor.cp_id, energy_consumed_kwh=Decimal("0.5"))
    monitor.ticket(session_id, 0.4)
    assert driver.wait_session(session_id, "completed")["total_cost"] == Decimal("0.14")
    (row,) = listed(admin, "sessions_request", "sessions", cp_id=monitor.cp_id)
    assert row["suspect"] is True
    alarm = watcher.take(type="event_logged", severity="alarm", session_id=session_id)
    assert (alarm["cp_id"], alarm["driver_id"]) == (monitor.cp_id, driver.driver_id)


def test_a_ticket_above_what_the_rate_allows_is_billed_and_flagged(
    network: Network, admin: Admin
) -> None:
    """11 kW give no 5 kWh in a second; in a simulation, in which it was a day, they may."""
    for time_scale, suspect in ((1, True), (100_000, False)):
        monitor, driver = network.monitor(time_scale=time_scale), network.driver()
        session_id = driver.begin(monitor)
        time.sleep(0.5)  # what is tested is the time since authorisation
        monitor.ticket(session_id, 5.0)
        driver.wait_session(session_id, "completed")
        (row,) = listed(admin, "sessions_request", "sessions", cp_id=monitor.cp_id)
        assert row["suspect"] is suspect
        assert row["total_cost"] == Decimal("1.75")


def test_a_second_different_ticket_is_disputed_and_not_billed(
    network: Network, admin: Admin
) -> None:
    """The first one stays the bill."""
    monitor, driver = network.monitor(), network.driver()
    session_id = charged(network, monitor, driver, 0.5)
    monitor.ticket(session_id, 0.9)
    until = time.monotonic() + 5
    while True:
        (row,) = listed(admin, "sessions_request", "sessions", cp_id=monitor.cp_id)
        if row["disputed"]:
            break
        assert time.monotonic() < until, row
    (ticket,) = listed(admin, "tickets_request", "tickets", cp_id=monitor.cp_id)
    assert ticket["energy_consumed_kwh"] == Decimal("0.5")
    assert driver.wait_session(session_id, "completed")["total_cost"] == Decimal("0.18")


# Prices


def test_a_price_is_for_sessions_that_begin_later(network: Network, admin: Admin) -> None:
    """Shown at once, with four decimals; what runs keeps its price to the bill."""
    monitor, driver, later = network.monitor(), network.driver(), network.driver()
    session_id = driver.begin(monitor)
    answer = admin.answer_to(admin.command("set_price", monitor.cp_id, price_per_kwh=1.2345))
    assert (answer["status"], answer["succeeded"]) == ("success", 1)
    assert answer["results"][0]["applied"] is True
    assert admin.rows()[monitor.cp_id]["price_per_kwh"] == Decimal("1.2345")
    monitor.ticket(session_id, 1.0)
    assert driver.wait_session(session_id, "completed")["total_cost"] == Decimal("0.35")
    second = later.begin(monitor)
    monitor.ticket(second, 1.0)
    assert later.wait_session(second, "completed")["total_cost"] == Decimal("1.23")


def test_a_price_survives_a_restart_and_a_registration(own: Network) -> None:
    """What a point proposes counts only when it is new."""
    monitor, admin = own.monitor(price_per_kwh=0.5), own.admin()
    assert admin.rows()[monitor.cp_id]["price_per_kwh"] == Decimal("0.5")
    admin.answer_to(admin.command("set_price", monitor.cp_id, price_per_kwh=0.75))
    own.hang_up()
    own.central.restart()
    own.monitor(monitor.cp_id, price_per_kwh=0.5)
    assert own.admin().rows()[monitor.cp_id]["price_per_kwh"] == Decimal("0.75")


@pytest.mark.parametrize(
    ("command", "fields", "named"),
    [
        ("set_price", {}, "price_per_kwh"),
        ("set_price", {"price_per_kwh": 1000.1}, "$.price_per_kwh"),
        ("set_price", {"price_per_kwh": -0.1}, "$.price_per_kwh"),
        ("start_charging", {}, "driver_id"),
        ("start_charging", {"cp_id": "*", "driver_id": "D"}, "cp_id"),
    ],
)
def test_an_order_that_lacks_something_is_refused_by_its_name(
    network: Network, admin: Admin, command: str, fields: Message, named: str
) -> None:
    monitor = network.monitor()
    answer = admin.ask("manual_command", command=command, **{"cp_id": monitor.cp_id, **fields})
    assert answer["error"] == "invalid_message"
    assert named in answer["message"]


# Audit


def audit(admin: Admin, **fields: object) -> list[Message]:
    return listed(admin, "audit_request", "entries", **fields)


def test_every_command_is_in_the_audit_log_once(own: Network) -> None:
    """Who, when, what, why, and how it went; latest first, also after a restart."""
    monitor, admin = own.monitor(), own.admin()
    since = int(time.time())
    carried_out(admin, monitor, "stop_cp")
    asked = admin.command("resume_cp", monitor.cp_id, reason="repaired")
    monitor.reply(monitor.take(type="resume_cp_command"))
    admin.answer_to(asked)
    admin.answer_to(admin.command("stop_cp", "CP-nobody-knows"))
    admin.answer_to(admin.command("set_price", monitor.cp_id))
    repeated = admin.command("set_price", "*", price_per_kwh=0.4)
    first = admin.answer_to(repeated)
    again = admin.ask(
        "manual_command", message_id=repeated, command="set_price", cp_id="*", price_per_kwh=0.4
    )
    assert again["succeeded"] == first["succeeded"] == 1
    entries = audit(admin)
    assert [(e["command"], e["cp_id"], e["succeeded"], e["failed"]) for e in reversed(entries)] == [
        ("stop_cp", monitor.cp_id, 1, 0),
        ("resume_cp", monitor.cp_id, 1, 0),
        ("stop_cp", "CP-nobody-knows", 0, 1),
        ("set_price", monitor.cp_id, 0, 1),
        ("set_price", "*", 1, 0),
    ]
    assert {e["admin_id"] for e in entries} == {admin.admin_id}
    assert all(since <= e["at"] <= time.time() for e in entries)
    assert [e.get("reason") for e in reversed(entries)][:2] == [None, "repaired"]
    assert audit(admin, limit=2) == entries
    assert audit(admin, since=int(time.time()) + 60) == []
    own.hang_up()
    own.central.restart()
    assert audit(own.admin()) == entries


def test_a_console_that_names_nobody_is_audited_as_admin(network: Network) -> None:
    """It may on loopback; the log says so."""
    link, cp_id = network.link(), new_id("CP")
    link.ask("manual_command", command="stop_cp", cp_id=cp_id)
    (entry,) = [e for e in link.ask("audit_request")["entries"] if e["cp_id"] == cp_id]
    assert entry["admin_id"] == "admin"


# Health


def test_health_says_what_works_and_who_is_there(own: Network) -> None:
    """Kafka and database are ok, and the links are counted by role."""
    own.monitor(), own.monitor()
    own.driver().history()
    admin, stranger = own.admin(), own.link()
    assert stranger.is_open()
    until = time.monotonic() + 5
    while (health := admin.ask("health_request"))["links"]["unknown"] != 1:
        assert time.monotonic() < until, health
    assert (health["type"], health["status"]) == ("health_response", "success")
    assert (health["kafka"], health["database"]) == ("ok", "ok")
    host, port = own.central.address
    assert health["leader"] == f"{host}:{port}"
    assert health["epoch"] >= 1
    assert health["links"] == {"monitor": 2, "driver": 1, "admin": 1, "unknown": 1}
    assert health["lag"] >= 0


# All at once


def test_a_command_to_all_is_answered_though_some_do_not(own: Network) -> None:
    """In time; a silent point is a success that is yet to be applied."""
    good, silent, gone = own.monitor(), own.monitor(), own.monitor()
    gone.close()
    admin = own.admin()
    admin.wait_row(gone.cp_id, "Offline")
    since = time.monotonic()
    asked = admin.command("stop_cp", "*", reason="storm")
    good.reply(good.take(type="stop_cp_command"))
    answer = admin.answer_to(asked, within=10)
    assert time.monotonic() - since < 8
    assert (answer["status"], answer["succeeded"], answer["failed"]) == ("success", 3, 0)
    assert silent.heartbeat()["stopped"] is True
    assert own.monitor(gone.cp_id).heartbeat()["stopped"] is True
    for cp_id in (good.cp_id, silent.cp_id, gone.cp_id):
        assert admin.rows()[cp_id]["stopped"] is True


def test_exactly_the_resumed_point_is_available_after_a_restart(own: Network) -> None:
    """Stop all, restart, resume one; the audit log tells the tale."""
    ids = [own.monitor().cp_id for _ in range(3)]
    admin = own.admin()
    asked = admin.command("stop_cp", "*")
    assert admin.answer_to(asked)["succeeded"] == 3
    own.hang_up()
    own.central.restart()
    monitors = [own.monitor(cp_id, connectors=[connector(status="stopped")]) for cp_id in ids]
    admin = own.admin()
    carried_out(admin, monitors[1], "resume_cp")
    admin.wait_row(ids[1], "Available")
    free = own.driver().ask("available_cps_request", driver_id="D")["charging_points"]
    assert [point["cp_id"] for point in free] == [ids[1]]
    assert [e["command"] for e in audit(admin)] == ["resume_cp", "stop_cp"]
