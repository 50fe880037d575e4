"""many plans at once

Revision: 0053
Before: 0052
"""

import sqlalchemy as sa
from alembic import op

revision = "0053"
down_revision = "0052"
branch_labels = None
depends_on = None

_ALIVE = sa.text("state IN ('running', 'waiting')")
_TABLES = ("backup_run", "drill")


def upgrade() -> None:
    """Index what is asked of every plan."""
    for table in _TABLES:
        op.create_index(
            f"ix_{table}_alive",
            table,
            ["plan", "started_at"],
            sqlite_where=_ALIVE,
            postgresql_where=_ALIVE,
        )
    op.create_index(
        op.f("ix_backup_snapshot_plan_repository"), "backup_snapshot", ["plan", "repository"]
    )
    op.create_index(op.f("ix_job_kind_plan_due_at"), "job", ["kind", "plan", "due_at"])


def downgrade() -> None:
    """Take the indexes away."""
    op.drop_index(op.f("ix_job_kind_plan_due_at"), "job")
    op.drop_index(op.f("ix_backup_snapshot_plan_repository"), "backup_snapshot")
    for table in _TABLES:
        op.drop_index(f"ix_{table}_alive", table)
