"""scenario drills

Revision: 0052
Before: 0051
"""

import sqlalchemy as sa
from alembic import op

revision = "0052"
down_revision = "0051"
branch_labels = None
depends_on = None

# The order of the UTF-8 bytes, whatever the database's locale.
text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
_RUNNING = sa.text("state = 'running'")


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "drill_scenario",
        sa.Column("id", text, nullable=False),
        sa.Column("scenario", text, nullable=False),
        sa.Column("plan", text, nullable=False),
        sa.Column("state", text, nullable=False),
        sa.Column("phase", text, nullable=False),
        sa.Column("requested_by", text, nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger()),
        sa.Column("passed", sa.Boolean()),
        sa.Column("rto_seconds", sa.BigInteger()),
        sa.Column("document", sa.LargeBinary()),
        sa.Column("note", sa.LargeBinary()),
        sa.Column("cancel_by", text),
        sa.Column("error", text),
        sa.Column("node", text, nullable=False),
        sa.Column("beat_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drill_scenario")),
    )
    op.create_index(
        op.f("ix_drill_scenario_plan_started_at"), "drill_scenario", ["plan", "started_at"]
    )
    op.create_index(
        "uq_drill_scenario_running",
        "drill_scenario",
        ["plan"],
        unique=True,
        sqlite_where=_RUNNING,
        postgresql_where=_RUNNING,
    )


def downgrade() -> None:
    """Take it away."""
    op.drop_table("drill_scenario")
