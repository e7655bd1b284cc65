"""Opens the database that a URL names, and sees to it that it has our schema.

The URL says which dialect. SQLite migrates itself, after a copy of its file; any other database
is migrated by `ev-central migrate` only, because others may be using it.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from secrets import token_bytes
from typing import Any

from sqlalchemy import (
    URL,
    Connection,
    Dialect,
    Engine,
    NullPool,
    Table,
    create_engine,
    make_url,
    select,
)
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from central.store import migrate, schema, sqlite
from central.store.gatherer import Gatherer
from central.store.statements import insert
from common.errors import CannotStart

BUSY_TIMEOUT = 5.0
"""Seconds to wait for another program's transaction before the database counts as unavailable."""


PATIENCE: Mapping[str, object] = {
    "application_name": "ev-central",
    "connect_timeout": 5,
    # A server that is cut off, or a machine that is gone: noticed while something is on its way
    # (ms), and while nothing is (s).
    "tcp_user_timeout": 5_000,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    # A server that is there and does not get on: another one holds a lock, or its disk stands; and
    # a transaction of ours that it keeps open because it never heard that our end is gone, or
    # because we stand still: shorter than a lease, which a standby could not take meanwhile (ms).
    "options": "-c statement_timeout=10000 -c lock_timeout=5000"
    " -c idle_in_transaction_session_timeout=2000",
}
"""How long a PostgreSQL server is waited for; the URL's own parameters count more."""


@dataclass(frozen=True, slots=True)
class Database:
    """The two ways into an opened database.

    Attributes:
        writing: For the one connection that writes.
        reading: For connections that cannot write, and read beside it.
        gatherer: Lets the work on either be done beside the event loop.
    """

    writing: Engine
    reading: Engine
    gatherer: type[Gatherer[Any, Any]] = Gatherer

    @property
    def dialect(self) -> Dialect:
        return self.writing.dialect


def migrate_database(text: str) -> str:
    """Give the database of this URL the schema of this program; what was done, in a sentence.

    Raises:
        CannotStart: Why not, in one sentence. Then nothing was changed.
    """
    url = _url(text)
    with _sentences(url):
        if url.get_backend_name() == "sqlite":
            found = _migrated_sqlite(url, BUSY_TIMEOUT)
        else:
            found = _migrated_server(url)
    newest = migrate.newest()
    if found == newest:
        return f"{_name(url)} is up to date: its schema is {newest}"
    return f"{_name(url)} is migrated from {found or 'empty'} to {newest}"


def opened(text: str, *, busy_timeout: float = BUSY_TIMEOUT) -> Database:
    """The database of this URL, with the schema of this program.

    Raises:
        CannotStart: Why not, in one sentence, without the password that the URL may hold.
    """
    url = _url(text)
    with _sentences(url):
        if url.get_backend_name() == "sqlite":
            return _opened_sqlite(url, busy_timeout)
        return _opened_server(url)


@contextmanager
def writing_beside(url: str, table: Table) -> Iterator[Connection]:
    """A transaction of another program than the central that serves, for changes of this table.

    Raises:
        CannotStart: The database cannot be used; the sentence says why. Nothing was written.
    """
    database = opened(url)
    try:
        with database.writing.begin() as connection:
            if database.dialect.name == "postgresql":
                # One after the other, so that a change is never seen before a lower one; in
                # SQLite only one may write at a time.
                connection.exec_driver_sql(f"LOCK TABLE {table.name} IN EXCLUSIVE MODE")
            yield connection
    except DBAPIError as error:
        raise CannotStart(f"cannot write to the database: {error.orig}") from error


def kafka_secret(database: Database) -> bytes:
    """What drivers' keys for Kafka are made of; made once for a database.

    Raises:
        CannotStart: It cannot be read or written.
    """
    table = schema.secrets
    made = insert(database.dialect, table).values(name="kafka", value=token_bytes(32))
    wanted = select(table.c.value).where(table.c.name == "kafka")
    try:
        with database.writing.begin() as connection:
            connection.execute(made.on_conflict_do_nothing())
            return bytes(connection.execute(wanted).scalar_one())
    except DBAPIError as error:
        raise CannotStart(f"cannot read the database: {error.orig}") from error


@contextmanager
def _sentences(url: URL) -> Iterator[None]:
    """What goes wrong with the database, said with its name."""
    try:
        yield
    except DBAPIError as error:
        why = str(error.orig).strip().replace("\n", " ")
        raise CannotStart(f"cannot open the database {_name(url)}: {why}") from error
    except CannotStart as error:
        raise CannotStart(f"cannot open the database {_name(url)}: {error}") from error


def _name(url: URL) -> str:
    return url.render_as_string(hide_password=True)


def _url(text: str) -> URL:
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        # Not repeated here: it may hold a password.
        raise CannotStart(
            "the database URL cannot be read; write it like sqlite:///central.db"
        ) from None
    if url.drivername == "postgresql":
        url = url.set(drivername="postgresql+psycopg")
    try:
        driver = url.get_dialect().driver
    except (NoSuchModuleError, ArgumentError):
        driver = ""
    if (url.get_backend_name(), driver) not in {("sqlite", "pysqlite"), ("postgresql", "psycopg")}:
        raise CannotStart(
            f"{url.drivername} is no database of this program; it takes sqlite:///FILE and "
            "postgresql://USER@HOST/NAME"
        )
    try:
        url.get_dialect().import_dbapi()
    except ImportError as error:
        raise CannotStart(f"the driver of {url.drivername} is not installed") from error
    return url


def _opened_sqlite(url: URL, busy_timeout: float) -> Database:
    _migrated_sqlite(url, busy_timeout)
    return Database(
        writing=sqlite.engine(url, writes=True, busy_timeout=busy_timeout),
        reading=sqlite.engine(url, writes=False, busy_timeout=busy_timeout),
    )


def _migrated_sqlite(url: URL, busy_timeout: float) -> str | None:
    """Migrate it, where that is needed, after a copy; the revision that it had."""
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
    return found


def _migrated_server(url: URL) -> str | None:
    """Migrate it, where that is needed; the revision that it had."""
    with _server(url).begin() as connection:
        found = migrate.present(connection)
        if found != migrate.newest():
            migrate.upgrade(connection)
    return found


def _server(url: URL) -> Engine:
    # By position, as `Statements` gives its values.
    return create_engine(
        url, poolclass=NullPool, paramstyle="format", connect_args={**PATIENCE, **url.query}
    )


def _opened_server(url: URL) -> Database:
    engine = _server(url)
    with engine.connect() as connection:
        found = migrate.present(connection)
    if found != migrate.newest():
        raise CannotStart(
            f"its schema is {found or 'empty'} and {migrate.newest()} is needed; "
            "run `ev-central migrate`"
        )
    return Database(writing=engine, reading=engine.execution_options(postgresql_readonly=True))
