"""All that is SQLite's own: how a file is opened, and how it is copied.

Theory of operation. The file is in WAL mode, so that reads go on beside a commit, and `synchronous`
is FULL, so that a commit is on the disk when it returns. The driver's own transactions are
switched off (`isolation_level` None); a writing one begins with BEGIN IMMEDIATE, because one that
begins with a read and then wants to write may be refused at once however long one would wait.
"""

import os
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

from common.errors import CannotStart

CHECKPOINT_PAGES = 4_000
"""Pages (4 KiB) in the log before they are moved into the file: SQLite's 1,000 would do that in
every second group under load."""

LOG_LIMIT = 64 * 1024 * 1024
"""Bytes to which the log shrinks again when a long read had made it longer."""

CACHE_KIB = 32 * 1024
"""Of the database's pages, in memory, for each connection."""

PRAGMAS: dict[str, str | int] = {
    "journal_mode": "wal",
    "synchronous": 2,  # FULL
    "foreign_keys": 1,
    "wal_autocheckpoint": CHECKPOINT_PAGES,
    "journal_size_limit": LOG_LIMIT,
    "cache_size": -CACHE_KIB,
}
"""Set for each connection, and read back: a pragma that is not understood says nothing."""

MIGRATING = PRAGMAS | {"foreign_keys": 0}
"""A table is altered by making it anew and dropping it, which the references to it would refuse."""


def path_of(url: URL) -> Path:
    """The database's file.

    Raises:
        CannotStart: There is none, or it or its folder cannot be written to.
    """
    if not url.database or url.database == ":memory:" or url.query:
        raise CannotStart("it must be a file and nothing else: sqlite:///central.db")
    path = Path(url.database)
    try:
        if not path.parent.is_dir():
            raise CannotStart(f"there is no folder {path.parent}")
        if path.is_dir():
            raise CannotStart("it is a folder")
        # The log lies beside the file, so the folder is written to as well.
        if not os.access(path.parent, os.W_OK, effective_ids=True):
            raise CannotStart(f"the folder {path.parent} is not writable")
        if path.exists() and not os.access(path, os.R_OK | os.W_OK, effective_ids=True):
            raise CannotStart("the file is not readable and writable")
    except OSError as error:  # a folder above it that may not be looked into
        raise CannotStart(str(error.strerror)) from error
    return path


def engine(
    url: URL,
    *,
    writes: bool,
    busy_timeout: float,
    pragmas: Mapping[str, str | int] = PRAGMAS,
) -> Engine:
    """Opens connections to the file, one for each `connect()`.

    Args:
        writes: Whether its transactions take the right to write at their beginning; without it
            nothing can be written at all.
        busy_timeout: Seconds to wait while somebody else writes.
    """
    made = create_engine(
        url, poolclass=NullPool, connect_args={"timeout": busy_timeout, "check_same_thread": False}
    )

    @event.listens_for(made, "connect")
    def prepare(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
        assert isinstance(connection, sqlite3.Connection)
        connection.isolation_level = None
        for name, wanted in pragmas.items():
            connection.execute(f"PRAGMA {name}={wanted}")
            (value,) = connection.execute(f"PRAGMA {name}").fetchone()
            if value != wanted:
                raise sqlite3.OperationalError(f"it takes no {name}={wanted}, and has {value}")
        if not writes:
            connection.execute("PRAGMA query_only=1")

    @event.listens_for(made, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return made


def copy(path: Path, revision: str) -> Path:
    """Copy the database as it is before `revision`; never seen half done under its name."""
    target = path.with_name(f"{path.name}.before-{revision}")
    unfinished = target.with_name(f"{target.name}.part")
    unfinished.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(unfinished)) as sink:
        source.backup(sink)
    with unfinished.open("rb") as file:
        os.fsync(file.fileno())
    unfinished.replace(target)
    return target
