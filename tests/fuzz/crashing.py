"""A file system that loses power: what was not synced may be there after it, or not, or in part.

It stands in for `os` in `engine.disk`. Data of a file is durable once the file was synced, a name
once its folder was; what came later is a guess. `outcomes` gives every state of the folder that may
be found after a loss of power at this moment.
"""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from engine import disk


class PowerLost(Exception):
    """It was at this operation; nothing happens any more."""


@dataclass
class File:
    """What was written, and how much of it is known to be on the disk.

    Attributes:
        content: As whoever reads it now sees it.
        synced: As it was when it was last synced.
    """

    content: bytes = b""
    synced: bytes = b""

    def after_a_crash(self) -> Iterator[bytes]:
        """Each content that may be found: what was synced, and any part of what came after it."""
        if not self.content.startswith(self.synced):
            yield self.synced  # it was cut short, and that may not be on the disk
        common = self.synced if self.content.startswith(self.synced) else b""
        news = self.content[len(common) :]
        for length in sorted({0, 1, len(news) // 2, len(news) - 1, len(news)}):
            if length >= 0:
                yield common + news[:length]
        if news:
            yield common + b"\0" * len(news)  # its length is on the disk, its data is not


class PowerlessOs:
    """As much of `os` as a journal's folder needs. One folder, and files in it.

    Attributes:
        left: Operations until the power goes; None for never.
        full: It says that there is no room, from now on.
    """

    O_RDONLY = O_RDWR = O_WRONLY = O_CREAT = O_TRUNC = O_CLOEXEC = O_DIRECTORY = 0

    def __init__(self, found: dict[str, bytes] | None = None) -> None:
        self.left: int | None = None
        self.full = False
        self.operations = 0
        files = {name: File(content, content) for name, content in (found or {}).items()}
        self._names = dict(files)
        self._synced_names = [dict(files)]
        self._open: dict[int, File | None] = {}

    def outcomes(self) -> Iterator[dict[str, bytes]]:
        """Each state of the folder that may be found if the power goes now."""
        for names in self._synced_names:
            yield from self._contents(list(names.items()))

    def _contents(self, files: list[tuple[str, File]]) -> Iterator[dict[str, bytes]]:
        if not files:
            yield {}
            return
        (name, file), *others = files
        for rest in self._contents(others):
            for content in file.after_a_crash():
                yield {name: content, **rest}

    def _happens(self) -> None:
        if self.left is not None:
            if self.left == 0:
                raise PowerLost
            self.left -= 1
        self.operations += 1

    # -- What the folder calls --

    def open(self, path: Path, flags: int, mode: int = 0) -> int:
        self._happens()
        number = max(self._open, default=2) + 1
        if path.name == "folder":
            self._open[number] = None
            return number
        if path.name not in self._names:
            self._rename_to({**self._names, path.name: File()})
        elif path.name == disk.Folder.NEW:  # the only one that is opened to be written anew
            self._names[path.name].content = b""
        self._open[number] = self._names[path.name]
        return number

    def write(self, number: int, data: bytes) -> int:
        self._happens()
        file = self._open[number]
        assert file is not None
        part = len(data) if len(data) < 2 else len(data) // 2 + 1  # as the kernel may
        if self.full:
            file.content += bytes(data[:3])  # there was room for a little
            raise OSError(errno.ENOSPC, "No space left on device")
        file.content += bytes(data[:part])
        return part

    def fsync(self, number: int) -> None:
        self._happens()
        file = self._open[number]
        if file is None:
            self._synced_names = [dict(self._names)]
        else:
            file.synced = file.content

    def rename(self, old: Path, new: Path) -> None:
        self._happens()
        names = dict(self._names)
        names[new.name] = names.pop(old.name)
        self._rename_to(names)

    def unlink(self, path: Path) -> None:
        self._happens()
        names = dict(self._names)
        del names[path.name]
        self._rename_to(names)

    def close(self, number: int) -> None:
        del self._open[number]

    def read(self) -> bytes | None:
        """The journal as it is now."""
        file = self._names.get(disk.Folder.JOURNAL)
        return None if file is None else file.content

    def _rename_to(self, names: dict[str, File]) -> None:
        self._names = names
        self._synced_names.append(dict(names))  # it may be on the disk already


class Powerless(disk.Folder):
    """A journal's folder on such a file system."""

    def __init__(self, system: PowerlessOs) -> None:
        self._path = Path("/folder")
        self._file = -1
        self._system = system

    def read(self) -> bytes | None:
        return self._system.read()


@contextmanager
def powerless(found: dict[str, bytes] | None = None) -> Iterator[tuple[PowerlessOs, Powerless]]:
    """A file system with this on it, and the folder there."""
    system: Any = PowerlessOs(found)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(disk, "os", system)
        yield system, Powerless(system)
