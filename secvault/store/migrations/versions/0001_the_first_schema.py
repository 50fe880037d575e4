"""the first schema

Revision: 0001
Before:
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# The order of the UTF-8 bytes, whatever the database's locale.
text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "audit_checkpoint",
        sa.Column("size", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("note", sa.LargeBinary(), nullable=False),
        sa.Column("t", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("size", name=op.f("pk_audit_checkpoint")),
    )
    op.create_table(
        "audit_event",
        sa.Column(
            "seq",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("id", text, nullable=False),
        sa.Column("t", sa.BigInteger(), nullable=False),
        sa.Column("kind", text, nullable=False),
        sa.Column("outcome", text, nullable=False),
        sa.Column("actor", text, nullable=False),
        sa.Column("resource", text, nullable=False),
        sa.Column("department", text, nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("leaf_hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_audit_event")),
        sa.UniqueConstraint("id", name=op.f("uq_audit_event_id")),
    )
    with op.batch_alter_table("audit_event", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_audit_event_actor_seq"), ["actor", "seq"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_audit_event_kind_outcome_seq"), ["kind", "outcome", "seq"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_audit_event_resource_seq"), ["resource", "seq"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_audit_event_t"), ["t"], unique=False)

    op.create_table(
        "audit_head",
        sa.Column("log", text, nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("frontier", sa.LargeBinary(), nullable=False),
        sa.Column("last_t", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("log", name=op.f("pk_audit_head")),
    )
    op.create_table(
        "audit_outbox",
        sa.Column("id", text, nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_outbox")),
    )
    op.create_table(
        "backup_repository",
        sa.Column("name", text, nullable=False),
        sa.Column("location", text, nullable=False),
        sa.Column("sealed_password", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_backup_repository")),
    )
    op.create_table(
        "backup_run",
        sa.Column("id", text, nullable=False),
        sa.Column("plan", text, nullable=False),
        sa.Column("repository", text, nullable=False),
        sa.Column("state", text, nullable=False),
        sa.Column("phase", text, nullable=False),
        sa.Column("requested_by", text, nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.Column("data_at", sa.BigInteger(), nullable=True),
        sa.Column("audit_size", sa.BigInteger(), nullable=True),
        sa.Column("snapshot", text, nullable=True),
        sa.Column("files", sa.BigInteger(), nullable=True),
        sa.Column("bytes", sa.BigInteger(), nullable=True),
        sa.Column("bytes_added", sa.BigInteger(), nullable=True),
        sa.Column("error", text, nullable=True),
        sa.Column("node", text, nullable=False),
        sa.Column("beat_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_backup_run")),
    )
    with op.batch_alter_table("backup_run", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_backup_run_plan_started_at"), ["plan", "started_at"], unique=False
        )
        batch_op.create_index(
            "uq_backup_run_running",
            ["plan"],
            unique=True,
            sqlite_where=sa.text("state = 'running'"),
            postgresql_where=sa.text("state = 'running'"),
        )

    op.create_table(
        "data_key",
        sa.Column("collection", text, nullable=False),
        sa.Column("subject", text, nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("collection", "subject", name=op.f("pk_data_key")),
    )
    op.create_table(
        "drill",
        sa.Column("id", text, nullable=False),
        sa.Column("plan", text, nullable=False),
        sa.Column("state", text, nullable=False),
        sa.Column("phase", text, nullable=False),
        sa.Column("requested_by", text, nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.Column("snapshot", text, nullable=True),
        sa.Column("passed", sa.Boolean(), nullable=True),
        sa.Column("rpo_seconds", sa.BigInteger(), nullable=True),
        sa.Column("rto_seconds", sa.BigInteger(), nullable=True),
        sa.Column("document", sa.LargeBinary(), nullable=True),
        sa.Column("note", sa.LargeBinary(), nullable=True),
        sa.Column("error", text, nullable=True),
        sa.Column("node", text, nullable=False),
        sa.Column("beat_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drill")),
    )
    with op.batch_alter_table("drill", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_drill_plan_started_at"), ["plan", "started_at"], unique=False
        )
        batch_op.create_index(
            "uq_drill_running",
            ["plan"],
            unique=True,
            sqlite_where=sa.text("state = 'running'"),
            postgresql_where=sa.text("state = 'running'"),
        )

    op.create_table(
        "job",
        sa.Column("id", text, nullable=False),
        sa.Column("kind", text, nullable=False),
        sa.Column("plan", text, nullable=False),
        sa.Column("requested_by", text, nullable=False),
        sa.Column("requested_at", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("state", text, nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.Column("error", text, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job")),
    )
    with op.batch_alter_table("job", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_job_state_requested_at"), ["state", "requested_at"], unique=False
        )

    op.create_table(
        "mount",
        sa.Column("path", text, nullable=False),
        sa.Column("kind", text, nullable=False),
        sa.Column("department", text, nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("path", name=op.f("pk_mount")),
    )
    op.create_table(
        "node",
        sa.Column("id", text, nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("beat_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_node")),
    )
    op.create_table(
        "person",
        sa.Column("id", text, nullable=False),
        sa.Column("name", text, nullable=False),
        sa.Column("display_name", text, nullable=False),
        sa.Column("department", text, nullable=False),
        sa.Column("state", text, nullable=False),
        sa.Column("password_hash", text, nullable=False),
        sa.Column("password_changed_at", sa.BigInteger(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("next_try_at", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("last_sign_in_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_person")),
        sa.UniqueConstraint("name", name=op.f("uq_person_name")),
    )
    op.create_table(
        "policy_epoch",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_policy_epoch")),
    )
    op.create_table(
        "record",
        sa.Column("collection", text, nullable=False),
        sa.Column("id", text, nullable=False),
        sa.Column("subject", text, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("plain", sa.LargeBinary(), nullable=False),
        sa.Column("tag", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("collection", "id", name=op.f("pk_record")),
    )
    op.create_table(
        "role_grant",
        sa.Column("id", text, nullable=False),
        sa.Column("subject", text, nullable=False),
        sa.Column("role", text, nullable=False),
        sa.Column("department", text, nullable=False),
        sa.Column("not_before", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("granted_by", text, nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_role_grant")),
    )
    with op.batch_alter_table("role_grant", schema=None) as batch_op:
        batch_op.create_index(
            "uq_role_grant_live",
            ["subject", "role", "department"],
            unique=True,
            sqlite_where=sa.text("revoked_at IS NULL"),
            postgresql_where=sa.text("revoked_at IS NULL"),
        )

    op.create_table(
        "schedule",
        sa.Column("id", text, nullable=False),
        sa.Column("cron", text, nullable=False),
        sa.Column("time_zone", text, nullable=False),
        sa.Column("missed", text, nullable=False),
        sa.Column("next_due", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_schedule")),
    )
    op.create_table(
        "service_account",
        sa.Column("id", text, nullable=False),
        sa.Column("name", text, nullable=False),
        sa.Column("department", text, nullable=False),
        sa.Column("owner", text, nullable=False),
        sa.Column("state", text, nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_service_account")),
        sa.UniqueConstraint("name", name=op.f("uq_service_account_name")),
    )
    op.create_table(
        "vault",
        sa.Column("id", text, nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("seal", text, nullable=False),
        sa.Column("wrapped_root", sa.LargeBinary(), nullable=False),
        sa.Column("one", sa.Integer(), nullable=False),
        sa.CheckConstraint("one = 1", name=op.f("ck_vault_one")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_vault")),
        sa.UniqueConstraint("one", name=op.f("uq_vault_one")),
    )
    op.create_table(
        "named_key",
        sa.Column("mount", text, nullable=False),
        sa.Column("name", text, nullable=False),
        sa.Column("kind", text, nullable=False),
        sa.Column("latest_version", sa.Integer(), nullable=False),
        sa.Column("min_decryption_version", sa.Integer(), nullable=False),
        sa.Column("min_encryption_version", sa.Integer(), nullable=False),
        sa.Column("exportable", sa.Boolean(), nullable=False),
        sa.Column("imported", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["mount"], ["mount.path"], name=op.f("fk_named_key_mount")),
        sa.PrimaryKeyConstraint("mount", "name", name=op.f("pk_named_key")),
    )
    op.create_table(
        "record_field",
        sa.Column("collection", text, nullable=False),
        sa.Column("record", text, nullable=False),
        sa.Column("field", text, nullable=False),
        sa.Column("envelope", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["collection", "record"],
            ["record.collection", "record.id"],
            name=op.f("fk_record_field_collection_record"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("collection", "record", "field", name=op.f("pk_record_field")),
    )
    op.create_table(
        "session",
        sa.Column("key_id", text, nullable=False),
        sa.Column("person", text, nullable=False),
        sa.Column("secret_digest", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("last_seen_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("second_factor_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["person"], ["person.id"], name=op.f("fk_session_person")),
        sa.PrimaryKeyConstraint("key_id", name=op.f("pk_session")),
    )
    with op.batch_alter_table("session", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_session_person"), ["person"], unique=False)

    op.create_table(
        "token",
        sa.Column("key_id", text, nullable=False),
        sa.Column("account", text, nullable=False),
        sa.Column("display_name", text, nullable=False),
        sa.Column("secret_digest", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("last_used_at", sa.BigInteger(), nullable=True),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["account"], ["service_account.id"], name=op.f("fk_token_account")),
        sa.PrimaryKeyConstraint("key_id", name=op.f("pk_token")),
    )
    with op.batch_alter_table("token", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_token_account"), ["account"], unique=False)

    op.create_table(
        "totp_device",
        sa.Column("id", text, nullable=False),
        sa.Column("person", text, nullable=False),
        sa.Column("name", text, nullable=False),
        sa.Column("sealed_seed", sa.LargeBinary(), nullable=False),
        sa.Column("algorithm", text, nullable=False),
        sa.Column("digits", sa.Integer(), nullable=False),
        sa.Column("period", sa.Integer(), nullable=False),
        sa.Column("state", text, nullable=False),
        sa.Column("last_step", sa.BigInteger(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("next_try_at", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("last_used_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["person"], ["person.id"], name=op.f("fk_totp_device_person")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_totp_device")),
        sa.UniqueConstraint("person", "name", name=op.f("uq_totp_device_person_name")),
    )
    with op.batch_alter_table("totp_device", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_totp_device_person"), ["person"], unique=False)

    op.create_table(
        "named_key_version",
        sa.Column("mount", text, nullable=False),
        sa.Column("name", text, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["mount", "name"],
            ["named_key.mount", "named_key.name"],
            name=op.f("fk_named_key_version_mount_name"),
        ),
        sa.PrimaryKeyConstraint("mount", "name", "version", name=op.f("pk_named_key_version")),
    )
    _make_audit_append_only()


def _make_audit_append_only() -> None:
    """Speed bumps against mistakes; the proof that nothing was altered is the tree."""
    dialect = op.get_bind().dialect.name
    for statement in _SQLITE if dialect == "sqlite" else _POSTGRESQL:
        op.execute(statement)


_REFUSAL = "the audit log is append-only"
_SQLITE = (
    f"""CREATE TRIGGER audit_event_no_update BEFORE UPDATE ON audit_event
        BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END""",
    f"""CREATE TRIGGER audit_event_no_delete BEFORE DELETE ON audit_event
        BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END""",
    # INSERT OR REPLACE deletes without firing the trigger above.
    """CREATE TRIGGER audit_event_no_replace BEFORE INSERT ON audit_event
        WHEN EXISTS (SELECT 1 FROM audit_event WHERE seq = NEW.seq OR id = NEW.id)
        BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END""",
)
_POSTGRESQL = (
    f"""CREATE FUNCTION audit_event_refuse() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION '{_REFUSAL}'; END $$""",
    """CREATE TRIGGER audit_event_append_only BEFORE UPDATE OR DELETE ON audit_event
        FOR EACH ROW EXECUTE FUNCTION audit_event_refuse()""",
    """CREATE TRIGGER audit_event_no_truncate BEFORE TRUNCATE ON audit_event
        FOR EACH STATEMENT EXECUTE FUNCTION audit_event_refuse()""",
)
