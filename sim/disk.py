"""What survives a crash, and what does not.

A disk keeps what was synced whatever happens; what was written and not synced survives the death of
the process, and not that of the machine, which keeps any part of it from the beginning.
"""

import errno
import os
from collections.abc import Callable
from random import Random

from sim.process import Process

Written = Callable[["JournalDisk", bytes], None]


class Killed(BaseException):
    """The process died at this very point: nothing of it goes on."""


class JournalDisk:
    """The disk of one engine, as `engine.disk.Disk` has it; it outlives its processes.

    Args:
        on_write: Told of all that is written, before it is.

    Attributes:
        process: Who uses it now.
        full: Nothing can be written.
        dies_at_write: Called at the next write, which is torn by it.
    """

    def __init__(self, name: str, random: Random, on_write: Written) -> None:
        self.name = name
        self.process: Process | None = None
        self.full = False
        self.dies_at_write: Callable[[], None] | None = None
        self._random = random
        self._on_write = on_write
        self._synced: bytes | None = None
        self._cached: bytes | None = None

    # -- What the engine does --

    def read(self) -> bytes | None:
        return self._cached

    def append(self, data: bytes) -> None:
        self._on_write(self, data)
        assert self._cached is not None
        self._may_write(data)
        self._cached += data
        self.sync()
        self._may_die()

    def replace(self, data: bytes) -> None:
        self._on_write(self, data)
        self._may_write(None)
        self._cached = data
        self.sync()
        self._may_die()

    def sync(self) -> None:
        """What was written is there for good."""
        self._synced = self._cached

    def _may_write(self, data: bytes | None) -> None:
        assert self.process is not None
        if not self.process.alive:
            raise Killed
        if self.full:
            if data is not None and self._cached is not None:
                self._cached += data[: self._random.randrange(len(data))]
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if self.dies_at_write is not None and self._random.random() < 0.5:
            if data is not None and self._cached is not None:
                self._cached += data[: self._random.randrange(len(data))]
            self._die()

    def _may_die(self) -> None:
        if self.dies_at_write is not None:
            self._die()

    def _die(self) -> None:
        assert self.dies_at_write is not None
        die, self.dies_at_write = self.dies_at_write, None
        die()
        raise Killed

    # -- What happens to it --

    def lose_power(self) -> None:
        """Of what was not synced any part is there, from its beginning on."""
        synced, cached = self._synced or b"", self._cached or b""
        if cached.startswith(synced):
            kept = self._random.randint(0, len(cached) - len(synced))
            self._cached = cached[: len(synced) + kept] if self._cached is not None else None
        else:
            self._cached = self._synced

    @property
    def content(self) -> bytes:
        """What is there now."""
        return self._cached or b""
