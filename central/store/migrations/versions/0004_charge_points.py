"""Charge points that speak OCPP: who made them, how they are connected, what they measure, who may
charge there, and their transactions.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision: str | None = "0003"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    version = "as its gateway says; none: a monitor speaks for it"
    op.add_column("points", sa.Column("ocpp_version", sa.Text, comment=version))
    for name in ("vendor", "model", "serial_number", "firmware_version"):
        op.add_column("points", sa.Column(name, sa.Text))
    op.create_table(
        "connections",
        sa.Column("cp_id", sa.Text, nullable=False),
        sa.Column("node", sa.Text, nullable=False),
        sa.Column("partition", sa.Integer, nullable=False),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.Column("open", sa.Boolean, nullable=False),
        sa.Column("ocpp_version", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("cp_id", name="pk_connections"),
    )
    op.create_table(
        "connectors",
        sa.Column("cp_id", sa.Text, nullable=False),
        sa.Column("connector_id", sa.Integer, nullable=False),
        sa.Column("status", sa.Text, comment="the charge point's last word, if it is not Faulted"),
        sa.Column("fault", sa.Text),
        sa.PrimaryKeyConstraint("cp_id", "connector_id", name="pk_connectors"),
    )
    op.create_table(
        "samples",
        sa.Column("cp_id", sa.Text, nullable=False),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.Column("digest", sa.BigInteger, nullable=False, comment="of all that follows"),
        sa.Column("connector_id", sa.Integer, nullable=False),
        sa.Column("transaction_id", sa.BigInteger),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("measurand", sa.Text, nullable=False),
        sa.Column("unit", sa.Text, nullable=False),
        sa.Column("context", sa.Text, nullable=False),
        sa.Column("location", sa.Text, nullable=False),
        sa.Column("phase", sa.Text),
        sa.Column("format", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("cp_id", "at_ms", "digest", name="pk_samples"),
        sqlite_with_rowid=False,
    )
    _transactions()


def _transactions() -> None:
    op.create_table(
        "id_tags",
        sa.Column("key", sa.Text, nullable=False, comment="the id tag without regard to case"),
        sa.Column("id_tag", sa.Text, nullable=False),
        sa.Column("driver_id", sa.Text),
        sa.Column("parent_id_tag", sa.Text),
        sa.Column("expires_at", sa.BigInteger),
        sa.Column("blocked", sa.Boolean, nullable=False),
        sa.Column("max_concurrent", sa.Integer, nullable=False),
        sa.Column("note", sa.Text),
        sa.Column("removed", sa.Boolean, nullable=False),
        sa.Column("change", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_id_tags"),
    )
    op.create_index("uq_id_tags_change", "id_tags", ["change"], unique=True)
    for column in (
        sa.Column("id_tag", sa.Text, comment="at an OCPP charge point alone, as all that follow"),
        sa.Column("transaction_id", sa.BigInteger),
        sa.Column(
            "start_key",
            sa.Text,
            comment="point/connector/time/meter/id tag of its StartTransaction",
        ),
        sa.Column("meter_start_wh", sa.BigInteger),
    ):
        op.add_column("sessions", column)
    for name in ("transaction_id", "start_key"):
        known = sa.text(f"{name} IS NOT NULL")
        op.create_index(
            f"uq_sessions_{name}",
            "sessions",
            [name],
            unique=True,
            sqlite_where=known,
            postgresql_where=known,
        )


def downgrade() -> None:
    raise NotImplementedError("take the copy that was made before the migration")
