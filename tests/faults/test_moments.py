"""Everything dies at every moment of a charge; the bill is right, and nobody mends anything."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.faults.moments import BEFORE_SETTLEMENT, CHARGING, MOMENTS, Moment, proved
from tests.faults.network import Case, Wired
from tests.faults.victims import (
    BROKER,
    CENTRAL,
    DATABASE,
    DRIVER,
    ENGINE,
    MONITOR,
    VICTIMS,
    Victim,
    die,
    revive,
)

Begin = Callable[[Wired], Case]


def moments_of(*victims: Victim) -> list[Moment]:
    """The moments at which these can die: a driver's app is over once there is a ticket."""
    return [m for m in MOMENTS if DRIVER not in victims or m is not BEFORE_SETTLEMENT]


# -- Five charges, one at each moment --


@pytest.mark.parametrize("victim", VICTIMS, ids=str)
def test_it_dies_with_a_charge_at_every_moment(network: Wired, case: Begin, victim: Victim) -> None:
    """Once it is back, each charge has its one ticket, right to the cent."""
    die_at_every_moment(network, case, victim)


@pytest.mark.parametrize("victim", [DATABASE, CENTRAL], ids=str)
def test_it_dies_on_postgresql_with_a_charge_at_every_moment(
    network_on_postgresql: Wired, case: Begin, victim: Victim
) -> None:
    """The same where central's database is a server, which may die as well."""
    die_at_every_moment(network_on_postgresql, case, victim)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (ENGINE, CENTRAL),
        (BROKER, CENTRAL),
        (MONITOR, CENTRAL),
        (ENGINE, MONITOR),
    ],
    ids=str,
)
@pytest.mark.long
def test_two_die_with_a_charge_at_every_moment(
    network: Wired, case: Begin, first: Victim, second: Victim
) -> None:
    """They come back one after the other, the second first."""
    die_at_every_moment(network, case, first, second)


@pytest.mark.long
def test_the_database_dies_with_central_with_a_charge_at_every_moment(
    network_on_postgresql: Wired, case: Begin
) -> None:
    """It is back before central is: a central that finds no database does not serve."""
    die_at_every_moment(network_on_postgresql, case, CENTRAL, DATABASE)


def die_at_every_moment(network: Wired, case: Begin, *victims: Victim) -> None:
    """Bring a charge to each moment, kill, bring back, and see each charge end."""
    charges = [(case(network), moment) for moment in moments_of(*victims)]
    cases = [charge for charge, _ in charges]
    at_once(lambda charge, moment: moment.begin(charge), charges)
    at_once(lambda charge, moment: moment.hold(charge), charges)
    die(cases, *victims)
    for charge in cases:
        charge.point.heal()
    revive(cases, *reversed(victims))
    at_once(lambda charge, _: charge.ends(), charges)
    for charge, moment in charges:
        proved(charge, moment)


def at_once(action: Callable[[Case, Moment], None], charges: Iterable[tuple[Case, Moment]]) -> None:
    """Do this to all of them; returns when all are done."""
    with ThreadPoolExecutor(len(MOMENTS)) as threads:
        for done in [threads.submit(action, charge, moment) for charge, moment in charges]:
            done.result()


# -- One charge --


@pytest.mark.long
@pytest.mark.parametrize(
    ("victim", "moment"),
    [
        pytest.param(victim, moment, id=f"{victim}, {moment}")
        for victim in VICTIMS
        for moment in moments_of(victim)
    ],
)
def test_it_dies(network: Wired, case: Begin, victim: Victim, moment: Moment) -> None:
    """At this moment, where nothing else goes on that could wake anybody up."""
    charge = case(network)
    moment.reach(charge)
    die([charge], victim)
    charge.point.heal()
    victim.revive(charge)
    charge.ends()
    proved(charge, moment)


# -- What is seen meanwhile --


@pytest.mark.parametrize(
    "victim",
    [
        ENGINE,
        *(
            pytest.param(victim, marks=pytest.mark.long)
            for victim in (MONITOR, DRIVER, CENTRAL, BROKER)
        ),
    ],
    ids=str,
)
def test_users_see_what_is_away(network: Wired, case: Begin, victim: Victim) -> None:
    """While a charge runs; and it comes back by itself."""
    is_seen(case(network), victim)


@pytest.mark.long
def test_users_see_that_the_database_is_away(network_on_postgresql: Wired, case: Begin) -> None:
    """While a charge runs; and central comes back to it by itself."""
    is_seen(case(network_on_postgresql), DATABASE)


def is_seen(charge: Case, victim: Victim) -> None:
    """Let the victim be away while a charge runs until users have seen it."""
    CHARGING.reach(charge)
    die([charge], victim)
    victim.seen(charge)
    victim.revive(charge)
    charge.ends()
    proved(charge, CHARGING)
    (ticket,) = charge.network.admin("tickets", "--cp", charge.point.cp_id)["tickets"]
    assert ticket["reason"] == victim.reason
