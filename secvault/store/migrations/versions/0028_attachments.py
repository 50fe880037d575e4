"""the contents that are stored beside the database, and their keys

Revision: 0028
Before: 0032
"""

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

# The order of the UTF-8 bytes, whatever the database's locale.
text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "attachment",
        sa.Column("id", text, nullable=False),
        sa.Column("collection", text, nullable=False),
        sa.Column("record", text, nullable=False),
        sa.Column("field", text, nullable=False),
        sa.Column("state", text, nullable=False),
        sa.Column("wrapped_key", sa.LargeBinary(), nullable=True),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attachment")),
    )
    op.create_index(
        op.f("ix_attachment_collection_record_field"),
        "attachment",
        ["collection", "record", "field"],
    )
    op.create_index(op.f("ix_attachment_state_changed_at"), "attachment", ["state", "changed_at"])


def downgrade() -> None:
    """Take the table away; the contents stay where they are stored, and open no more."""
    op.drop_table("attachment")
