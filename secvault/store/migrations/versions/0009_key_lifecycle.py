"""which versions were warned of, how keys are used, and runs of re-wrapping

Revision: 0009
Before: 0008
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

# The order of the UTF-8 bytes, whatever the database's locale.
text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.add_column("named_key_version", sa.Column("warned_at", sa.BigInteger(), nullable=True))
    op.create_table(
        "key_usage",
        sa.Column("mount", text, nullable=False),
        sa.Column("name", text, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("subject", text, nullable=False),
        sa.Column("operation", text, nullable=False),
        sa.Column("operations", sa.BigInteger(), nullable=False),
        sa.Column("items", sa.BigInteger(), nullable=False),
        sa.Column("first_at", sa.BigInteger(), nullable=False),
        sa.Column("last_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "mount", "name", "version", "subject", "operation", name=op.f("pk_key_usage")
        ),
    )
    op.create_table(
        "rewrap_run",
        sa.Column("id", text, nullable=False),
        sa.Column("collection", text, nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=True),
        sa.Column("rewrapped", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
        sa.Column("remaining", sa.BigInteger(), nullable=True),
        sa.Column("damaged", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
        sa.Column("stopped_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rewrap_run")),
    )
