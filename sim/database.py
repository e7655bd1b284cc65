"""Central's database in memory, and its writer without a thread.

What is committed is there for whoever opens it next; a commit is one step, so a central that is
killed has either committed or not. A commit takes a while before and after: a central may die when
it is done and nobody knows yet.
"""

import asyncio
import sqlite3
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from functools import cache
from itertools import count
from random import Random
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection, Engine, NullPool, create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

from central.store import schema
from central.store.database import Database
from common.errors import Reason, Refused, StoreUnavailable
from sim.clocks import BEGAN
from sim.loop import SimulatedLoop
from sim.process import Process

Job = TypeVar("Job")
Result = TypeVar("Result")

JULIAN_BEGAN = 2440587.5
"""The Julian day of Unix second 0."""

_names = count()


@cache
def _template() -> sqlite3.Connection:
    """An empty database with the schema, to be copied."""
    url = "file:simulation-template?mode=memory&cache=shared"
    kept = sqlite3.connect(url, uri=True)
    schema.metadata.create_all(
        create_engine("sqlite://", creator=lambda: sqlite3.connect(url, uri=True))
    )
    with kept:
        kept.execute("INSERT INTO secrets (name, value) VALUES ('kafka', ?)", (b"\1" * 32,))
    return kept


class SimulatedDatabase:
    """One database server; it outlives the centrals.

    Args:
        on_commit: Told which process has just committed something.

    Attributes:
        failing: No write is taken now.
        delay: Seconds by which each piece of work takes longer.
        kills_at_commit: Called right before or right after the next commit, with who makes it.
    """

    def __init__(
        self, loop: SimulatedLoop, random: Random, on_commit: Callable[[Process], None]
    ) -> None:
        self.on_commit = on_commit
        self.failing = False
        self.delay = 0.0
        self.kills_at_commit: Callable[[Process], None] | None = None
        self.loop = loop
        self.random = random
        self._url = f"file:simulation-{next(_names)}?mode=memory&cache=shared"
        self._kept = sqlite3.connect(self._url, uri=True, isolation_level=None)
        _template().backup(self._kept)

    def query(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """What is committed; not as central reads it."""
        return self._kept.execute(sql, values).fetchall()

    def dump(self) -> bytes:
        """All rows of all tables."""
        lines = self._kept.iterdump()
        return "\n".join(sorted(line for line in lines if line.startswith("INSERT"))).encode()

    def close(self) -> None:
        """The history is over."""
        self._kept.close()

    def opened(self) -> Database:
        """What central opens."""
        database = self

        class Inline(InlineGatherer[Any, Any]):
            of = database

        return Database(
            writing=_engine(self, self._url, writes=True),
            reading=_engine(self, self._url, writes=False),
            gatherer=Inline,  # type: ignore[arg-type]  # all of Gatherer but its thread
        )

    def julian_day(self) -> float:
        """The database's clock, which is right, as SQLite's `julianday('now')`."""
        return JULIAN_BEGAN + (BEGAN + self.loop.now) / 86_400.0


def _engine(of: SimulatedDatabase, url: str, *, writes: bool) -> Engine:
    # SQLAlchemy keeps what a killed central has opened for as long as it can be reached, and from
    # it this database can be reached: only weakly, or no history would ever be let go of.
    database = weakref.proxy(of)
    made = create_engine(
        "sqlite://",
        creator=lambda: sqlite3.connect(url, uri=True, check_same_thread=False),
        poolclass=NullPool,
        pool_reset_on_return=None,  # a transaction is one step: none is ever left open
    )

    @event.listens_for(made, "connect")
    def prepare(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
        assert isinstance(connection, sqlite3.Connection)
        connection.isolation_level = None
        connection.execute("PRAGMA foreign_keys=1")
        connection.create_function("julianday", 1, lambda _: database.julian_day())
        if not writes:
            connection.execute("PRAGMA query_only=1")

    @event.listens_for(made, "begin")
    def begin(connection: Connection) -> None:
        if writes:
            connection.exec_driver_sql(f"PRAGMA query_only={int(database.failing)}")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return made


class InlineGatherer(Generic[Job, Result]):
    """A `Gatherer` without a thread: each group is one step of the loop, some time later."""

    of: SimulatedDatabase

    def __init__(
        self,
        name: str,
        work: Callable[[Sequence[Job]], Sequence[Result | Exception]],
        cleanup: Callable[[], None],
        *,
        at_once: int,
        waiting: int,
    ) -> None:
        self._writes = name == "store-writer"
        self._work = work
        self._cleanup = cleanup
        self._at_once = at_once
        self._limit = waiting
        self._queue: deque[tuple[Job, asyncio.Future[Result]]] = deque()
        self._is_working = self._closed = False
        self._idle = asyncio.Event()
        self._idle.set()

    async def do(self, job: Job) -> Result:
        if self._closed:
            raise StoreUnavailable("it is closed")
        if len(self._queue) >= self._limit:
            raise Refused(Reason.OVERLOADED, "too much waits for the database")
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._queue.append((job, future))
        if not self._is_working:
            self._begin()
        return await future

    async def close(self) -> None:
        self.stop()
        await self._idle.wait()
        self._cleanup()

    def stop(self) -> None:
        self._closed = True

    def _begin(self) -> None:
        self._is_working = True
        self._idle.clear()
        self._later(self._do_group)

    def _later(self, what: Callable[..., object], *args: object) -> None:
        database = self.of
        takes = database.random.uniform(0.0001, 0.002) + database.delay / 2
        database.loop.do(database.loop.process, takes, what, *args)

    def _do_group(self) -> None:
        database = self.of
        process = database.loop.process
        assert process is not None
        group = [self._queue.popleft() for _ in range(min(self._at_once, len(self._queue)))]
        kill = database.kills_at_commit if self._writes else None
        if kill is not None:
            database.kills_at_commit = None
            if database.random.random() < 0.4:
                kill(process)
                return
        try:
            outcomes = self._work([job for job, _ in group])
        except Exception as error:
            outcomes = [error] * len(group)
        if self._writes and any(not isinstance(each, Exception) for each in outcomes):
            database.on_commit(process)
        if kill is not None:
            kill(process)
            return
        self._later(self._complete, [future for _, future in group], outcomes)

    def _complete(
        self, futures: list["asyncio.Future[Result]"], outcomes: Sequence[Result | Exception]
    ) -> None:
        for future, outcome in zip(futures, outcomes, strict=True):
            if future.done():
                continue
            if isinstance(outcome, Exception):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)
        if self._queue:
            self._begin()
        else:
            self._is_working = False
            self._idle.set()
