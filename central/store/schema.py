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
)

sessions = Table(
    "sessions",
    metadata,
    Column("session_id", Text, primary_key=True),
    Column("cp_id", Text, ForeignKey("points.cp_id"), nullable=False, info=FIXED),
    Column("connector_id", Integer, nullable=False, info=FIXED),
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
    CheckConstraint(f"state IN ({', '.join(repr(s.value) for s in SessionState)})", name="state"),
    CheckConstraint("energy >= 0 AND cost >= 0", name="amounts"),
    Index("ix_sessions_history", "driver_id", "requested_ms", "session_id"),
    # What operators list; all of them newest first.
    Index("ix_sessions_newest", "requested_ms", "session_id"),
    Index("ix_sessions_of_point", "cp_id", "requested_ms", "session_id"),
    Index("ix_sessions_in_state", "state", "requested_ms", "session_id"),
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
