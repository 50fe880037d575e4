"""how many messages each version of a key has sealed

Revision: 0005
Before: 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "named_key_version",
        sa.Column("messages", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
    )
