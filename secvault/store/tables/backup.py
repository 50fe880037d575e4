"""Repositories, and every run and drill."""

from __future__ import annotations

from sqlalchemy import Column, Index, Table, false, text

from secvault.store.tables.schema import metadata
from secvault.store.written import BigInteger, Boolean, LargeBinary, Text

ALIVE = text("state IN ('running', 'waiting')")
"""The rows of what is under way."""

backup_repository = Table(
    "backup_repository",
    metadata,
    Column("name", Text, primary_key=True),
    Column("location", Text, nullable=False),
    Column("sealed_password", LargeBinary, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    # While the password is changed: the one to come, then the one that was. See `rotation`.
    Column("sealed_next", LargeBinary),
    Column("sealed_previous", LargeBinary),
    # Whether the password was drawn here. One that was adopted may be a person's own.
    Column("drawn", Boolean, nullable=False, server_default=false()),
    # Since when the password is what it is, if it was changed; when it was last taken out.
    Column("password_since", BigInteger),
    Column("escrowed_at", BigInteger),
    # When Object Lock was last made longer for what the repository is made of now.
    Column("locks_extended_at", BigInteger),
    # restic's own id of what lies at the location; null until something is saved there.
    Column("identity", Text),
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
    # How far the phase is, written at most once a second; what is not known is not there.
    Column("source", Text),
    Column("bytes_done", BigInteger),
    Column("bytes_expected", BigInteger),
    Column("files_done", BigInteger),
    Column("files_expected", BigInteger),
    # Bytes a second, of the last seconds.
    Column("rate", BigInteger),
    Column("seconds_left", BigInteger),
    # Who asked for its end before it was done.
    Column("cancel_by", Text),
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
    # Those under way, of few among many.
    Index(
        "ix_backup_run_alive",
        "plan",
        "started_at",
        sqlite_where=ALIVE,
        postgresql_where=ALIVE,
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
    # Where the snapshot lies that was read, and the moments at which it was begun and that its data
    # shows.
    Column("repository", Text),
    Column("snapshot", Text),
    Column("snapshot_at", BigInteger),
    Column("data_at", BigInteger),
    # newest, random, turn or named; whole or sample.
    Column("chosen", Text),
    Column("extent", Text),
    Column("passed", Boolean),
    # Whether it was all that the plan's settings ask for: only such a one counts as the plan's.
    Column("complete", Boolean),
    Column("rpo_seconds", BigInteger),
    Column("rto_seconds", BigInteger),
    Column("files", BigInteger),
    Column("bytes", BigInteger),
    # Bytes of scratch space: told before anything was restored, and used at most.
    Column("scratch_announced", BigInteger),
    Column("scratch_used", BigInteger),
    # JSON: the verdict of each level; what was found; milliseconds of each phase; further figures.
    Column("levels", Text),
    Column("faults", Text),
    Column("phases", Text),
    Column("figures", Text),
    # Canonical JSON of what was found, and the signed note over its SHA-256.
    Column("document", LargeBinary),
    Column("note", LargeBinary),
    # Who asked for its end before it was done.
    Column("cancel_by", Text),
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
    # Those under way, of few among many.
    Index(
        "ix_drill_alive",
        "plan",
        "started_at",
        sqlite_where=ALIVE,
        postgresql_where=ALIVE,
    ),
)

# A loss that was played through. What it was for is in its document.
drill_scenario = Table(
    "drill_scenario",
    metadata,
    Column("id", Text, primary_key=True),
    Column("scenario", Text, nullable=False),
    Column("plan", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("phase", Text, nullable=False),
    Column("requested_by", Text, nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("finished_at", BigInteger),
    Column("passed", Boolean),
    Column("rto_seconds", BigInteger),
    # Canonical JSON of what it came to, and the signed note over its SHA-256.
    Column("document", LargeBinary),
    Column("note", LargeBinary),
    # Who asked for its end before it was done.
    Column("cancel_by", Text),
    Column("error", Text),
    Column("node", Text, nullable=False),
    Column("beat_at", BigInteger, nullable=False),
    # The newest of a plan.
    Index(None, "plan", "started_at"),
    # At most one of a plan at a time, over all nodes.
    Index(
        "uq_drill_scenario_running",
        "plan",
        unique=True,
        sqlite_where=text("state = 'running'"),
        postgresql_where=text("state = 'running'"),
    ),
)

# What was asked for, where it is not just what the plan's settings say: JSON. id: of the drill.
drill_order = Table(
    "drill_order",
    metadata,
    Column("id", Text, primary_key=True),
    Column("plan", Text, nullable=False),
    Column("wanted", Text, nullable=False),
    Column("asked_at", BigInteger, nullable=False),
)
