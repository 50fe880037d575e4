"""rotated tokens, their last network and warnings; contacts of people, notices

Revision: 0015
Before: 0011
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

# The order of the UTF-8 bytes, whatever the database's locale.
text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    for name, kind in (
        ("last_used_network", text),
        ("replaces", text),
        ("replaced_by", text),
        ("warned_days", sa.Integer()),
    ):
        op.add_column("token", sa.Column(name, kind, nullable=True))
    op.create_index(op.f("ix_token_expires_at"), "token", ["expires_at"])
    op.create_table(
        "person_contact",
        sa.Column("person", text, nullable=False),
        sa.Column("sealed_address", sa.LargeBinary(), nullable=True),
        sa.Column("sealed_former", sa.LargeBinary(), nullable=True),
        sa.Column("language", text, nullable=True),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("person", name=op.f("pk_person_contact")),
        sa.ForeignKeyConstraint(["person"], ["person.id"], name=op.f("fk_person_contact_person")),
    )
    op.create_table(
        "notice",
        sa.Column("id", text, nullable=False),
        sa.Column("cause", text, nullable=False),
        sa.Column("kind", text, nullable=False),
        sa.Column("recipient", text, nullable=False),
        sa.Column("facts", text, nullable=False),
        sa.Column("happened_at", sa.BigInteger(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("state", text, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_try_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("reason", text, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notice")),
        sa.UniqueConstraint("cause", name=op.f("uq_notice_cause")),
    )
    op.create_index(op.f("ix_notice_state_next_try_at"), "notice", ["state", "next_try_at"])
    op.create_index(op.f("ix_notice_made_at"), "notice", ["made_at"])
    op.create_table(
        "notice_cursor",
        sa.Column("name", text, nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_notice_cursor")),
    )
