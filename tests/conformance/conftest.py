"""A central per module for tests that only talk to it, one of its own for those that restart it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

from .central import Central
from .roles import Admin, Network


class Broker(Protocol):
    """What this suite needs of the fixtures `kafka` and `fresh_kafka`."""

    @property
    def bootstrap(self) -> str: ...


@pytest.fixture(scope="module")
def central(kafka: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Central]:
    """A central that a whole module shares; unique ids keep its tests apart."""
    central = Central(tmp_path_factory.mktemp("central"), kafka.bootstrap)
    central.start()
    yield central
    central.close()


@pytest.fixture(scope="module")
def _topics(central: Central) -> Iterator[Network]:
    """The network of a module: topics are followed by one consumer each."""
    network = Network(central)
    yield network
    network.close()


@pytest.fixture
def network(_topics: Network) -> Iterator[Network]:
    """Peers around the module's central; their links end with the test."""
    yield _topics
    _topics.hang_up()


@pytest.fixture
def admin(network: Network) -> Admin:
    """An operator's console on the module's central."""
    return network.admin()


@pytest.fixture
def own(fresh_kafka: Broker, tmp_path: Path) -> Iterator[Network]:
    """A network around a central of the test's own: to restart, kill or look at alone.

    Not to be used in a module that uses `network`: two centrals at a time on one Kafka would
    both answer requests that come by Kafka.
    """
    central = Central(tmp_path, fresh_kafka.bootstrap)
    central.start()
    network = Network(central)
    yield network
    network.close()
    central.close()
