"""tokens of blind indexes

Revision: 0027
Before: 0026
"""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

# The order of the UTF-8 bytes, whatever the database's locale.
text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the tables. Records from before have no tokens until they are indexed."""
    op.create_table(
        "record_index",
        sa.Column("collection", text, nullable=False),
        sa.Column("field", text, nullable=False),
        sa.Column("kind", text, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("token", sa.LargeBinary(), nullable=False),
        sa.Column("record", text, nullable=False),
        sa.PrimaryKeyConstraint(
            *("collection", "field", "kind", "version", "token", "record"),
            name=op.f("pk_record_index"),
        ),
        sa.ForeignKeyConstraint(
            ["collection", "record"],
            ["record.collection", "record.id"],
            name=op.f("fk_record_index_collection_record"),
            ondelete="CASCADE",
        ),
        sqlite_with_rowid=False,
    )
    op.create_index(
        op.f("ix_record_index_collection_record"), "record_index", ["collection", "record"]
    )
    op.create_table(
        "record_index_version",
        sa.Column("collection", text, nullable=False),
        sa.Column("field", text, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("definition", sa.LargeBinary(), nullable=False),
        sa.Column("position", text, nullable=False),
        sa.Column("built_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint(
            "collection", "field", "version", name=op.f("pk_record_index_version")
        ),
    )


def downgrade() -> None:
    """Take the tables away."""
    op.drop_table("record_index_version")
    op.drop_index(op.f("ix_record_index_collection_record"), table_name="record_index")
    op.drop_table("record_index")
