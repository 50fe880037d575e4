"""backup plans in the store; windows, jitter and priority of schedules and jobs

Revision: 0042
Before: 0040
"""

import sqlalchemy as sa
from alembic import op

revision = "0042"
down_revision = "0040"
branch_labels = None
depends_on = None

# The order of the UTF-8 bytes, whatever the database's locale.
text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

_NUMBERS = (("schedule", "jitter_minutes"), ("schedule", "priority"), ("job", "priority"))
_MOMENTS = ("not_before", "not_after")


def upgrade() -> None:
    """Make the tables and columns; what waits may begin as before."""
    op.create_table(
        "backup_plan",
        sa.Column("name", text, nullable=False),
        sa.Column("settings", text, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("paused_at", sa.BigInteger(), nullable=True),
        sa.Column("made_by", text, nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("changed_by", text, nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_backup_plan")),
    )
    op.create_table(
        "backup_plan_secret",
        sa.Column("plan", text, nullable=False),
        sa.Column("place", text, nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["plan"], ["backup_plan.name"], name=op.f("fk_backup_plan_secret_plan_backup_plan")
        ),
        sa.PrimaryKeyConstraint("plan", "place", name=op.f("pk_backup_plan_secret")),
    )
    op.add_column(
        "schedule", sa.Column("windows", text, nullable=False, server_default=sa.text("''"))
    )
    for table, name in _NUMBERS:
        op.add_column(
            table, sa.Column(name, sa.Integer(), nullable=False, server_default=sa.text("0"))
        )
    for name in _MOMENTS:
        op.add_column("job", sa.Column(name, sa.BigInteger()))


def downgrade() -> None:
    """Take them away; stored plans are lost."""
    for name in _MOMENTS:
        op.drop_column("job", name)
    for table, name in _NUMBERS:
        op.drop_column(table, name)
    op.drop_column("schedule", "windows")
    op.drop_table("backup_plan_secret")
    op.drop_table("backup_plan")
