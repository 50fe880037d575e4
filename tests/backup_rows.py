"""Rows of backup runs as the worker would leave them, without taking a backup."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, insert

from secvault.store import tables

PLAN = "nightly"
SNAPSHOT = "ab" * 32
HOUR = 3_600_000_000


def add_run(connection: Connection, run: str, at: int, **more: Any) -> None:
    """A run that was done in a minute, unless told otherwise."""
    values: dict[str, Any] = {
        "id": run,
        "plan": PLAN,
        "repository": "local",
        "state": "done",
        "phase": "done",
        "requested_by": "system:jobs",
        "started_at": at,
        "finished_at": at + 60_000_000,
        "data_at": at,
        "snapshot": SNAPSHOT,
        "files": 10,
        "bytes": 1_000,
        "bytes_added": 100,
        "node": "test:1",
        "beat_at": at,
    }
    connection.execute(insert(tables.backup_run).values({**values, **more}))


def add_job(connection: Connection, run: str, at: int, state: str) -> None:
    """The job of a run."""
    connection.execute(
        insert(tables.job).values(
            id=run,
            kind="backup",
            plan=PLAN,
            requested_by="system:jobs",
            requested_at=at,
            due_at=at,
            state=state,
            finished_at=at if state in ("done", "failed") else None,
            error=None,
        )
    )


def add_numbers(connection: Connection, run: str, at: int, **more: Any) -> None:
    """The numbers of an everyday run, unless told otherwise."""
    values: dict[str, Any] = {
        "run": run,
        "plan": PLAN,
        "snapshot": SNAPSHOT,
        "data_at": at,
        "scope": "same",
        "files": 1_000,
        "bytes": 100 << 20,
        "bytes_added": 1 << 20,
        "files_new": 5,
        "files_changed": 10,
        "sampled": 0,
        "random_looking": 0,
        "sources": "{}",
        "judged_at": None,
    }
    connection.execute(insert(tables.backup_numbers).values({**values, **more}))
