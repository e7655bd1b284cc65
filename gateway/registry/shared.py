"""A registry for gateways that share a Redis."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from common.clock import Clock, new_id
from common.connection import Connection
from common.errors import Reason, Refused
from gateway.registry.connections import ConnectionMap
from gateway.registry.interface import Counts
from gateway.registry.lease import PartitionLease
from gateway.registry.link import LOOK_EVERY, RedisLink
from gateway.registry.scripts import moved_channel

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Times:
    """How long things last in Redis, in seconds.

    Attributes:
        ttl: A connection that nobody renews.
        renew_every: Each connection is renewed once in this time.
        lease_ttl: A lease that nobody renews.
        lease_every: Between two renewals of the lease.
    """

    ttl: float = 30.0
    renew_every: float = 10.0
    lease_ttl: float = 10.0
    lease_every: float = 3.0


class RedisRegistry:
    """Implements `Registry` for gateways that share a Redis.

    Args:
        url: The Redis, 5 or later, as redis-py takes it; one server, or what looks like one.
        partitions: How many `ev.down` has.

    Raises:
        CannotStart: That is no URL of a Redis.
    """

    def __init__(
        self, url: str, node: str, clock: Clock, *, partitions: int, times: Times | None = None
    ) -> None:
        times = times or Times()
        self.node = node
        self.counts = Counts()
        self.on_moved: Callable[[str, int], None] = lambda cp_id, epoch: None
        self.on_partition: Callable[[int | None], None] = lambda partition: None
        self._link = RedisLink(url, clock, self.counts)
        self._lease = PartitionLease(
            self._link,
            clock,
            # With an id for this run: a gateway is not taken for an earlier one of the same name.
            f"{node} {new_id()}",
            self.counts,
            partitions=partitions,
            ttl=times.lease_ttl,
            renew_every=times.lease_every,
        )
        self._map = ConnectionMap(
            self._link,
            clock,
            node,
            lambda: self._lease.partition,
            self.counts,
            ttl=times.ttl,
            renew_every=times.renew_every,
        )
        self._map.on_moved = lambda cp_id, epoch: self.on_moved(cp_id, epoch)
        self._link.on_back = self._is_back
        self._lease.on_entered = self._map.compare
        self._lease.on_change = self._partition_changed

    @property
    def partition(self) -> int | None:
        return self._lease.partition

    @property
    def healthy(self) -> bool:
        return self.trouble is None

    @property
    def trouble(self) -> str | None:
        if self._link.trouble or self._lease.trouble:
            return self._link.trouble or self._lease.trouble
        return None if self._lease.trusted else "the lease of the partition is not renewed in time"

    def __len__(self) -> int:
        return len(self._map)

    async def start(self) -> None:
        try:
            await self._link.open()
            await self._lease.first()
        except BaseException:
            await self._link.close()
            raise

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._link.run())
            tasks.create_task(self._lease.run())
            tasks.create_task(self._map.run())
            tasks.create_task(self._listen())

    async def take(self, cp_id: str) -> Connection:
        # Before and after: it may be lost meanwhile.
        if self.partition is None:
            raise self._refused()
        epoch = await self._map.take(cp_id)
        partition = self.partition
        if partition is None:
            await self._map.release(cp_id, epoch)
            raise self._refused()
        return Connection(self.node, partition, epoch)

    async def release(self, cp_id: str, epoch: int) -> None:
        await self._map.release(cp_id, epoch)

    async def close(self) -> None:
        await self._map.release_everything()
        await self._lease.give_back()
        await self._link.close()

    def _refused(self) -> Refused:
        return Refused(Reason.OVERLOADED, self.trouble or "no partition of ev.down is leased")

    def _is_back(self) -> None:
        self._lease.redis_is_back()
        self._map.compare()

    def _partition_changed(self, partition: int | None) -> None:
        if partition is not None:
            self._map.compare()  # what is in Redis names the old one
        self.on_partition(partition)

    async def _listen(self) -> None:
        """Hear what others have taken over; what is not heard, a comparison finds."""
        while True:
            if self._link.up:
                await self._link.listen(moved_channel(self.node), self._map.compare, self._heard)
            await asyncio.sleep(LOOK_EVERY)

    def _heard(self, message: str) -> None:
        cp_id, _, epoch = message.rpartition(" ")
        if epoch.isdecimal():
            self._map.moved(cp_id, int(epoch))
        else:
            log.warning("not understood", channel=moved_channel(self.node), message=message)
