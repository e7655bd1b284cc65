"""Every table of the store.

Theory of operation. What must never happen twice is a uniqueness rule here, not only a check in
the code: one session holds a connector, one holds a driver, a session has one ticket, a request
has one answer. Energy, prices and money are integers of their small unit (`common.units`), times
are Unix seconds, enums are their words.

A change here needs a migration in `migrations/versions`; a test compares the two.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    false,
    text,
)

from common.gateway_messages import CommandState
from common.states import SessionState

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


# Only an INTEGER primary key is SQLite's own row number; a BIGINT one is a second tree.
_ROW_NUMBER = BigInteger().with_variant(Integer(), "sqlite")

FIXED: dict[Any, Any] = {"fixed": True}
"""Marks a column that an upsert leaves as it was first stored. What a session began with never
changes, and an index that need not be written again is what costs most in saving a session."""

points = Table(
    "points",
    metadata,
    Column("cp_id", Text, primary_key=True),
    Column("location", Text, nullable=False),
    Column("max_rate", BigInteger, nullable=False),
    Column("price", BigInteger, nullable=False),
    Column("stopped", Boolean, nullable=False),
    Column("connectors", Integer, nullable=False),
    Column("last_seen", BigInteger, nullable=False),
    Column("time_scale", Double, nullable=False, server_default=text("1")),
    Column("ocpp_version", Text, comment="as its gateway says; none: a monitor speaks for it"),
    Column("vendor", Text),
    Column("model", Text),
    Column("serial_number", Text),
    Column("firmware_version", Text),
)

connections = Table(
    "connections",
    metadata,
    Column("cp_id", Text, primary_key=True),
    Column("node", Text, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("open", Boolean, nullable=False),
    Column("ocpp_version", Text, nullable=False),
)

connectors = Table(
    "connectors",
    metadata,
    Column("cp_id", Text, nullable=False),
    Column("connector_id", Integer, nullable=False),
    Column("status", Text, comment="the charge point's last word, if it is not Faulted"),
    Column("fault", Text),
    PrimaryKeyConstraint("cp_id", "connector_id"),
)

samples = Table(
    "samples",
    metadata,
    Column("cp_id", Text, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("digest", BigInteger, nullable=False, comment="of all that follows"),
    Column("connector_id", Integer, nullable=False),
    Column("transaction_id", BigInteger),
    Column("value", Text, nullable=False),
    Column("measurand", Text, nullable=False),
    Column("unit", Text, nullable=False),
    Column("context", Text, nullable=False),
    Column("location", Text, nullable=False),
    Column("phase", Text),
    Column("format", Text, nullable=False),
    # A charge point's latest go to one page of the tree: its time is in front of the digest.
    PrimaryKeyConstraint("cp_id", "at_ms", "digest"),
    sqlite_with_rowid=False,
)

sessions = Table(
    "sessions",
    metadata,
    Column("session_id", Text, primary_key=True),
    Column("cp_id", Text, ForeignKey("points.cp_id"), nullable=False, info=FIXED),
    Column("connector_id", Integer, nullable=False),
    Column("driver_id", Text, nullable=False, info=FIXED),
    Column("state", Text, nullable=False),
    Column("price", BigInteger, nullable=False, info=FIXED),
    Column("currency", Text, nullable=False, info=FIXED),
    Column("target", BigInteger, info=FIXED),
    Column("requested_ms", BigInteger, nullable=False, info=FIXED),
    Column("started_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger),
    Column("finishing_at", BigInteger),
    Column("energy", BigInteger, nullable=False),
    Column("rate", BigInteger, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("confirmed", Boolean, nullable=False),
    Column("settled", Boolean, nullable=False),
    Column("holds_connector", Text, unique=True, comment="cp_id/connector_id, while it holds it"),
    Column("holds_driver", Text, unique=True, comment="driver_id, while it holds the driver"),
    Column("reason", Text),
    Column("refusal", Text),
    Column("cost", BigInteger),
    Column("revision", Integer, nullable=False),
    Column("request_role", Text, nullable=False, info=FIXED),
    Column("request_sender", Text, nullable=False, info=FIXED),
    Column("request_message_id", Text, nullable=False, info=FIXED),
    Column("digest", Text, nullable=False, info=FIXED),
    Column("trace_id", Text, nullable=False, info=FIXED),
    Column("open", Boolean, nullable=False, comment="something is still to come of it"),
    Column("suspect", Boolean, nullable=False, server_default=false()),
    Column("disputed", Boolean, nullable=False, server_default=false()),
    Column("estimated", Boolean, nullable=False, server_default=false()),
    Column("id_tag", Text, info=FIXED, comment="at an OCPP charge point alone, as all that follow"),
    Column("transaction_id", BigInteger),
    Column("start_key", Text, comment="point/connector/time/meter/id tag of its StartTransaction"),
    Column("meter_start_wh", BigInteger),
    CheckConstraint(f"state IN ({', '.join(repr(s.value) for s in SessionState)})", name="state"),
    CheckConstraint("energy >= 0 AND cost >= 0", name="amounts"),
    Index("ix_sessions_history", "driver_id", "requested_ms", "session_id"),
    # What operators list; all of them newest first.
    Index("ix_sessions_newest", "requested_ms", "session_id"),
    Index("ix_sessions_of_point", "cp_id", "requested_ms", "session_id"),
    Index("ix_sessions_in_state", "state", "requested_ms", "session_id"),
    # A transaction has one session, and a StartTransaction has one transaction.
    Index(
        "uq_sessions_transaction_id",
        "transaction_id",
        unique=True,
        sqlite_where=text("transaction_id IS NOT NULL"),
        postgresql_where=text("transaction_id IS NOT NULL"),
    ),
    Index(
        "uq_sessions_start_key",
        "start_key",
        unique=True,
        sqlite_where=text("start_key IS NOT NULL"),
        postgresql_where=text("start_key IS NOT NULL"),
    ),
    # What a start reads: a handful of rows, however many there are in all.
    Index(
        "ix_sessions_open",
        "session_id",
        sqlite_where=text("open = 1"),
        postgresql_where=text("open"),
    ),
)

tickets = Table(
    "tickets",
    metadata,
    Column("session_id", Text, ForeignKey("sessions.session_id"), primary_key=True),
    Column("cp_id", Text, nullable=False),
    Column("connector_id", Integer, nullable=False),
    Column("driver_id", Text, nullable=False),
    Column("energy", BigInteger, nullable=False),
    Column("price", BigInteger, nullable=False),
    Column("cost", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column("reason", Text),
    Column("started_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger, nullable=False),
    Column("meter_start_wh", BigInteger),
    Column("meter_stop_wh", BigInteger),
    Column("engine_cost", BigInteger, nullable=False),
    Column("estimated", Boolean, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("issued_at", BigInteger, nullable=False),
    CheckConstraint("energy >= 0 AND cost >= 0", name="amounts"),
    Index("ix_tickets_newest", "ended_at", "session_id"),
    Index("ix_tickets_of_point", "cp_id", "ended_at", "session_id"),
    Index("ix_tickets_of_driver", "driver_id", "ended_at", "session_id"),
)

answers = Table(
    "answers",
    metadata,
    Column("role", Text, nullable=False),
    Column("sender", Text, nullable=False),
    Column("message_id", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("answer", LargeBinary, nullable=False),
    Column("answered_at", BigInteger, nullable=False, index=True),
    # The id first: ids that begin with the time go to the end of the tree, so that a group of
    # answers touches few pages of it.
    PrimaryKeyConstraint("message_id", "sender", "role"),
)

stop_intents = Table(
    "stop_intents",
    metadata,
    Column("session_id", Text, primary_key=True),
    Column("cp_id", Text, nullable=False),
    Column("connector_id", Integer, nullable=False),
    Column("reason", Text, nullable=False),
    Column("since", BigInteger, nullable=False),
)

outbox = Table(
    "outbox",
    metadata,
    Column("number", _ROW_NUMBER, primary_key=True, autoincrement=False),
    Column("topic", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("value", LargeBinary, nullable=False),
)

cluster = Table(
    "cluster",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("cluster_id", Text, nullable=False),
    CheckConstraint("id = 1", name="one_row"),
)

lease = Table(
    "lease",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("epoch", BigInteger, nullable=False),
    Column("since", BigInteger, nullable=False),
    Column(
        "mark",
        BigInteger,
        nullable=False,
        server_default=text("0"),
        comment="the last transaction of this epoch, by its number",
    ),
    Column(
        "address",
        Text,
        nullable=False,
        server_default=text("''"),
        comment="where its holder is found; empty if it was given back",
    ),
    Column(
        "renewed_at",
        Double,
        nullable=False,
        server_default=text("0"),
        comment="Unix seconds of the database's clock",
    ),
    CheckConstraint("id = 1", name="one_row"),
)

audit = Table(
    "audit",
    metadata,
    Column("entry_id", Text, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("admin_id", Text, nullable=False),
    Column("command", Text, nullable=False),
    Column("cp_id", Text, nullable=False),
    Column("reason", Text),
    Column("succeeded", BigInteger, nullable=False),
    Column("failed", BigInteger, nullable=False),
    Index("ix_audit_newest", "at", "entry_id"),
)

COMMAND_UNDECIDED = "state IN ('queued', 'sent', 'unknown')"
"""Of a command to an OCPP charge point: something is still to come of it."""

commands = Table(
    "commands",
    metadata,
    Column("command_id", Text, primary_key=True),
    Column("cp_id", Text, nullable=False, info=FIXED),
    Column("action", Text, nullable=False, info=FIXED),
    Column("payload", Text, nullable=False, info=FIXED),
    Column("message", LargeBinary, nullable=False, info=FIXED),
    Column("state", Text, nullable=False),
    Column("ordered_by", Text, nullable=False, info=FIXED),
    Column("at_ms", BigInteger, nullable=False, info=FIXED),
    Column("changed_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger, nullable=False, info=FIXED),
    Column("connection", Text, comment="the one that it was sent by last"),
    Column("reason", Text, info=FIXED),
    Column("entry_id", Text, info=FIXED, comment="its entry in the audit log"),
    Column("answer", Text),
    Column("error_code", Text),
    Column("error_description", Text),
    CheckConstraint(f"state IN ({', '.join(repr(s.value) for s in CommandState)})", name="state"),
    Index("ix_commands_newest", "at_ms", "command_id"),
    Index("ix_commands_of_point", "cp_id", "at_ms", "command_id"),
    # What a start reads.
    Index(
        "ix_commands_undecided",
        "at_ms",
        sqlite_where=text(COMMAND_UNDECIDED),
        postgresql_where=text(COMMAND_UNDECIDED),
    ),
)

id_tags = Table(
    "id_tags",
    metadata,
    Column("key", Text, primary_key=True, comment="the id tag without regard to case"),
    Column("id_tag", Text, nullable=False),
    Column("driver_id", Text),
    Column("parent_id_tag", Text),
    Column("expires_at", BigInteger),
    Column("blocked", Boolean, nullable=False),
    Column("max_concurrent", Integer, nullable=False),
    Column("note", Text),
    Column("removed", Boolean, nullable=False),
    Column("change", BigInteger, nullable=False),
    Index("uq_id_tags_change", "change", unique=True),
)

credentials = Table(
    "credentials",
    metadata,
    Column("change", BigInteger, primary_key=True, autoincrement=False),
    Column("role", Text, nullable=False),
    Column("id", Text, nullable=False),
    Column("hash", Text, nullable=False),
    Column("made_at", BigInteger, nullable=False),
    Column("revoked_at", BigInteger),
    Index(
        "uq_credentials_live",
        "role",
        "id",
        unique=True,
        sqlite_where=text("revoked_at IS NULL"),
        postgresql_where=text("revoked_at IS NULL"),
    ),
)

secrets = Table(
    "secrets",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", LargeBinary, nullable=False),
)
