"""Opens the database that a URL names, and makes it ours: its schema, then our epoch.

The URL says which dialect. SQLite migrates itself, after a copy of its file; any other database
is migrated by `ev-central migrate` only, because others may be using it.
"""

from dataclasses import dataclass

from sqlalchemy import URL, Dialect, Engine, NullPool, create_engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from central.store import migrate, schema, sqlite
from central.store.statements import insert
from common.clock import Clock
from common.errors import CannotStart

BUSY_TIMEOUT = 5.0
"""Seconds to wait for another program's transaction before the database counts as unavailable."""


@dataclass(frozen=True, slots=True)
class Database:
    """The two ways into an opened database.

    Attributes:
        writing: For the one connection that writes.
        reading: For connections that cannot write, and read beside it.
    """

    writing: Engine
    reading: Engine

    @property
    def dialect(self) -> Dialect:
        return self.writing.dialect


def opened(text: str, *, busy_timeout: float = BUSY_TIMEOUT) -> Database:
    """The database of this URL, with the schema of this program.

    Raises:
        CannotStart: Why not, in one sentence, without the password that the URL may hold.
    """
    url = _url(text)
    name = url.render_as_string(hide_password=True)
    try:
        if url.get_backend_name() == "sqlite":
            return _opened_sqlite(url, busy_timeout)
        return _opened_server(url)
    except DBAPIError as error:
        why = str(error.orig).strip().replace("\n", " ")
        raise CannotStart(f"cannot open the database {name}: {why}") from error
    except CannotStart as error:
        raise CannotStart(f"cannot open the database {name}: {error}") from error


def raised_epoch(database: Database, clock: Clock) -> int:
    """Take the database over: whoever had it before can write no more.

    Raises:
        CannotStart: It does not take the write.
    """
    lease = schema.lease
    first = insert(database.dialect, lease).values(id=1, epoch=1, since=int(clock.wall()))
    taken = first.on_conflict_do_update(
        index_elements=[lease.c.id],
        set_={"epoch": lease.c.epoch + 1, "since": first.excluded.since},
    ).returning(lease.c.epoch)
    try:
        with database.writing.begin() as connection:
            return int(connection.execute(taken).scalar_one())
    except DBAPIError as error:
        raise CannotStart(f"cannot take the database over: {error.orig}") from error


def _url(text: str) -> URL:
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        # Not repeated here: it may hold a password.
        raise CannotStart(
            "the database URL cannot be read; write it like sqlite:///central.db"
        ) from None
    try:
        driver = url.get_dialect().driver
    except (NoSuchModuleError, ArgumentError):
        driver = ""
    if (url.get_backend_name(), driver) not in {("sqlite", "pysqlite"), ("postgresql", "psycopg")}:
        raise CannotStart(
            f"{url.drivername} is no database of this program; it takes sqlite:///FILE and "
            "postgresql+psycopg://USER@HOST/NAME"
        )
    try:
        url.get_dialect().import_dbapi()
    except ImportError as error:
        raise CannotStart(f"the driver of {url.drivername} is not installed") from error
    return url


def _opened_sqlite(url: URL, busy_timeout: float) -> Database:
    path = sqlite.path_of(url)
    # Only looked at until it is known to be ours: a pragma would change another program's file.
    looking = sqlite.engine(url, writes=False, busy_timeout=busy_timeout, pragmas={})
    with looking.connect() as connection:
        found = migrate.present(connection)
    if found != migrate.newest():
        if found is not None:
            sqlite.copy(path, migrate.newest())
        migrating = sqlite.engine(
            url, writes=True, busy_timeout=busy_timeout, pragmas=sqlite.MIGRATING
        )
        with migrating.begin() as connection:
            migrate.upgrade(connection)
    return Database(
        writing=sqlite.engine(url, writes=True, busy_timeout=busy_timeout),
        reading=sqlite.engine(url, writes=False, busy_timeout=busy_timeout),
    )


def _opened_server(url: URL) -> Database:
    # By position, as `Statements` gives its values.
    engine = create_engine(url, poolclass=NullPool, paramstyle="format")
    with engine.connect() as connection:
        found = migrate.present(connection)
    if found != migrate.newest():
        raise CannotStart(
            f"its schema is {found or 'empty'} and {migrate.newest()} is needed; "
            "run `ev-central migrate`"
        )
    return Database(writing=engine, reading=engine.execution_options(postgresql_readonly=True))
