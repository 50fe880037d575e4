"""people as identity providers know them, sign-ins on their way, groups of SCIM

Revision: 0016
Before: 0011
"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

# The order of the UTF-8 bytes, whatever the database's locale.
text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    nobody = sa.text("''")
    op.add_column("role_grant", sa.Column("source", text, nullable=False, server_default=nobody))
    _external_identity()
    _federation_step()
    _sessions()
    _groups()


def _external_identity() -> None:
    op.create_table(
        "external_identity",
        sa.Column("provider", text, nullable=False),
        sa.Column("person", text, nullable=False),
        sa.Column("subject", text, nullable=True),
        sa.Column("origin", text, nullable=False),
        sa.Column("external_id", text, nullable=True),
        sa.Column("suspended", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.Column("last_sign_in_at", sa.BigInteger(), nullable=True),
        sa.Column("deprovisioned_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("provider", "person", name=op.f("pk_external_identity")),
        sa.ForeignKeyConstraint(
            ["person"], ["person.id"], name=op.f("fk_external_identity_person")
        ),
        sa.UniqueConstraint(
            "provider", "subject", name=op.f("uq_external_identity_provider_subject")
        ),
        sa.UniqueConstraint(
            "provider", "external_id", name=op.f("uq_external_identity_provider_external_id")
        ),
    )
    op.create_index(op.f("ix_external_identity_person"), "external_identity", ["person"])


def _federation_step() -> None:
    op.create_table(
        "federation_step",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("purpose", text, nullable=False),
        sa.Column("provider", text, nullable=False),
        sa.Column("browser", sa.LargeBinary(), nullable=True),
        sa.Column("redirect_uri", text, nullable=False),
        sa.Column("max_age", sa.Integer(), nullable=True),
        sa.Column("person", text, nullable=True),
        sa.Column("session", text, nullable=True),
        sa.Column("subject", text, nullable=True),
        sa.Column("sid", text, nullable=True),
        sa.Column("carrier", text, nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_federation_step")),
        sa.ForeignKeyConstraint(["person"], ["person.id"], name=op.f("fk_federation_step_person")),
    )
    op.create_index(op.f("ix_federation_step_expires_at"), "federation_step", ["expires_at"])


def _sessions() -> None:
    op.create_table(
        "federated_session",
        sa.Column("session", text, nullable=False),
        sa.Column("provider", text, nullable=False),
        sa.Column("subject", text, nullable=False),
        sa.Column("sid", text, nullable=True),
        sa.PrimaryKeyConstraint("session", name=op.f("pk_federated_session")),
        sa.ForeignKeyConstraint(
            ["session"], ["session.key_id"], name=op.f("fk_federated_session_session")
        ),
    )
    for column in ("subject", "sid"):
        name = op.f(f"ix_federated_session_provider_{column}")
        op.create_index(name, "federated_session", ["provider", column])
    op.create_table(
        "spent_logout_token",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_spent_logout_token")),
    )
    op.create_index(op.f("ix_spent_logout_token_expires_at"), "spent_logout_token", ["expires_at"])


def _groups() -> None:
    op.create_table(
        "scim_group",
        sa.Column("id", text, nullable=False),
        sa.Column("provider", text, nullable=False),
        sa.Column("display_name", text, nullable=False),
        sa.Column("external_id", text, nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_scim_group")),
        sa.UniqueConstraint(
            "provider", "display_name", name=op.f("uq_scim_group_provider_display_name")
        ),
    )
    op.create_table(
        "scim_group_member",
        sa.Column("scim_group", text, nullable=False),
        sa.Column("person", text, nullable=False),
        sa.PrimaryKeyConstraint("scim_group", "person", name=op.f("pk_scim_group_member")),
        sa.ForeignKeyConstraint(
            ["scim_group"], ["scim_group.id"], name=op.f("fk_scim_group_member_scim_group")
        ),
        sa.ForeignKeyConstraint(
            ["person"], ["person.id"], name=op.f("fk_scim_group_member_person")
        ),
    )
    op.create_index(op.f("ix_scim_group_member_person"), "scim_group_member", ["person"])
