"""requests and approvals, the latch that makes them needed, and the codes of resets

Revision: 0012
Before: 0011
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

# The order of the UTF-8 bytes, whatever the database's locale.
text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    _approval_request()
    op.create_table(
        "approval",
        sa.Column("request", text, nullable=False),
        sa.Column("approver", text, nullable=False),
        sa.Column("requester", text, nullable=False),
        sa.Column("digest", text, nullable=False),
        sa.Column("given_at", sa.BigInteger(), nullable=False),
        sa.Column("part", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("request", "approver", name=op.f("pk_approval")),
        sa.ForeignKeyConstraint(
            ["request", "requester", "digest"],
            ["approval_request.id", "approval_request.requester", "approval_request.digest"],
            name=op.f("fk_approval_request_requester_digest"),
        ),
        sa.CheckConstraint(
            "approver <> requester", name=op.f("ck_approval_nobody_approves_their_own")
        ),
    )
    op.create_table(
        "approval_latch",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("latched_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approval_latch")),
    )
    _reset_code()


def _approval_request() -> None:
    op.create_table(
        "approval_request",
        *(
            sa.Column(name, text, nullable=False)
            for name in (
                "id",
                "action",
                "department",
                "object",
                "resource",
                "terms",
                "digest",
                "requester",
                "reason",
            )
        ),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("state", text, nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_by", text, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approval_request")),
        sa.UniqueConstraint(
            "id", "requester", "digest", name=op.f("uq_approval_request_id_requester_digest")
        ),
    )
    op.create_index(op.f("ix_approval_request_created_at"), "approval_request", ["created_at"])
    op.create_index(
        "uq_approval_request_open",
        "approval_request",
        ["digest", "requester"],
        unique=True,
        sqlite_where=sa.text("state = 'open'"),
        postgresql_where=sa.text("state = 'open'"),
    )


def _reset_code() -> None:
    op.create_table(
        "reset_code",
        sa.Column("id", text, nullable=False),
        sa.Column("person", text, nullable=False),
        sa.Column("kind", text, nullable=False),
        sa.Column("request", text, nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("used_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reset_code")),
        sa.ForeignKeyConstraint(["person"], ["person.id"], name=op.f("fk_reset_code_person")),
        sa.ForeignKeyConstraint(
            ["request"], ["approval_request.id"], name=op.f("fk_reset_code_request")
        ),
        sa.UniqueConstraint("request", name=op.f("uq_reset_code_request")),
    )
    op.create_index(op.f("ix_reset_code_person"), "reset_code", ["person"])
    op.create_table(
        "reset_code_part",
        sa.Column("code", text, nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("code", "digest", name=op.f("pk_reset_code_part")),
        sa.ForeignKeyConstraint(["code"], ["reset_code.id"], name=op.f("fk_reset_code_part_code")),
    )
