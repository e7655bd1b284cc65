"""Gateways that share a Redis: charge points that change between them, and the partitions."""

import asyncio
from contextlib import AsyncExitStack, closing
from functools import partial

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from common.clock import SystemClock
from common.connection import Connection
from common.errors import CannotStart, Refused
from gateway.registry import RedisRegistry, Times, link
from tests.gateway.registries import (
    Gateway,
    connection_of,
    eventually,
    in_redis,
    running,
    with_redis,
)
from tests.redis.server import RedisServer, client

SELDOM = Times(ttl=30.0, renew_every=3600.0, lease_ttl=30.0, lease_every=10.0)
"""Nothing is renewed while a test lasts: what is seen was told."""


# -- The map --


async def test_redis_has_the_connection_as_the_records_have_it(redis_url: str) -> None:
    """Node, partition, epoch; and for a while only."""
    async with running(with_redis(redis_url)) as gateway:
        epoch = await gateway.connect("CP-1")
        assert connection_of(redis_url, "CP-1") == Connection("gw-1", 0, epoch)
        with closing(client(redis_url)) as asking:
            assert 0 < int(str(asking.pttl("conn:CP-1"))) <= 30_000
        await gateway.disconnect("CP-1")
        assert connection_of(redis_url, "CP-1") is None


async def test_a_charge_point_that_goes_elsewhere_is_let_go_at_once(redis_url: str) -> None:
    """The gateway that had it is told, without looking."""
    async with (
        running(with_redis(redis_url, "gw-1", times=SELDOM)) as one,
        running(with_redis(redis_url, "gw-2", times=SELDOM)) as other,
    ):
        await eventually(lambda: in_channels(redis_url) == {"moved:gw-1", "moved:gw-2"})
        first = await one.connect("CP-1")
        second = await other.connect("CP-1")
        assert second > first
        await eventually(lambda: one.closed == [("CP-1", second)])
        assert len(one.registry) == 0
        assert other.closed == []
        assert connection_of(redis_url, "CP-1") == Connection("gw-2", 1, second)
        assert (one.registry.counts.moved, other.registry.counts.replaced) == (1, 1)


async def test_one_who_was_not_told_finds_out(redis_url: str) -> None:
    """By the next renewal."""
    async with running(with_redis(redis_url, "gw-1")) as one:
        await one.connect("CP-1")
        newer = one.open["CP-1"].epoch + 5
        with closing(client(redis_url)) as other:
            other.set("conn:CP-1", f"gw-2 1 {newer}")
        await eventually(lambda: one.closed == [("CP-1", newer)])
        assert in_redis(redis_url, "conn:CP-1") == f"gw-2 1 {newer}"


async def test_an_old_holder_removes_nothing(redis_url: str) -> None:
    """Its release comes after the take of another gateway."""
    async with (
        running(with_redis(redis_url, "gw-1", times=SELDOM)) as one,
        running(with_redis(redis_url, "gw-2", times=SELDOM)) as other,
    ):
        first = await one.connect("CP-1")
        second = await other.connect("CP-1")
        await one.registry.release("CP-1", first)
        assert connection_of(redis_url, "CP-1") == Connection("gw-2", 1, second)


async def test_who_closed_its_connection_does_not_enter_it_again(redis_url: str) -> None:
    """Not by a renewal that was under way."""
    async with running(with_redis(redis_url)) as gateway:
        for _ in range(50):
            await gateway.connect("CP-1")
            await gateway.disconnect("CP-1")
        renewed = gateway.registry.counts.renewed
        await gateway.connect("CP-2")
        await eventually(lambda: gateway.registry.counts.renewed > renewed)
        assert connection_of(redis_url, "CP-1") is None


@pytest.mark.parametrize("wrong", ["", "nonsense", "gw-1 0 12", "gw-9 3 12", "12", "a b c d"])
async def test_what_is_wrong_in_redis_is_mended(redis_url: str, wrong: str) -> None:
    """Whoever wrote it."""
    async with running(with_redis(redis_url)) as gateway:
        epoch = await gateway.connect("CP-1")
        with closing(client(redis_url)) as other:
            other.set("conn:CP-1", wrong)
        await eventually(lambda: connection_of(redis_url, "CP-1") == Connection("gw-1", 0, epoch))
        assert gateway.closed == []


async def test_a_key_of_another_type_is_mended(redis_url: str) -> None:
    """By a renewal, and by a take."""
    async with running(with_redis(redis_url)) as gateway:
        await gateway.connect("CP-1")
        with closing(client(redis_url)) as other:
            other.delete("conn:CP-1")
            other.rpush("conn:CP-1", "x")
            other.rpush("conn:CP-2", "x")
        await gateway.connect("CP-2")
        await eventually(lambda: key_type(redis_url, "conn:CP-1") == "string")
        assert gateway.registry.counts.outages == 0


async def test_what_nobody_renews_ends(redis_url: str) -> None:
    """A gateway that died is not there for long."""
    times = Times(ttl=0.3, renew_every=0.1, lease_ttl=0.3, lease_every=0.1)
    async with running(with_redis(redis_url, times=times)) as gateway:
        await gateway.connect("CP-1")
        renewed = gateway.registry.counts.renewed
        await eventually(lambda: gateway.registry.counts.renewed > renewed + 5)
        assert connection_of(redis_url, "CP-1") is not None
        await gateway.crash()
        await eventually(lambda: in_redis(redis_url, "conn:CP-1") is None)
        await eventually(lambda: in_redis(redis_url, "node:0") is None)


async def test_many_who_come_at_once_share_round_trips(redis_url: str) -> None:
    """Ten thousand charge points are not ten thousand questions."""
    async with running(with_redis(redis_url, times=SELDOM)) as gateway:
        before = scripts_run(redis_url)
        await asyncio.gather(*(gateway.connect(f"CP-{n}") for n in range(10_000)))
        assert scripts_run(redis_url) - before < 100
        assert len(gateway.registry) == 10_000


async def test_a_gateway_that_closes_leaves_nothing(redis_url: str) -> None:
    """Its partition is free, and its charge points are nowhere."""
    async with running(with_redis(redis_url)) as gateway:
        for n in range(5):
            await gateway.connect(f"CP-{n}")
    assert in_redis(redis_url, "node:0") is None
    assert [connection_of(redis_url, f"CP-{n}") for n in range(5)] == [None] * 5


# -- Races --


async def test_of_two_who_take_it_at_the_same_time_one_has_it(redis_url: str) -> None:
    """The one with the higher epoch; the other is told."""
    async with (
        running(with_redis(redis_url, "gw-1")) as one,
        running(with_redis(redis_url, "gw-2")) as other,
    ):
        for n in range(50):
            cp_id = f"CP-{n}"
            epochs = await asyncio.gather(one.connect(cp_id), other.connect(cp_id))
            holder, loser = (one, other) if epochs[0] > epochs[1] else (other, one)
            await eventually(partial(_is_let_go, loser, cp_id))
            assert connection_of(redis_url, cp_id) == holder.open[cp_id]


def _is_let_go(gateway: Gateway, cp_id: str) -> bool:
    return cp_id not in gateway.open


steps = st.tuples(
    st.sampled_from(["take", "take", "release", "cancel", "late release"]),
    st.sampled_from([0, 1]),
    st.sampled_from(["CP-1", "CP-2"]),
)
together = st.lists(steps, min_size=1, max_size=5)
histories = st.lists(together | st.just("empty"), min_size=1, max_size=8)


@given(history=histories)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_in_any_order_the_newest_connection_is_the_one_left(
    redis_url: str, history: list[list[tuple[str, int, str]] | str]
) -> None:
    """Epochs rise, at most one gateway holds a charge point, and Redis and it agree."""
    asyncio.run(_play(redis_url, history))


async def _play(url: str, history: list[list[tuple[str, int, str]] | str]) -> None:
    with closing(client(url)) as emptying:
        emptying.flushdb()
    given: dict[str, list[int]] = {"CP-1": [0], "CP-2": [0]}
    async with (
        running(with_redis(url, "gw-1")) as one,
        running(with_redis(url, "gw-2")) as other,
    ):
        gateways = (one, other)

        async def take(gateway: Gateway, cp_id: str) -> None:
            highest = max(given[cp_id])
            epoch = await gateway.connect(cp_id)
            assert epoch > highest
            given[cp_id].append(epoch)

        async def play(what: str, who: int, cp_id: str) -> None:
            gateway = gateways[who]
            if what == "take":
                await take(gateway, cp_id)
            elif what == "cancel":
                taking = asyncio.ensure_future(gateway.registry.take(cp_id))
                await asyncio.sleep(0)
                taking.cancel()
                await asyncio.wait([taking])
            elif what == "release" and cp_id in gateway.open:
                await gateway.disconnect(cp_id)
            elif what == "late release":
                await gateway.registry.release(cp_id, given[cp_id][-1] - 1)

        for part in history:
            if part == "empty":
                # Epochs run ahead of the clock by as many as were given in one millisecond.
                await eventually(lambda: redis_time(url) >= max(map(max, given.values())) + 1)
                with closing(client(url)) as emptying:
                    emptying.flushdb()
            else:
                await asyncio.gather(*(play(*step) for step in part))
        await eventually(lambda: all(_settled(url, cp_id, gateways) for cp_id in given))
    for epochs in given.values():
        assert len(epochs) == len(set(epochs))


def _settled(url: str, cp_id: str, gateways: tuple[Gateway, ...]) -> bool:
    holding = [each.open[cp_id] for each in gateways if cp_id in each.open]
    return len(holding) <= 1 and connection_of(url, cp_id) == (holding[0] if holding else None)


# -- Partitions --


async def test_each_gateway_has_the_lowest_partition_that_is_free(redis_url: str) -> None:
    """And what one gives back, the next one gets."""
    async with AsyncExitStack() as first, AsyncExitStack() as others:
        one = await first.enter_async_context(running(with_redis(redis_url, "gw-1")))
        for n in (2, 3):
            each = await others.enter_async_context(running(with_redis(redis_url, f"gw-{n}")))
            assert each.registry.partition == n - 1
        assert one.registry.partition == 0
        await first.aclose()
        async with running(with_redis(redis_url, "gw-4")) as last:
            assert last.registry.partition == 0


async def test_a_gateway_does_not_start_where_no_partition_is_free(redis_url: str) -> None:
    """It says so in a sentence, after as long as a dead gateway's lease lasts."""
    async with running(with_redis(redis_url, "gw-1", partitions=1)):
        with pytest.raises(CannotStart, match="all 1 partitions of"):
            await with_redis(redis_url, "gw-2", partitions=1).start()


async def test_the_partition_of_a_dead_gateway_is_free_after_a_while(redis_url: str) -> None:
    """Who starts waits for it, if there is no other; also a gateway of the same name."""
    async with running(with_redis(redis_url, "gw-1", partitions=1)) as dead:
        await dead.crash()
        async with running(with_redis(redis_url, "gw-1", partitions=1)) as next_one:
            assert next_one.registry.partition == 0
            assert dead.registry.partition is None


async def test_who_loses_its_partition_takes_another_and_says_so(redis_url: str) -> None:
    """First that there is none, then which; and its connections name the new one."""
    async with running(with_redis(redis_url)) as gateway:
        epoch = await gateway.connect("CP-1")
        with closing(client(redis_url)) as other:
            other.set("node:0", "another")
        await eventually(lambda: gateway.partitions == [None, 1])
        assert gateway.registry.partition == 1
        assert gateway.registry.counts.leases_lost == 1
        moved = Connection("gw-1", 1, epoch)
        await eventually(lambda: connection_of(redis_url, "CP-1") == moved)
        assert gateway.closed == []
        assert in_redis(redis_url, "node:0") == "another"


async def test_without_a_partition_nobody_is_let_in(redis_url: str) -> None:
    """It would get no answers. As soon as there is one, all is well again."""
    async with running(with_redis(redis_url, partitions=1)) as gateway:
        with closing(client(redis_url)) as other:
            other.set("node:0", "another")
            await eventually(lambda: gateway.partitions == [None])
            with pytest.raises(Refused, match=r"overloaded: .* gateway"):
                await gateway.connect("CP-1")
            assert not gateway.registry.healthy
            assert len(gateway.registry) == 0
            other.delete("node:0")
        await eventually(lambda: gateway.partitions == [None, 0])
        await gateway.connect("CP-1")
        assert gateway.registry.healthy


class OwnClock(SystemClock):
    """A clock whose owner stood still for a while."""

    def __init__(self) -> None:
        self.stood_still = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.stood_still


async def test_who_stood_still_does_not_trust_its_lease(redis_url: str) -> None:
    """Until Redis says that it is still its own."""
    clock = OwnClock()
    registry = with_redis(redis_url, clock=clock, times=SELDOM)
    await registry.start()
    try:
        assert registry.partition == 0
        clock.stood_still = SELDOM.lease_ttl * 0.89
        assert registry.partition == 0
        clock.stood_still = SELDOM.lease_ttl * 0.91
        assert registry.partition is None
        assert registry.trouble == "the lease of the partition is not renewed in time"
    finally:
        await registry.close()


# -- Starting --


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost:6379",
        "http://localhost",
        "redis://localhost:port",
        "redis://localhost:99999",
        "redis://localhost?nonsense=1",
        "redis://localhost?socket_timeout=soon",
    ],
)
def test_a_wrong_url_is_a_sentence(url: str) -> None:
    """And not what redis-py says on its way to Redis."""
    with pytest.raises(CannotStart, match="this is no URL of a Redis: "):
        RedisRegistry(url, "gw-1", SystemClock(), partitions=4)


async def test_who_finds_no_redis_does_not_start(
    free_ports: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says where it looked, without the password."""
    monkeypatch.setattr(link, "START_WITHIN", 0.3)
    assert callable(free_ports)
    (port,) = free_ports(1)
    registry = with_redis(f"redis://user:secret@127.0.0.1:{port}/0")
    with pytest.raises(CannotStart, match=f"Redis at 127.0.0.1:{port} does not answer: ") as error:
        await registry.start()
    assert "secret" not in str(error.value)


async def test_one_that_takes_no_writes_is_no_redis(
    own_redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as one that follows another."""
    monkeypatch.setattr(link, "START_WITHIN", 0.3)
    with closing(client(own_redis.url)) as other:
        other.slaveof("127.0.0.1", 1)
    with pytest.raises(CannotStart, match="read only replica"):
        await with_redis(own_redis.url).start()


def in_channels(url: str) -> set[str]:
    with closing(client(url)) as asking:
        return {str(channel) for channel in asking.pubsub_channels()}


def key_type(url: str, key: str) -> str:
    with closing(client(url)) as asking:
        return str(asking.type(key))


def scripts_run(url: str) -> int:
    with closing(client(url)) as asking:
        stats = asking.info("commandstats")
        assert isinstance(stats, dict)
        return int(stats.get("cmdstat_evalsha", {"calls": 0})["calls"])


def redis_time(url: str) -> float:
    with closing(client(url)) as asking:
        seconds, microseconds = asking.time()
        return float(seconds * 1000 + microseconds / 1000)
