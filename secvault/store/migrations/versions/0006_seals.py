"""seal parameters, generations of the root key, and the earlier ones

Revision: 0006
Before: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# The order of the UTF-8 bytes, whatever the database's locale.
text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.add_column(
        "vault", sa.Column("seal_parameters", text, nullable=False, server_default=sa.text("''"))
    )
    op.add_column(
        "vault",
        sa.Column("root_generation", sa.Integer(), nullable=False, server_default=sa.text("1")),
    )
    op.create_table(
        "retired_root",
        sa.Column("generation", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=False),
        sa.Column("retired_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("generation", name=op.f("pk_retired_root")),
    )
