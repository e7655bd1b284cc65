"""The first schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision: str | None = None
branch_labels: str | None = None
depends_on: str | None = None

_ROW_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "points",
        sa.Column("cp_id", sa.Text, nullable=False),
        sa.Column("location", sa.Text, nullable=False),
        sa.Column("max_rate", sa.BigInteger, nullable=False),
        sa.Column("price", sa.BigInteger, nullable=False),
        sa.Column("stopped", sa.Boolean, nullable=False),
        sa.Column("connectors", sa.Integer, nullable=False),
        sa.Column("last_seen", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("cp_id", name="pk_points"),
    )
    op.create_table(
        "sessions",
        sa.Column("session_id", sa.Text, nullable=False),
        sa.Column("cp_id", sa.Text, nullable=False),
        sa.Column("connector_id", sa.Integer, nullable=False),
        sa.Column("driver_id", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("price", sa.BigInteger, nullable=False),
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column("target", sa.BigInteger),
        sa.Column("requested_ms", sa.BigInteger, nullable=False),
        sa.Column("started_at", sa.BigInteger, nullable=False),
        sa.Column("ended_at", sa.BigInteger),
        sa.Column("finishing_at", sa.BigInteger),
        sa.Column("energy", sa.BigInteger, nullable=False),
        sa.Column("rate", sa.BigInteger, nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("confirmed", sa.Boolean, nullable=False),
        sa.Column("settled", sa.Boolean, nullable=False),
        sa.Column("holds_connector", sa.Text, comment="cp_id/connector_id, while it holds it"),
        sa.Column("holds_driver", sa.Text, comment="driver_id, while it holds the driver"),
        sa.Column("reason", sa.Text),
        sa.Column("refusal", sa.Text),
        sa.Column("cost", sa.BigInteger),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("request_role", sa.Text, nullable=False),
        sa.Column("request_sender", sa.Text, nullable=False),
        sa.Column("request_message_id", sa.Text, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("trace_id", sa.Text, nullable=False),
        sa.Column("open", sa.Boolean, nullable=False, comment="something is still to come of it"),
        sa.PrimaryKeyConstraint("session_id", name="pk_sessions"),
        sa.ForeignKeyConstraint(["cp_id"], ["points.cp_id"], name="fk_sessions_cp_id"),
        sa.UniqueConstraint("holds_connector", name="uq_sessions_holds_connector"),
        sa.UniqueConstraint("holds_driver", name="uq_sessions_holds_driver"),
        sa.CheckConstraint(
            "state IN ('authorised', 'charging', 'finishing', 'completed', 'failed')",
            name=op.f("ck_sessions_state"),
        ),
        sa.CheckConstraint("energy >= 0 AND cost >= 0", name=op.f("ck_sessions_amounts")),
    )
    op.create_index("ix_sessions_history", "sessions", ["driver_id", "requested_ms", "session_id"])
    op.create_index(
        "ix_sessions_open",
        "sessions",
        ["session_id"],
        sqlite_where=sa.text("open = 1"),
        postgresql_where=sa.text("open"),
    )
    op.create_table(
        "tickets",
        sa.Column("session_id", sa.Text, nullable=False),
        sa.Column("cp_id", sa.Text, nullable=False),
        sa.Column("connector_id", sa.Integer, nullable=False),
        sa.Column("driver_id", sa.Text, nullable=False),
        sa.Column("energy", sa.BigInteger, nullable=False),
        sa.Column("price", sa.BigInteger, nullable=False),
        sa.Column("cost", sa.BigInteger, nullable=False),
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("started_at", sa.BigInteger, nullable=False),
        sa.Column("ended_at", sa.BigInteger, nullable=False),
        sa.Column("meter_start_wh", sa.BigInteger),
        sa.Column("meter_stop_wh", sa.BigInteger),
        sa.Column("engine_cost", sa.BigInteger, nullable=False),
        sa.Column("estimated", sa.Boolean, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("issued_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("session_id", name="pk_tickets"),
        sa.ForeignKeyConstraint(
            ["session_id"], ["sessions.session_id"], name="fk_tickets_session_id"
        ),
        sa.CheckConstraint("energy >= 0 AND cost >= 0", name=op.f("ck_tickets_amounts")),
    )
    op.create_table(
        "answers",
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("sender", sa.Text, nullable=False),
        sa.Column("message_id", sa.Text, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("answer", sa.LargeBinary, nullable=False),
        sa.Column("answered_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("message_id", "sender", "role", name="pk_answers"),
    )
    op.create_index("ix_answers_answered_at", "answers", ["answered_at"])
    op.create_table(
        "stop_intents",
        sa.Column("session_id", sa.Text, nullable=False),
        sa.Column("cp_id", sa.Text, nullable=False),
        sa.Column("connector_id", sa.Integer, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("since", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("session_id", name="pk_stop_intents"),
    )
    op.create_table(
        "outbox",
        sa.Column("number", _ROW_NUMBER, nullable=False, autoincrement=False),
        sa.Column("topic", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("value", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_outbox"),
    )
    op.create_table(
        "cluster",
        sa.Column("id", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("cluster_id", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_cluster"),
        sa.CheckConstraint("id = 1", name=op.f("ck_cluster_one_row")),
    )
    op.create_table(
        "lease",
        sa.Column("id", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.Column("since", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_lease"),
        sa.CheckConstraint("id = 1", name=op.f("ck_lease_one_row")),
    )


def downgrade() -> None:
    raise NotImplementedError("take the copy that was made before the migration")
