"""What all tests share: a real Kafka, free ports, and how hard hypothesis tries."""

import os
from collections.abc import Callable, Iterator

import pytest
from hypothesis import settings

from tests.kafka.broker import Broker, BrokerError
from tests.kafka.find import find_broker
from tests.kafka.ports import free_port
from tests.kafka.wipe import wipe
from tests.postgres.server import Server
from tests.redis.find import NoRedisError, given_url, redis_server
from tests.redis.server import RedisServer, empty

# The same examples in every run, so that a failure is the change's and not the dice's;
# no deadline, because a loaded machine is no bug. `thorough` looks for new ones.
settings.register_profile("default", derandomize=True, deadline=None)
settings.register_profile("thorough", max_examples=5_000, deadline=None)
settings.load_profile(os.environ.get("EV_HYPOTHESIS_PROFILE", "default"))


ALONE = (
    "tests/admin/panel/test_panel.py",
    "tests/admin/panel/test_terminal.py",
    "tests/bench/",
    "tests/chaos/",
    "tests/faults/",
)
"""What keeps time by the second, or kills dozens of programs: it runs when no other test does."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what `make test` runs by itself, after all that runs two at a time."""
    for item in items:
        if item.nodeid.startswith(ALONE):
            item.add_marker("alone")


@pytest.fixture(scope="session")
def kafka() -> Iterator[Broker]:
    """A broker for the whole session, with what earlier tests left in it."""
    yield from _running(own=False)


@pytest.fixture
def fresh_kafka(kafka: Broker) -> Broker:
    """The session's broker, up, without topics of ours and without committed offsets."""
    kafka.start()
    wipe(kafka.bootstrap)
    return kafka


@pytest.fixture
def own_kafka() -> Iterator[Broker]:
    """An empty broker for this test alone, to be killed, emptied and started again."""
    yield from _running(own=True)


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a PostgreSQL superuser, for the whole session; `new_database` makes databases.

    It is `EV_TEST_POSTGRES`, or a server of the session's own.
    """
    given = os.environ.get("EV_TEST_POSTGRES")
    if given:
        yield given
        return
    with Server() as server:
        yield server.url


@pytest.fixture
def own_postgres() -> Iterator[Server]:
    """A server for this test alone, to be killed, stopped and started again."""
    with Server() as server:
        yield server


@pytest.fixture(scope="session")
def shared_redis() -> Iterator[str]:
    """The URL of a Redis for the whole session: `EV_TEST_REDIS`, or a server of its own."""
    given = given_url()
    if given:
        yield given
    else:
        yield from (server.url for server in _redis())


@pytest.fixture
def redis_url(shared_redis: str) -> str:
    """The URL of the session's Redis, emptied."""
    empty(shared_redis)
    return shared_redis


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    """A Redis for this test alone, to be killed, stopped, emptied and started again."""
    yield from _redis()


@pytest.fixture
def free_ports() -> Callable[[int], list[int]]:
    """Gives that many ports that nobody listens on, below those of outgoing sockets."""
    return lambda count: [free_port() for _ in range(count)]


def _redis() -> Iterator[RedisServer]:
    try:
        binary = redis_server()
    except NoRedisError as error:
        # Elsewhere a person may do without; where all is to be tested, all is.
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(str(error))
    with RedisServer(binary) as server:
        yield server


def _running(*, own: bool) -> Iterator[Broker]:
    # A missing broker is a failure, never a skip: what was not run was not tested.
    try:
        broker = find_broker(own=own)
    except BrokerError as error:
        message = str(error)
    else:
        with broker:
            yield broker
        return
    pytest.fail(message, pytrace=False)
