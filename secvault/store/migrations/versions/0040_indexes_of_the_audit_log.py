"""indexes of the audit log for what is frequent alone and rare together

Revision: 0040
Before: 0039
"""

import sqlalchemy as sa
from alembic import op

revision = "0040"
down_revision = "0039"
branch_labels = None
depends_on = None

_ACTOR_KIND = "ix_audit_event_actor_kind_seq"
_DEPARTMENT = "ix_audit_event_department_seq"
_NOT_OK = "ix_audit_event_not_ok"


def upgrade() -> None:
    """Make the indexes."""
    op.create_index(_ACTOR_KIND, "audit_event", ["actor", "kind", "seq"])
    op.create_index(_DEPARTMENT, "audit_event", ["department", "seq"])
    not_ok = sa.text("outcome <> 'ok'")
    op.create_index(
        _NOT_OK,
        "audit_event",
        ["outcome", "seq"],
        sqlite_where=not_ok,
        postgresql_where=not_ok,
    )


def downgrade() -> None:
    """Take them away."""
    for name in (_NOT_OK, _DEPARTMENT, _ACTOR_KIND):
        op.drop_index(name, "audit_event")
