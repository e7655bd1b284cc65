"""A network on the shared Kafka, and charges that end with their test."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.kafka.broker import Broker
from tests.kafka.wipe import wipe
from tests.programs.network import Charge, Network


@pytest.fixture
def network(kafka: Broker, tmp_path: Path) -> Iterator[Network]:
    """Central, serving; points and drivers are added by the test."""
    with Network(tmp_path, kafka.bootstrap) as network:
        yield network
    if network.gateways:  # a central of later tests would take their charge points up
        wipe(kafka.bootstrap)


@pytest.fixture
def charge(network: Network, tmp_path: Path) -> Iterator[Callable[..., Charge]]:
    """Lets a driver charge at a point, with further options of `ev-driver charge`."""
    begun: list[Charge] = []

    def begin(driver_id: str, cp_id: str, *more: str) -> Charge:
        begun.append(Charge(network, tmp_path, driver_id, cp_id, *more))
        return begun[-1]

    yield begin
    for one in begun:
        one.close()
