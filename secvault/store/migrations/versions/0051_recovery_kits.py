"""the recovery kit: shares, kits, and where they were written

Revision: 0051
Before: 0050
"""

import sqlalchemy as sa
from alembic import op

revision = "0051"
down_revision = "0050"
branch_labels = None
depends_on = None

# The order of the UTF-8 bytes, whatever the database's locale.
text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "recovery_shares",
        sa.Column("id", text, nullable=False),
        sa.Column("identifier", sa.BigInteger(), nullable=False),
        sa.Column("threshold", sa.BigInteger(), nullable=False),
        sa.Column("shares", sa.BigInteger(), nullable=False),
        sa.Column("checks", text, nullable=False),
        sa.Column("sealed_secret", sa.LargeBinary(), nullable=True),
        sa.Column("root_generation", sa.BigInteger(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("made_by", text, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recovery_shares")),
    )
    op.create_table(
        "recovery_kit",
        sa.Column("id", text, nullable=False),
        sa.Column("shares_id", text, nullable=False),
        sa.Column("issued_at", sa.BigInteger(), nullable=False),
        sa.Column("issued_by", text, nullable=False),
        sa.Column("digest", text, nullable=False),
        sa.Column("parts", text, nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=True),
        sa.Column("outside", sa.LargeBinary(), nullable=True),
        sa.Column("taken_at", sa.BigInteger(), nullable=True),
        sa.Column("taken_by", text, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recovery_kit")),
    )
    op.create_table(
        "recovery_place",
        sa.Column("place", text, nullable=False),
        sa.Column("kit", text, nullable=True),
        sa.Column("written_at", sa.BigInteger(), nullable=True),
        sa.Column("fault", text, nullable=True),
        sa.PrimaryKeyConstraint("place", name=op.f("pk_recovery_place")),
    )
    op.create_index(op.f("ix_recovery_kit_issued_at"), "recovery_kit", ["issued_at"])


def downgrade() -> None:
    """Take them away; their indexes go with them."""
    for table in ("recovery_place", "recovery_kit", "recovery_shares"):
        op.drop_table(table)
