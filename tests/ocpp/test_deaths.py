"""A gateway, Redis, Kafka and central are killed while transactions run: all is billed once.

The charge points keep what they could not deliver, as OCPP asks of them, and their books; nobody
mends or restarts anything but what was killed.
"""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.kafka.broker import Broker
from tests.kafka.find import find_broker
from tests.ocpp.network import Gateway, OcppNetwork, away, until
from tests.ocpp.queue import Keeper, are_conserved
from tests.redis.find import redis_server
from tests.redis.server import RedisServer

POINTS = 10
STILL = 12.0
"""Seconds: longer than the lease of a partition."""

TAG = "ANYBODY"
OFFLINE_QUEUE = 500
"""Messages that a charge point delivers when it is back."""


@dataclass(slots=True)
class World:
    """A network in which everything may be killed.

    Attributes:
        one, two: Its gateways; charge points dial them in turn.
    """

    network: OcppNetwork
    broker: Broker
    redis: RedisServer
    one: Gateway
    two: Gateway

    @asynccontextmanager
    async def keepers(self, name: str, count: int = POINTS) -> AsyncIterator[list[Keeper]]:
        """Charge points that are up."""
        ids = [f"{name}-{number}" for number in range(count)]
        found = [Keeper(self.one.url(cp_id), self.two.url(cp_id)) for cp_id in ids]
        serving = [asyncio.create_task(keeper.serve()) for keeper in found]
        try:
            for keeper in found:
                await asyncio.wait_for(keeper.connected.wait(), 30)
            yield found
        finally:
            for task in serving:
                task.cancel()
            await asyncio.gather(*serving, return_exceptions=True)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Two gateways on one Redis, central, and a Kafka that may be killed."""
    folder: Path = tmp_path_factory.mktemp("deaths")
    with (
        find_broker(own=True) as broker,
        RedisServer(redis_server()) as redis,
        OcppNetwork(folder, broker.bootstrap, redis.url) as network,
    ):
        network.know(TAG, max_concurrent=1000)
        yield World(network, broker, redis, network.gateway("one"), network.gateway("two"))


Strike = Callable[[World], None]


def gateway_killed(world: World) -> None:
    """With SIGKILL; it comes back as an init system would bring it."""
    world.one.program.end(signal.SIGKILL)
    world.one.program.start()


def redis_killed(world: World) -> None:
    """It comes back empty."""
    world.redis.kill()
    world.redis.start()


def redis_still(world: World) -> None:
    """It answers nothing for longer than leases and connections live."""
    world.redis.stop_still()
    time.sleep(STILL)
    world.redis.go_on()


def kafka_killed(world: World) -> None:
    """It comes back with its data."""
    world.broker.kill()
    world.broker.start()


def central_killed(world: World) -> None:
    """It comes back on its database."""
    world.network.central.end(signal.SIGKILL)
    world.network.central.start()


def everything_killed(world: World) -> None:
    """All of them at once."""
    for gateway in (world.one, world.two):
        gateway.program.end(signal.SIGKILL)
    world.network.central.end(signal.SIGKILL)
    redis_killed(world)
    kafka_killed(world)
    world.network.central.start()
    for gateway in (world.one, world.two):
        gateway.program.start()


@pytest.mark.parametrize(
    "strike",
    [
        gateway_killed,
        redis_killed,
        kafka_killed,
        central_killed,
        pytest.param(redis_still, marks=pytest.mark.long),
        pytest.param(everything_killed, marks=pytest.mark.long),
    ],
    ids=lambda strike: strike.__name__,
)
async def test_all_that_was_metered_is_billed_once(world: World, strike: Strike) -> None:
    """Transactions that ended before, ran through it, and began during it."""
    async with world.keepers(strike.__name__) as keepers:
        running = []
        for keeper in keepers:
            keeper.charge(1, TAG, 0, 100, 200, 300)
            running.append(keeper.begin(1, TAG, 300))
            keeper.meter(running[-1], 350)
        await until(lambda: any(k.transactions[-1].id for k in keepers), "transactions run")
        striking = asyncio.create_task(away(strike, world))
        wh = 350
        while not striking.done():
            wh += 10
            for keeper, transaction in zip(keepers, running, strict=True):
                keeper.meter(transaction, wh)
            await asyncio.wait([striking], timeout=0.2)
        await striking
        for keeper, transaction in zip(keepers, running, strict=True):
            keeper.end(transaction, wh + 5)
            keeper.charge(2, TAG, 7, 8, 9)
        await are_conserved(world.network, *keepers)
        states = await asyncio.gather(*(away(asked, world, k.cp_id) for k in keepers))
        assert set(states) == {"accepted"}


async def test_a_long_offline_queue_is_delivered_at_once(world: World) -> None:
    """500 messages in one go, in order; none is refused, and none counts twice."""
    async with world.keepers("queue", 2) as keepers:
        for keeper in keepers:
            assert keeper.point is not None
            for number in range(OFFLINE_QUEUE // 5):
                wh = number * 30
                keeper.charge(1, TAG, wh, wh + 10, wh + 20, wh + 25, wh + 30)
        assert {keeper.pending for keeper in keepers} == {OFFLINE_QUEUE}
        await are_conserved(world.network, *keepers)
        assert [keeper.deliveries for keeper in keepers] == [OFFLINE_QUEUE] * 2


async def test_a_command_whose_gateway_dies_is_sent_again_if_that_does_no_harm(
    world: World,
) -> None:
    """Under the same id; another one is `unknown`, and never done twice."""
    async with world.keepers("midway", 2) as (harmless, harmful):
        for keeper in (harmless, harmful):
            assert keeper.point is not None
            keeper.point.silent = {"GetConfiguration", "Reset"}
        first = [keeper.point for keeper in (harmless, harmful)]
        ordered = [
            asyncio.create_task(away(world.network.command, keeper.cp_id, action, payload))
            for keeper, action, payload in (
                (harmless, "GetConfiguration", {}),
                (harmful, "Reset", {"type": "Hard"}),
            )
        ]
        await until(lambda: all(point and point.asked for point in first), "both are sent")
        # Both are at one gateway: keepers that were made together dial the same one.
        for gateway in (world.one, world.two):
            gateway.program.end(signal.SIGKILL)
        await away(world.two.program.start)
        repeated, lost = await asyncio.gather(*ordered)
        assert (repeated["state"], lost["state"]) == ("accepted", "unknown")
        ids = [
            [asked.message_id for point in (before, keeper.point) if point for asked in point.asked]
            for before, keeper in zip(first, (harmless, harmful), strict=True)
        ]
        assert ids == [[repeated["command_id"]] * 2, [lost["command_id"]]]
        await away(world.one.program.start)


def asked(world: World, cp_id: str) -> str:
    """What becomes of a command to it."""
    command = world.network.command(cp_id, "GetLocalListVersion", {})
    return str(command["state"])
