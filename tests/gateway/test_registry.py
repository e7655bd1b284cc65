"""What every registry promises to a gateway: that in memory, and that in Redis."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from common.clock import SystemClock
from gateway.registry import MemoryRegistry, Registry
from tests.gateway.registries import Gateway, in_memory, running, with_redis


@pytest.fixture(params=["memory", "redis"])
async def gateway(request: pytest.FixtureRequest) -> AsyncIterator[Gateway]:
    """A gateway that runs."""
    registry: Registry = in_memory()
    if request.param == "redis":
        registry = with_redis(request.getfixturevalue("redis_url"))
    async with running(registry) as gateway:
        yield gateway


async def test_the_first_gateway_has_partition_0(gateway: Gateway) -> None:
    """And says so by its connections."""
    assert gateway.registry.partition == 0
    connection = await gateway.registry.take("CP-1")
    assert (connection.node, connection.partition) == (gateway.registry.node, 0)


async def test_all_is_well(gateway: Gateway) -> None:
    """After the start there is no trouble to speak of."""
    assert gateway.registry.healthy
    assert gateway.registry.trouble is None
    assert gateway.partitions == []


async def test_an_epoch_is_about_now(gateway: Gateway) -> None:
    """So it is above every one from before a start, whatever was lost."""
    now = SystemClock().wall() * 1000
    assert abs(await gateway.connect("CP-1") - now) < 60_000


async def test_a_later_connection_has_a_higher_epoch(gateway: Gateway) -> None:
    """Each than the one before, with or without one before it being closed."""
    epochs = []
    for _ in range(20):
        epochs.append(await gateway.connect("CP-1"))
        epochs.append(await gateway.connect("CP-1"))
        await gateway.disconnect("CP-1")
    assert epochs == sorted(set(epochs))


async def test_connections_at_the_same_time_have_epochs_of_their_own(gateway: Gateway) -> None:
    """Also where they are taken together."""
    taken = await asyncio.gather(*(gateway.registry.take("CP-1") for _ in range(50)))
    assert len({connection.epoch for connection in taken}) == 50
    assert len(gateway.registry) == 1


async def test_what_is_held_is_counted_until_it_is_released(gateway: Gateway) -> None:
    """By charge points."""
    await gateway.connect("CP-1")
    await gateway.connect("CP-2")
    assert len(gateway.registry) == 2
    await gateway.disconnect("CP-1")
    assert len(gateway.registry) == 1
    assert gateway.registry.counts.taken == 2


async def test_an_old_connection_releases_nothing(gateway: Gateway) -> None:
    """The charge point is here by a newer one."""
    old = await gateway.connect("CP-1")
    await gateway.connect("CP-1")
    await gateway.registry.release("CP-1", old)
    assert len(gateway.registry) == 1


async def test_a_release_may_be_repeated(gateway: Gateway) -> None:
    """And may be of what was never there."""
    epoch = await gateway.connect("CP-1")
    for _ in range(2):
        await gateway.registry.release("CP-1", epoch)
    await gateway.registry.release("CP-2", 1)
    assert len(gateway.registry) == 0


async def test_a_connection_given_up_while_it_is_taken_is_released(gateway: Gateway) -> None:
    """The charge point went before its handshake was over."""
    taking = asyncio.ensure_future(gateway.registry.take("CP-1"))
    await asyncio.sleep(0)
    taking.cancel()
    await asyncio.wait([taking])
    await gateway.connect("CP-2")  # after it, in their turn
    await gateway.disconnect("CP-2")
    assert len(gateway.registry) == int(not taking.cancelled())


class SetBack:
    """A clock that is set back."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def wall(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return 0.0


async def test_a_clock_that_is_set_back_lowers_no_epoch() -> None:
    """As long as the gateway runs."""
    clock = SetBack()
    registry = MemoryRegistry("gw-1", clock)
    first = await registry.take("CP-1")
    await registry.release("CP-1", first.epoch)
    clock.now -= 3600
    assert (await registry.take("CP-1")).epoch > first.epoch
