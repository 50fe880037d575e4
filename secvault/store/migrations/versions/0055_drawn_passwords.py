"""drawn passwords

Revision: 0055
Before: 0054
"""

import sqlalchemy as sa
from alembic import op

revision = "0055"
down_revision = "0054"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Note whether a repository's password was drawn here; of those before it is not known."""
    op.add_column(
        "backup_repository",
        sa.Column("drawn", sa.Boolean(), nullable=False, server_default=sa.false()),
    )


def downgrade() -> None:
    """Forget it."""
    op.drop_column("backup_repository", "drawn")
