"""why values were revealed, and what was made once

Revision: 0032
Before: 0030
"""

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None

# The order of the UTF-8 bytes, whatever the database's locale.
text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "record_reveal",
        sa.Column("id", text, nullable=False),
        sa.Column("collection", text, nullable=False),
        sa.Column("record", text, nullable=False),
        sa.Column("revealer", text, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("envelope", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_record_reveal")),
        sa.ForeignKeyConstraint(
            ["collection", "record"],
            ["record.collection", "record.id"],
            name=op.f("fk_record_reveal_collection_record"),
            ondelete="CASCADE",
        ),
    )
    for columns in (["collection", "record"], ["revealer", "at"]):
        op.create_index(op.f(f"ix_record_reveal_{'_'.join(columns)}"), "record_reveal", columns)
    op.create_table(
        "idempotency_key",
        sa.Column("caller", text, nullable=False),
        sa.Column("key", text, nullable=False),
        sa.Column("collection", text, nullable=False),
        sa.Column("record", text, nullable=False),
        sa.Column("envelope", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("caller", "key", name=op.f("pk_idempotency_key")),
    )
    for columns in (["collection", "record"], ["created_at"]):
        op.create_index(op.f(f"ix_idempotency_key_{'_'.join(columns)}"), "idempotency_key", columns)


def downgrade() -> None:
    """Take the tables away."""
    op.drop_table("idempotency_key")
    op.drop_table("record_reveal")
