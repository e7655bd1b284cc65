"""A network with two gateways for all tests that break nothing, and what those need that do."""

from collections.abc import Iterator
from uuid import uuid4

import pytest

from chaos.proxy import Wires
from tests.kafka.broker import Broker
from tests.kafka.wipe import wipe
from tests.ocpp.network import Gateway, OcppNetwork
from tests.redis.find import redis_server
from tests.redis.server import RedisServer


@pytest.fixture(scope="package")
def network(kafka: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OcppNetwork]:
    """Central, a Kafka and a Redis; each test has charge points of its own."""
    wipe(kafka.bootstrap)
    folder = tmp_path_factory.mktemp("network")
    with (
        RedisServer(redis_server()) as redis,
        OcppNetwork(folder, kafka.bootstrap, redis.url) as network,
    ):
        yield network
    wipe(kafka.bootstrap)  # a central of later tests would take these charge points up


@pytest.fixture(scope="package")
def gateway(network: OcppNetwork) -> Gateway:
    """A gateway that nobody breaks."""
    return network.gateway("one", "--frames", "--lenient", "LENIENT")


@pytest.fixture(scope="package")
def other(network: OcppNetwork) -> Gateway:
    """Another one."""
    return network.gateway("two")


@pytest.fixture(scope="package")
def wires() -> Iterator[Wires]:
    """Makes proxies."""
    with Wires() as wires:
        yield wires


@pytest.fixture
def cp_id() -> str:
    """A charge point's id that nobody else has."""
    return f"CP-{uuid4().hex[:10]}"


@pytest.fixture
def id_tag(network: OcppNetwork) -> str:
    """An id tag that may charge; it may be 20 characters long."""
    tag = f"TAG-{uuid4().hex[:10]}"
    network.know(tag, max_concurrent=100)
    return tag
