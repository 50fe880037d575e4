"""options of named keys, their HMAC keys and public halves

Revision: 0002
Before: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# The order of the UTF-8 bytes, whatever the database's locale.
text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

_FLAGS = (
    "derived",
    "convergent",
    "allow_plaintext_backup",
    "deletion_allowed",
    "allow_rotation",
    "soft_deleted",
)
_NUMBERS = ("key_size", "min_available_version", "auto_rotate_seconds")


def upgrade() -> None:
    for name in _FLAGS:
        default = sa.true() if name == "allow_rotation" else sa.false()
        column: sa.Column[bool] = sa.Column(
            name, sa.Boolean(), nullable=False, server_default=default
        )
        op.add_column("named_key", column)
    for name in _NUMBERS:
        number: sa.Column[int] = sa.Column(
            name, sa.BigInteger(), nullable=False, server_default=sa.text("0")
        )
        op.add_column("named_key", number)
    op.add_column("named_key", sa.Column("backed_up_at", sa.BigInteger()))
    op.add_column("named_key_version", sa.Column("wrapped_hmac", sa.LargeBinary()))
    op.add_column("named_key_version", sa.Column("public", text))
    op.add_column(
        "mount", sa.Column("description", text, nullable=False, server_default=sa.text("''"))
    )
