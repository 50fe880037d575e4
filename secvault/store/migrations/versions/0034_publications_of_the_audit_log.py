"""the keys of the audit log, and where it is published

Revision: 0034
Before: 0033
"""

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None

# The order of the UTF-8 bytes, whatever the database's locale.
text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "audit_signing_key",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("vkey", text, nullable=False),
        sa.Column("purpose", text, nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=True),
        sa.Column("reason", text, nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_audit_signing_key")),
    )
    op.create_table(
        "audit_publication",
        sa.Column("name", text, nullable=False),
        sa.Column("origin", text, nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("tiles", sa.BigInteger(), nullable=False),
        sa.Column("published_at", sa.BigInteger(), nullable=False),
        sa.Column("tried_at", sa.BigInteger(), nullable=False),
        sa.Column("fault", text, nullable=False),
        sa.Column("detail", text, nullable=False),
        sa.Column("failing_since", sa.BigInteger(), nullable=False),
        sa.Column("told_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_audit_publication")),
    )
    op.create_table(
        "audit_published",
        sa.Column("publication", text, nullable=False),
        sa.Column("origin", text, nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("version", text, nullable=False),
        sa.Column("mode", text, nullable=False),
        sa.Column("retain_until", sa.BigInteger(), nullable=False),
        sa.Column("t", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("publication", "origin", "size", name=op.f("pk_audit_published")),
    )


def downgrade() -> None:
    """Take the tables away."""
    for name in ("audit_published", "audit_publication", "audit_signing_key"):
        op.drop_table(name)
