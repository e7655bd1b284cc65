"""The lease of a partition of `ev.down`.

Theory of operation. The lease lasts for a TTL by Redis's clock, and is renewed several times in
it. By its own clock a gateway trusts it a little shorter, counted from before it asked; so of those
who trust the lease of a partition there is one at most, also when one of them stood still.

While Redis does not answer nobody can lease anything, and a gateway goes on with the partition that
it has: its charge points must get their answers. If it is only this gateway that does not reach
Redis, another may get the same partition; then both read it, and that does no harm: every record
says which gateway and connection it is for, and the others drop it. The one who has come too late
learns it when Redis answers again, and takes another.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress

import structlog

from common.clock import Clock
from common.errors import CannotStart
from gateway.registry.interface import Counts
from gateway.registry.link import RedisDown, RedisLink
from gateway.registry.scripts import GIVE_BACK, KEEP, LEASE, partition_key

log = structlog.get_logger()

TRY_EVERY = 0.5
"""Seconds between two tries to get a partition, where none was free."""


class PartitionLease:
    """A partition, from when it is leased until it is lost; then another.

    Args:
        holder: Who leases it.
        partitions: How many there are.
        ttl: Seconds for which a lease lasts.
        renew_every: Seconds between two renewals.

    Attributes:
        on_change: Called with the partition when it has changed; None: there is none now.
        on_entered: Called when Redis had lost the lease.
        trouble: Why there is no partition; None if there is one.
    """

    def __init__(
        self,
        link: RedisLink,
        clock: Clock,
        holder: str,
        counts: Counts,
        *,
        partitions: int,
        ttl: float,
        renew_every: float,
    ) -> None:
        self.on_change: Callable[[int | None], None] = lambda partition: None
        self.on_entered: Callable[[], None] = lambda: None
        self.trouble: str | None = "no partition of ev.down is leased yet"
        self._link = link
        self._clock = clock
        self._holder = holder
        self._counts = counts
        self._keys = [partition_key(partition) for partition in range(partitions)]
        self._ttl = ttl
        self._renew_every = renew_every
        self._number: int | None = None
        self._trusted_until = float("-inf")
        self._now = asyncio.Event()
        self._is_back = False

    @property
    def trusted(self) -> bool:
        """Whether by our own clock nobody else can have the partition."""
        return self._number is not None and self._clock.monotonic() < self._trusted_until

    @property
    def partition(self) -> int | None:
        """The partition to read now."""
        without_redis = self._is_back or not self._link.up
        return self._number if self.trusted or without_redis else None

    async def first(self) -> None:
        """Lease the lowest that is free; that of a gateway that died is so after a TTL.

        Raises:
            CannotStart: None is, or Redis does not answer.
        """
        until = self._clock.monotonic() + 1.5 * self._ttl
        try:
            while not await self._take():
                if self._clock.monotonic() > until:
                    raise CannotStart(self.trouble)
                await asyncio.sleep(TRY_EVERY)
        except RedisDown as error:
            raise CannotStart(str(error)) from None

    def redis_is_back(self) -> None:
        """Renew it now; until that is answered, all is as it was without Redis."""
        self._is_back = True
        self._now.set()

    async def run(self) -> None:
        """Keep it, for ever; get another one where it is lost."""
        while True:
            wait = self._renew_every if self._number is not None else TRY_EVERY
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._now.wait()
            self._now.clear()
            with suppress(RedisDown):  # said where it was found; it calls us when it is back
                if self._number is not None:
                    await self._keep(self._number)
                if self._number is None and await self._take():
                    self.on_change(self._number)

    async def give_back(self) -> None:
        """Let the next one have it at once."""
        if self._number is None:
            return
        number, self._number = self._number, None
        try:
            await self._link.call(GIVE_BACK, [self._keys[number]], [self._holder])
        except RedisDown as error:
            log.info("partition not given back", partition=number, why=str(error))

    async def _take(self) -> bool:
        asked = self._clock.monotonic()
        number = await self._link.call(LEASE, self._keys, [self._holder, self._ttl_ms])
        if number < 0:
            self.trouble = f"all {len(self._keys)} partitions of ev.down are other gateways'"
            return False
        log.info("partition leased", partition=number)
        self._number, self.trouble = number, None
        self._trust(asked)
        return True

    async def _keep(self, number: int) -> None:
        asked = self._clock.monotonic()
        found = await self._link.call(KEEP, [self._keys[number]], [self._holder, self._ttl_ms])
        self._is_back = False
        if found != "lost":
            self._trust(asked)
            if found == "entered":
                self.on_entered()
            return
        log.warning("partition lost", partition=number)
        self._counts.leases_lost += 1
        self._number = None
        self.trouble = f"partition {number} of ev.down is another gateway's now"
        self.on_change(None)

    @property
    def _ttl_ms(self) -> int:
        return round(self._ttl * 1000)

    def _trust(self, asked: float) -> None:
        # A tenth: clocks do not run at quite the same speed.
        self._trusted_until = asked + 0.9 * self._ttl
