"""The folder that an engine keeps its journal in: read, append, replace. All of the engine's I/O.

What `append` and `replace` have written is on the disk when they return. They block: nothing may
be said before it is on the disk, and a commit takes milliseconds. A disk that hangs hangs the
engine, and the monitor then reports it.
"""

import contextlib
import fcntl
import os
from pathlib import Path
from typing import Protocol

from common.errors import CannotStart


class Disk(Protocol):
    """Where a journal is kept. All raise `OSError`."""

    @property
    def name(self) -> str:
        """What people call it."""

    def read(self) -> bytes | None:
        """All that is there; None if there never was anything."""

    def append(self, data: bytes) -> None:
        """Write at the end. If it raises, any part of `data` may be there, or nothing."""

    def replace(self, data: bytes) -> None:
        """Put `data` in place of all that is there, as a whole or not at all.

        If it raises, what was there may come back after a loss of power.
        """


class Folder:
    """A folder on a real disk, held by one engine at a time.

    Raises:
        CannotStart: It cannot be made or written, or another engine holds it.
    """

    JOURNAL = "journal"
    NEW = "journal.new"
    LOCK = "lock"

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = -1
        try:
            path.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(path / self.LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            why = error.strerror
            raise CannotStart(f"cannot write to the journal folder {path}: {why}") from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._lock)
            if isinstance(error, BlockingIOError):
                text = f"the journal folder {path} is in use by another engine"
            else:
                text = f"cannot lock the journal folder {path}: {error.strerror}"
            raise CannotStart(text) from None

    @property
    def name(self) -> str:
        return str(self._path / self.JOURNAL)

    def read(self) -> bytes | None:
        try:
            return (self._path / self.JOURNAL).read_bytes()
        except FileNotFoundError:
            return None

    def append(self, data: bytes) -> None:
        _write(self._file, data)

    def replace(self, data: bytes) -> None:
        new = self._path / self.NEW
        file = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        try:
            _write(file, data)
            os.rename(new, self._path / self.JOURNAL)
        except OSError:
            os.close(file)
            with contextlib.suppress(OSError):
                os.unlink(new)  # on a full disk a torn copy would take the room that is lacking
            raise
        # The old file has no name any more, whatever becomes of the folder.
        self._close_file()
        self._file = file
        self._sync_folder()

    def close(self) -> None:
        """Let go of the folder."""
        self._close_file()
        os.close(self._lock)

    def _sync_folder(self) -> None:
        folder = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _close_file(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def _write(file: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(file, rest) :]
    os.fsync(file)
