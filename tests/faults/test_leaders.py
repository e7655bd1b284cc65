"""Two centrals: the leader dies, or stands still and wakes, with a charge at every moment."""

import signal
import time
from collections.abc import Callable, Iterator

import pytest

from central.store import migrate_database
from chaos.proxy import Wires
from tests.faults.moments import CHARGING, proved
from tests.faults.network import Case, Wired, at, lines, now
from tests.faults.test_moments import at_once, moments_of
from tests.faults.victims import LOADED
from tests.kafka.broker import Broker
from tests.postgres.server import Server
from tests.programs.network import Program, eventually

Begin = Callable[[Wired], Case]

LEADS_WITHIN = 5.0
"""Seconds after which the standby leads."""

STOOD_STILL = 20.0
"""Seconds for which a leader stands still: all that was on its way to it has long been done."""


@pytest.fixture(scope="module")
def two(broker: Broker, wires: Wires, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wired]:
    """Two centrals on PostgreSQL; everybody else has both addresses."""
    folder = tmp_path_factory.mktemp("network")
    with Server() as server:
        url = server.database()
        migrate_database(url)
        with Wired(folder, broker, wires, url, server=server, centrals=2) as network:
            yield network


def leading(network: Wired) -> Program:
    """The central that leads, as it says itself; who is started from now on dials it first."""
    leader = network.admin("health")["leader"]
    central = network.centrals[network.addresses.index(leader)]
    # Who is redirected by a standby dials the leader itself, and no proxy.
    network.follow(central)
    return central


def led_after(network: Wired, old: Program, since: float) -> float:
    """Seconds from then until another one than `old` led."""
    (other,) = [central for central in network.centrals if central is not old]

    def taken() -> float | None:
        times = [at(line).timestamp() for line in lines(other, "leads now")]
        return next((each for each in times if each > since), None)

    leads_at: float = eventually(taken, f"{other.name} leads")
    network.follow(other)
    return leads_at - since


@pytest.mark.long
def test_the_leader_is_killed_with_a_charge_at_every_moment(two: Wired, case: Begin) -> None:
    """The standby leads within 5 s, and every charge has its ticket; the old one joins it."""
    old = leading(two)
    charges = [(case(two), moment) for moment in moments_of()]
    at_once(lambda charge, moment: moment.begin(charge), charges)
    at_once(lambda charge, moment: moment.hold(charge), charges)
    before = now()
    old.end(signal.SIGKILL)
    for charge, _ in charges:
        charge.died_at = (before, now())
        charge.point.heal()
    assert led_after(two, old, before.timestamp()) < LEADS_WITHIN + LOADED
    old.start()
    at_once(lambda charge, _: charge.ends(), charges)
    for charge, moment in charges:
        proved(charge, moment)
    assert leading(two) is not old


@pytest.mark.long
@pytest.mark.parametrize("seconds", [LEADS_WITHIN, STOOD_STILL])
def test_the_leader_stands_still_and_wakes_with_a_charge_at_every_moment(
    two: Wired, case: Begin, seconds: float
) -> None:
    """The standby leads within 5 s; nothing that the old leader does when it wakes takes effect."""
    old = leading(two)
    charges = [(case(two), moment) for moment in moments_of()]
    at_once(lambda charge, moment: moment.begin(charge), charges)
    at_once(lambda charge, moment: moment.hold(charge), charges)
    before = now()
    old.send(signal.SIGSTOP)
    try:
        for charge, _ in charges:
            charge.died_at = (before, now())
            charge.point.heal()
        assert led_after(two, old, before.timestamp()) < LEADS_WITHIN + LOADED
        # Meanwhile the new leader serves: a charge begins, and one ends.
        during = case(two)
        CHARGING.reach(during)
        charges[0][0].ends()
        eventually(
            lambda: now().timestamp() - before.timestamp() > seconds, f"{seconds:g} s are over"
        )
    finally:
        old.send(signal.SIGCONT)
    woke = now()
    old.says("leads no more")
    at_once(lambda charge, _: charge.ends(), [*charges, (during, CHARGING)])
    for charge, moment in charges:
        proved(charge, moment)
    said = [line["type"] for line in lines(old, "sent") if at(line) > woke]
    assert set(said) <= {"error_response"}
    assert leading(two) is not old


@pytest.mark.long
def test_the_lead_goes_to_and_fro(two: Wired, case: Begin) -> None:
    """Three times, while one charge runs: it has one ticket, and the epochs only grow."""
    charge = case(two)
    CHARGING.reach(charge)
    for _ in range(3):
        old, began = leading(two), time.time()
        old.end(signal.SIGKILL)
        led_after(two, old, began)
        old.start()
    charge.ends()
    epochs = [line["epoch"] for line in lines(charge.point.monitor, "registered with central")]
    assert epochs == sorted(epochs)
    assert len(set(epochs)) > 1
