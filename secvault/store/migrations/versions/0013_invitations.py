"""invitations; notes, versions and searchable names of people

Revision: 0013
Before: 0011
"""

import unicodedata

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

# The order of the UTF-8 bytes, whatever the database's locale.
text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    nothing, one = sa.text("''"), sa.text("1")
    with op.batch_alter_table("person") as person:
        person.add_column(sa.Column("activated_at", sa.BigInteger()))
        person.add_column(sa.Column("version", sa.Integer(), nullable=False, server_default=one))
        for name in ("notes", "searched"):
            person.add_column(sa.Column(name, text, nullable=False, server_default=nothing))
    _fill()
    op.create_table(
        "invitation",
        sa.Column("key_id", text, nullable=False),
        sa.Column("person", text),
        sa.Column("first", sa.Boolean(), nullable=False),
        sa.Column("secret_digest", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("created_by", text, nullable=False),
        sa.Column("password_hash", text),
        sa.PrimaryKeyConstraint("key_id", name=op.f("pk_invitation")),
        sa.ForeignKeyConstraint(["person"], ["person.id"], name=op.f("fk_invitation_person")),
        sa.UniqueConstraint("person", name=op.f("uq_invitation_person")),
    )


def _fill() -> None:
    """Until now everybody was made with a password, and so was active from the first day."""
    person = sa.table(
        "person",
        *(sa.column(name, text) for name in ("id", "name", "display_name", "searched")),
        sa.column("created_at", sa.BigInteger()),
        sa.column("activated_at", sa.BigInteger()),
    )
    connection = op.get_bind()
    connection.execute(person.update().values(activated_at=person.c.created_at))
    rows = connection.execute(sa.select(person.c.id, person.c.name, person.c.display_name)).all()
    for row in rows:
        searched = _searched(f"{row.name} {row.display_name}")
        connection.execute(person.update().where(person.c.id == row.id).values(searched=searched))


def _searched(names: str) -> str:
    plain = unicodedata.normalize("NFKD", names).casefold().replace("\u0111", "d")
    plain = unicodedata.normalize("NFKD", plain)
    bare = "".join(c for c in plain if not unicodedata.category(c).startswith("M"))
    return " ".join(bare.split())
