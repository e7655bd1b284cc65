"""Every statement that reads. By primary key or by an index, and bounded; only `snapshot` is long.

Each function reads from a connection that it is given; `reader` runs them.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from msgspec import Struct
from sqlalchemy import Column, Connection, Select, bindparam, func, select, text, tuple_

from central.rules.records import (
    AuditEntry,
    Command,
    ConnectorWord,
    Credential,
    LastConnection,
    OutboxEntry,
    Point,
    RememberedAnswer,
    RequestKey,
    Session,
    StopIntent,
    StoredSample,
    StoredTag,
    Ticket,
)
from central.store import rows, schema
from central.store.schema import (
    answers,
    audit,
    cluster,
    commands,
    connections,
    connectors,
    credentials,
    id_tags,
    lease,
    outbox,
    points,
    samples,
    sessions,
    stop_intents,
    tickets,
)
from common.states import SessionState
from common.units import MAX_ROWS

OUTBOX_AT_ONCE = 10_000
"""The most outbox entries that are read in one go."""

ANSWERS_AT_ONCE = 100_000
"""The most remembered answers that a start takes into memory, the latest ones."""

_IDS_AT_ONCE = 500
"""The most ids in one statement: each is a value, and drivers limit those."""


Place = tuple[int, str]
"""Where a page begins: behind the row with this time and id."""

R = TypeVar("R")


class Snapshot(Struct, frozen=True, kw_only=True):
    """What central keeps in memory, as it was stored at one moment.

    Attributes:
        points: All of them, by id.
        sessions: Those of which something is still to come: not ended, not settled, or holding
            a connector or a driver; oldest first.
        stop_intents: All of them, oldest first.
        answers: The latest remembered ones, oldest first.
        answers_complete: These are all of them.
        outbox: The first entries by number, `OUTBOX_AT_ONCE` at most; `Store.outbox` has the rest.
        highest_outbox: The highest number in the outbox; 0 if it is empty.
        cluster_id: The Kafka cluster that was reached last; None if none ever was.
        commands: To OCPP charge points, of which something is still to come; oldest first.
        connections: The newest of each OCPP charge point.
        connectors: What OCPP charge points last said of each connector.
    """

    points: tuple[Point, ...]
    sessions: tuple[Session, ...]
    stop_intents: tuple[StopIntent, ...]
    answers: tuple[RememberedAnswer, ...]
    answers_complete: bool
    outbox: tuple[OutboxEntry, ...]
    highest_outbox: int
    cluster_id: str | None
    commands: tuple[Command, ...] = ()
    connections: tuple[LastConnection, ...] = ()
    connectors: tuple[ConnectorWord, ...] = ()


_POINTS = select(points).order_by(points.c.cp_id)
_CONNECTIONS = select(connections)
_CONNECTORS = select(connectors)
_OPEN_SESSIONS = (
    select(sessions).where(sessions.c.open).order_by(sessions.c.requested_ms, sessions.c.session_id)
)
_STOP_INTENTS = select(stop_intents).order_by(stop_intents.c.since, stop_intents.c.session_id)
_LATEST_ANSWERS = select(answers).order_by(answers.c.answered_at.desc()).limit(bindparam("limit"))
_HIGHEST_OUTBOX = select(func.coalesce(func.max(outbox.c.number), 0))
_CLUSTER = select(cluster.c.cluster_id)
_OUTBOX = (
    select(outbox)
    .where(outbox.c.number > bindparam("after"))
    .order_by(outbox.c.number)
    .limit(bindparam("limit"))
)
_SESSIONS = select(sessions).where(sessions.c.session_id.in_(bindparam("ids", expanding=True)))
_TICKET = select(tickets).where(tickets.c.session_id == bindparam("session_id"))
_ANSWER = select(answers).where(
    answers.c.role == bindparam("role"),
    answers.c.sender == bindparam("sender"),
    answers.c.message_id == bindparam("message_id"),
)
_CHANGED_CREDENTIALS = (
    select(credentials)
    .where(credentials.c.change > bindparam("after"))
    .order_by(credentials.c.change)
)
_CHANGED_TAGS = (
    select(id_tags).where(id_tags.c.change > bindparam("after")).order_by(id_tags.c.change)
)
_OF_TRANSACTION = select(sessions).where(sessions.c.transaction_id == bindparam("transaction_id"))
_OF_START = select(sessions).where(sessions.c.start_key == bindparam("start_key"))
_UNDECIDED_COMMANDS = (
    select(commands)
    .where(text(schema.COMMAND_UNDECIDED))
    .order_by(commands.c.at_ms, commands.c.command_id)
)
_COMMAND = select(commands).where(commands.c.command_id == bindparam("command_id"))
_CURSOR = re.compile(r"([0-9]{1,18})/(.{1,64})", re.DOTALL)


def snapshot(connection: Connection) -> Snapshot:
    """All that central needs at its start; the connection's transaction makes it one moment."""
    # One more than is taken tells whether there are more.
    latest = list(connection.execute(_LATEST_ANSWERS, {"limit": ANSWERS_AT_ONCE + 1}))
    return Snapshot(
        points=tuple(map(rows.point_from, connection.execute(_POINTS))),
        connections=tuple(map(rows.connection_from, connection.execute(_CONNECTIONS))),
        connectors=tuple(map(rows.connector_from, connection.execute(_CONNECTORS))),
        sessions=tuple(map(rows.session_from, connection.execute(_OPEN_SESSIONS))),
        stop_intents=tuple(map(rows.intent_from, connection.execute(_STOP_INTENTS))),
        answers=tuple(map(rows.answer_from, reversed(latest[:ANSWERS_AT_ONCE]))),
        answers_complete=len(latest) <= ANSWERS_AT_ONCE,
        outbox=tuple(outbox_page(connection, 0, OUTBOX_AT_ONCE)),
        highest_outbox=connection.execute(_HIGHEST_OUTBOX).scalar_one(),
        cluster_id=connection.execute(_CLUSTER).scalar(),
        commands=tuple(map(rows.command_from, connection.execute(_UNDECIDED_COMMANDS))),
    )


def answer(connection: Connection, key: RequestKey) -> RememberedAnswer | None:
    """The answer that was given to this request, while it is remembered."""
    role, sender, message_id = rows.key_row(key)
    values = {"role": role, "sender": sender, "message_id": message_id}
    row = connection.execute(_ANSWER, values).one_or_none()
    return None if row is None else rows.answer_from(row)


def sessions_of(connection: Connection, ids: Sequence[str]) -> dict[str, Session]:
    """Those of these sessions that are stored."""
    found: dict[str, Session] = {}
    for start in range(0, len(ids), _IDS_AT_ONCE):
        some = list(ids[start : start + _IDS_AT_ONCE])
        for row in connection.execute(_SESSIONS, {"ids": some}):
            session = rows.session_from(row)
            found[session.session_id] = session
    return found


def session_of_transaction(connection: Connection, transaction_id: int) -> Session | None:
    """The session that is this transaction at an OCPP charge point."""
    row = connection.execute(_OF_TRANSACTION, {"transaction_id": transaction_id}).one_or_none()
    return None if row is None else rows.session_from(row)


def session_of_start(connection: Connection, start_key: str) -> Session | None:
    """The session whose transaction began with this."""
    row = connection.execute(_OF_START, {"start_key": start_key}).one_or_none()
    return None if row is None else rows.session_from(row)


def lease_epoch(connection: Connection) -> int | None:
    """Of whoever holds the lease."""
    return connection.execute(select(lease.c.epoch)).scalar_one_or_none()


def ticket(connection: Connection, session_id: str) -> Ticket | None:
    """The session's bill, once there is one."""
    row = connection.execute(_TICKET, {"session_id": session_id}).one_or_none()
    return None if row is None else rows.ticket_from(row)


def outbox_page(connection: Connection, after: int, limit: int) -> list[OutboxEntry]:
    """The entries that follow this number, in order."""
    values = {"after": after, "limit": min(limit, OUTBOX_AT_ONCE)}
    return [rows.outbox_from(row) for row in connection.execute(_OUTBOX, values)]


def session_list(
    connection: Connection,
    cp_id: str | None,
    driver_id: str | None,
    state: SessionState | None,
    since: int | None,
    after: Place | None,
    limit: int,
) -> tuple[list[Session], str | None]:
    """A page of the sessions for which all that is not None holds, newest first; the next cursor.

    Args:
        since: Unix seconds; those authorised then or later.
    """
    table = sessions.c
    wanted = select(sessions)
    if cp_id is not None:
        wanted = wanted.where(table.cp_id == cp_id)
    if driver_id is not None:
        wanted = wanted.where(table.driver_id == driver_id)
    if state is not None:
        wanted = wanted.where(table.state == state.value)
    if since is not None:
        wanted = wanted.where(table.requested_ms >= since * 1000)
    order = table.requested_ms, table.session_id
    return _page(connection, wanted, order, after, limit, rows.session_from, cursor_of)


def ticket_list(
    connection: Connection,
    cp_id: str | None,
    driver_id: str | None,
    since: int | None,
    until: int | None,
    after: Place | None,
    limit: int,
) -> tuple[list[Ticket], str | None]:
    """A page of the tickets for which all that is not None holds, latest first; the next cursor.

    Args:
        since, until: Unix seconds; of charges that ended from the one to before the other.
    """
    table = tickets.c
    wanted = select(tickets)
    if cp_id is not None:
        wanted = wanted.where(table.cp_id == cp_id)
    if driver_id is not None:
        wanted = wanted.where(table.driver_id == driver_id)
    if since is not None:
        wanted = wanted.where(table.ended_at >= since)
    if until is not None:
        wanted = wanted.where(table.ended_at < until)
    order = table.ended_at, table.session_id
    return _page(connection, wanted, order, after, limit, rows.ticket_from, ticket_cursor)


def audit_list(
    connection: Connection, since: int | None, after: Place | None, limit: int
) -> tuple[list[AuditEntry], str | None]:
    """A page of the operators' commands, latest first; the next cursor."""
    wanted = select(audit)
    if since is not None:
        wanted = wanted.where(audit.c.at >= since)
    order = audit.c.at, audit.c.entry_id
    return _page(connection, wanted, order, after, limit, rows.audit_from, audit_cursor)


def command(connection: Connection, command_id: str) -> Command | None:
    """The command with this id, while it is kept."""
    row = connection.execute(_COMMAND, {"command_id": command_id}).one_or_none()
    return None if row is None else rows.command_from(row)


def command_list(
    connection: Connection, cp_id: str | None, after: Place | None, limit: int
) -> tuple[list[Command], str | None]:
    """A page of the commands to OCPP charge points, latest first; the next cursor."""
    wanted = select(commands)
    if cp_id is not None:
        wanted = wanted.where(commands.c.cp_id == cp_id)
    order = commands.c.at_ms, commands.c.command_id
    return _page(connection, wanted, order, after, limit, rows.command_from, command_cursor)


def sample_list(
    connection: Connection,
    cp_id: str,
    transaction_id: int | None,
    after: Place | None,
    limit: int,
) -> tuple[list[StoredSample], str | None]:
    """A page of a charge point's sampled values, or of one transaction's, latest first; the next
    cursor.
    """
    wanted = select(samples).where(samples.c.cp_id == cp_id)
    if transaction_id is not None:
        wanted = wanted.where(samples.c.transaction_id == transaction_id)
    order = samples.c.at_ms, samples.c.digest
    after_digest = None if after is None else (after[0], _digest_of(after[1]))
    return _page(connection, wanted, order, after_digest, limit, rows.sample_from, sample_cursor)


def changed_credentials(connection: Connection, after: int) -> list[Credential]:
    """The credentials that were made or revoked after this change, in that order."""
    found = connection.execute(_CHANGED_CREDENTIALS, {"after": after})
    return list(map(rows.credential_from, found))


def changed_tags(connection: Connection, after: int) -> list[StoredTag]:
    """The id tags to which anything was done after this change, in that order."""
    return list(map(rows.tag_from, connection.execute(_CHANGED_TAGS, {"after": after})))


def _page(
    connection: Connection,
    wanted: Select[Any],
    order: tuple[Column[Any], Column[Any]],
    after: tuple[int, str | int] | None,
    limit: int,
    record: Callable[[rows.Stored], R],
    cursor: Callable[[R], str],
) -> tuple[list[R], str | None]:
    """A page of what is wanted, the highest in this order first, and the next page's cursor."""
    limit = min(limit, MAX_ROWS)
    if after is not None:
        wanted = wanted.where(tuple_(*order) < after)
    # One more than asked for tells whether there is a next page.
    statement = wanted.order_by(*(column.desc() for column in order)).limit(limit + 1)
    found = list(map(record, connection.execute(statement)))
    page = found[:limit]
    return page, cursor(page[-1]) if page and len(found) > limit else None


def cursor_of(session: Session) -> str:
    """Where the page behind this session begins."""
    return f"{session.requested_ms}/{session.session_id}"


def ticket_cursor(ticket: Ticket) -> str:
    """Where the page behind this ticket begins."""
    return f"{ticket.ended_at}/{ticket.session_id}"


def audit_cursor(entry: AuditEntry) -> str:
    """Where the page behind this entry begins."""
    return f"{entry.at}/{entry.entry_id}"


def command_cursor(command: Command) -> str:
    """Where the page behind this command begins."""
    return f"{command.at_ms}/{command.command_id}"


def sample_cursor(stored: StoredSample) -> str:
    """Where the page behind this sampled value begins."""
    return f"{stored.sample.at_ms}/{stored.digest}"


def _digest_of(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 20):
        raise ValueError(f"no cursor of this list: {text!r}")
    return int(text)


def place_of(cursor: str) -> Place:
    """Where a page begins.

    Raises:
        ValueError: It is no cursor of ours.
    """
    match = _CURSOR.fullmatch(cursor)
    if match is None:
        raise ValueError(f"no cursor of this list: {cursor!r}")
    return int(match[1]), match[2]
