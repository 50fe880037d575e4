"""The steps of a run, as they are begun, done, and done again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Connection, func, select, update

from secvault.backup.claims import Again, Claims, reason_of
from secvault.errors import SecvaultError
from secvault.store.engine import insert_unless_there
from secvault.store.tables import backup_step

_COUNTED = {"save"}
"""Where it matters that it was begun before: there may be a snapshot that no row knows."""


@dataclass(frozen=True)
class Step:
    """A step of a run. state: running, waiting (it is tried again), done, failed. Times: micros."""

    name: str
    state: str
    attempts: int
    started_at: int
    finished_at: int | None
    error: str | None


@contextmanager
def step(
    claims: Claims, run_id: str, name: str, *, again: Again = lambda _error: False
) -> Iterator[None]:
    """Write down that the step is done while the block runs, and how it ended."""
    table, now = backup_step, claims.clock.micros()
    this = (table.c.run == run_id, table.c.name == name)
    first = {"run": run_id, "name": name, "state": "running", "attempts": 0, "started_at": now}
    with claims.store.write(lasting=name in _COUNTED) as connection:
        place = connection.execute(select(func.count()).where(table.c.run == run_id)).scalar_one()
        insert_unless_there(connection, table, {**first, "place": place})
        connection.execute(
            update(table)
            .where(*this)
            .values(
                state="running",
                attempts=table.c.attempts + 1,
                started_at=now,
                finished_at=None,
                error=None,
            )
        )
    state, error = "done", None
    try:
        yield
    except BaseException as failure:
        state, error = "waiting" if again(failure) else "failed", reason_of(failure)
        try:
            _ended(claims, run_id, name, state, error)
        except SecvaultError as unwritten:
            failure.add_note(f"the step {name} could not be marked: {unwritten.detail}")
        raise
    _ended(claims, run_id, name, state, error)


def steps(connection: Connection, run_id: str) -> tuple[Step, ...]:
    """The steps that the run has begun so far, in their order."""
    columns = [backup_step.c[name] for name in Step.__dataclass_fields__]
    rows = connection.execute(
        select(*columns).where(backup_step.c.run == run_id).order_by(backup_step.c.place)
    )
    return tuple(Step(*row) for row in rows)


def attempts(connection: Connection, run_id: str, name: str) -> int:
    """How often the step was begun; 0 where the run does not keep its steps."""
    table = backup_step
    asked = select(table.c.attempts).where(table.c.run == run_id, table.c.name == name)
    return connection.execute(asked).scalar_one_or_none() or 0


def _ended(claims: Claims, run_id: str, name: str, state: str, error: str | None) -> None:
    # After what went well comes more, which lasts and takes this along.
    with claims.store.write(lasting=state != "done") as connection:
        connection.execute(
            update(backup_step)
            .where(backup_step.c.run == run_id, backup_step.c.name == name)
            .values(state=state, finished_at=claims.clock.micros(), error=error)
        )
