"""last uses of rules, access reviews, and break-glass

Revision: 0021
Before: 0020
"""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

# The order of the UTF-8 bytes, whatever the database's locale.
text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    _use()
    _review()
    _break_glass()


def _use() -> None:
    op.create_table(
        "rule_use",
        sa.Column("subject", text, nullable=False),
        sa.Column("rule", text, nullable=False),
        sa.Column("department", text, nullable=False),
        sa.Column("day", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("subject", "rule", "department", name=op.f("pk_rule_use")),
    )
    op.create_table(
        "use_cursor",
        sa.Column("name", text, nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_use_cursor")),
    )


def _review() -> None:
    op.create_table(
        "review_campaign",
        *(
            sa.Column(name, text, nullable=False)
            for name in ("id", "name", "owner", "started_by", "scope", "reviewers", "overdue")
        ),
        sa.Column("overdue_days", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("deadline", sa.BigInteger(), nullable=False),
        sa.Column("frozen", text, nullable=False),
        sa.Column("state", text, nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.Column("finished_by", text, nullable=True),
        sa.Column("document", sa.LargeBinary(), nullable=True),
        sa.Column("note", sa.LargeBinary(), nullable=True),
        sa.Column("job", text, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_review_campaign")),
        sa.UniqueConstraint("job", name=op.f("uq_review_campaign_job")),
    )
    op.create_index(op.f("ix_review_campaign_state"), "review_campaign", ["state"])
    op.create_table(
        "review_item",
        *(
            sa.Column(name, text, nullable=False)
            for name in ("id", "campaign", "grant_id", "subject", "facts")
        ),
        sa.Column("reviewer", text, nullable=True),
        sa.Column("state", text, nullable=False),
        sa.Column("decided_by", text, nullable=True),
        sa.Column("decided_at", sa.BigInteger(), nullable=True),
        sa.Column("comment", text, nullable=True),
        sa.Column("new_end", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_review_item")),
        sa.ForeignKeyConstraint(
            ["campaign"], ["review_campaign.id"], name=op.f("fk_review_item_campaign")
        ),
        sa.ForeignKeyConstraint(
            ["grant_id"], ["role_grant.id"], name=op.f("fk_review_item_grant_id")
        ),
        sa.UniqueConstraint("campaign", "grant_id", name=op.f("uq_review_item_campaign_grant_id")),
    )
    op.create_index(op.f("ix_review_item_reviewer_state"), "review_item", ["reviewer", "state"])
    op.create_table(
        "review_told",
        sa.Column("cause", text, nullable=False),
        sa.Column("told_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("cause", name=op.f("pk_review_told")),
    )


def _break_glass() -> None:
    op.create_table(
        "break_glass_incident",
        *(
            sa.Column(name, text, nullable=False)
            for name in ("id", "kind", "subject", "role", "reason")
        ),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_by", text, nullable=True),
        sa.Column("review_by", sa.BigInteger(), nullable=False),
        sa.Column("state", text, nullable=False),
        sa.Column("reviewed_at", sa.BigInteger(), nullable=True),
        sa.Column("reviewed_by", text, nullable=True),
        sa.Column("findings", text, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_break_glass_incident")),
    )
    op.create_index(op.f("ix_break_glass_incident_state"), "break_glass_incident", ["state"])
    op.create_index(op.f("ix_break_glass_incident_subject"), "break_glass_incident", ["subject"])


def downgrade() -> None:
    for table in (
        "break_glass_incident",
        "review_told",
        "review_item",
        "review_campaign",
        "use_cursor",
        "rule_use",
    ):
        op.drop_table(table)
