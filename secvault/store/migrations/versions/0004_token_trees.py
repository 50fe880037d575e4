"""tokens that are renewed, counted, and made by other tokens

Revision: 0004
Before: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# The order of the UTF-8 bytes, whatever the database's locale.
text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    zero = sa.text("0")
    with op.batch_alter_table("token") as token:
        token.add_column(sa.Column("parent", text))
        for name in ("ttl_seconds", "period_seconds"):
            token.add_column(sa.Column(name, sa.BigInteger(), nullable=False, server_default=zero))
        token.add_column(
            sa.Column("renewable", sa.Boolean(), nullable=False, server_default=sa.false())
        )
        for name in ("latest_end", "renewed_at", "uses_left"):
            token.add_column(sa.Column(name, sa.BigInteger()))
        token.add_column(sa.Column("meta", text, nullable=False, server_default=sa.text("'{}'")))
        token.create_foreign_key(op.f("fk_token_parent"), "token", ["parent"], ["key_id"])
        token.create_index(op.f("ix_token_parent"), ["parent"])
    op.execute("UPDATE token SET ttl_seconds = (expires_at - created_at) / 1000000")
