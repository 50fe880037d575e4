"""repositories that are added while the service runs, copies of runs, passwords that change

Revision: 0045
Before: 0042
"""

import sqlalchemy as sa
from alembic import op

revision = "0045"
down_revision = "0042"
branch_labels = None
depends_on = None

_INDEX = "ix_backup_copy_plan_repository_started_at"
_COLUMNS = (
    ("sealed_next", sa.LargeBinary()),
    ("sealed_previous", sa.LargeBinary()),
    ("password_since", sa.BigInteger()),
    ("escrowed_at", sa.BigInteger()),
    ("locks_extended_at", sa.BigInteger()),
)


def upgrade() -> None:
    """Make the tables and the columns."""
    op.create_table(
        "stored_repository",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("settings", sa.Text(), nullable=False),
        sa.Column("sealed_secrets", sa.LargeBinary(), nullable=False),
        sa.Column("added_by", sa.Text(), nullable=False),
        sa.Column("added_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_stored_repository"),
    )
    op.create_table(
        "backup_copy",
        sa.Column("run", sa.Text(), nullable=False),
        sa.Column("repository", sa.Text(), nullable=False),
        sa.Column("plan", sa.Text(), nullable=False),
        sa.Column("way", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("snapshot", sa.Text(), nullable=True),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("run", "repository", name="pk_backup_copy"),
    )
    op.create_index(_INDEX, "backup_copy", ["plan", "repository", "started_at"])
    for name, kind in _COLUMNS:
        op.add_column("backup_repository", sa.Column(name, kind, nullable=True))


def downgrade() -> None:
    """Take them away."""
    for name, _ in reversed(_COLUMNS):
        op.drop_column("backup_repository", name)
    op.drop_index(_INDEX, "backup_copy")
    op.drop_table("backup_copy")
    op.drop_table("stored_repository")
