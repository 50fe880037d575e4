"""an index of the audit log for departments beside the places of others

Revision: 0054
Before: 0053
"""

import sqlalchemy as sa
from alembic import op

revision = "0054"
down_revision = "0053"
branch_labels = None
depends_on = None

_NAME = "ix_audit_event_elsewhere"


def upgrade() -> None:
    """Make the index."""
    op.create_index(
        _NAME,
        "audit_event",
        ["department", "seq"],
        sqlite_where=sa.text("substr(resource, 1, instr(resource || '/', '/') - 1) <> department"),
        postgresql_where=sa.text("split_part(resource, '/', 1) <> department"),
    )


def downgrade() -> None:
    """Take it away."""
    op.drop_index(_NAME, "audit_event")
