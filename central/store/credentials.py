"""Credentials as the command line changes them: beside a central that serves, whose lead it leaves.

A credential is never changed, only revoked: its row says when. `change` grows with each, so that a
serving central asks for what is new only.
"""

from contextlib import AbstractContextManager

from sqlalchemy import Connection, func, insert, select, update
from sqlalchemy.exc import DBAPIError

from central.rules.records import Credential
from central.store import rows
from central.store.database import opened, writing_beside
from central.store.schema import credentials
from common.errors import CannotStart

_ALL = select(credentials).order_by(credentials.c.role, credentials.c.id, credentials.c.change)


def add(url: str, role: str, peer_id: str, hash_: str, now: int) -> None:
    """Store a new credential; a former one of this id is revoked by it.

    Raises:
        CannotStart: The database cannot be used; the sentence says why.
    """
    with _writing(url) as connection:
        _revoke(connection, role, peer_id, now)
        connection.execute(
            insert(credentials).values(
                change=_next_change(connection),
                role=str(role),
                id=peer_id,
                hash=hash_,
                made_at=now,
            )
        )


def revoke(url: str, role: str, peer_id: str, now: int) -> bool:
    """Let this id's credential count no more; False if it has none.

    Raises:
        CannotStart: The database cannot be used.
    """
    with _writing(url) as connection:
        return _revoke(connection, role, peer_id, now)


def listed(url: str) -> list[Credential]:
    """Every credential that was ever made, by role and id.

    Raises:
        CannotStart: The database cannot be used.
    """
    database = opened(url)
    try:
        with database.reading.begin() as connection:
            return list(map(rows.credential_from, connection.execute(_ALL)))
    except DBAPIError as error:
        raise CannotStart(f"cannot read the database: {error.orig}") from error


def _writing(url: str) -> AbstractContextManager[Connection]:
    return writing_beside(url, credentials)


def _revoke(connection: Connection, role: str, peer_id: str, now: int) -> bool:
    revoked = connection.execute(
        update(credentials)
        .where(
            credentials.c.role == str(role),
            credentials.c.id == peer_id,
            credentials.c.revoked_at.is_(None),
        )
        .values(revoked_at=now, change=_next_change(connection))
    )
    return revoked.rowcount > 0


def _next_change(connection: Connection) -> int:
    highest = select(func.coalesce(func.max(credentials.c.change), 0))
    return int(connection.execute(highest).scalar_one()) + 1
