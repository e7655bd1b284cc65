"""A registry for one gateway alone: nobody else holds anything."""

import asyncio
from collections.abc import Callable

from common.clock import Clock
from common.connection import Connection
from gateway.registry.epochs import ClockEpochs
from gateway.registry.interface import Counts

FORGET_EVERY = 10.0
"""Seconds between two looks for epochs that the clock has passed."""


class MemoryRegistry:
    """Implements `Registry` for a gateway without Redis.

    Partition 0 is its own for ever. Epochs rise by the machine's clock, so after a restart as well
    unless the clock was set back meanwhile.
    """

    def __init__(self, node: str, clock: Clock) -> None:
        self.node = node
        self.counts = Counts()
        self.on_moved: Callable[[str, int], None] = lambda cp_id, epoch: None
        self.on_partition: Callable[[int | None], None] = lambda partition: None
        self._epochs = ClockEpochs(lambda: int(clock.wall() * 1000))
        self._held: dict[str, int] = {}

    @property
    def partition(self) -> int | None:
        return 0

    @property
    def healthy(self) -> bool:
        return True

    @property
    def trouble(self) -> str | None:
        return None

    def __len__(self) -> int:
        return len(self._held)

    async def start(self) -> None:
        """Nothing is needed."""

    async def run(self) -> None:
        while True:
            await asyncio.sleep(FORGET_EVERY)
            self._epochs.forget()

    async def take(self, cp_id: str) -> Connection:
        epoch = self._epochs.next(cp_id, self._held.get(cp_id, 0))
        self._held[cp_id] = epoch
        self.counts.taken += 1
        self.counts.by_clock += 1
        return Connection(self.node, 0, epoch)

    async def release(self, cp_id: str, epoch: int) -> None:
        if self._held.get(cp_id) == epoch:
            del self._held[cp_id]

    async def close(self) -> None:
        self._held.clear()
