"""exports of records, and disclosures

Revision: 0030
Before: 0024
"""

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0024"
branch_labels = None
depends_on = None

# The order of the UTF-8 bytes, whatever the database's locale.
text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "disclosure",
        sa.Column("id", text, nullable=False),
        sa.Column("collection", text, nullable=False),
        sa.Column("recipient", text, nullable=False),
        sa.Column("project", text, nullable=False),
        sa.Column("k", sa.Integer(), nullable=False),
        sa.Column("quasi", text, nullable=False),
        sa.Column("small_groups", text, nullable=False),
        sa.Column("treatment", text, nullable=False),
        sa.Column("reason", text, nullable=False),
        sa.Column("made_by", text, nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_by", text, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_disclosure")),
        sa.CheckConstraint("k >= 2", name=op.f("ck_disclosure_k")),
    )
    op.create_index(op.f("ix_disclosure_collection"), "disclosure", ["collection", "made_at"])
    op.create_table(
        "record_export",
        sa.Column("id", text, nullable=False),
        sa.Column("collection", text, nullable=False),
        sa.Column("disclosure", text, nullable=True),
        sa.Column("format", text, nullable=False),
        sa.Column("requested_by", text, nullable=False),
        sa.Column("reason", text, nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("state", text, nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("records", sa.BigInteger(), nullable=True),
        sa.Column("manifest", sa.LargeBinary(), nullable=True),
        sa.Column("note", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_record_export")),
        sa.ForeignKeyConstraint(
            ["disclosure"], ["disclosure.id"], name=op.f("fk_record_export_disclosure")
        ),
    )
    op.create_index(op.f("ix_record_export_started_at"), "record_export", ["started_at"])
    op.create_index(op.f("ix_record_export_state"), "record_export", ["state", "started_at"])


def downgrade() -> None:
    """Take the tables away."""
    op.drop_table("record_export")
    op.drop_table("disclosure")
