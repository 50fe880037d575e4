"""restores that the worker does

Revision: 0049
Before: 0048
"""

import sqlalchemy as sa
from alembic import op

revision = "0049"
down_revision = "0048"
branch_labels = None
depends_on = None

# The order of the UTF-8 bytes, whatever the database's locale.
text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "backup_restore",
        sa.Column("id", text, nullable=False),
        sa.Column("plan", text, nullable=False),
        sa.Column("snapshot", text, nullable=False),
        sa.Column("target", text, nullable=False),
        sa.Column("production", sa.Boolean(), nullable=False),
        sa.Column("sealed_terms", sa.LargeBinary(), nullable=False),
        sa.Column("phase", text, nullable=False),
        sa.Column("files_done", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("bytes_done", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("bytes_total", sa.BigInteger()),
        sa.Column("result", text),
        sa.Column("stopped_at", sa.BigInteger()),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_backup_restore")),
    )


def downgrade() -> None:
    """Take it away."""
    op.drop_table("backup_restore")
