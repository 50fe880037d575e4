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

# The order of the UTF-8 bytes, whatever the database's locale.
text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

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
        sa.Column("name", text, nullable=False),
        sa.Column("settings", text, nullable=False),
        sa.Column("sealed_secrets", sa.LargeBinary(), nullable=False),
        sa.Column("added_by", text, nullable=False),
        sa.Column("added_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_stored_repository"),
    )
    op.create_table(
        "backup_copy",
        sa.Column("run", text, nullable=False),
        sa.Column("repository", text, nullable=False),
        sa.Column("plan", text, nullable=False),
        sa.Column("way", text, nullable=False),
        sa.Column("state", text, nullable=False),
        sa.Column("snapshot", text, nullable=True),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.Column("error", text, nullable=True),
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
