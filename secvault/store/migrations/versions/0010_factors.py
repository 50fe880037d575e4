"""clocks of TOTP devices, a stock of hardware tokens, and where people sign in from

Revision: 0010
Before: 0009
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

# The order of the UTF-8 bytes, whatever the database's locale.
text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

# How long a begun enrolment waited before it was said in its row.
PENDING_MICROS = 600 * 1_000_000


def upgrade() -> None:
    zero = sa.text("0")
    with op.batch_alter_table("totp_device") as device:
        for name in ("shift", "drift", "resyncs"):
            device.add_column(sa.Column(name, sa.Integer(), nullable=False, server_default=zero))
        for name in ("resync_day", "confirm_by"):
            device.add_column(sa.Column(name, sa.BigInteger(), nullable=False, server_default=zero))
    present = sa.table(
        "totp_device",
        sa.column("state", text),
        sa.column("created_at", sa.BigInteger()),
        sa.column("confirm_by", sa.BigInteger()),
    )
    op.execute(
        present.update()
        .where(present.c.state == "pending")
        .values(confirm_by=present.c.created_at + PENDING_MICROS)
    )
    op.create_table(
        "hardware_token",
        sa.Column("id", text, nullable=False),
        sa.Column("serial", text, nullable=False),
        sa.Column("sealed_seed", sa.LargeBinary()),
        sa.Column("algorithm", text, nullable=False),
        sa.Column("digits", sa.Integer(), nullable=False),
        sa.Column("period", sa.Integer(), nullable=False),
        sa.Column("imported_at", sa.BigInteger(), nullable=False),
        sa.Column("device", text),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hardware_token")),
        sa.UniqueConstraint("serial", name=op.f("uq_hardware_token_serial")),
    )
    op.create_table(
        "sign_in_place",
        sa.Column("person", text, nullable=False),
        sa.Column("network", text, nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("next_try_at", sa.BigInteger(), nullable=False),
        sa.Column("last_sign_in_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("person", "network", name=op.f("pk_sign_in_place")),
        sa.ForeignKeyConstraint(["person"], ["person.id"], name=op.f("fk_sign_in_place_person")),
    )
    op.create_table(
        "sign_in_network",
        sa.Column("network", text, nullable=False),
        sa.Column("level", sa.BigInteger(), nullable=False),
        sa.Column("counted_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("network", name=op.f("pk_sign_in_network")),
    )
    op.create_index(op.f("ix_sign_in_network_counted_at"), "sign_in_network", ["counted_at"])
    op.create_table(
        "stranger",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("next_try_at", sa.BigInteger(), nullable=False),
        sa.Column("counted_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_stranger")),
    )
    op.create_index(op.f("ix_stranger_counted_at"), "stranger", ["counted_at"])
