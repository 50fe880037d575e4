"""The steps of backup runs, the checks of repositories, and what of their data was read when."""

from __future__ import annotations

from sqlalchemy import Column, Index, PrimaryKeyConstraint, Table, text

from secvault.store.tables.schema import metadata
from secvault.store.written import BigInteger, Boolean, Text

backup_step = Table(
    "backup_step",
    metadata,
    Column("run", Text, nullable=False),
    Column("name", Text, nullable=False),
    # Its place among the steps of the run, from 0.
    Column("place", BigInteger, nullable=False),
    # running, waiting (it failed, and is tried again), done or failed.
    Column("state", Text, nullable=False),
    Column("attempts", BigInteger, nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("finished_at", BigInteger),
    Column("error", Text),
    PrimaryKeyConstraint("run", "name"),
)

backup_check = Table(
    "backup_check",
    metadata,
    Column("id", Text, primary_key=True),
    Column("plan", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("phase", Text, nullable=False),
    Column("requested_by", Text, nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("finished_at", BigInteger),
    # Of all its repositories: False where damage was found, nothing where one was not looked at.
    Column("passed", Boolean),
    Column("cancel_by", Text),
    Column("error", Text),
    Column("node", Text, nullable=False),
    Column("beat_at", BigInteger, nullable=False),
    # The newest checks of a plan.
    Index(None, "plan", "started_at"),
    Index(
        "uq_backup_check_running",
        "plan",
        unique=True,
        sqlite_where=text("state = 'running'"),
        postgresql_where=text("state = 'running'"),
    ),
)

backup_checked = Table(
    "backup_checked",
    metadata,
    # What a check came to in one repository. "check" is a word of SQL.
    Column("check_id", Text, nullable=False),
    Column("repository", Text, nullable=False),
    Column("checked_at", BigInteger, nullable=False),
    Column("passed", Boolean, nullable=False),
    # `structure`, `all`, or the parts of the data that were read, as 3/12,4/12.
    Column("read", Text, nullable=False),
    # What is damaged, one name a line; what restic said besides.
    Column("damaged", Text),
    Column("notes", Text),
    PrimaryKeyConstraint("check_id", "repository"),
)

backup_part = Table(
    "backup_part",
    metadata,
    # One of `parts` equal parts of a repository's data, and when it was last read whole.
    Column("repository", Text, nullable=False),
    Column("parts", BigInteger, nullable=False, autoincrement=False),
    Column("part", BigInteger, nullable=False, autoincrement=False),
    Column("since", BigInteger, nullable=False),
    Column("read_at", BigInteger),
    PrimaryKeyConstraint("repository", "parts", "part"),
)
