"""the ends that grants had before they were changed

Revision: 0024
Before: 0023
"""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

# The order of the UTF-8 bytes, whatever the database's locale.
text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the table. What was changed before it was there is not known."""
    op.create_table(
        "role_grant_end",
        sa.Column("grant_id", text, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("grant_id", "number", name=op.f("pk_role_grant_end")),
        sa.ForeignKeyConstraint(
            ["grant_id"], ["role_grant.id"], name=op.f("fk_role_grant_end_grant_id")
        ),
    )


def downgrade() -> None:
    """Take the table away."""
    op.drop_table("role_grant_end")
