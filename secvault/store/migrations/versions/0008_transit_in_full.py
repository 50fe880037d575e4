"""how derived keys derive, certificates, what is tuned of mounts, options bound to their key

Revision: 0008
Before: 0007
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

# The order of the UTF-8 bytes, whatever the database's locale.
text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.add_column(
        "named_key", sa.Column("kdf", text, nullable=False, server_default=sa.text("'hkdf_sha256'"))
    )
    op.add_column("named_key", sa.Column("sealed_options", sa.LargeBinary()))
    op.add_column("named_key_version", sa.Column("certificate_chain", text))
    for name in ("default_lease_seconds", "max_lease_seconds", "cache_size"):
        column = sa.Column(name, sa.BigInteger(), nullable=False, server_default=sa.text("0"))
        op.add_column("mount", column)
    op.add_column(
        "mount",
        sa.Column("disable_upsert", sa.Boolean(), nullable=False, server_default=sa.false()),
    )
    op.add_column("mount", sa.Column("move_id", text))
    op.add_column("mount", sa.Column("moved_from", text))
