"""whom and which team a record is about, and who and in which teams a person is

Revision: 0022
Before: 0017
"""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0017"
branch_labels = None
depends_on = None

# The order of the UTF-8 bytes, whatever the database's locale.
text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.add_column("person", sa.Column("employee", text, nullable=True))
    op.add_column("person", sa.Column("teams", text, nullable=False, server_default=sa.text("''")))
    op.create_index(op.f("ix_person_employee"), "person", ["employee"], unique=True)
    op.add_column("record", sa.Column("person", text, nullable=True))
    op.add_column("record", sa.Column("team", text, nullable=True))
    for column in ("person", "team"):
        name = op.f(f"ix_record_collection_{column}_id")
        op.create_index(name, "record", ["collection", column, "id"])
    op.create_table(
        "record_facts",
        sa.Column("collection", text, nullable=False),
        sa.Column("person_field", text, nullable=False),
        sa.Column("team_field", text, nullable=False),
        sa.PrimaryKeyConstraint("collection", name=op.f("pk_record_facts")),
    )


def downgrade() -> None:
    op.drop_table("record_facts")
    for column in ("person", "team"):
        op.drop_index(op.f(f"ix_record_collection_{column}_id"), table_name="record")
        op.drop_column("record", column)
    op.drop_index(op.f("ix_person_employee"), table_name="person")
    op.drop_column("person", "teams")
    op.drop_column("person", "employee")
