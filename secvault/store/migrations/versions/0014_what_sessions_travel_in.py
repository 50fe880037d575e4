"""what a session's token travels in, and the network that it was opened from

Revision: 0014
Before: 0011
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

# The order of the UTF-8 bytes, whatever the database's locale.
text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    given = sa.text("'header'")
    op.add_column("session", sa.Column("carrier", text, nullable=False, server_default=given))
    op.add_column("session", sa.Column("network", text, nullable=True))
