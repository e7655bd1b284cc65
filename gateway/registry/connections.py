"""The map of connections, in Redis: who holds which charge point."""

import asyncio
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from typing import Any, TypeVar

import structlog

from common.clock import Clock
from gateway.registry.batches import Batches
from gateway.registry.epochs import ClockEpochs
from gateway.registry.interface import Counts
from gateway.registry.link import ANSWER_WITHIN, RedisDown, RedisLink
from gateway.registry.scripts import RELEASE, RENEW, TAKE, connection_key

log = structlog.get_logger()

BATCH = 500
"""Connections in one script: Redis serves nobody else meanwhile, for some 2 ms."""

STEPS = 40
"""Into so many steps one round of renewals is divided, so that the load is even."""

T = TypeVar("T")


class ConnectionMap:
    """The connections that are held here, and what Redis has of them.

    Theory of operation. Each connection is renewed several times in its TTL, and a renewal is a
    comparison: what is missing in Redis, or older, is written again; what is newer was taken by
    somebody else, and ours is let go. The other way round nothing needs comparing: what Redis has
    of us and we have not is renewed by nobody, and ends.

    Args:
        partition: Which is ours now; None: none, and nothing is renewed.
        ttl: Seconds for which an entry lasts.
        renew_every: Seconds in which each is renewed once.
    """

    def __init__(
        self,
        link: RedisLink,
        clock: Clock,
        node: str,
        partition: Callable[[], int | None],
        counts: Counts,
        *,
        ttl: float,
        renew_every: float,
    ) -> None:
        self.on_moved: Callable[[str, int], None] = lambda cp_id, epoch: None
        self._link = link
        self._clock = clock
        self._node = node
        self._partition = partition
        self._counts = counts
        self._ttl_ms = round(ttl * 1000)
        self._renew_every = renew_every
        self._taking: Counter[str] = Counter()
        self._newer: dict[str, int] = {}
        self._held: dict[str, int] = {}  # by when each was renewed, the longest ago first
        self._epochs = ClockEpochs(link.time.at_most)
        self._unreleased: dict[str, int] = {}
        self._missing: set[str] = set()
        self._compare_all = asyncio.Event()
        self._takes: Batches[str, int] = Batches(self._take_all, BATCH)
        self._releases: Batches[tuple[str, int], None] = Batches(self._release_all, BATCH)

    def __len__(self) -> int:
        return len(self._held)

    async def take(self, cp_id: str) -> int:
        """This charge point is here now: the epoch of its connection. Cancelled, it is released."""
        taken = self._takes.ask(cp_id)
        self._taking[cp_id] += 1
        epoch = 0
        try:
            epoch = await asyncio.shield(taken)
        except asyncio.CancelledError:
            taken.add_done_callback(lambda taken: self._give_up(cp_id, taken.result()))
            raise
        finally:
            self._taking[cp_id] -= 1
            if not self._taking[cp_id]:
                del self._taking[cp_id]
                newest = self._newer.pop(cp_id, 0)
                if newest > epoch:
                    # Not before who took it can close it.
                    asyncio.get_running_loop().call_soon(self.moved, cp_id, newest)
        return epoch

    async def release(self, cp_id: str, epoch: int) -> None:
        """This connection is closed. Returns when Redis knows, or does not answer."""
        await asyncio.shield(self._let_go(cp_id, epoch))

    async def release_everything(self) -> None:
        """Nothing is held here any more."""
        await self._takes.finish()
        for cp_id, epoch in list(self._held.items()):
            self._let_go(cp_id, epoch)
        await self._releases.finish()

    def moved(self, cp_id: str, epoch: int) -> None:
        """Somebody has taken a connection of this charge point, with this epoch."""
        if cp_id in self._taking:
            # It may be newer than what is being taken, whose epoch is not known yet.
            self._newer[cp_id] = max(epoch, self._newer.get(cp_id, 0))
            return
        if self._held.get(cp_id, epoch) < epoch:
            del self._held[cp_id]
            self._counts.moved += 1
        self.on_moved(cp_id, epoch)

    def compare(self) -> None:
        """Compare all with Redis, soon."""
        self._compare_all.set()

    async def run(self) -> None:
        """Keep Redis as it should be, for ever."""
        step = self._renew_every / STEPS
        renewed = self._clock.monotonic()
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(step):
                    await self._compare_all.wait()
            now = self._clock.monotonic()
            share = 1.0 if self._compare_all.is_set() else (now - renewed) / self._renew_every
            renewed = now
            self._compare_all.clear()
            with suppress(RedisDown):  # said where it was found; all is compared when it is back
                await self._mend(min(share, 1.0))

    async def _mend(self, share: float) -> None:
        """Make up for what could not be done, and renew this share of the connections."""
        if unreleased := list(self._unreleased.items()):
            self._unreleased.clear()
            await self._release_all(unreleased)
        missing, self._missing = self._missing, set()
        await self._renew(missing)
        await self._renew(list(islice(self._held, math.ceil(len(self._held) * share))))
        self._epochs.forget()

    async def _take_all(self, cp_ids: Sequence[str]) -> list[int]:
        try:
            epochs = await self._take_in_redis(cp_ids)
        except RedisDown:
            epochs = []
        if not epochs:
            epochs = [self._epochs.next(cp_id, self._held.get(cp_id, 0)) for cp_id in cp_ids]
            self._counts.by_clock += len(epochs)
            self._missing.update(cp_ids)
        self._counts.taken += len(epochs)
        for cp_id, epoch in zip(cp_ids, epochs, strict=True):
            self._held[cp_id] = max(epoch, self._held.get(cp_id, 0))
            self._unreleased.pop(cp_id, None)
        return epochs

    async def _take_in_redis(self, cp_ids: Sequence[str]) -> list[int]:
        """Their epochs; none if Redis came to this too late, or no partition is ours.

        Raises:
            RedisDown: It does not answer.
        """
        partition = self._partition()
        if partition is None:
            return []
        asked = self._clock.monotonic()
        not_after = self._link.time.at_least() + round(ANSWER_WITHIN * 1000)
        above = [max(self._held.get(cp_id, 0), self._epochs.last(cp_id)) for cp_id in cp_ids]
        answer: list[Any] = await self._link.call(
            TAKE,
            [connection_key(cp_id) for cp_id in cp_ids],
            [self._node, partition, self._ttl_ms, not_after, *above],
        )
        time, *taken = answer
        self._link.time.seen(time, asked)
        self._counts.replaced += sum(holder not in ("", self._node) for holder in taken[1::2])
        return taken[::2]

    def _give_up(self, cp_id: str, epoch: int) -> None:
        self.moved(cp_id, epoch)  # it has replaced those before it all the same
        self._let_go(cp_id, epoch)

    def _let_go(self, cp_id: str, epoch: int) -> asyncio.Future[None]:
        if self._held.get(cp_id) == epoch:
            del self._held[cp_id]
        return self._releases.ask((cp_id, epoch))

    async def _release_all(self, connections: Sequence[tuple[str, int]]) -> list[None]:
        keys = [connection_key(cp_id) for cp_id, _ in connections]
        epochs = [epoch for _, epoch in connections]
        try:
            await self._link.call(RELEASE, keys, [self._node, self._ttl_ms, *epochs])
        except RedisDown:
            self._unreleased.update(connections)
        return [None] * len(connections)

    async def _renew(self, cp_ids: Iterable[str]) -> None:
        for batch in _batches(cp_ids):
            await self._renew_batch(batch)

    async def _renew_batch(self, cp_ids: Sequence[str]) -> None:
        partition = self._partition()
        # Some may have been let go while those before them were renewed.
        held = [(cp_id, self._held[cp_id]) for cp_id in cp_ids if cp_id in self._held]
        if partition is None or not held:
            return
        keys = [connection_key(cp_id) for cp_id, _ in held]
        epochs = [epoch for _, epoch in held]
        arguments: list[str | int] = [self._node, partition, self._ttl_ms, *epochs]
        asked = self._clock.monotonic()
        answer: list[int] = await self._link.call(RENEW, keys, arguments)
        time, entered, *newer = answer
        self._link.time.seen(time, asked)
        self._counts.renewed += len(held)
        self._counts.entered += entered
        for cp_id, epoch in held:
            if self._held.get(cp_id) == epoch:
                self._held[cp_id] = self._held.pop(cp_id)  # renewed last of all
            else:
                # Let go meanwhile; where Redis had lost that as well, it was entered again.
                self._releases.ask((cp_id, epoch))
        for number, epoch in zip(newer[::2], newer[1::2], strict=True):
            cp_id, ours = held[number - 1]
            self._is_replaced(cp_id, ours, epoch)

    def _is_replaced(self, cp_id: str, ours: int, epoch: int) -> None:
        # If it is not what is held here now, it was replaced by what is.
        if self._held.get(cp_id) == ours:
            # Of two with the same epoch the other counts; so ours is lower than the next.
            self.moved(cp_id, max(epoch, ours + 1))


def _batches(things: Iterable[T]) -> Iterator[list[T]]:
    rest = iter(things)
    while batch := list(islice(rest, BATCH)):
        yield batch
