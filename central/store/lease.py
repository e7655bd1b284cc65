"""Whose database it is: one row, renewed each second, taken over when it is not.

Theory of operation. The row names its holder's address and epoch, and when it was last renewed, by
the database's own clock. Whoever wants it compares and sets: the row is taken only as it was seen,
with a higher epoch, so of two that want it one gets it. From then on the former holder writes
nothing more, because every transaction checks its epoch (`writer`), whatever either of them
believes about the time. A lock would not do: a process that stands still keeps it.

All of it blocks.
"""

from dataclasses import dataclass

from sqlalchemy import Connection, Dialect, select
from sqlalchemy import update as sql_update
from sqlalchemy.exc import DBAPIError

from central.store import schema
from central.store.database import Database
from central.store.statements import database_now, insert
from common.clock import Clock
from common.errors import CannotStart, StoreUnavailable


@dataclass(frozen=True, slots=True)
class Leader:
    """The lease as it was seen.

    Attributes:
        address: Where the holder is found; empty if nobody holds it: it was given back.
        epoch: How often it was taken.
        renewed_at: When it was last renewed, in Unix seconds of the database's clock.
        age: How long that was ago when it was seen, in seconds; negative after that clock was set
            back.
    """

    address: str
    epoch: int
    renewed_at: float
    age: float


def look(database: Database) -> Leader | None:
    """Who holds the lease; None if nobody ever did.

    Raises:
        StoreUnavailable: The database cannot be read now.
    """
    lease = schema.lease
    now = database_now(database.dialect).label("now")
    seen = select(lease.c.address, lease.c.epoch, lease.c.renewed_at, now)
    try:
        with database.reading.begin() as connection:
            row = connection.execute(seen).one_or_none()
    except DBAPIError as error:
        raise StoreUnavailable(str(error.orig)) from error
    if row is None:
        return None
    return Leader(row.address, row.epoch, row.renewed_at, row.now - row.renewed_at)


def take(database: Database, address: str, clock: Clock, seen: Leader | None) -> int | None:
    """Take the lease as it was seen; our epoch, or None if it is not like that any more.

    Raises:
        StoreUnavailable: The database does not take the write now.
    """
    try:
        with database.writing.begin() as connection:
            return _taken(connection, database.dialect, address, clock, seen)
    except DBAPIError as error:
        raise StoreUnavailable(str(error.orig)) from error


def _taken(
    connection: Connection, dialect: Dialect, address: str, clock: Clock, seen: Leader | None
) -> int | None:
    lease = schema.lease
    ours = {
        "address": address,
        "since": int(clock.wall()),
        "renewed_at": database_now(dialect),
    }
    if seen is None:
        first = insert(dialect, lease).values(id=1, epoch=1, **ours).on_conflict_do_nothing()
        return connection.execute(first.returning(lease.c.epoch)).scalar_one_or_none()
    taking = (
        sql_update(lease)
        .values(epoch=seen.epoch + 1, **ours)
        .where(lease.c.epoch == seen.epoch, lease.c.renewed_at == seen.renewed_at)
        .returning(lease.c.epoch)
    )
    return connection.execute(taking).scalar_one_or_none()


def give_back(database: Database, epoch: int) -> None:
    """The lease is free for anybody from now on, if it is still of this epoch.

    Raises:
        StoreUnavailable: The database does not take the write now: it becomes free by its age.
    """
    lease = schema.lease
    freed = sql_update(lease).values(address="", renewed_at=0.0).where(lease.c.epoch == epoch)
    try:
        with database.writing.begin() as connection:
            connection.execute(freed)
    except DBAPIError as error:
        raise StoreUnavailable(str(error.orig)) from error


def take_at_once(database: Database, address: str, clock: Clock) -> int:
    """Take the lease from whoever holds it; our epoch.

    Raises:
        CannotStart: The database does not take the write.
    """
    try:
        while (epoch := take(database, address, clock, look(database))) is None:
            pass  # somebody was faster: ours is the next epoch
    except StoreUnavailable as error:
        raise CannotStart(f"cannot take the database over: {error.why}") from error
    return epoch
