"""The tables. Times are microseconds since the epoch, UTC; envelopes are described in `crypto`."""

from __future__ import annotations

from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    MetaData,
    Table,
    UniqueConstraint,
    text,
)

from secvault.store.written import BigInteger, Boolean, Integer, LargeBinary, Text

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)

vault = Table(
    "vault",
    metadata,
    Column("id", Text, primary_key=True),
    Column("created_at", BigInteger, nullable=False),
    Column("seal", Text, nullable=False),
    Column("wrapped_root", LargeBinary, nullable=False),
    # There is one vault in a store, also when two programs make it at the same moment.
    Column(
        "one",
        Integer,
        CheckConstraint("one = 1", name="one"),
        unique=True,
        default=1,
        nullable=False,
    ),
)

mount = Table(
    "mount",
    metadata,
    Column("path", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("department", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)

named_key = Table(
    "named_key",
    metadata,
    Column("mount", Text, ForeignKey("mount.path"), primary_key=True),
    Column("name", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("latest_version", Integer, nullable=False),
    Column("min_decryption_version", Integer, nullable=False),
    Column("min_encryption_version", Integer, nullable=False),
    Column("exportable", Boolean, nullable=False),
    Column("imported", Boolean, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)

named_key_version = Table(
    "named_key_version",
    metadata,
    Column("mount", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("wrapped", LargeBinary, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    ForeignKeyConstraint(["mount", "name"], ["named_key.mount", "named_key.name"]),
)

data_key = Table(
    "data_key",
    metadata,
    Column("collection", Text, primary_key=True),
    Column("subject", Text, primary_key=True),
    Column("wrapped", LargeBinary, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)

record = Table(
    "record",
    metadata,
    Column("collection", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("subject", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("plain", LargeBinary, nullable=False),
    Column("tag", LargeBinary, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
)

record_field = Table(
    "record_field",
    metadata,
    Column("collection", Text, primary_key=True),
    Column("record", Text, primary_key=True),
    Column("field", Text, primary_key=True),
    Column("envelope", LargeBinary, nullable=False),
    ForeignKeyConstraint(
        ["collection", "record"], ["record.collection", "record.id"], ondelete="CASCADE"
    ),
)

person = Table(
    "person",
    metadata,
    Column("id", Text, primary_key=True),
    # The sign-in name, NFKC and case-folded.
    Column("name", Text, nullable=False, unique=True),
    Column("display_name", Text, nullable=False),
    Column("department", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("password_hash", Text, nullable=False),
    Column("password_changed_at", BigInteger, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("next_try_at", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("last_sign_in_at", BigInteger),
)

totp_device = Table(
    "totp_device",
    metadata,
    Column("id", Text, primary_key=True),
    Column("person", Text, ForeignKey("person.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("sealed_seed", LargeBinary, nullable=False),
    Column("algorithm", Text, nullable=False),
    Column("digits", Integer, nullable=False),
    Column("period", Integer, nullable=False),
    Column("state", Text, nullable=False),
    # The newest accepted time step: a code works once because this only grows.
    Column("last_step", BigInteger, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("next_try_at", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("last_used_at", BigInteger),
    # Which devices has this person?
    Index(None, "person"),
    UniqueConstraint("person", "name"),
)

session = Table(
    "session",
    metadata,
    Column("key_id", Text, primary_key=True),
    Column("person", Text, ForeignKey("person.id"), nullable=False),
    Column("secret_digest", LargeBinary, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("last_seen_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    # When the second factor was last shown; step-up rules read it.
    Column("second_factor_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger),
    # Which sessions end when this person is disabled?
    Index(None, "person"),
)

service_account = Table(
    "service_account",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("department", Text, nullable=False),
    # The person who answers for it.
    Column("owner", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)

token = Table(
    "token",
    metadata,
    Column("key_id", Text, primary_key=True),
    Column("account", Text, ForeignKey("service_account.id"), nullable=False),
    Column("display_name", Text, nullable=False),
    Column("secret_digest", LargeBinary, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("last_used_at", BigInteger),
    Column("revoked_at", BigInteger),
    # Which tokens has this account?
    Index(None, "account"),
)

role_grant = Table(
    "role_grant",
    metadata,
    Column("id", Text, primary_key=True),
    # user:<person id> or svc:<service account id>
    Column("subject", Text, nullable=False),
    # role:<department>.<role>
    Column("role", Text, nullable=False),
    Column("department", Text, nullable=False),
    Column("not_before", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    Column("granted_by", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("revoked_at", BigInteger),
    # Casbin leaves a right standing when one of two equal rows is removed, so there are no two.
    Index(
        "uq_role_grant_live",
        "subject",
        "role",
        "department",
        unique=True,
        sqlite_where=text("revoked_at IS NULL"),
        postgresql_where=text("revoked_at IS NULL"),
    ),
)

policy_epoch = Table(
    "policy_epoch",
    metadata,
    Column("id", Integer, primary_key=True),
    # Grows with every change that can alter a decision; each process compares it.
    Column("epoch", BigInteger, nullable=False),
)

audit_head = Table(
    "audit_head",
    metadata,
    Column("log", Text, primary_key=True),
    Column("size", BigInteger, nullable=False),
    # Compact range: one 32-byte hash for each set bit of size, largest subtree first.
    Column("frontier", LargeBinary, nullable=False),
    Column("last_t", BigInteger, nullable=False),
)

audit_event = Table(
    "audit_event",
    metadata,
    Column(
        "seq", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False
    ),
    Column("id", Text, nullable=False, unique=True),
    Column("t", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("resource", Text, nullable=False),
    Column("department", Text, nullable=False),
    # The exact leaf bytes; the columns before it only serve queries and are checked against it.
    Column("body", LargeBinary, nullable=False),
    Column("leaf_hash", LargeBinary, nullable=False),
    # What did this person or system do?
    Index(None, "actor", "seq"),
    # Who touched this resource?
    Index(None, "resource", "seq"),
    # All events of one kind, refused ones for instance.
    Index(None, "kind", "outcome", "seq"),
    # What happened between two moments?
    Index(None, "t"),
)

audit_outbox = Table(
    "audit_outbox",
    metadata,
    # UUIDv7 of the event: the order of the outbox is the order of these.
    Column("id", Text, primary_key=True),
    Column("body", LargeBinary, nullable=False),
)

audit_checkpoint = Table(
    "audit_checkpoint",
    metadata,
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    Column("root", LargeBinary, nullable=False),
    Column("note", LargeBinary, nullable=False),
    Column("t", BigInteger, nullable=False),
)

backup_repository = Table(
    "backup_repository",
    metadata,
    Column("name", Text, primary_key=True),
    Column("location", Text, nullable=False),
    Column("sealed_password", LargeBinary, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)

backup_run = Table(
    "backup_run",
    metadata,
    Column("id", Text, primary_key=True),
    Column("plan", Text, nullable=False),
    Column("repository", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("phase", Text, nullable=False),
    Column("requested_by", Text, nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("finished_at", BigInteger),
    # The moment that the copied data shows; RPO counts from it.
    Column("data_at", BigInteger),
    Column("audit_size", BigInteger),
    Column("snapshot", Text),
    Column("files", BigInteger),
    Column("bytes", BigInteger),
    Column("bytes_added", BigInteger),
    Column("error", Text),
    # Node that works on it and its last sign of life; a silent one is taken over.
    Column("node", Text, nullable=False),
    Column("beat_at", BigInteger, nullable=False),
    # The newest runs of a plan.
    Index(None, "plan", "started_at"),
    # At most one run of a plan at a time, over all nodes.
    Index(
        "uq_backup_run_running",
        "plan",
        unique=True,
        sqlite_where=text("state = 'running'"),
        postgresql_where=text("state = 'running'"),
    ),
)

drill = Table(
    "drill",
    metadata,
    Column("id", Text, primary_key=True),
    Column("plan", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("phase", Text, nullable=False),
    Column("requested_by", Text, nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("finished_at", BigInteger),
    Column("snapshot", Text),
    Column("passed", Boolean),
    Column("rpo_seconds", BigInteger),
    Column("rto_seconds", BigInteger),
    # Canonical JSON of what was found, and the signed note over its SHA-256.
    Column("document", LargeBinary),
    Column("note", LargeBinary),
    Column("error", Text),
    Column("node", Text, nullable=False),
    Column("beat_at", BigInteger, nullable=False),
    Index(None, "plan", "started_at"),
    Index(
        "uq_drill_running",
        "plan",
        unique=True,
        sqlite_where=text("state = 'running'"),
        postgresql_where=text("state = 'running'"),
    ),
)

schedule = Table(
    "schedule",
    metadata,
    # backup:<plan> or drill:<plan>
    Column("id", Text, primary_key=True),
    Column("cron", Text, nullable=False),
    Column("time_zone", Text, nullable=False),
    Column("missed", Text, nullable=False),
    # Advanced by compare-and-set: the node whose update counts one row enqueues the run.
    Column("next_due", BigInteger, nullable=False),
)

job = Table(
    "job",
    metadata,
    # Stable name of the work, so that asking twice makes one job.
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("plan", Text, nullable=False),
    Column("requested_by", Text, nullable=False),
    Column("requested_at", BigInteger, nullable=False),
    Column("due_at", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("finished_at", BigInteger),
    Column("error", Text),
    # What is waiting to be started?
    Index(None, "state", "requested_at"),
)

node = Table(
    "node",
    metadata,
    # hostname:uuid, new at each start of a worker
    Column("id", Text, primary_key=True),
    Column("started_at", BigInteger, nullable=False),
    Column("beat_at", BigInteger, nullable=False),
)
