"""Runs of retention as rows: proposed, approved as exactly this list, done, one record at a time.

proposed -> erasing -> done; or dropped. What an item came to stays with it.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update

from secvault.crypto.canonical import JsonValue, canonical_json
from secvault.errors import Conflict, NotFound
from secvault.records.retention import Due
from secvault.store.tables import retention_item, retention_run

PROPOSED, ERASING, DONE, DROPPED = "proposed", "erasing", "done", "dropped"
DUE, HELD, ERASED, KEPT, GONE, BROKEN = "due", "held", "erased", "kept", "gone", "damaged"


@dataclass(frozen=True)
class RetentionRun:
    """A run. digest: of the list. records: how many are on it. damaged: records that did not open
    when it was proposed, and are not on it. approved_by: who began it. erasure: what it ends with.
    Times in micros.
    """

    id: str
    state: str
    proposed_by: str
    proposed_at: int
    digest: str
    records: int
    damaged: int
    approved_by: str | None = None
    approved_at: int | None = None
    finished_at: int | None = None
    erasure: str | None = None
    job: str | None = None
    approvals: str = ""

    @property
    def approvers(self) -> tuple[str, ...]:
        """Who approved that it is done, beside who began it."""
        return tuple(self.approvals.split())


@dataclass(frozen=True)
class Item:
    """One record of the list. since, due: days. state: see the module; what becomes of it."""

    collection: str
    id: str
    subject: str
    since: str
    due: str
    period: str
    state: str
    keys: int | None = None
    decided_at: int | None = None


def digest_of(items: Iterable[Item]) -> str:
    """SHA-256 in hexadecimal over the canonical JSON of the list, in order, with why each is due.

    What is held is on the list, and said to be so.
    """
    rows: list[JsonValue] = [
        [one.collection, one.id, one.since, one.due, one.period, one.state]
        for one in sorted(items, key=lambda one: (one.collection, one.id))
    ]
    return hashlib.sha256(canonical_json(rows)).hexdigest()


def item_of(due: Due, *, held: bool) -> Item:
    """The item that a due record is on the list as."""
    it = due.held
    state = HELD if held else DUE
    return Item(it.collection, it.id, it.subject, due.since, due.due, due.period, state)


def add_run(connection: Connection, run: RetentionRun, items: Iterable[Item]) -> None:
    """Keep a proposal with its list."""
    connection.execute(insert(retention_run).values(**vars(run)))
    rows = [{"run": run.id, **vars(one)} for one in items]
    if rows:
        connection.execute(insert(retention_item), rows)


def read_run(connection: Connection, run_id: str, *, hold: bool = False) -> RetentionRun:
    """The run of this id. hold: nobody else changes it until the transaction ends. Raises
    NotFound.
    """
    question = select(retention_run).where(retention_run.c.id == run_id)
    row = connection.execute(question.with_for_update() if hold else question).one_or_none()
    if row is None:
        raise NotFound(f"there is no retention run {run_id[:64]}")
    return RetentionRun(**row._asdict())


def of_job(connection: Connection, job: str) -> RetentionRun | None:
    """The run that a job proposed, if it did."""
    row = connection.execute(select(retention_run).where(retention_run.c.job == job)).one_or_none()
    return RetentionRun(**row._asdict()) if row else None


def newest_runs(connection: Connection, limit: int) -> tuple[RetentionRun, ...]:
    """The newest runs, newest first."""
    column = retention_run.c
    rows = connection.execute(
        select(retention_run).order_by(column.proposed_at.desc(), column.id.desc()).limit(limit)
    )
    return tuple(RetentionRun(**row._asdict()) for row in rows)


def open_runs(connection: Connection) -> tuple[RetentionRun, ...]:
    """The runs of which something is still to come, oldest first."""
    column = retention_run.c
    rows = connection.execute(
        select(retention_run)
        .where(column.state.in_((PROPOSED, ERASING)))
        .order_by(column.proposed_at, column.id)
    )
    return tuple(RetentionRun(**row._asdict()) for row in rows)


def items_of(
    connection: Connection,
    run_id: str,
    *,
    state: str = "",
    after: tuple[str, str] = ("", ""),
    limit: int | None = None,
) -> tuple[Item, ...]:
    """The items in order of collection and id. after: the last one seen."""
    column = retention_item.c
    question = (
        select(*(column[name] for name in Item.__dataclass_fields__))
        .where(
            column.run == run_id,
            (column.collection > after[0])
            | ((column.collection == after[0]) & (column.id > after[1])),
        )
        .order_by(column.collection, column.id)
    )
    if state:
        question = question.where(column.state == state)
    if limit is not None:
        question = question.limit(limit)
    return tuple(_item(row) for row in connection.execute(question))


def counts(connection: Connection, run_id: str) -> Mapping[tuple[str, str], int]:
    """How many items each collection has in each state: (collection, state) to count."""
    column = retention_item.c
    rows = connection.execute(
        select(column.collection, column.state, func.count())
        .where(column.run == run_id)
        .group_by(column.collection, column.state)
    )
    return Counter({(collection, state): count for collection, state, count in rows})


def move(connection: Connection, run_id: str, before: str, after: str, **values: object) -> None:
    """Bring a run from one state into the next. Raises Conflict when it is in another."""
    moved = connection.execute(
        update(retention_run)
        .where(retention_run.c.id == run_id, retention_run.c.state == before)
        .values(state=after, **values)
    )
    if moved.rowcount != 1:
        now = read_run(connection, run_id).state
        raise Conflict(f"the run {run_id} is {now}, not {before}")


def settle(
    connection: Connection, run_id: str, items: Iterable[Item], state: str, at: int, keys: int = 0
) -> None:
    """Note what these items came to. at: micros. keys: 1 when the data key was destroyed."""
    column = retention_item.c
    for one in items:
        connection.execute(
            update(retention_item)
            .where(column.run == run_id, column.collection == one.collection, column.id == one.id)
            .values(state=state, decided_at=at, keys=keys if state == ERASED else None)
        )


def _item(row: Row[Any]) -> Item:
    return Item(**row._asdict())
