"""What survives a crash, and what does not.

Theory of operation. What was written is there for whoever reads it, also after the process that
wrote it was killed. When the machine loses its power, a file has what was synced of it and any part
of what was written after that, and a folder has the names that were synced and those of any later
moment. The engine's own `engine.disk` runs on this; `Calls` stands in there for `os`.
"""

import errno
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

from engine.disk import Folder
from sim.process import Process

Written = Callable[["SimulatedDisk", bytes], None]

SHORT = 0.05
"""How often the system writes less than it was given."""


class Killed(BaseException):
    """The process died at this very point: nothing of it goes on."""


@dataclass(eq=False, slots=True)
class _File:
    """A file: as it is read now, and as it was when it was last synced."""

    content: bytes = b""
    synced: bytes = b""


class SimulatedDisk:
    """The disk of one machine, with one folder; it outlives the machine's processes.

    Args:
        on_write: Told of all that is written, before it is.

    Attributes:
        process: Who uses it now.
        full: Nothing can be written.
        dies_at_write: Called at one of the next operations, which may be cut short by it.
    """

    def __init__(self, name: str, random: Random, on_write: Written) -> None:
        self.name = name
        self.process: Process | None = None
        self.full = False
        self.dies_at_write: Callable[[], None] | None = None
        self._random = random
        self._on_write = on_write
        self._names: dict[str, _File] = {}
        # As synced, and as they were after each change since.
        self._names_since: list[dict[str, _File]] = [{}]
        self._open: dict[int, _File | None] = {}
        self._numbers = 100

    # -- What the engine's folder does --

    def open(self, path: Path, flags: int) -> int:
        """A descriptor of the folder, or of a file in it."""
        self._begin()
        self._numbers += 1
        if flags & os.O_DIRECTORY:
            self._open[self._numbers] = None
            return self._numbers
        if path.name not in self._names:
            self._rename_to({**self._names, path.name: _File()})
        file = self._open[self._numbers] = self._names[path.name]
        if flags & os.O_TRUNC:
            file.content = b""
        self._end()
        return self._numbers

    def write(self, number: int, data: bytes | memoryview) -> int:
        """Write this, or a beginning of it."""
        self._must_live()
        whole = bytes(data)
        self._on_write(self, whole)
        part = self._random.randrange(len(whole)) if whole else 0
        file = self._open[number]
        assert file is not None
        if self.full:
            file.content += whole[:part]
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if self._is_due():
            file.content += whole[:part]
            self._die()
        if part and self._random.random() < SHORT:
            file.content += whole[:part]
            return part
        file.content += whole
        self._end()
        return len(whole)

    def fsync(self, number: int) -> None:
        """What the file, or the folder, has now is there for good."""
        self._begin()
        file = self._open[number]
        if file is None:
            self._names_since = [dict(self._names)]
        else:
            file.synced = file.content
        self._end()

    def rename(self, old: Path, new: Path) -> None:
        """Put a file in place of another."""
        self._begin()
        names = dict(self._names)
        names[new.name] = names.pop(old.name)
        self._rename_to(names)
        self._end()

    def unlink(self, path: Path) -> None:
        """Remove a file."""
        self._begin()
        names = dict(self._names)
        del names[path.name]
        self._rename_to(names)

    def close(self, number: int) -> None:
        """Close a descriptor."""
        self._open.pop(number, None)

    def read(self, name: str) -> bytes | None:
        """What is there now."""
        file = self._names.get(name)
        return None if file is None else file.content

    def _rename_to(self, names: dict[str, _File]) -> None:
        self._names = names
        self._names_since.append(names)

    def _must_live(self) -> None:
        assert self.process is not None
        if not self.process.alive:
            raise Killed

    def _begin(self) -> None:
        self._must_live()
        if self._is_due():
            self._die()

    def _end(self) -> None:
        if self._is_due():
            self._die()

    def _is_due(self) -> bool:
        return self.dies_at_write is not None and self._random.random() < 0.3

    def _die(self) -> None:
        assert self.dies_at_write is not None
        die, self.dies_at_write = self.dies_at_write, None
        die()
        raise Killed

    # -- What happens to it --

    def lose_power(self) -> None:
        """Of what was not synced there is what chance has left."""
        files = {id(file): file for names in self._names_since for file in names.values()}
        self._names = dict(self._random.choice(self._names_since))
        self._names_since = [dict(self._names)]
        self._open.clear()
        for file in files.values():
            kept = file.synced if file.content.startswith(file.synced) else b""
            news = file.content[len(kept) :]
            if not kept and file.synced and self._random.random() < 0.5:
                kept, news = file.synced, b""  # that it was cut short is not on the disk
            file.content = file.synced = kept + news[: self._random.randint(0, len(news))]

    @property
    def durable(self) -> bytes:
        """What of the journal would be there at least, if the power went now."""
        file = self._names_since[0].get(Folder.JOURNAL)
        return b"" if file is None else file.synced


class Calls:
    """Stands in for `os` in `engine.disk`: each call goes to the disk of who makes it.

    Args:
        disk: Whose turn it is.
    """

    O_RDONLY, O_WRONLY, O_RDWR = os.O_RDONLY, os.O_WRONLY, os.O_RDWR
    O_CREAT, O_TRUNC, O_CLOEXEC, O_DIRECTORY = os.O_CREAT, os.O_TRUNC, os.O_CLOEXEC, os.O_DIRECTORY

    def __init__(self, disk: Callable[[], SimulatedDisk]) -> None:
        self._disk = disk

    def open(self, path: Path, flags: int, _mode: int = 0o666) -> int:
        return self._disk().open(path, flags)

    def write(self, number: int, data: bytes | memoryview) -> int:
        return self._disk().write(number, data)

    def fsync(self, number: int) -> None:
        self._disk().fsync(number)

    def rename(self, old: Path, new: Path) -> None:
        self._disk().rename(old, new)

    def unlink(self, path: Path) -> None:
        self._disk().unlink(path)

    def close(self, number: int) -> None:
        self._disk().close(number)


class JournalFolder(Folder):
    """An engine's folder on a simulated disk; nobody else holds it."""

    def __init__(self, disk: SimulatedDisk) -> None:
        self._path = Path("journal")
        self._file = self._lock = -1
        self._disk = disk

    def read(self) -> bytes | None:
        return self._disk.read(self.JOURNAL)
