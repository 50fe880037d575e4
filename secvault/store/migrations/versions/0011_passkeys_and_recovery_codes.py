"""passkeys with their challenges, recovery codes, and what each session was opened by

Revision: 0011
Before: 0010
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

# The order of the UTF-8 bytes, whatever the database's locale.
text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    given = sa.text("'password totp'")
    op.add_column("session", sa.Column("factors", text, nullable=False, server_default=given))
    _passkey()
    _passkey_challenge()
    op.create_table(
        "recovery_set",
        sa.Column("person", text, nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("next_try_at", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("person", name=op.f("pk_recovery_set")),
        sa.ForeignKeyConstraint(["person"], ["person.id"], name=op.f("fk_recovery_set_person")),
    )
    op.create_table(
        "recovery_code",
        sa.Column("person", text, nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("used_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("person", "digest", name=op.f("pk_recovery_code")),
        sa.ForeignKeyConstraint(
            ["person"], ["recovery_set.person"], name=op.f("fk_recovery_code_person")
        ),
    )


def _passkey() -> None:
    op.create_table(
        "passkey",
        sa.Column("id", text, nullable=False),
        sa.Column("person", text, nullable=False),
        sa.Column("name", text, nullable=False),
        sa.Column("credential_id", sa.LargeBinary(), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("sign_count", sa.BigInteger(), nullable=False),
        sa.Column("transports", text, nullable=False),
        sa.Column("backup_eligible", sa.Boolean(), nullable=False),
        sa.Column("backed_up", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("last_used_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_passkey")),
        sa.ForeignKeyConstraint(["person"], ["person.id"], name=op.f("fk_passkey_person")),
        sa.UniqueConstraint("credential_id", name=op.f("uq_passkey_credential_id")),
        sa.UniqueConstraint("person", "name", name=op.f("uq_passkey_person_name")),
    )


def _passkey_challenge() -> None:
    op.create_table(
        "passkey_challenge",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("purpose", text, nullable=False),
        sa.Column("person", text, nullable=True),
        sa.Column("session", text, nullable=True),
        sa.Column("name", text, nullable=True),
        sa.Column("password_changed_at", sa.BigInteger(), nullable=True),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_passkey_challenge")),
        sa.ForeignKeyConstraint(
            ["person"], ["person.id"], name=op.f("fk_passkey_challenge_person")
        ),
    )
    op.create_index(op.f("ix_passkey_challenge_expires_at"), "passkey_challenge", ["expires_at"])
