"""Networks that may be broken, one of each kind for all tests, and charges in them."""

from collections.abc import Callable, Iterator
from uuid import uuid4

import pytest

from central.store import migrate_database
from chaos.proxy import Wires
from tests.faults.network import Case, Wired
from tests.kafka.broker import Broker
from tests.kafka.cluster import broker_behind
from tests.kafka.find import find_broker
from tests.kafka.ports import free_port
from tests.postgres.server import Server


@pytest.fixture(scope="package")
def broker() -> Iterator[Broker]:
    """A broker that may be killed."""
    with find_broker(own=True) as broker:
        yield broker


@pytest.fixture(scope="package")
def wires() -> Iterator[Wires]:
    """Makes proxies."""
    with Wires() as wires:
        yield wires


@pytest.fixture(scope="package")
def network(
    broker: Broker, wires: Wires, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Wired]:
    """Central on SQLite, serving; each test adds its own point."""
    with Wired(tmp_path_factory.mktemp("network"), broker, wires) as network:
        yield network


@pytest.fixture(scope="package")
def network_on_postgresql(
    wires: Wires, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Wired]:
    """Central on a PostgreSQL that may be killed, and a broker of its own."""
    folder = tmp_path_factory.mktemp("network")
    with Server() as server, find_broker(own=True) as broker:
        url = server.database()
        migrate_database(url)
        with Wired(folder, broker, wires, url, server=server) as network:
            yield network


@pytest.fixture(scope="package")
def network_on_wires(wires: Wires, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wired]:
    """Central on SQLite, and a broker that all programs reach through a proxy."""
    listener = free_port()
    to_kafka = wires.to(f"127.0.0.1:{listener}")
    with broker_behind(int(to_kafka.address.rpartition(":")[2]), listener) as broker:
        folder = tmp_path_factory.mktemp("network")
        with Wired(folder, broker, wires, to_kafka=to_kafka) as network:
            yield network


@pytest.fixture
def case() -> Iterator[Callable[[Wired], Case]]:
    """Makes a charge at a new point of a network; afterwards both are over."""
    made: list[Case] = []

    def make(network: Wired) -> Case:
        number = uuid4().hex[:8]
        made.append(Case(network, network.wired(f"CP-{number}"), f"D-{number}"))
        return made[-1]

    yield make
    for one in made:
        one.close()
