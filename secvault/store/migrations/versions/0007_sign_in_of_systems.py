"""narrowed and bound tokens, AppRoles with their secret ids, sign-ins that wait for a code

Revision: 0007
Before: 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

# The order of the UTF-8 bytes, whatever the database's locale.
text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    with op.batch_alter_table("token") as token:
        for name in ("narrowing", "bound_cidrs", "approle", "secret_accessor"):
            token.add_column(sa.Column(name, text))
        token.create_index(op.f("ix_token_approle"), ["approle"])
    _approle()
    _secret_id()
    op.create_table(
        "mfa_request",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("person", text, nullable=False),
        sa.Column("password_changed_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_mfa_request")),
        sa.ForeignKeyConstraint(["person"], ["person.id"], name=op.f("fk_mfa_request_person")),
    )
    op.create_index(op.f("ix_mfa_request_expires_at"), "mfa_request", ["expires_at"])


def _approle() -> None:
    numbers = (
        "secret_id_ttl",
        "secret_id_num_uses",
        "token_ttl",
        "token_max_ttl",
        "token_explicit_max_ttl",
        "token_period",
        "token_num_uses",
    )
    op.create_table(
        "approle",
        sa.Column("id", text, nullable=False),
        sa.Column("name", text, nullable=False),
        sa.Column("account", text, nullable=False),
        sa.Column("role_id", text, nullable=False),
        sa.Column("policies", text, nullable=False),
        sa.Column("no_default_policy", sa.Boolean(), nullable=False),
        sa.Column("narrowing", text),
        sa.Column("bind_secret_id", sa.Boolean(), nullable=False),
        sa.Column("secret_id_bound_cidrs", text, nullable=False),
        sa.Column("token_bound_cidrs", text, nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in numbers),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approle")),
        sa.UniqueConstraint("name", name=op.f("uq_approle_name")),
        sa.UniqueConstraint("role_id", name=op.f("uq_approle_role_id")),
        sa.ForeignKeyConstraint(
            ["account"], ["service_account.id"], name=op.f("fk_approle_account")
        ),
    )


def _secret_id() -> None:
    op.create_table(
        "secret_id",
        sa.Column("accessor", text, nullable=False),
        sa.Column("approle", text, nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("uses_left", sa.BigInteger()),
        sa.Column("meta", text, nullable=False),
        sa.Column("cidr_list", text, nullable=False),
        sa.Column("token_bound_cidrs", text, nullable=False),
        sa.PrimaryKeyConstraint("accessor", name=op.f("pk_secret_id")),
        sa.UniqueConstraint("approle", "digest", name=op.f("uq_secret_id_approle_digest")),
        sa.ForeignKeyConstraint(["approle"], ["approle.id"], name=op.f("fk_secret_id_approle")),
    )
