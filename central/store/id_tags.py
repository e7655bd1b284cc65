"""Id tags as the command line changes them: beside a central that serves, whose lead it leaves.

A tag that is removed keeps its row, which says so. Its `change` grows with whatever is done to any
of them, so that a serving central asks for what is new only.
"""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager

from msgspec.structs import replace
from sqlalchemy import Connection, select
from sqlalchemy.exc import DBAPIError

from central.rules.id_tags import folded
from central.rules.records import StoredTag
from central.store import rows
from central.store.database import opened, writing_beside
from central.store.schema import id_tags
from central.store.statements import numbering
from common.errors import CannotStart
from common.gateway_messages import IdTagRow

_ALL = select(id_tags).where(~id_tags.c.removed).order_by(id_tags.c.key)
_COLUMNS = [column.name for column in id_tags.columns if column.name != "change"]


def save(url: str, tags: Iterable[IdTagRow]) -> int:
    """Store these, all or none, in place of those that are known; how many they are.

    Raises:
        CannotStart: The database cannot be used; the sentence says why.
    """
    with _writing(url) as connection:
        return _save(connection, [StoredTag(tag=tag) for tag in tags])


def change(url: str, id_tag: str, rule: Callable[[IdTagRow | None], IdTagRow]) -> IdTagRow:
    """Store what `rule` makes of an id tag, which may not be known; what that is.

    Raises:
        CannotStart: The database cannot be used. Also what `rule` raises; nothing is stored then.
    """
    with _writing(url) as connection:
        stored = _stored(connection, id_tag)
        tag = rule(stored.tag if stored else None)
        _save(connection, [StoredTag(tag=tag)])
        return tag


def remove(url: str, id_tag: str) -> bool:
    """Forget an id tag; False if it is not known.

    Raises:
        CannotStart: The database cannot be used.
    """
    with _writing(url) as connection:
        stored = _stored(connection, id_tag)
        if stored is not None:
            _save(connection, [replace(stored, removed=True)])
        return stored is not None


def listed(url: str) -> list[IdTagRow]:
    """All id tags, in their order.

    Raises:
        CannotStart: The database cannot be used.
    """
    database = opened(url)
    try:
        with database.reading.begin() as connection:
            return [rows.tag_from(row).tag for row in connection.execute(_ALL)]
    except DBAPIError as error:
        raise CannotStart(f"cannot read the database: {error.orig}") from error


def _writing(url: str) -> AbstractContextManager[Connection]:
    return writing_beside(url, id_tags)


def _stored(connection: Connection, id_tag: str) -> StoredTag | None:
    row = connection.execute(_ALL.where(id_tags.c.key == folded(id_tag))).one_or_none()
    return None if row is None else rows.tag_from(row)


def _save(connection: Connection, tags: list[StoredTag]) -> int:
    statement = numbering(connection.dialect, id_tags)
    for stored in tags:
        row = rows.tag_row(folded(stored.tag.id_tag), stored)
        connection.execute(statement, dict(zip(_COLUMNS, row, strict=True)))
    return len(tags)
