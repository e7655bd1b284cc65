"""What operators list, what they ordered, and who is let in."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision: str | None = "0001"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    # SQLite adds a column with a default in place; nothing is made anew.
    for column in ("suspect", "disputed"):
        op.add_column(
            "sessions", sa.Column(column, sa.Boolean, nullable=False, server_default=sa.false())
        )
    op.add_column(
        "points",
        sa.Column("time_scale", sa.Double, nullable=False, server_default=sa.text("1")),
    )
    op.add_column(
        "lease",
        sa.Column(
            "mark",
            sa.BigInteger,
            nullable=False,
            server_default=sa.text("0"),
            comment="the last transaction of this epoch, by its number",
        ),
    )
    op.create_index("ix_sessions_newest", "sessions", ["requested_ms", "session_id"])
    op.create_index("ix_sessions_of_point", "sessions", ["cp_id", "requested_ms", "session_id"])
    op.create_index("ix_sessions_in_state", "sessions", ["state", "requested_ms", "session_id"])
    op.create_index("ix_tickets_newest", "tickets", ["ended_at", "session_id"])
    op.create_index("ix_tickets_of_point", "tickets", ["cp_id", "ended_at", "session_id"])
    op.create_index("ix_tickets_of_driver", "tickets", ["driver_id", "ended_at", "session_id"])
    op.create_table(
        "audit",
        sa.Column("entry_id", sa.Text, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("admin_id", sa.Text, nullable=False),
        sa.Column("command", sa.Text, nullable=False),
        sa.Column("cp_id", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("succeeded", sa.BigInteger, nullable=False),
        sa.Column("failed", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("entry_id", name="pk_audit"),
    )
    op.create_index("ix_audit_newest", "audit", ["at", "entry_id"])
    op.create_table(
        "credentials",
        sa.Column("change", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("hash", sa.Text, nullable=False),
        sa.Column("made_at", sa.BigInteger, nullable=False),
        sa.Column("revoked_at", sa.BigInteger),
        sa.PrimaryKeyConstraint("change", name="pk_credentials"),
    )
    op.create_index(
        "uq_credentials_live",
        "credentials",
        ["role", "id"],
        unique=True,
        sqlite_where=sa.text("revoked_at IS NULL"),
        postgresql_where=sa.text("revoked_at IS NULL"),
    )
    op.create_table(
        "secrets",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("value", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_secrets"),
    )


def downgrade() -> None:
    raise NotImplementedError("take the copy that was made before the migration")
