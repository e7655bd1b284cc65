"""Three brokers that keep every record three times: one's death is a pause, and loses no record."""

from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial

import pytest

from chaos.proxy import Wires
from tests.faults.moments import CHARGING
from tests.faults.network import Case, Wired, at, lines, now
from tests.kafka.cluster import Cluster
from tests.programs.network import Json, eventually

TOPIC, DATA = "ev.charging", "charging_data"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """Three brokers."""
    with Cluster() as cluster:
        yield cluster


@pytest.fixture(scope="module")
def replicated(
    cluster: Cluster, wires: Wires, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Wired]:
    """A network on them."""
    with Wired(tmp_path_factory.mktemp("network"), cluster, wires) as network:
        yield network


@pytest.mark.long
def test_central_makes_topics_that_three_brokers_keep(cluster: Cluster, replicated: Wired) -> None:
    """As many copies as there may be, up to three."""
    assert cluster.replicas(TOPIC) == {3}


@pytest.mark.long
def test_the_death_of_a_leader_is_a_pause(
    cluster: Cluster, replicated: Wired, case: Callable[[Wired], Case]
) -> None:
    """Readings go on to come after seconds, none is missing, and tickets come."""
    charges = [case(replicated) for _ in range(4)]
    for charge in charges:
        CHARGING.reach(charge)
    dead = cluster.leader(TOPIC, 0)
    died = now()
    cluster.nodes[dead].kill()
    try:
        for charge in charges:
            eventually(partial(later, charge, died), "readings come again")
            charge.ends()
    finally:
        cluster.nodes[dead].start()
    for charge in charges:
        came = [line["message_id"] for line in readings(charge)]
        sent = [line["message_id"] for line in lines(charge.point.engine, "sent", type=DATA)]
        assert set(sent) == set(came)


def readings(charge: Case) -> list[Json]:
    """What central had from Kafka of this charge."""
    session_id = charge.session_id
    central = charge.network.all_centrals
    return list(lines(central, "received", type=DATA, session_id=session_id))


def later(charge: Case, than: datetime) -> bool:
    """Whether a reading has come since then."""
    return any(at(line) > than for line in readings(charge))
