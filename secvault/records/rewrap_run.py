"""Runs of re-wrapping that a worker does, as rows: what is asked for, how far it is, how it ended.

A run is a job (see `jobs.queue`) of the kind `rewrap`, whose plan is the collection.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, Row, insert, select, update

from secvault.errors import Cancelled, Conflict, NotFound
from secvault.store import tables

State = Literal["requested", "running", "stopping", "stopped", "done", "failed"]

_RUN, _JOB = tables.rewrap_run, tables.job
_RUNS = select(
    _RUN, _JOB.c.state, _JOB.c.requested_by, _JOB.c.requested_at, _JOB.c.finished_at, _JOB.c.error
).join(_JOB, _JOB.c.id == _RUN.c.id)


class Stopped(Cancelled):
    """Somebody asked that the run stop. What is re-wrapped stays so."""


@dataclass(frozen=True)
class RewrapRun:
    """A run. version: the newest of the collection's key, once it has begun. remaining: data keys
    under older versions, at the end none but the `damaged` ones. Times in microseconds.
    """

    id: str
    collection: str
    state: State
    requested_by: str
    requested_at: int
    finished_at: int | None
    version: int | None
    rewrapped: int
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


def read_run(connection: Connection, run: str) -> RewrapRun:
    """The run of this id. Raises NotFound."""
    row = connection.execute(_RUNS.where(_RUN.c.id == run)).one_or_none()
    if row is None:
        raise NotFound(f"there is no run of re-wrapping {run[:128]}")
    return _run(row)


def newest_runs(connection: Connection, limit: int) -> tuple[RewrapRun, ...]:
    """The newest runs of all collections, newest first."""
    newest = _RUNS.order_by(_JOB.c.requested_at.desc(), _RUN.c.id.desc()).limit(limit)
    return tuple(_run(row) for row in connection.execute(newest))


def advance(
    connection: Connection, run: str, *, version: int, rewrapped: int, remaining: int
) -> None:
    """Note, in the transaction of a batch, what it did. Raises Stopped when the run is to stop."""
    moved = connection.execute(
        update(_RUN)
        .where(_RUN.c.id == run, _RUN.c.stopped_at.is_(None))
        .values(version=version, rewrapped=_RUN.c.rewrapped + rewrapped, remaining=remaining)
    )
    if moved.rowcount != 1:
        raise Stopped("somebody asked that the run stop")


def conclude(connection: Connection, run: str, *, remaining: int, damaged: int) -> None:
    """Note that the run came to its end. A request to stop that came too late is forgotten."""
    connection.execute(
        update(_RUN)
        .where(_RUN.c.id == run)
        .values(remaining=remaining, damaged=damaged, stopped_at=None)
    )


def stop(connection: Connection, run: str, at: int) -> RewrapRun:
    """Ask that the run stop after its present batch. Raises NotFound, Conflict when it ended."""
    if read_run(connection, run).ended:
        raise Conflict("the run has ended already")
    connection.execute(update(_RUN).where(_RUN.c.id == run).values(stopped_at=at))
    return read_run(connection, run)


def _run(row: Row[Any]) -> RewrapRun:
    given = row._asdict()
    stopped = given.pop("stopped_at") is not None
    return RewrapRun(**{**given, "state": state_of(given["state"], stopped=stopped)})


def state_of(job: str, *, stopped: bool) -> State:
    """The state of a run, of its job's and whether somebody asked that it stop."""
    if job == "done":
        return "stopped" if stopped else "done"
    if job in ("requested", "started"):
        waiting: State = "requested" if job == "requested" else "running"
        return "stopping" if stopped else waiting
    return "failed"
