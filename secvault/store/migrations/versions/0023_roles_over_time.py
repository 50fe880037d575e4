"""roles that somebody may activate, and who was told that a role ends

Revision: 0023
Before: 0022
"""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

# The order of the UTF-8 bytes, whatever the database's locale.
text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the tables. Grants without an end stay as they are: `grants list --without-end`."""
    op.create_table(
        "role_grant_warning",
        sa.Column("grant_id", text, nullable=False),
        sa.Column("days", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("grant_id", name=op.f("pk_role_grant_warning")),
        sa.ForeignKeyConstraint(
            ["grant_id"], ["role_grant.id"], name=op.f("fk_role_grant_warning_grant_id")
        ),
    )
    op.create_table(
        "role_eligibility",
        sa.Column("id", text, nullable=False),
        sa.Column("subject", text, nullable=False),
        sa.Column("role", text, nullable=False),
        sa.Column("department", text, nullable=False),
        sa.Column("not_before", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("claim_by", sa.BigInteger(), nullable=True),
        sa.Column("most_seconds", sa.Integer(), nullable=False),
        sa.Column("needs_approval", sa.Boolean(), nullable=False),
        sa.Column("needs_ticket", sa.Boolean(), nullable=False),
        sa.Column("granted_by", text, nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("claimed_at", sa.BigInteger(), nullable=True),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_role_eligibility")),
        sa.CheckConstraint(
            "granted_by <> subject", name=op.f("ck_role_eligibility_nobody_for_themselves")
        ),
    )
    live = sa.text("revoked_at IS NULL")
    op.create_index(
        "uq_role_eligibility_live",
        "role_eligibility",
        ["subject", "role", "department"],
        unique=True,
        sqlite_where=live,
        postgresql_where=live,
    )
    op.create_table(
        "role_activation",
        sa.Column("grant_id", text, nullable=False),
        sa.Column("eligibility", text, nullable=False),
        sa.Column("reason", text, nullable=False),
        sa.Column("ticket", text, nullable=False),
        sa.Column("request", text, nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("grant_id", name=op.f("pk_role_activation")),
        sa.ForeignKeyConstraint(
            ["grant_id"], ["role_grant.id"], name=op.f("fk_role_activation_grant_id")
        ),
        sa.ForeignKeyConstraint(
            ["eligibility"],
            ["role_eligibility.id"],
            name=op.f("fk_role_activation_eligibility"),
        ),
        sa.ForeignKeyConstraint(
            ["request"], ["approval_request.id"], name=op.f("fk_role_activation_request")
        ),
        sa.UniqueConstraint("request", name=op.f("uq_role_activation_request")),
    )
    op.create_index(op.f("ix_role_activation_eligibility"), "role_activation", ["eligibility"])


def downgrade() -> None:
    """Take the tables away."""
    op.drop_table("role_activation")
    op.drop_table("role_eligibility")
    op.drop_table("role_grant_warning")
