"""what is personal in the audit log, and its keys

Revision: 0033
Before: 0032
"""

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None

# The order of the UTF-8 bytes, whatever the database's locale.
text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "audit_personal",
        sa.Column("event", text, nullable=False),
        sa.Column("slot", text, nullable=False),
        sa.Column("subject", text, nullable=False),
        sa.Column("key", text, nullable=False),
        sa.Column("envelope", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("event", "slot", name=op.f("pk_audit_personal")),
    )
    op.create_index(op.f("ix_audit_personal_subject"), "audit_personal", ["subject"])
    op.create_table(
        "audit_subject_key",
        sa.Column("id", text, nullable=False),
        sa.Column("subject", text, nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_subject_key")),
    )
    op.create_index(
        op.f("ix_audit_subject_key_subject_created_at"),
        "audit_subject_key",
        ["subject", "created_at"],
    )


def downgrade() -> None:
    """Take the tables away."""
    op.drop_table("audit_subject_key")
    op.drop_table("audit_personal")
