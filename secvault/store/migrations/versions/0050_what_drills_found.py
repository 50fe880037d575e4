"""what drills found, and what was asked of them

Revision: 0050
Before: 0049
"""

import sqlalchemy as sa
from alembic import op

revision = "0050"
down_revision = "0049"
branch_labels = None
depends_on = None

# The order of the UTF-8 bytes, whatever the database's locale.
text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

_COLUMNS = (
    ("repository", text),
    ("snapshot_at", sa.BigInteger()),
    ("data_at", sa.BigInteger()),
    ("chosen", text),
    ("extent", text),
    ("complete", sa.Boolean()),
    ("files", sa.BigInteger()),
    ("bytes", sa.BigInteger()),
    ("scratch_announced", sa.BigInteger()),
    ("scratch_used", sa.BigInteger()),
    ("levels", text),
    ("faults", text),
    ("phases", text),
    ("figures", text),
    ("cancel_by", text),
)


def upgrade() -> None:
    """Add the columns, and the table of what was asked for."""
    with op.batch_alter_table("drill") as batch:
        for name, kind in _COLUMNS:
            batch.add_column(sa.Column(name, kind))
    # Those of before were of all that there was to prove then.
    op.execute("UPDATE drill SET complete = (passed IS NOT NULL)")
    op.create_table(
        "drill_order",
        sa.Column("id", text, nullable=False),
        sa.Column("plan", text, nullable=False),
        sa.Column("wanted", text, nullable=False),
        sa.Column("asked_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drill_order")),
    )


def downgrade() -> None:
    """Take them away."""
    op.drop_table("drill_order")
    with op.batch_alter_table("drill") as batch:
        for name, _ in reversed(_COLUMNS):
            batch.drop_column(name)
