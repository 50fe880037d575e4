"""Schedules, jobs that wait, and the nodes that do them."""

from __future__ import annotations

from sqlalchemy import Column, Index, Table, text

from secvault.store.tables.schema import metadata
from secvault.store.written import BigInteger, Integer, Text

schedule = Table(
    "schedule",
    metadata,
    # backup:<plan> or drill:<plan>
    Column("id", Text, primary_key=True),
    Column("cron", Text, nullable=False),
    Column("time_zone", Text, nullable=False),
    Column("missed", Text, nullable=False),
    # When its runs may begin, as 22:00-05:30, blanks between them; empty: always.
    Column("windows", Text, nullable=False, server_default=text("''")),
    # By so many minutes at most its runs are later than the cron says.
    Column("jitter_minutes", Integer, nullable=False, server_default=text("0")),
    # Of its jobs; those with the lower number begin first.
    Column("priority", Integer, nullable=False, server_default=text("0")),
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
    Column("priority", Integer, nullable=False, server_default=text("0")),
    # Between these it may begin; none: at any time.
    Column("not_before", BigInteger),
    Column("not_after", BigInteger),
    # What is waiting to be started?
    Index(None, "state", "requested_at"),
    # What was due last of a plan.
    Index(None, "kind", "plan", "due_at"),
)

# How far a job of the kind `rewrap` is; its state is the job's.
rewrap_run = Table(
    "rewrap_run",
    metadata,
    Column("id", Text, primary_key=True),
    Column("collection", Text, nullable=False),
    # The version that the data keys come under; none before it has begun.
    Column("version", BigInteger),
    Column("rewrapped", BigInteger, nullable=False, server_default=text("0")),
    Column("remaining", BigInteger),
    Column("damaged", BigInteger, nullable=False, server_default=text("0")),
    # When somebody asked that it stop.
    Column("stopped_at", BigInteger),
)

node = Table(
    "node",
    metadata,
    # hostname:uuid, new at each start of a worker
    Column("id", Text, primary_key=True),
    Column("started_at", BigInteger, nullable=False),
    Column("beat_at", BigInteger, nullable=False),
)
