"""Energy and money: every ticket to the cent, every reading in its order, every repeat nothing."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from .peer import QUIET, message
from .records import CHARGING
from .roles import Admin, Driver, Monitor, Network, encode


def charge(network: Network, **registration: Any) -> tuple[Monitor, Driver, str]:
    """A point, a driver, and the session that the two have."""
    monitor, driver = network.monitor(**registration), network.driver()
    return monitor, driver, driver.begin(monitor)


@pytest.mark.parametrize(
    ("price", "kwh", "cost"),
    [
        (0.35, 7.5, "2.63"),  # 2.625
        (0.35, 0.1, "0.04"),  # 0.035
        (0.35, 0.3, "0.11"),  # 0.105: as binary floats it would be 0.10
        (0.35, 1.5, "0.53"),  # 0.525: half to even would be 0.52
        (0.35, 0.5, "0.18"),  # 0.175
        (0.35, 0.014, "0"),  # 0.0049
        (0.35, 0.015, "0.01"),  # 0.00525
        (0.0001, 50.0, "0.01"),  # 0.005
        (0.0001, 49.999, "0"),
        (0.1234, 12.345, "1.52"),  # 1.523373
        (1.005, 1.0, "1.01"),
        (0.145, 1.0, "0.15"),
        (2.675, 1.0, "2.68"),
        (0.0, 10.0, "0"),
        (1000.0, 100.0, "100000"),
        (0.9999, 99_999.999, "99989.999"),  # rounded to 99990.00
    ],
)
def test_cost_is_energy_times_price_rounded_half_up_once(
    network: Network, price: float, kwh: float, cost: str
) -> None:
    """The ticket's cost is right to the cent, in the event and in the history."""
    expected = Decimal(cost).quantize(Decimal("0.01"), rounding="ROUND_HALF_UP")
    monitor, driver, session_id = charge(network, price_per_kwh=price)
    monitor.ticket(session_id, kwh)
    ticket = network.events.wait(driver.driver_id, type="charge_completion")
    row = driver.wait_session(session_id, "completed")
    for found in (ticket, row):
        assert found["total_cost"] == expected
        assert found["energy_consumed_kwh"] == Decimal(str(kwh))
        assert found["price_per_kwh"] == Decimal(str(price))


@pytest.mark.parametrize(
    ("sent", "kept"), [(1.0005, "1.001"), (1.00049, "1"), (2.0004999, "2"), (0.0015, "0.002")]
)
def test_surplus_decimals_of_energy_are_rounded_half_up(
    network: Network, sent: float, kept: str
) -> None:
    """Energy has three decimals; the fourth rounds half up, by its decimal digits."""
    monitor, driver, session_id = charge(network)
    monitor.ticket(session_id, sent)
    row = driver.wait_session(session_id, "completed")
    assert row["energy_consumed_kwh"] == Decimal(kept)


def test_the_engines_cost_is_not_believed(network: Network) -> None:
    """A total_cost of the engine that differs changes no bill."""
    monitor, driver, session_id = charge(network)
    monitor.ticket(session_id, 2.0, total_cost=99.99)
    assert driver.wait_session(session_id, "completed")["total_cost"] == Decimal("0.70")


def test_the_same_ticket_three_times_is_one_ticket(network: Network) -> None:
    """A ticket delivered again changes nothing and tells the driver nothing new."""
    monitor, driver, session_id = charge(network)
    sent = monitor.ticket(session_id, 7.5)
    monitor.publish(sent, sent)
    first = driver.wait_session(session_id, "completed")
    next_driver = network.driver()
    later = next_driver.begin(monitor)
    monitor.ticket(later, 1.0)  # on the same partition, so the three were applied before
    next_driver.wait_session(later, "completed")
    network.events.wait(driver.driver_id, type="charge_completion")
    network.events.read_on(QUIET)
    tickets = network.events.of(driver.driver_id, type="charge_completion")
    assert [t["total_cost"] for t in tickets] == [Decimal("2.63")]
    assert driver.history() == [first]


def test_a_repeated_ticket_with_a_new_message_id_is_one_ticket(network: Network) -> None:
    """Tickets are told apart by session, not by message: a resent one is the same."""
    monitor, driver, session_id = charge(network)
    sent = monitor.ticket(session_id, 7.5)
    driver.wait_session(session_id, "completed")
    monitor.publish({**sent, "message_id": "another"})
    later = network.driver()
    other = later.begin(monitor)
    monitor.ticket(other, 1.0)
    later.wait_session(other, "completed")
    network.events.read_on(QUIET)
    assert len(network.events.of(driver.driver_id, type="charge_completion")) == 1
    assert driver.history()[0]["total_cost"] == Decimal("2.63")


def test_a_ticket_of_the_first_version_counts(network: Network) -> None:
    """Without reason, times and meter a ticket is a ticket."""
    monitor, driver, session_id = charge(network)
    monitor.publish(
        message(
            "charge_completion",
            cp_id=monitor.cp_id,
            session_id=session_id,
            energy_consumed_kwh=7.5,
            total_cost=2.63,
        )
    )
    ticket = network.events.wait(driver.driver_id, type="charge_completion")
    assert ticket["total_cost"] == Decimal("2.63")
    driver.wait_session(session_id, "completed")


# Readings


def test_readings_apply_in_their_sequence(network: Network, admin: Admin) -> None:
    """A late or repeated reading changes nothing; a gap is harmless."""
    monitor, driver, session_id = charge(network)
    for sequence, kwh in ((1, 1.0), (5, 5.0), (3, 3.0), (5, 9.0), (4, 4.0), (2, 99.0)):
        monitor.reading(session_id, sequence, kwh, rate=kwh)
    monitor.reading(session_id, 6, 5.5, rate=6.0)
    network.events.wait(driver.driver_id, type="charging_data", energy_consumed_kwh=Decimal("5.5"))
    entry = admin.wait_connector(monitor.cp_id, energy_consumed_kwh=Decimal("5.5"))
    assert entry["total_cost"] == Decimal("1.93")  # 1.925
    assert entry["charging_rate"] == 6
    told = [
        m["energy_consumed_kwh"] for m in network.events.of(driver.driver_id, type="charging_data")
    ]
    assert told == sorted(told)
    assert Decimal(99) not in told
    assert Decimal(9) not in told


def test_readings_without_sequence_count_if_higher(network: Network, admin: Admin) -> None:
    """Readings of the first version have no number: the higher energy is the later one."""
    monitor, driver, session_id = charge(network)
    for kwh in (1.0, 3.0, 2.0, 3.0, 3.5):
        monitor.publish(
            message(
                "charging_data",
                cp_id=monitor.cp_id,
                session_id=session_id,
                energy_consumed_kwh=kwh,
                total_cost=0,
                charging_rate=7,
            )
        )
    admin.wait_connector(monitor.cp_id, energy_consumed_kwh=Decimal("3.5"))
    network.events.wait(driver.driver_id, type="charging_data", energy_consumed_kwh=Decimal("3.5"))
    told = [
        m["energy_consumed_kwh"] for m in network.events.of(driver.driver_id, type="charging_data")
    ]
    assert told == sorted(told)
    assert told[-1] == Decimal("3.5")


def test_a_reading_after_the_ticket_changes_nothing(network: Network) -> None:
    """The last word is the last word."""
    monitor, driver, session_id = charge(network)
    monitor.ticket(session_id, 2.0)
    done = driver.wait_session(session_id, "completed")
    monitor.reading(session_id, 50, 9.0)
    later = network.driver()
    other = later.begin(monitor)
    monitor.reading(other, 1, 1.0)
    later.wait_session(other, "charging")
    assert driver.history() == [done]


def test_the_ticket_decides_over_the_readings(network: Network) -> None:
    """The bill is made from the ticket's energy, even where a reading said more."""
    monitor, driver, session_id = charge(network)
    monitor.reading(session_id, 1, 4.0)
    driver.wait_session(session_id, "charging")
    monitor.ticket(session_id, 3.0)
    row = driver.wait_session(session_id, "completed")
    assert row["total_cost"] == Decimal("1.05")


# What cannot be applied


def test_records_that_cannot_be_read_hold_nothing_up(network: Network) -> None:
    """Garbage on `ev.charging` is passed over; the ticket behind it, on its partition, counts."""
    monitor, driver, session_id = charge(network)
    network.publisher.publish(
        CHARGING,
        monitor.cp_id,
        b"",
        b"\xff\xfe",
        b"not json",
        b"[]",
        b'{"type":"no_such_message","message_id":"m"}',
        encode(message("charge_request", cp_id=monitor.cp_id, driver_id=driver.driver_id)),
        encode(message("charge_completion", cp_id=monitor.cp_id, session_id=session_id)),
        encode(
            message(
                "charging_data",
                cp_id=monitor.cp_id,
                session_id=session_id,
                sequence=1,
                energy_consumed_kwh=-1,
                total_cost=0,
                charging_rate=1,
            )
        ),
        b"[" * 50_000,
    )
    monitor.reading("S-nobody-knows", 1, 1.0)
    monitor.ticket("S-nobody-knows", 1.0)
    monitor.ticket(session_id, 7.5)
    row = driver.wait_session(session_id, "completed")
    assert row["total_cost"] == Decimal("2.63")
    assert len(driver.history()) == 1
