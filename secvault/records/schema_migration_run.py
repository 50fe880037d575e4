"""Runs of migrating records that a worker does, as rows: asked for, how far, how they ended.

A run is a job (see `jobs.queue`) of the kind `migrate`, whose plan is the collection.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from secvault.errors import Conflict, NotFound
from secvault.records.rewrap_run import State, Stopped, state_of
from secvault.store import tables

_RUN, _JOB = tables.migration_run, tables.job
_RUNS = select(
    _RUN, _JOB.c.state, _JOB.c.requested_by, _JOB.c.requested_at, _JOB.c.finished_at, _JOB.c.error
).join(_JOB, _JOB.c.id == _RUN.c.id)


@dataclass(frozen=True)
class MigrationRun:
    """A run. version: of the schema that records come to, once it has begun. remaining: records
    stored otherwise, at the end none but the `damaged` ones. Times in microseconds.
    """

    id: str
    collection: str
    state: State
    requested_by: str
    requested_at: int
    finished_at: int | None
    version: int | None
    migrated: int
    remaining: int | None
    damaged: int
    error: str | None

    @property
    def ended(self) -> bool:
        """Whether nothing of it is still to come."""
        return self.state in ("stopped", "done", "failed")


def insert_run(connection: Connection, run: str, collection: str) -> None:
    """Make the row of a job that was asked for in the same transaction."""
    connection.execute(insert(_RUN).values(id=run, collection=collection))


def read_run(connection: Connection, run: str) -> MigrationRun:
    """The run of this id. Raises NotFound."""
    row = connection.execute(_RUNS.where(_RUN.c.id == run)).one_or_none()
    if row is None:
        raise NotFound(f"there is no migration {run[:128]}")
    return _run(row)


def newest_runs(connection: Connection, limit: int) -> tuple[MigrationRun, ...]:
    """The newest runs of all collections, newest first."""
    newest = _RUNS.order_by(_JOB.c.requested_at.desc(), _RUN.c.id.desc()).limit(limit)
    return tuple(_run(row) for row in connection.execute(newest))


def advance(
    connection: Connection, run: str, *, version: int, migrated: int, remaining: int
) -> None:
    """Note, in the transaction of a batch, what it did. Raises Stopped when the run is to stop."""
    moved = connection.execute(
        update(_RUN)
        .where(_RUN.c.id == run, _RUN.c.stopped_at.is_(None))
        .values(version=version, migrated=_RUN.c.migrated + migrated, remaining=remaining)
    )
    if moved.rowcount != 1:
        raise Stopped("somebody asked that the run stop")


def conclude(connection: Connection, run: str, *, remaining: int, damaged: int) -> None:
    """Note that the run came to its end. A request to stop that came too late is forgotten."""
    values = {"remaining": remaining, "damaged": damaged, "stopped_at": None}
    connection.execute(update(_RUN).where(_RUN.c.id == run).values(values))


def stop(connection: Connection, run: str, at: int) -> MigrationRun:
    """Ask that the run stop after its present batch. Raises NotFound, Conflict when it ended."""
    if read_run(connection, run).ended:
        raise Conflict("the run has ended already")
    connection.execute(update(_RUN).where(_RUN.c.id == run).values(stopped_at=at))
    return read_run(connection, run)


def _run(row: Row[Any]) -> MigrationRun:
    given = row._asdict()
    stopped = given.pop("stopped_at") is not None
    return MigrationRun(**{**given, "state": state_of(given["state"], stopped=stopped)})
