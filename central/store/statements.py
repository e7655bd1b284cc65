"""Every statement that writes: compiled once for a dialect, then run with plain tuples.

SQLAlchemy builds and compiles the SQL; running its text with tuples (`exec_driver_sql`) leaves
out what it would do for every row again, which costs more than the insert itself.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, assert_never

from sqlalchemy import (
    ColumnElement,
    Dialect,
    Table,
    bindparam,
    delete,
    func,
    literal_column,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import ClauseElement

from central.rules.id_tags import folded
from central.rules.records import Session
from central.store import rows, schema
from central.store.changes import (
    FORGOTTEN_AT_ONCE,
    AddSample,
    AddTicket,
    AddToOutbox,
    Change,
    CorrectTicket,
    DropFromOutbox,
    DropStopIntent,
    ForgetAnswers,
    ForgetCommands,
    NoteCluster,
    Remember,
    RenewLease,
    SaveAudit,
    SaveCommand,
    SaveConnection,
    SaveConnector,
    SaveIdTag,
    SavePoint,
    SaveReading,
    SaveSession,
    SaveStopIntent,
)

LANES = (
    schema.points,
    schema.connections,
    schema.connectors,
    schema.samples,
    schema.sessions,
    schema.tickets,
    schema.answers,
    schema.stop_intents,
    schema.outbox,
    schema.cluster,
    schema.audit,
    schema.commands,
    schema.id_tags,
    schema.lease,
)
"""The tables that changes write to, what others refer to first."""


@dataclass(frozen=True, slots=True, eq=False)
class Statement:
    """A writing statement.

    Attributes:
        lane: Its table's place in `LANES`.
        text: The SQL, with the driver's marks for values by position.
    """

    lane: int
    text: str


Step = tuple[Statement, rows.Row]
"""A statement and the values for it."""


@dataclass(frozen=True, slots=True)
class _Update:
    """An update of some columns of a row.

    Attributes:
        places: Where the values for it stand in the whole row.
    """

    statement: Statement
    places: Sequence[int]

    def values(self, row: rows.Row) -> rows.Row:
        """Those of a row that it takes."""
        return tuple([row[place] for place in self.places])


class Statements:
    """The writing statements of one dialect, whose `paramstyle` is by position."""

    def __init__(self, dialect: Dialect) -> None:
        assert dialect.positional
        self._dialect = dialect
        lease = schema.lease
        # It locks the row, so that the epoch is not raised between this check and our commit, and
        # leaves a mark there, by which a server knows the transaction after its connection was
        # lost. SQLite needs neither: only one may write at a time, and nothing can be lost.
        self.marks = dialect.name == "postgresql"
        if self.marks:
            marking = update(lease).values(mark=bindparam("new_mark")).returning(lease.c.epoch)
            self.epoch = self._text(marking, ["new_mark"])
            self.marked = self._text(select(lease.c.epoch, lease.c.mark).with_for_update(), [])
        else:
            self.epoch = self._text(select(lease.c.epoch), [])
        self._save_point = self._upsert(schema.points)
        self._save_connection = self._upsert(schema.connections)
        self._save_connector = self._upsert(schema.connectors)
        self._add_sample = self._insert_new(schema.samples)
        self._save_session = self._upsert(schema.sessions)
        self._update_session = self._updating(schema.sessions)
        self._update_details = self._updating(schema.sessions, without=rows.INDEXED)
        self._save_reading = self._reading()
        self._add_ticket = self._insert(schema.tickets)
        self._correct_ticket = self._upsert(schema.tickets)
        self._remember = self._insert(schema.answers)
        self._forget = self._forgetting()
        self._save_intent = self._upsert(schema.stop_intents)
        self._drop_intent = self._delete(schema.stop_intents)
        self._add_to_outbox = self._insert(schema.outbox)
        self._drop_from_outbox = self._dropping()
        self._note_cluster = self._upsert(schema.cluster)
        self._save_audit = self._upsert(schema.audit)
        self._save_command = self._upsert(schema.commands)
        self._forget_commands = self._forgetting_commands()
        self._save_id_tag = self._numbering(schema.id_tags)
        self._renew_lease = self._renewing()

    def prepare(self, change: Change) -> Step:
        """The statement that makes this change, and its values."""
        match change:
            case AddSample(sample):
                return self._add_sample, rows.sample_row(sample)
            case SaveSession(session, since):
                return self._saved(session, since)
            case SaveReading(session_id, energy, rate, sequence):
                values = (int(energy), int(rate), sequence, session_id, sequence)
                return self._save_reading, values
            case AddToOutbox(entry):
                return self._add_to_outbox, rows.outbox_row(entry)
            case DropFromOutbox(first, last):
                return self._drop_from_outbox, (first, last)
            case Remember(answer):
                return self._remember, rows.answer_row(answer)
            case AddTicket(ticket):
                return self._add_ticket, rows.ticket_row(ticket)
            case CorrectTicket(ticket):
                return self._correct_ticket, rows.ticket_row(ticket)
            case SavePoint(point):
                return self._save_point, rows.point_row(point)
            case SaveConnection(newest):
                return self._save_connection, rows.connection_row(newest)
            case SaveConnector(connector):
                return self._save_connector, rows.connector_row(connector)
            case SaveStopIntent(intent):
                return self._save_intent, rows.intent_row(intent)
            case DropStopIntent(session_id):
                return self._drop_intent, (session_id,)
            case ForgetAnswers(before):
                return self._forget, (before,)
            case SaveAudit(audit_entry):
                return self._save_audit, rows.audit_row(audit_entry)
            case SaveCommand(command):
                return self._save_command, rows.command_row(command)
            case ForgetCommands(before_ms):
                return self._forget_commands, (before_ms,)
            case SaveIdTag(tag):
                return self._save_id_tag, rows.tag_row(folded(tag.tag.id_tag), tag)
            case NoteCluster(cluster_id):
                return self._note_cluster, (1, cluster_id)
            case RenewLease():
                return self._renew_lease, (1,)
            case _:
                assert_never(change)

    def _saved(self, session: Session, since: Session | None) -> Step:
        """What costs most here are the indexes of sessions: they are left alone where possible."""
        row = rows.session_row(session)
        if since is None:
            return self._save_session, row
        alike = rows.indexed_alike(session, since)
        update = self._update_details if alike else self._update_session
        return update.statement, update.values(row)

    def _updating(self, table: Table, without: Collection[str] = ()) -> "_Update":
        """An update of a known row: of all that may change, but these columns."""
        (key,) = table.primary_key.columns
        changing = [
            column.name
            for column in table.columns
            if not column.primary_key and column.info != schema.FIXED and column.name not in without
        ]
        marks = [f"new_{name}" for name in changing]
        values: dict[str, Any] = {
            name: bindparam(mark) for name, mark in zip(changing, marks, strict=True)
        }
        changed = update(table).values(values).where(key == bindparam("of_row"))
        places = [table.columns.keys().index(name) for name in (*changing, key.name)]
        return _Update(self._statement(table, changed, [*marks, "of_row"]), places)

    def _reading(self) -> Statement:
        table = schema.sessions
        return self._statement(
            table,
            update(table)
            .values(
                energy=bindparam("new_energy"),
                rate=bindparam("new_rate"),
                sequence=bindparam("new_sequence"),
            )
            .where(
                table.c.session_id == bindparam("of_session"),
                table.c.sequence < bindparam("after_sequence"),
                table.c.revision == literal_column("0"),
            ),
            ["new_energy", "new_rate", "new_sequence", "of_session", "after_sequence"],
        )

    def _forgetting(self) -> Statement:
        table = schema.answers
        keys = list(table.primary_key.columns)
        oldest = (
            select(*keys)
            .where(table.c.answered_at < bindparam("before"))
            .order_by(table.c.answered_at)
            .limit(literal_column(str(FORGOTTEN_AT_ONCE)))
            .offset(literal_column("0"))  # for SQLite one is added as a value otherwise
        )
        return self._statement(table, delete(table).where(tuple_(*keys).in_(oldest)), ["before"])

    def _forgetting_commands(self) -> Statement:
        table = schema.commands
        oldest = (
            select(table.c.command_id)
            .where(table.c.at_ms < bindparam("before"), text(f"NOT ({schema.COMMAND_UNDECIDED})"))
            .order_by(table.c.at_ms)
            .limit(literal_column(str(FORGOTTEN_AT_ONCE)))
            .offset(literal_column("0"))
        )
        forgotten = delete(table).where(table.c.command_id.in_(oldest))
        return self._statement(table, forgotten, ["before"])

    def _dropping(self) -> Statement:
        table = schema.outbox
        number = table.c.number
        published = number.between(bindparam("first"), bindparam("last"))
        return self._statement(table, delete(table).where(published), ["first", "last"])

    def _renewing(self) -> Statement:
        table = schema.lease
        renewed = update(table).values(renewed_at=database_now(self._dialect))
        return self._statement(table, renewed.where(table.c.id == bindparam("row")), ["row"])

    def _insert(self, table: Table) -> Statement:
        return self._statement(table, insert(self._dialect, table), table.columns.keys())

    def _insert_new(self, table: Table) -> Statement:
        """An insert that leaves alone what is there."""
        statement = insert(self._dialect, table).on_conflict_do_nothing()
        return self._statement(table, statement, table.columns.keys())

    def _upsert(self, table: Table) -> Statement:
        statement = insert(self._dialect, table)
        upsert = statement.on_conflict_do_update(
            index_elements=list(table.primary_key.columns),
            set_={
                column.name: statement.excluded[column.name]
                for column in table.columns
                if not column.primary_key and column.info != schema.FIXED
            },
        )
        return self._statement(table, upsert, table.columns.keys())

    def _numbering(self, table: Table) -> Statement:
        """An upsert that gives the row's change the next number."""
        given = [column.name for column in table.columns if column.name != "change"]
        return self._statement(table, numbering(self._dialect, table), given)

    def _delete(self, table: Table) -> Statement:
        (key,) = table.primary_key.columns
        return self._statement(table, delete(table).where(key == bindparam("gone")), ["gone"])

    def _statement(
        self, table: Table, statement: ClauseElement, values: Sequence[str]
    ) -> Statement:
        return Statement(LANES.index(table), self._text(statement, values))

    def _text(self, statement: ClauseElement, values: Sequence[str]) -> str:
        """The SQL, which takes these values in this order: what `prepare` and `rows` rely on."""
        compiled = statement.compile(dialect=self._dialect)
        assert isinstance(compiled, SQLCompiler)
        assert list(compiled.positiontup or ()) == list(values)
        return compiled.string


def database_now(dialect: Dialect) -> ColumnElement[float]:
    """The database's own clock, in Unix seconds, as an expression."""
    if dialect.name == "postgresql":
        return literal_column("extract(epoch from clock_timestamp())::double precision")
    return literal_column("(julianday('now') - 2440587.5) * 86400.0")


def numbering(dialect: Dialect, table: Table) -> sqlite.Insert | postgresql.Insert:
    """An upsert of a whole row but its `change`, which gets the next number.

    Where many may write at once, each must have locked the table, or a change may be seen before a
    lower one.
    """
    highest = func.coalesce(func.max(table.c.change), literal_column("0"))
    values: dict[str, Any] = {
        column.name: bindparam(column.name) for column in table.columns if column.name != "change"
    }
    values["change"] = select(highest + literal_column("1")).scalar_subquery()
    statement = insert(dialect, table).values(values)
    return statement.on_conflict_do_update(
        index_elements=list(table.primary_key.columns),
        set_={c.name: statement.excluded[c.name] for c in table.columns if not c.primary_key},
    )


def insert(dialect: Dialect, table: Table) -> sqlite.Insert | postgresql.Insert:
    """An insert that may be made an upsert; both dialects have the same, in two classes."""
    return postgresql.insert(table) if dialect.name == "postgresql" else sqlite.insert(table)
