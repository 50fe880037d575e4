"""streams of the audit log, and detection

Revision: 0038
Before: 0037
"""

import sqlalchemy as sa
from alembic import op

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None

# The order of the UTF-8 bytes, whatever the database's locale.
text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "audit_stream",
        sa.Column("name", text, nullable=False),
        sa.Column("first_seq", sa.BigInteger(), nullable=False),
        sa.Column("acknowledged_seq", sa.BigInteger(), nullable=False),
        sa.Column("next_seq", sa.BigInteger(), nullable=False),
        sa.Column("acknowledged_at", sa.BigInteger(), nullable=True),
        sa.Column("failing_since", sa.BigInteger(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("reason", text, nullable=True),
        sa.Column("next_try_at", sa.BigInteger(), nullable=False),
        sa.Column("stalled_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_audit_stream")),
    )
    op.create_table(
        "audit_watch",
        sa.Column("name", text, nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_audit_watch")),
    )
    op.create_table(
        "audit_count",
        sa.Column("measure", text, nullable=False),
        sa.Column("subject", text, nullable=False),
        sa.Column("slot", sa.BigInteger(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("measure", "subject", "slot", name=op.f("pk_audit_count")),
    )
    op.create_index(op.f("ix_audit_count_slot"), "audit_count", ["slot"])
    op.create_table(
        "audit_control",
        sa.Column("name", text, nullable=False),
        sa.Column("strength", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_audit_control")),
    )
    op.create_table(
        "audit_alert",
        sa.Column("id", text, nullable=False),
        sa.Column("rule", text, nullable=False),
        sa.Column("subject", text, nullable=False),
        sa.Column("first_at", sa.BigInteger(), nullable=False),
        sa.Column("last_at", sa.BigInteger(), nullable=False),
        sa.Column("times", sa.BigInteger(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=True),
        sa.Column("counted", sa.BigInteger(), nullable=True),
        sa.Column("threshold", sa.BigInteger(), nullable=True),
        sa.Column("acknowledged_at", sa.BigInteger(), nullable=True),
        sa.Column("acknowledged_by", text, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_alert")),
    )
    for columns in (["rule", "subject", "first_at"], ["acknowledged_at"]):
        op.create_index(op.f(f"ix_audit_alert_{'_'.join(columns)}"), "audit_alert", columns)


def downgrade() -> None:
    """Take the tables away."""
    for table in ("audit_alert", "audit_control", "audit_count", "audit_watch", "audit_stream"):
        op.drop_table(table)
