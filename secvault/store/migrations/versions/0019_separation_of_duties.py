"""exceptions and findings of separation, who made an object, and who released a record

Revision: 0019
Before: 0018
"""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

# The order of the UTF-8 bytes, whatever the database's locale.
text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "separation_exception",
        sa.Column("id", text, nullable=False),
        sa.Column("subject", text, nullable=False),
        sa.Column("rule", text, nullable=False),
        sa.Column("begins_at", sa.BigInteger(), nullable=False),
        sa.Column("ends_at", sa.BigInteger(), nullable=False),
        sa.Column("note", text, nullable=False),
        sa.Column("granted_by", text, nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_by", text, nullable=True),
        sa.CheckConstraint(
            "granted_by <> subject",
            name=op.f("ck_separation_exception_nobody_excepts_themselves"),
        ),
        sa.CheckConstraint(
            "ends_at > begins_at", name=op.f("ck_separation_exception_ends_after_its_start")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_separation_exception")),
    )
    op.create_index(op.f("ix_separation_exception_subject"), "separation_exception", ["subject"])
    op.create_table(
        "separation_finding",
        sa.Column("rule", text, nullable=False),
        sa.Column("subject", text, nullable=False),
        sa.Column("first_seen_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("rule", "subject", name=op.f("pk_separation_finding")),
    )
    op.create_table(
        "object_actor",
        sa.Column("object", text, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("action", text, nullable=False),
        sa.Column("subject", text, nullable=False),
        sa.Column("owner", text, nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "object", "version", "action", "subject", name=op.f("pk_object_actor")
        ),
    )
    op.create_table(
        "record_release",
        sa.Column("collection", text, nullable=False),
        sa.Column("record", text, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("approved_by", text, nullable=False),
        sa.Column("approved_at", sa.BigInteger(), nullable=False),
        sa.Column("tag", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["collection", "record"],
            ["record.collection", "record.id"],
            name=op.f("fk_record_release_collection"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("collection", "record", name=op.f("pk_record_release")),
    )


def downgrade() -> None:
    for table in ("record_release", "object_actor", "separation_finding", "separation_exception"):
        op.drop_table(table)
