"""Restores that a worker does, as rows: what is ordered, how far it is, what it came to.

A restore is a job (see `jobs.queue`) of the kind `restore`, whose plan is the backup plan.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import msgspec
from sqlalchemy import Connection, RowMapping, insert, select, update

from secvault.backup.restic import Progress
from secvault.backup.restores.order import Order, place_words
from secvault.backup.restores.restoring import Restored
from secvault.crypto.canonical import JsonValue
from secvault.errors import Conflict, Damaged, NotFound
from secvault.store import tables

State = Literal["requested", "running", "stopping", "stopped", "done", "failed"]

_RESTORE, _JOB = tables.backup_restore, tables.job
_SHOWN = [column for column in _RESTORE.c if column.name not in ("sealed_terms",)]
_RESTORES = select(
    *_SHOWN,
    _JOB.c.state,
    _JOB.c.requested_by,
    _JOB.c.requested_at,
    _JOB.c.finished_at,
    _JOB.c.error,
).join(_JOB, _JOB.c.id == _RESTORE.c.id)


@dataclass(frozen=True)
class RestoreRun:
    """A restore by the worker. Times in microseconds. result: what it came to, when it is done."""

    id: str
    plan: str
    snapshot: str
    target: str
    production: bool
    state: State
    phase: str
    requested_by: str
    requested_at: int
    finished_at: int | None
    files_done: int
    bytes_done: int
    bytes_total: int | None
    result: dict[str, JsonValue] | None
    error: str | None

    @property
    def ended(self) -> bool:
        """Whether nothing of it is still to come."""
        return self.state in ("stopped", "done", "failed")


def add(connection: Connection, run: str, order: Order, sealed_terms: bytes) -> None:
    """Make the row of a job that was asked for in the same transaction."""
    connection.execute(
        insert(_RESTORE).values(
            id=run,
            plan=order.plan,
            snapshot=order.snapshot,
            target=place_words(order.place),
            production=order.production,
            sealed_terms=sealed_terms,
            phase="waiting for the worker",
        )
    )


def read(connection: Connection, run: str) -> RestoreRun:
    """The restore of this id. Raises NotFound."""
    row = connection.execute(_RESTORES.where(_RESTORE.c.id == run)).mappings().one_or_none()
    if row is None:
        raise NotFound(f"there is no restore {run[:128]}")
    return _run(row)


def newest(connection: Connection, limit: int) -> tuple[RestoreRun, ...]:
    """The newest restores, newest first."""
    found = _RESTORES.order_by(_JOB.c.requested_at.desc(), _RESTORE.c.id.desc()).limit(limit)
    return tuple(_run(row) for row in connection.execute(found).mappings())


def terms_of(connection: Connection, run: str) -> bytes:
    """The sealed terms. Raises NotFound."""
    kept = select(_RESTORE.c.sealed_terms).where(_RESTORE.c.id == run)
    found: bytes | None = connection.execute(kept).scalar_one_or_none()
    if found is None:
        raise NotFound(f"there is no restore {run[:128]}")
    return found


def note(connection: Connection, run: str, phase: str, now: Progress | None) -> None:
    """Write down how far it is."""
    values: dict[str, Any] = {"phase": phase}
    if now is not None:
        values |= {
            "files_done": now.files_done,
            "bytes_done": now.bytes_done,
            "bytes_total": now.bytes_total,
        }
    connection.execute(update(_RESTORE).where(_RESTORE.c.id == run).values(**values))


def conclude(connection: Connection, run: str, done: Restored) -> None:
    """Write down what it came to. A request to stop that came too late is forgotten."""
    connection.execute(
        update(_RESTORE)
        .where(_RESTORE.c.id == run)
        .values(
            phase="done",
            result=msgspec.json.encode(done).decode(),
            files_done=done.checked,
            bytes_done=done.bytes,
            bytes_total=done.bytes,
            stopped_at=None,
        )
    )


def stop(connection: Connection, run: str, at: int) -> RestoreRun:
    """Ask that it stop. Raises NotFound, Conflict when it ended."""
    if read(connection, run).ended:
        raise Conflict("the restore has ended already")
    connection.execute(update(_RESTORE).where(_RESTORE.c.id == run).values(stopped_at=at))
    return read(connection, run)


def is_stopped(connection: Connection, run: str) -> bool:
    """Whether somebody asked that it stop."""
    asked = select(_RESTORE.c.stopped_at).where(_RESTORE.c.id == run)
    return connection.execute(asked).scalar_one_or_none() is not None


def _run(row: RowMapping) -> RestoreRun:
    given: dict[str, Any] = {str(name): value for name, value in row.items()}
    stopped = given.pop("stopped_at") is not None
    given["state"] = _state(given["state"], stopped=stopped)
    if given["result"] is not None:
        try:
            given["result"] = msgspec.json.decode(given["result"], type=dict[str, Any])
        except msgspec.DecodeError:
            raise Damaged(f"what the restore {given['id']} came to cannot be read") from None
    return RestoreRun(**given)


def _state(job: str, *, stopped: bool) -> State:
    if job == "done":
        return "stopped" if stopped else "done"
    if job in ("requested", "started"):
        waiting: State = "requested" if job == "requested" else "running"
        return "stopping" if stopped else waiting
    return "failed"
