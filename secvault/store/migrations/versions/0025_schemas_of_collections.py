"""what each version of a collection's schema said, and runs that move records to a newer one

Revision: 0025
Before: 0024
"""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

# The order of the UTF-8 bytes, whatever the database's locale.
text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Add both tables. Schemas that were published before are noted with the next publication."""
    op.create_table(
        "collection_schema",
        sa.Column("collection", text, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("described", sa.LargeBinary(), nullable=False),
        sa.Column("publication", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("collection", "version", name=op.f("pk_collection_schema")),
    )
    op.create_table(
        "migration_run",
        sa.Column("id", text, nullable=False),
        sa.Column("collection", text, nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=True),
        sa.Column("migrated", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
        sa.Column("remaining", sa.BigInteger(), nullable=True),
        sa.Column("damaged", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
        sa.Column("stopped_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_migration_run")),
    )


def downgrade() -> None:
    """Take both away."""
    op.drop_table("migration_run")
    op.drop_table("collection_schema")
