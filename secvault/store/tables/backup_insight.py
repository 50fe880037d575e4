"""What is known of backups: the catalogue of snapshots, the numbers of runs, what is strange."""

from __future__ import annotations

from sqlalchemy import Column, Index, Table, text

from secvault.store.tables.schema import metadata
from secvault.store.written import BigInteger, Text

backup_snapshot = Table(
    "backup_snapshot",
    metadata,
    Column("repository", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("plan", Text, nullable=False),
    # The run that made it, by its tag; empty for what was saved by other means.
    Column("run", Text, nullable=False),
    Column("taken_at", BigInteger, nullable=False),
    Column("host", Text, nullable=False),
    # JSON lists.
    Column("paths", Text, nullable=False),
    Column("tags", Text, nullable=False),
    # Where restic or the run told them.
    Column("files", BigInteger),
    Column("bytes", BigInteger),
    Column("bytes_added", BigInteger),
    # The newest snapshots of a plan.
    Index(None, "plan", "taken_at"),
    # How many a plan has in a repository.
    Index(None, "plan", "repository"),
)

backup_catalogue = Table(
    "backup_catalogue",
    metadata,
    Column("plan", Text, primary_key=True),
    Column("repository", Text, primary_key=True),
    # When the repository was asked last, and answered.
    Column("refreshed_at", BigInteger, nullable=False),
)

backup_measure = Table(
    "backup_measure",
    metadata,
    Column("plan", Text, primary_key=True),
    Column("repository", Text, primary_key=True),
    Column("measured_at", BigInteger, primary_key=True),
    Column("snapshots", BigInteger, nullable=False),
    # What the plan's snapshots take in the repository, and before they were compressed.
    Column("stored_bytes", BigInteger, nullable=False),
    Column("plain_bytes", BigInteger, nullable=False),
)

backup_numbers = Table(
    "backup_numbers",
    metadata,
    Column("run", Text, primary_key=True),
    Column("plan", Text, nullable=False),
    Column("snapshot", Text, nullable=False),
    # The moment that the data shows.
    Column("data_at", BigInteger, nullable=False),
    # SHA-256 of what the plan saves: runs of another scope are not compared.
    Column("scope", Text, nullable=False),
    Column("files", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("bytes_added", BigInteger, nullable=False),
    Column("files_new", BigInteger, nullable=False),
    Column("files_changed", BigInteger, nullable=False),
    # Of the changed files that were looked into, how many look like random data.
    Column("sampled", BigInteger, nullable=False),
    Column("random_looking", BigInteger, nullable=False),
    # JSON: the bytes of each source that was staged.
    Column("sources", Text, nullable=False),
    # When it was compared with the runs before.
    Column("judged_at", BigInteger),
    # The runs before of a plan.
    Index(None, "plan", "data_at"),
    # What is to be judged.
    Index(
        "ix_backup_numbers_unjudged",
        "data_at",
        sqlite_where=text("judged_at IS NULL"),
        postgresql_where=text("judged_at IS NULL"),
    ),
)

backup_anomaly = Table(
    "backup_anomaly",
    metadata,
    Column("run", Text, primary_key=True),
    Column("rule", Text, primary_key=True),
    # The source it is about; empty for the whole plan.
    Column("subject", Text, primary_key=True),
    Column("plan", Text, nullable=False),
    Column("snapshot", Text, nullable=False),
    Column("found_at", BigInteger, nullable=False),
    Column("percent", BigInteger, nullable=False),
    Column("threshold", BigInteger, nullable=False),
    Column("files", BigInteger, nullable=False),
    Index(None, "plan", "found_at"),
)

backup_watch = Table(
    "backup_watch",
    metadata,
    Column("plan", Text, primary_key=True),
    # From here on it has to have a backup, also when there never was one.
    Column("first_seen_at", BigInteger, nullable=False),
    # When somebody was last told that it is behind; none while it is not.
    Column("told_at", BigInteger),
)

backup_told = Table(
    "backup_told",
    metadata,
    # What was told once: the kind and the run.
    Column("cause", Text, primary_key=True),
    Column("told_at", BigInteger, nullable=False),
)

backup_ping = Table(
    "backup_ping",
    metadata,
    Column("run", Text, primary_key=True),
    Column("event", Text, primary_key=True),
    Column("plan", Text, nullable=False),
    Column("made_at", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("attempts", BigInteger, nullable=False),
    Column("next_try_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger),
    # A code for why the last attempt failed; never an address.
    Column("reason", Text),
    # Those that wait for their turn.
    Index(
        "ix_backup_ping_waiting",
        "next_try_at",
        sqlite_where=text("state = 'waiting'"),
        postgresql_where=text("state = 'waiting'"),
    ),
)
