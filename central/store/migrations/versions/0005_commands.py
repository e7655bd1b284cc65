"""What OCPP charge points are told to do, and what became of it."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision: str | None = "0004"
branch_labels: str | None = None
depends_on: str | None = None

STATES = "'queued', 'sent', 'accepted', 'rejected', 'failed', 'timed_out', 'unknown', 'superseded'"
UNDECIDED = sa.text("state IN ('queued', 'sent', 'unknown')")


def upgrade() -> None:
    op.create_table(
        "commands",
        sa.Column("command_id", sa.Text, nullable=False),
        sa.Column("cp_id", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("message", sa.LargeBinary, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("ordered_by", sa.Text, nullable=False),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.Column("changed_ms", sa.BigInteger, nullable=False),
        sa.Column("expires_ms", sa.BigInteger, nullable=False),
        sa.Column("connection", sa.Text, comment="the one that it was sent by last"),
        sa.Column("reason", sa.Text),
        sa.Column("entry_id", sa.Text, comment="its entry in the audit log"),
        sa.Column("answer", sa.Text),
        sa.Column("error_code", sa.Text),
        sa.Column("error_description", sa.Text),
        sa.PrimaryKeyConstraint("command_id", name="pk_commands"),
        sa.CheckConstraint(f"state IN ({STATES})", name=op.f("ck_commands_state")),
    )
    op.create_index("ix_commands_newest", "commands", ["at_ms", "command_id"])
    op.create_index("ix_commands_of_point", "commands", ["cp_id", "at_ms", "command_id"])
    op.create_index(
        "ix_commands_undecided",
        "commands",
        ["at_ms"],
        sqlite_where=UNDECIDED,
        postgresql_where=UNDECIDED,
    )


def downgrade() -> None:
    raise NotImplementedError("take the copy that was made before the migration")
