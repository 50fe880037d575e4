"""questions about the audit log that an installation saved

Revision: 0037
Before: 0035
"""

import sqlalchemy as sa
from alembic import op

revision = "0037"
down_revision = "0035"
branch_labels = None
depends_on = None

# The order of the UTF-8 bytes, whatever the database's locale.
text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "audit_question",
        sa.Column("name", text, nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.Column("kept_by", text, nullable=False),
        sa.Column("kept_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_audit_question")),
    )


def downgrade() -> None:
    """Take the table away."""
    op.drop_table("audit_question")
