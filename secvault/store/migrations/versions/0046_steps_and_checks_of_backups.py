"""progress, steps and cancelling of backup runs; checks of repositories

Revision: 0046
Before: 0045
"""

import sqlalchemy as sa
from alembic import op

revision = "0046"
down_revision = "0045"
branch_labels = None
depends_on = None

# The order of the UTF-8 bytes, whatever the database's locale.
text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

_NUMBERS = ("bytes_done", "bytes_expected", "files_done", "files_expected", "rate", "seconds_left")
_TEXTS = ("source", "cancel_by")


def upgrade() -> None:
    """Add the columns and make the tables."""
    for name in _NUMBERS:
        op.add_column("backup_run", sa.Column(name, sa.BigInteger()))
    for name in _TEXTS:
        op.add_column("backup_run", sa.Column(name, text))
    op.create_table(
        "backup_step",
        sa.Column("run", text, nullable=False),
        sa.Column("name", text, nullable=False),
        sa.Column("place", sa.BigInteger(), nullable=False),
        sa.Column("state", text, nullable=False),
        sa.Column("attempts", sa.BigInteger(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger()),
        sa.Column("error", text),
        sa.PrimaryKeyConstraint("run", "name", name=op.f("pk_backup_step")),
    )
    op.create_table(
        "backup_check",
        sa.Column("id", text, nullable=False),
        sa.Column("plan", text, nullable=False),
        sa.Column("state", text, nullable=False),
        sa.Column("phase", text, nullable=False),
        sa.Column("requested_by", text, nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger()),
        sa.Column("passed", sa.Boolean()),
        sa.Column("cancel_by", text),
        sa.Column("error", text),
        sa.Column("node", text, nullable=False),
        sa.Column("beat_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_backup_check")),
    )
    op.create_index("ix_backup_check_plan_started_at", "backup_check", ["plan", "started_at"])
    running = sa.text("state = 'running'")
    op.create_index(
        "uq_backup_check_running",
        "backup_check",
        ["plan"],
        unique=True,
        sqlite_where=running,
        postgresql_where=running,
    )
    op.create_table(
        "backup_checked",
        sa.Column("check_id", text, nullable=False),
        sa.Column("repository", text, nullable=False),
        sa.Column("checked_at", sa.BigInteger(), nullable=False),
        sa.Column("passed", sa.Boolean(), nullable=False),
        sa.Column("read", text, nullable=False),
        sa.Column("damaged", text),
        sa.Column("notes", text),
        sa.PrimaryKeyConstraint("check_id", "repository", name=op.f("pk_backup_checked")),
    )
    op.create_table(
        "backup_part",
        sa.Column("repository", text, nullable=False),
        sa.Column("parts", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("part", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("read_at", sa.BigInteger()),
        sa.PrimaryKeyConstraint("repository", "parts", "part", name=op.f("pk_backup_part")),
    )


def downgrade() -> None:
    """Take them away."""
    for table in ("backup_part", "backup_checked", "backup_check", "backup_step"):
        op.drop_table(table)
    for name in (*_TEXTS, *_NUMBERS):
        op.drop_column("backup_run", name)
