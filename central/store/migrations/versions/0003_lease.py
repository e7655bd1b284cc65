"""Whose database it is, renewed each second; sessions closed without their engine's word."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision: str | None = "0002"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    op.add_column(
        "lease",
        sa.Column(
            "address",
            sa.Text,
            nullable=False,
            server_default=sa.text("''"),
            comment="where its holder is found; empty if it was given back",
        ),
    )
    op.add_column(
        "lease",
        sa.Column(
            "renewed_at",
            sa.Double,
            nullable=False,
            server_default=sa.text("0"),
            comment="Unix seconds of the database's clock",
        ),
    )
    op.add_column(
        "sessions",
        sa.Column("estimated", sa.Boolean, nullable=False, server_default=sa.false()),
    )


def downgrade() -> None:
    raise NotImplementedError("take the copy that was made before the migration")
