"""The live picture: `watch_request` by TCP, and rows on `ev.points` for anybody."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from .peer import Message
from .records import partition_of
from .roles import Admin, Monitor, Network

ROW = {"cp_id", "location", "price_per_kwh", "currency", "max_charging_rate_kw"}
ROW |= {"status", "last_seen", "epoch", "connectors"}


def watch(admin: Admin) -> dict[str, Message]:
    """Begin to watch; the rows that came before `watch_ready`."""
    answer = admin.ask("watch_request")
    assert (answer["type"], answer["status"]) == ("command_response", "success")
    admin.take(type="watch_ready")
    before = [m for m in admin.inbox if m["type"] == "point_changed"]
    admin.inbox = [m for m in admin.inbox if m["type"] not in {"point_changed", "event_logged"}]
    return {row["cp_id"]: row for row in before}


# Watching


def test_a_watch_begins_with_every_known_point(network: Network, admin: Admin) -> None:
    """A `point_changed` for each, Offline ones too, then `watch_ready`."""
    here, gone = network.monitor(), network.monitor()
    gone.close()
    admin.wait_row(gone.cp_id, "Offline")
    rows = watch(admin)
    assert rows[here.cp_id]["status"] == "Available"
    assert rows[gone.cp_id]["status"] == "Offline"
    known = admin.rows()
    assert set(known) == set(rows)
    for row in rows.values():
        assert set(row) >= ROW, row
        assert isinstance(row["message_id"], str)


def test_a_watch_goes_on_with_what_happens(network: Network, admin: Admin) -> None:
    """A new point, a charge with its figures, and the hanging up are each seen as they happen."""
    watch(admin)
    monitor, driver = network.monitor(), network.driver()
    cp_id = monitor.cp_id
    row = admin.take(type="point_changed", cp_id=cp_id, status="Available")
    assert set(row) >= ROW
    session_id = driver.begin(monitor)
    row = admin.take(type="point_changed", cp_id=cp_id, status="Preparing")
    assert row["connectors"][0]["session_id"] == session_id
    monitor.reading(session_id, 1, 2.0, rate=5.5)
    row = admin.take(type="point_changed", cp_id=cp_id, status="Charging")
    entry = row["connectors"][0]
    assert entry["driver_id"] == driver.driver_id
    assert entry["energy_consumed_kwh"] == 2
    assert entry["total_cost"] == Decimal("0.7")
    monitor.ticket(session_id, 2.5)
    admin.take(type="point_changed", cp_id=cp_id, status="Available")
    monitor.close()
    admin.take(type="point_changed", cp_id=cp_id, status="Offline")


def test_events_are_told_to_those_who_watch(network: Network, admin: Admin) -> None:
    """A fault and a charge are worth a line, which says what and where and how bad."""
    watch(admin)
    monitor, driver = network.monitor(), network.driver()
    session_id = driver.begin(monitor)
    monitor.send("fault_notification", cp_id=monitor.cp_id, fault_type="OverVoltage")
    admin.take(type="point_changed", cp_id=monitor.cp_id, status="Faulted")
    monitor.ticket(session_id, 1.0, "fault")
    driver.wait_session(session_id, "completed")
    event = admin.take(type="event_logged", cp_id=monitor.cp_id)
    assert event["severity"] in {"info", "warning", "alarm"}
    assert isinstance(event["text"], str)
    assert event["text"]


def test_everybody_who_watches_sees_it(network: Network) -> None:
    """Two consoles see the same."""
    one, two = network.admin(), network.admin()
    watch(one)
    watch(two)
    monitor = network.monitor()
    for admin in (one, two):
        admin.take(type="point_changed", cp_id=monitor.cp_id, status="Available")


def test_who_does_not_watch_is_told_nothing(network: Network, admin: Admin) -> None:
    """Without `watch_request` a console gets only its answers."""
    watcher = network.admin()
    watch(watcher)
    monitor = network.monitor()
    watcher.take(type="point_changed", cp_id=monitor.cp_id)
    admin.rows()
    assert admin.inbox == []


# ev.points


def wait_point(network: Network, monitor: Monitor, **fields: Any) -> Message:
    return network.points.wait(monitor.cp_id, cp_id=monitor.cp_id, **fields)


def test_each_change_of_a_point_is_on_the_topic(network: Network) -> None:
    """Registered, preparing, charging, free again, faulted, offline: a row for each state."""
    monitor, driver = network.unregistered(), network.driver()
    epoch = monitor.register(location="Calle 5")["epoch"]
    row = wait_point(network, monitor, status="Available")
    assert set(row) >= ROW
    assert row["location"] == "Calle 5"
    assert row["price_per_kwh"] == Decimal("0.35")
    assert row["epoch"] == epoch
    session_id = driver.begin(monitor)
    row = wait_point(network, monitor, status="Preparing")
    assert row["connectors"][0]["session_id"] == session_id
    monitor.reading(session_id, 1, 1.0)
    row = wait_point(network, monitor, status="Charging")
    assert row["connectors"][0]["driver_id"] == driver.driver_id
    monitor.ticket(session_id, 1.0)
    driver.wait_session(session_id, "completed")
    monitor.send("fault_notification", cp_id=monitor.cp_id, fault_type="GroundFailure")
    wait_point(network, monitor, status="Faulted", fault_type="GroundFailure")
    monitor.close()
    wait_point(network, monitor, status="Offline")


def test_rows_lie_where_their_key_says(network: Network) -> None:
    """The key is cp_id, the partition the one it hashes to, so the last row of a point wins."""
    monitors = [network.monitor() for _ in range(5)]
    for monitor in monitors:
        wait_point(network, monitor, status="Available")
    mine = {monitor.cp_id for monitor in monitors}
    for record in network.points.records:
        if record.key in mine:
            assert record.content["cp_id"] == record.key
            assert record.partition == partition_of(record.key)
