"""imports of records from files

Revision: 0029
Before: 0027
"""

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

# The order of the UTF-8 bytes, whatever the database's locale.
text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the tables."""
    zero = sa.text("0")
    op.create_table(
        "record_import",
        sa.Column("id", text, nullable=False),
        sa.Column("collection", text, nullable=False),
        sa.Column("requested_by", text, nullable=False),
        sa.Column("state", text, nullable=False),
        sa.Column("goal", text, nullable=False),
        sa.Column("format", text, nullable=False),
        sa.Column("on_conflict", text, nullable=False),
        sa.Column("terms", sa.LargeBinary(), nullable=True),
        sa.Column("parts", sa.Integer(), nullable=False, server_default=zero),
        sa.Column("bytes", sa.BigInteger(), nullable=False, server_default=zero),
        sa.Column("total", sa.BigInteger(), nullable=True),
        sa.Column("position", sa.BigInteger(), nullable=False, server_default=zero),
        sa.Column("created", sa.BigInteger(), nullable=False, server_default=zero),
        sa.Column("updated", sa.BigInteger(), nullable=False, server_default=zero),
        sa.Column("skipped", sa.BigInteger(), nullable=False, server_default=zero),
        sa.Column("faults", sa.BigInteger(), nullable=False, server_default=zero),
        sa.Column("reason", text, nullable=True),
        sa.Column("claim", text, nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_record_import")),
    )
    for columns in (["state", "changed_at"], ["created_at"]):
        op.create_index(op.f(f"ix_record_import_{'_'.join(columns)}"), "record_import", columns)
    op.create_table(
        "record_import_part",
        sa.Column("import_id", text, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("import_id", "number", name=op.f("pk_record_import_part")),
        sa.ForeignKeyConstraint(
            ["import_id"],
            ["record_import.id"],
            name=op.f("fk_record_import_part_import_id"),
            ondelete="CASCADE",
        ),
    )
    op.create_table(
        "record_import_fault",
        sa.Column("import_id", text, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("line", sa.BigInteger(), nullable=False),
        sa.Column("field", text, nullable=False),
        sa.Column("detail", text, nullable=False),
        sa.PrimaryKeyConstraint("import_id", "number", name=op.f("pk_record_import_fault")),
        sa.ForeignKeyConstraint(
            ["import_id"],
            ["record_import.id"],
            name=op.f("fk_record_import_fault_import_id"),
            ondelete="CASCADE",
        ),
    )


def downgrade() -> None:
    """Take the tables away."""
    op.drop_table("record_import_fault")
    op.drop_table("record_import_part")
    for columns in (["created_at"], ["state", "changed_at"]):
        op.drop_index(op.f(f"ix_record_import_{'_'.join(columns)}"), table_name="record_import")
    op.drop_table("record_import")
