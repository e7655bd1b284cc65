"""Redis goes, stands still, comes back, and comes back empty."""

import asyncio
from contextlib import closing

from common.connection import Connection
from gateway.registry import Times
from tests.gateway.registries import connection_of, eventually, in_redis, running, with_redis
from tests.redis.server import RedisServer, client

SELDOM = Times(ttl=30.0, renew_every=3600.0, lease_ttl=10.0, lease_every=0.2)
"""Connections are not renewed while a test lasts, but where there is a reason."""


async def test_without_redis_all_goes_on(own_redis: RedisServer) -> None:
    """Connections are kept, new ones have higher epochs, and the trouble is named."""
    async with running(with_redis(own_redis.url)) as gateway:
        first = await gateway.connect("CP-1")
        await gateway.connect("CP-2")
        own_redis.kill()
        second = await gateway.connect("CP-1")
        third = await gateway.connect("CP-1")
        assert first < second < third
        assert gateway.registry.trouble is not None
        assert gateway.registry.trouble.startswith(f"Redis at 127.0.0.1:{own_redis.port} does not")
        assert not gateway.registry.healthy
        assert gateway.registry.partition == 0
        assert (gateway.closed, gateway.partitions) == ([], [])
        assert gateway.registry.counts.by_clock == 2


async def test_a_redis_that_comes_back_empty_is_filled_at_once(own_redis: RedisServer) -> None:
    """With the connections and the lease as they were, and what came meanwhile."""
    async with running(with_redis(own_redis.url, times=SELDOM)) as gateway:
        await asyncio.gather(*(gateway.connect(f"CP-{n}") for n in range(1_200)))
        own_redis.kill()
        await gateway.connect("CP-0")
        await gateway.connect("CP-new")
        await gateway.disconnect("CP-1")
        own_redis.start()
        await eventually(lambda: gateway.registry.counts.entered >= 1_200)
        assert gateway.registry.healthy
        for cp_id in ("CP-0", "CP-2", "CP-1199", "CP-new"):
            assert connection_of(own_redis.url, cp_id) == gateway.open[cp_id]
        assert connection_of(own_redis.url, "CP-1") is None
        await eventually(lambda: (in_redis(own_redis.url, "node:0") or "").startswith("gw-1 "))
        assert (gateway.closed, gateway.partitions) == ([], [])


async def test_a_redis_that_is_emptied_is_filled_soon(own_redis: RedisServer) -> None:
    """The lease that is missing says so."""
    async with running(with_redis(own_redis.url, times=SELDOM)) as gateway:
        epoch = await gateway.connect("CP-1")
        own_redis.empty()
        found = Connection("gw-1", 0, epoch)
        await eventually(lambda: connection_of(own_redis.url, "CP-1") == found)
        assert gateway.registry.counts.outages == 0
        assert gateway.partitions == []


async def test_after_an_outage_the_higher_epoch_counts(own_redis: RedisServer) -> None:
    """Two gateways had the charge point; the one that had it first is told."""
    async with (
        running(with_redis(own_redis.url, "gw-1", times=SELDOM)) as one,
        running(with_redis(own_redis.url, "gw-2", times=SELDOM)) as other,
    ):
        await eventually(lambda: one.registry.counts.renewed + 1)
        own_redis.kill()
        await one.connect("CP-1")
        # As far apart as the clocks of two gateways may be.
        await asyncio.sleep(0.1)
        second = await other.connect("CP-1")
        own_redis.start()
        await eventually(lambda: one.closed == [("CP-1", second)])
        assert other.closed == []
        assert connection_of(own_redis.url, "CP-1") == other.open["CP-1"]


async def test_of_two_with_the_same_epoch_one_is_left(own_redis: RedisServer) -> None:
    """The one who is in Redis first."""
    async with running(with_redis(own_redis.url)) as gateway:
        epoch = await gateway.connect("CP-1")
        with closing(client(own_redis.url)) as other:
            other.set("conn:CP-1", f"gw-2 1 {epoch}")
        await eventually(lambda: gateway.closed == [("CP-1", epoch + 1)])
        assert connection_of(own_redis.url, "CP-1") == Connection("gw-2", 1, epoch)


async def test_a_redis_that_stands_still_keeps_nobody_waiting(own_redis: RedisServer) -> None:
    """What it was asked in vain has no effect when it goes on; releases are made up for."""
    async with (
        running(with_redis(own_redis.url, "gw-1", times=SELDOM)) as one,
        running(with_redis(own_redis.url, "gw-2", times=SELDOM)) as other,
    ):
        await one.connect("CP-1")
        await one.connect("CP-2")
        own_redis.stop_still()
        try:
            loop = asyncio.get_running_loop()
            asked = loop.time()
            await one.connect("CP-1")  # in vain
            first_waited = loop.time() - asked
            await one.disconnect("CP-1")
            await one.disconnect("CP-2")
            second = await other.connect("CP-1")
            asked = loop.time()
            await asyncio.gather(*(one.connect(f"CP-new-{n}") for n in range(100)))
            assert loop.time() - asked < first_waited
        finally:
            own_redis.go_on()
        await eventually(lambda: one.registry.healthy and other.registry.healthy)
        found = Connection("gw-2", 1, second)
        await eventually(lambda: connection_of(own_redis.url, "CP-1") == found)
        await eventually(lambda: connection_of(own_redis.url, "CP-2") is None)
        await eventually(lambda: connection_of(own_redis.url, "CP-new-99") == one.open["CP-new-99"])
        assert (one.closed, other.closed) == ([], [])
        assert (one.partitions, other.partitions) == ([], [])
        assert one.registry.counts.outages == 1


async def test_what_is_taken_while_nothing_is_heard_is_found_out(own_redis: RedisServer) -> None:
    """Who subscribes again compares all."""
    async with running(with_redis(own_redis.url, times=SELDOM)) as gateway:
        await gateway.connect("CP-1")
        newer = gateway.open["CP-1"].epoch + 5
        with closing(client(own_redis.url)) as other:
            await eventually(lambda: other.pubsub_channels() == ["moved:gw-1"])
            other.set("conn:CP-1", f"gw-2 1 {newer}")
            other.client_kill_filter(_type="pubsub")
        await eventually(lambda: gateway.closed == [("CP-1", newer)])


async def test_nonsense_on_its_channel_harms_nobody(own_redis: RedisServer) -> None:
    """What follows it is heard."""
    async with running(with_redis(own_redis.url, times=SELDOM)) as gateway:
        await gateway.connect("CP-1")
        newer = gateway.open["CP-1"].epoch + 5
        with closing(client(own_redis.url)) as other:
            await eventually(lambda: other.pubsub_channels() == ["moved:gw-1"])
            for nonsense in ("", "CP-1", "CP-1 ", "CP-1 x", " 5", f"CP-2 {newer}", "CP-1 1"):
                other.publish("moved:gw-1", nonsense)
            other.publish("moved:gw-1", f"CP-1 {newer}")
        await eventually(lambda: gateway.closed == [("CP-1", newer)])


async def test_a_gateway_can_end_without_redis(own_redis: RedisServer) -> None:
    """It waits for nobody."""
    async with running(with_redis(own_redis.url)) as gateway:
        await gateway.connect("CP-1")
        own_redis.kill()
    assert len(gateway.registry) == 0
