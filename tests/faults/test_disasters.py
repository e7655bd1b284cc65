"""More than a death: an empty broker in the old one's place, a full disk, a database away."""

import resource
import time
from collections.abc import Callable
from contextlib import suppress

import pytest

from tests.faults.moments import BEFORE_SETTLEMENT, BEFORE_TICKET, CHARGING, Moment, proved
from tests.faults.network import Case, Wired
from tests.faults.victims import BROKER, CENTRAL, DATABASE, die, refusal, says_what_is_missing
from tests.programs.network import Json, eventually

Begin = Callable[[Wired], Case]

NO_ROOM = 1
"""Bytes that a file may have. A full disk that needs no disk, and is emptied at once."""

UNLIMITED = resource.RLIM_INFINITY


@pytest.mark.parametrize(
    "moment",
    [
        CHARGING,
        *(pytest.param(m, marks=pytest.mark.long) for m in (BEFORE_TICKET, BEFORE_SETTLEMENT)),
    ],
    ids=str,
)
def test_an_empty_broker_takes_the_place_of_the_old_one(
    network: Wired, case: Begin, moment: Moment
) -> None:
    """Readings that were in it are gone; no ticket is, and live data go on."""
    charge = case(network)
    moment.reach(charge)
    die([charge], BROKER)
    network.broker.empty()
    charge.point.heal()
    BROKER.revive(charge)
    if moment is CHARGING:
        eventually(lambda: later_reading(charge), "readings come through the new broker")
    charge.ends()
    proved(charge, moment)


def later_reading(charge: Case) -> Json | None:
    """A reading that central had from Kafka after the death."""
    assert charge.died_at is not None
    died = charge.died_at[1].isoformat()
    received = (line for line in charge.network.central.log() if line["event"] == "received")
    mine = (x for x in received if x.get("cp_id") == charge.point.cp_id)
    return next((x for x in mine if x["type"] == "charging_data" and x["timestamp"] > died), None)


@pytest.mark.long
def test_the_disk_is_full_under_central(network: Wired, case: Begin) -> None:
    """Nothing is acknowledged that is not stored; with room again, the ticket comes by itself."""
    charge, other = case(network), case(network)
    CHARGING.reach(charge)
    resource.prlimit(network.central.pid, resource.RLIMIT_FSIZE, (NO_ROOM, UNLIMITED))
    try:
        assert refusal(other, "EVE") in ("internal", "overloaded")
        charge.unplug()
        says_what_is_missing(charge)
    finally:
        resource.prlimit(network.central.pid, resource.RLIMIT_FSIZE, (UNLIMITED, UNLIMITED))
    charge.ends()
    assert network.sessions(other.point.cp_id) == []


@pytest.mark.long
def test_postgresql_is_stopped_for_half_a_minute(network_on_postgresql: Wired, case: Begin) -> None:
    """Charges that run go on and end meanwhile; their tickets are stored when it is back."""
    network = network_on_postgresql
    charge, other = case(network), case(network)
    CHARGING.reach(charge)
    assert network.server is not None
    network.server.stop()
    try:
        until = time.monotonic() + 30
        while time.monotonic() < until:
            assert refusal(other, "EVE") in ("internal", "overloaded")
        charge.unplug()
    finally:
        network.server.start()
    charge.ends()
    assert network.sessions(other.point.cp_id) == []


@pytest.mark.long
def test_central_dies_while_the_database_is_away(network_on_postgresql: Wired, case: Begin) -> None:
    """It cannot start without it, says so, and an init system starts it until it can."""
    charge = case(network_on_postgresql)
    CHARGING.reach(charge)
    die([charge], DATABASE, CENTRAL)
    try:
        with suppress(AssertionError):
            CENTRAL.revive(charge)
    finally:
        DATABASE.revive(charge)
    CENTRAL.revive(charge)
    charge.ends()
    proved(charge, CHARGING)
