"""the id of each backup repository, so that another one is not taken for it

Revision: 0048
Before: 0047
"""

import sqlalchemy as sa
from alembic import op

revision = "0048"
down_revision = "0047"
branch_labels = None
depends_on = None

# The order of the UTF-8 bytes, whatever the database's locale.
text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Add the column; each is filled in when the repository is next saved into."""
    op.add_column("backup_repository", sa.Column("identity", text))


def downgrade() -> None:
    """Take it away."""
    op.drop_column("backup_repository", "identity")
