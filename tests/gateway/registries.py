"""Gateways as a registry sees them, for the tests of registries."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing, suppress

from common.clock import Clock, SystemClock
from common.connection import Connection
from gateway.registry import MemoryRegistry, RedisRegistry, Registry, Times
from tests.redis.server import client

SOON = 20.0
"""Seconds for what takes milliseconds; a loaded machine takes longer."""

QUICK = Times(ttl=30.0, renew_every=0.2, lease_ttl=1.0, lease_every=0.1)
"""As quick as a test would have it."""


async def eventually(condition: Callable[[], object], within: float = SOON) -> None:
    """Return once the condition holds."""
    async with asyncio.timeout(within):
        while not condition():  # noqa: ASYNC110 -- nothing says when it comes to hold
            await asyncio.sleep(0.005)


class Gateway:
    """What a gateway does with a registry: it holds connections, and does as it is told.

    Attributes:
        open: Its connections, by charge point.
        closed: Those that the registry said were replaced.
        partitions: What it was told of partitions.
    """

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.open: dict[str, Connection] = {}
        self.closed: list[tuple[str, int]] = []
        self.partitions: list[int | None] = []
        self.run: asyncio.Task[None] | None = None
        registry.on_moved = self._moved
        registry.on_partition = self.partitions.append

    async def connect(self, cp_id: str) -> int:
        """A charge point connects; its epoch."""
        connection = await self.registry.take(cp_id)
        older = self.open.get(cp_id)
        if older is None or older.epoch < connection.epoch:
            self.open[cp_id] = connection
        return connection.epoch

    async def disconnect(self, cp_id: str) -> None:
        """It goes."""
        await self.registry.release(cp_id, self.open.pop(cp_id).epoch)

    async def crash(self) -> None:
        """It does nothing more, and gives nothing back."""
        if self.run is not None:
            self.run.cancel()
            with suppress(asyncio.CancelledError):
                await self.run
            self.run = None

    def _moved(self, cp_id: str, epoch: int) -> None:
        held = self.open.get(cp_id)
        if held is not None and held.epoch < epoch:
            del self.open[cp_id]
            self.closed.append((cp_id, epoch))


def with_redis(
    url: str,
    node: str = "gw-1",
    *,
    partitions: int = 4,
    times: Times = QUICK,
    clock: Clock | None = None,
) -> RedisRegistry:
    """A registry in this Redis."""
    return RedisRegistry(url, node, clock or SystemClock(), partitions=partitions, times=times)


def in_memory(node: str = "gw-1") -> MemoryRegistry:
    """A registry of a gateway alone."""
    return MemoryRegistry(node, SystemClock())


@asynccontextmanager
async def running(registry: Registry) -> AsyncIterator[Gateway]:
    """A gateway with this registry, until the end of the block."""
    gateway = Gateway(registry)
    await registry.start()
    try:
        gateway.run = asyncio.create_task(registry.run())
        yield gateway
    finally:
        await gateway.crash()
        await registry.close()


def in_redis(url: str, key: str) -> str | None:
    """What is there."""
    with closing(client(url)) as asking:
        found = asking.get(key)
        return None if found is None else str(found)


def connection_of(url: str, cp_id: str) -> Connection | None:
    """What Redis has of a charge point."""
    return Connection.of((in_redis(url, f"conn:{cp_id}") or "").encode())
