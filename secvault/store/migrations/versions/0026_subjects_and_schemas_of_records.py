"""records that share a data key, and which schema wrote a record

Revision: 0026
Before: 0025
"""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column and the index. Records from before stay as they are."""
    op.add_column(
        "record",
        sa.Column("schema_version", sa.Integer(), nullable=False, server_default=sa.text("0")),
    )
    others = sa.text("subject <> id")
    op.create_index(
        op.f("ix_record_collection_subject_id"),
        "record",
        ["collection", "subject", "id"],
        sqlite_where=others,
        postgresql_where=others,
    )


def downgrade() -> None:
    """Take both away."""
    op.drop_index(op.f("ix_record_collection_subject_id"), table_name="record")
    op.drop_column("record", "schema_version")
