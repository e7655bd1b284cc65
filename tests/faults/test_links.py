"""Broken links: noticed in time, felt by nobody else, and the bill is right all the same."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from chaos.proxy import Proxy
from tests.conformance.peer import Link, message, pack
from tests.faults.moments import CHARGING
from tests.faults.network import Case, Wired, at, awaited, now
from tests.faults.victims import GRACE, LOADED
from tests.programs.network import Program, eventually

Begin = Callable[[Wired], Case]
Break = Callable[[Proxy], None]

HEARTBEAT = 5.0
"""Seconds between two heartbeats of a monitor to central."""

CHECK = 1.0
"""Seconds between two health checks of a monitor's."""

MISSED = 3
"""Heartbeats that may be missed."""

AT_ONCE = 2.0
"""Seconds that an answer may take which nobody holds up: starting a program is the most of it."""

ONE_WAY = [Proxy.lose_to_server, Proxy.lose_to_client]


def seconds_until(program: Program, event: str, since: float, **fields: object) -> float:
    """How long after `since`, in Unix seconds, a program logged this."""
    return at(awaited(program, event, **fields)).timestamp() - since


# -- Half-open --


@pytest.mark.long
def test_half_open_between_monitor_and_central(network: Wired, case: Begin) -> None:
    """Both notice within three heartbeats; the supply goes on, and its ticket comes by Kafka."""
    charge = case(network)
    CHARGING.reach(charge)
    charge.point.to_central.do(Proxy.half_open)
    since = now().timestamp()
    promised = MISSED * HEARTBEAT + LOADED
    gone = seconds_until(
        network.central, "disconnected: silent for", since, cp_id=charge.point.cp_id
    )
    assert gone < promised
    assert network.status(charge.point.cp_id) == "Offline"
    # A beat may have been answered just before: the first that is not comes up to one later.
    assert seconds_until(charge.point.monitor, "cannot reach CENTRAL", since) < promised + HEARTBEAT
    charge.point.heal()
    charge.ends()
    (ticket,) = network.admin("tickets", "--cp", charge.point.cp_id)["tickets"]
    assert ticket["reason"] == "unplugged"


def test_half_open_between_monitor_and_engine(network: Wired, case: Begin) -> None:
    """Both notice within three checks; the engine ends its supply after its grace."""
    charge = case(network)
    CHARGING.reach(charge)
    charge.point.to_engine.do(Proxy.half_open)
    since = now().timestamp()
    promised = MISSED * CHECK + LOADED
    cp_id = charge.point.cp_id
    assert seconds_until(charge.point.engine, "monitor lost", since) < promised
    fault = seconds_until(network.central, "fault: EngineUnreachable", since, cp_id=cp_id)
    assert fault < promised
    ended = seconds_until(charge.point.engine, "ended", since, reason="monitor_lost")
    assert ended < GRACE + LOADED
    charge.point.heal()
    charge.ends()


# -- One way --


@pytest.mark.long
@pytest.mark.parametrize("lose", ONE_WAY)
def test_one_way_loss_between_monitor_and_central(network: Wired, case: Begin, lose: Break) -> None:
    """Whichever way is lost, the link is given up, and what comes late changes no bill."""
    charge = case(network)
    CHARGING.reach(charge)
    charge.point.to_central.do(lose)
    since = now().timestamp()
    gone = seconds_until(network.central, "disconnected: ", since, cp_id=charge.point.cp_id)
    assert gone < (MISSED + 1) * HEARTBEAT + LOADED
    charge.point.heal()
    charge.ends()


@pytest.mark.long
@pytest.mark.parametrize("lose", ONE_WAY)
def test_one_way_loss_between_monitor_and_engine(network: Wired, case: Begin, lose: Break) -> None:
    """Whichever way is lost, central shows the fault, and the ticket comes."""
    charge = case(network)
    CHARGING.reach(charge)
    charge.point.to_engine.do(lose)
    since = now().timestamp()
    fault = seconds_until(
        network.central, "fault: EngineUnreachable", since, cp_id=charge.point.cp_id
    )
    assert fault < MISSED * CHECK + LOADED
    awaited(charge.point.engine, "monitor lost")
    charge.point.heal()
    charge.ends()


# -- Latency and cuts --


@pytest.mark.long
def test_a_charge_over_links_with_latency(network: Wired, case: Begin) -> None:
    """A tenth of a second each way is no fault, and no second charge."""

    def slow(proxy: Proxy) -> None:
        proxy.delay(0.1)

    charge = case(network)
    charge.point.to_central.do(slow)
    charge.point.to_engine.do(slow)
    CHARGING.reach(charge)
    charge.ends()
    for event in ("fault: ", "disconnected: "):
        lines = [x for x in network.central.log() if x["event"].startswith(event)]
        assert charge.point.cp_id not in [line["cp_id"] for line in lines]


@pytest.mark.long
def test_links_that_are_cut_again_and_again(network: Wired, case: Begin) -> None:
    """Each time both are up again they are cut; the charge has one ticket."""
    charge = case(network)
    CHARGING.reach(charge)
    for cuts in range(1, 4):
        charge.point.to_central.do(Proxy.cut)
        charge.point.to_engine.do(Proxy.cut)

        def registered(cuts: int = cuts) -> bool:
            monitor = charge.point.monitor.log()
            linked = [line for line in monitor if line["event"] == "engine linked"]
            known = [line for line in monitor if line["event"] == "registered with central"]
            return len(linked) > cuts and len(known) > cuts

        eventually(registered, f"linked again after {cuts} cuts")
    charge.ends()


# -- Slow readers --

FLOOD: dict[str, tuple[dict[str, str], tuple[str, dict[str, object]]]] = {
    "driver": (
        {"role": "driver", "driver_id": "SLOW"},
        ("available_cps_request", {"driver_id": "SLOW"}),
    ),
    "admin": ({"role": "admin", "admin_id": "SLOW"}, ("points_request", {})),
}
"""Who does not read what it asks for, by role: how it says who it is, and what it asks."""


@pytest.mark.parametrize("role", [pytest.param("driver", marks=pytest.mark.long), "admin"])
def test_one_that_does_not_read_slows_nobody(network: Wired, case: Begin, role: str) -> None:
    """It is closed as a slow reader; others are answered meanwhile, and a charge has its ticket."""
    charge = case(network)
    host, _, port = network.address.rpartition(":")
    who, (kind, fields) = FLOOD[role]
    with Link((host, int(port)), receive_buffer=4096) as slow, ThreadPoolExecutor(1) as thread:
        assert slow.ask("auth_request", **who)["status"] == "success"
        ask = pack(message(kind, **fields))
        CHARGING.reach(charge)
        flooding = thread.submit(flood, slow, ask)
        took: list[float] = []
        while not took or not flooding.done():
            began = time.monotonic()
            network.status(charge.point.cp_id)
            took.append(time.monotonic() - began)
        assert flooding.result(), "central took everything, and never closed"
        assert max(took) < AT_ONCE
    awaited(network.central, "slow reader", peer=f"{role} SLOW by tcp")
    charge.ends()


def flood(link: Link, request: bytes) -> bool:
    """Ask and never read; whether central closed the link in the end."""
    for _ in range(1_000):
        try:
            link.write(request * 100)
        except OSError:
            return True
    return False


@pytest.mark.long
def test_a_driver_whose_link_is_half_open_asks_by_kafka(network: Wired, case: Begin) -> None:
    """The request is answered once, by whichever way; there is one session and one ticket."""
    charge = case(network)
    network.to_drivers.do(Proxy.half_open)
    CHARGING.reach(charge)
    network.to_drivers.heal()
    charge.ends()
    assert len(network.sessions(charge.point.cp_id)) == 1


# -- Kafka --


@pytest.mark.parametrize(
    "lose",
    [Proxy.half_open, *(pytest.param(lose, marks=pytest.mark.long) for lose in ONE_WAY)],
)
def test_a_broken_link_to_kafka_stops_nothing_but_live_data(
    network_on_wires: Wired, case: Begin, lose: Break
) -> None:
    """A charge is asked for, runs, is shown and ends meanwhile; its ticket comes afterwards."""
    network = network_on_wires
    charge = case(network)
    network.to_kafka.heal()
    lose(network.to_kafka)
    began = time.monotonic()
    assert network.admin("start", charge.point.cp_id, charge.driver_id)["succeeded"] == 1
    assert time.monotonic() - began < AT_ONCE
    eventually(lambda: network.status(charge.point.cp_id) == "Charging", "it is shown")
    eventually(lambda: charge.metered(), "energy flows")
    charge.unplug()
    eventually(lambda: network.status(charge.point.cp_id) == "Finishing", "it ended")
    assert not network.admin("tickets", "--cp", charge.point.cp_id)["tickets"]
    network.to_kafka.heal()
    charge.ends()
    assert len(network.admin("tickets", "--cp", charge.point.cp_id)["tickets"]) == 1
