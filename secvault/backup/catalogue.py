"""The catalogue of snapshots: what each plan has in its repositories, kept as rows.

It answers at once and also while a repository is out of reach, and says as of when. The sizes come
from the runs that made the snapshots, else from restic; what the snapshots take together is
measured apart, because that reads all of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, and_, delete, func, select, update

from secvault.backup import restic_looking
from secvault.backup.engine import BackupEngine
from secvault.backup.many_plans import asked
from secvault.backup.repository_faults import RepositoryMissing
from secvault.backup.restic import Cancel, Snapshot
from secvault.backup.restic_process import NeverCancelled
from secvault.backup.retaining import Retained
from secvault.config import PlanSettings
from secvault.errors import NotFound
from secvault.store.engine import insert_unless_there, row_held
from secvault.store.tables import (
    backup_catalogue,
    backup_measure,
    backup_run,
    backup_snapshot,
)

LATEST = "latest"
KEPT_MEASURES = 400
"""Of each plan in each repository: more than a year of one each day."""

_NEVER = NeverCancelled()


@dataclass(frozen=True)
class Known:
    """A snapshot of the catalogue.

    run: that made it, empty where no tag tells it. taken_at: micros. files, bytes: all that is in
    it; bytes_added: what was new in the repository, not compressed. None where neither the run nor
    restic tells them.
    """

    repository: str
    id: str
    plan: str
    run: str
    taken_at: int
    host: str
    paths: tuple[str, ...]
    tags: tuple[str, ...]
    files: int | None
    bytes: int | None
    bytes_added: int | None


@dataclass(frozen=True)
class Measure:
    """What a plan's snapshots took together in a repository at a moment, in micros and bytes."""

    repository: str
    measured_at: int
    snapshots: int
    stored_bytes: int
    plain_bytes: int


def repositories_of(plan: PlanSettings) -> tuple[str, ...]:
    """Where the plan's snapshots lie, its own repository first."""
    return (plan.repository, *plan.copies)


def refresh(engine: BackupEngine, plan: str, repository: str) -> tuple[Known, ...]:
    """Ask the repository for the plan's snapshots and keep the answer; newest last.

    Raises what `Restic.snapshots` raises; the catalogue stays as it was then.
    """
    opened = engine.repository(repository)
    asked_at = engine.clock.micros()
    # Without a lock: a check, or whoever prunes by hand, is not turned away because somebody looks.
    found = engine.restic.snapshots(opened, tags=(f"plan={plan}",), locked=False)
    with engine.store.write() as connection:
        fresh = {"plan": plan, "repository": repository, "refreshed_at": asked_at}
        held = row_held(connection, backup_catalogue, fresh)
        # Whoever asked later knows better.
        if held.refreshed_at <= asked_at:
            _replace(connection, plan, repository, found)
            connection.execute(
                update(backup_catalogue)
                .where(backup_catalogue.c.plan == plan, backup_catalogue.c.repository == repository)
                .values(refreshed_at=asked_at)
            )
        return known(connection, plan, repository)


def take_out(engine: BackupEngine, plan: str, retained: Retained) -> None:
    """Take out what retention forgot, beside a run: no run ends then, by which it would be seen."""
    chosen = engine.plan(plan).repository
    table = backup_snapshot
    with engine.store.write() as connection:
        for repository, done in ((chosen, retained), *retained.copies.items()):
            for gone in done.forgotten.removed:
                connection.execute(
                    delete(table).where(table.c.repository == repository, table.c.id == gone.id)
                )


def known(connection: Connection, plan: str, repository: str | None = None) -> tuple[Known, ...]:
    """The plan's snapshots as far as they are known, the newest last."""
    table = backup_snapshot
    asked = select(table).where(table.c.plan == plan)
    if repository is not None:
        asked = asked.where(table.c.repository == repository)
    return tuple(
        _known(row) for row in connection.execute(asked.order_by(table.c.taken_at, table.c.id))
    )


def refreshed_at(connection: Connection, plan: str, repository: str) -> int | None:
    """When the repository answered last, micros; None before the first time."""
    asked = select(backup_catalogue.c.refreshed_at).where(
        backup_catalogue.c.plan == plan, backup_catalogue.c.repository == repository
    )
    return connection.execute(asked).scalar_one_or_none()


def is_stale(connection: Connection, plan: str, repository: str) -> bool:
    """Whether a run has ended since the repository was asked, or it never was."""
    answered = refreshed_at(connection, plan, repository)
    ended = connection.execute(
        select(func.max(backup_run.c.finished_at)).where(backup_run.c.plan == plan)
    ).scalar_one_or_none()
    return answered is None or (ended is not None and ended > answered)


def present(engine: BackupEngine, plan: str, repository: str) -> tuple[Known, ...]:
    """The plan's snapshots as they are: the repository is asked where something may have changed.

    None where there is no repository yet, because nothing was ever saved. Raises what `refresh`
    raises.
    """
    with engine.store.read() as connection:
        if not is_stale(connection, plan, repository):
            return known(connection, plan, repository)
        saved = select(backup_run.c.id).where(
            backup_run.c.plan == plan, backup_run.c.snapshot.is_not(None)
        )
        answered = refreshed_at(connection, plan, repository) is not None
        ever = answered or connection.execute(saved.limit(1)).first() is not None
    try:
        return refresh(engine, plan, repository)
    except RepositoryMissing:
        if ever:
            raise
        return ()


def named(engine: BackupEngine, plan: str, repository: str, snapshot: str) -> Known:
    """One of the plan's snapshots: `latest`, or the beginning of an id that only one has.

    Raises NotFound, and what `refresh` raises.
    """
    found = present(engine, plan, repository)
    if not found:
        raise NotFound(f"{plan} has no snapshot yet: run `secvault backup run {plan}`")
    if snapshot == LATEST:
        return found[-1]
    chosen = [one for one in found if one.id.startswith(snapshot)]
    if not chosen and snapshot:
        # Made by somebody else since.
        chosen = [one for one in refresh(engine, plan, repository) if one.id.startswith(snapshot)]
    if len(chosen) != 1 or not snapshot:
        raise NotFound(f"{plan} has {len(chosen)} snapshots whose id begins with {snapshot[:64]}")
    return chosen[0]


def before(engine: BackupEngine, than: Known) -> Known:
    """The plan's snapshot before this one, in the same repository. Raises NotFound."""
    with engine.store.read() as connection:
        found = known(connection, than.plan, than.repository)
    older = [one for one in found if (one.taken_at, one.id) < (than.taken_at, than.id)]
    if not older:
        raise NotFound(f"{than.id[:8]} is the oldest snapshot of {than.plan} that there is")
    return older[-1]


def measure(engine: BackupEngine, plan: str, repository: str, cancel: Cancel = _NEVER) -> Measure:
    """Measure what the plan's snapshots take together, and keep it. Takes minutes where many."""
    opened = engine.repository(repository)
    answer = restic_looking.stored(engine.restic, opened, f"plan={plan}", cancel)
    taken = Measure(
        repository,
        engine.clock.micros(),
        answer.snapshots_count,
        answer.total_size,
        # Repositories of format 1 are not compressed, and restic tells one size only.
        answer.total_uncompressed_size or answer.total_size,
    )
    with engine.store.write() as connection:
        insert_unless_there(connection, backup_measure, {"plan": plan, **vars(taken)})
        _forget_measures(connection, plan, repository)
    return taken


def measures(
    connection: Connection, plan: str, repository: str, limit: int = KEPT_MEASURES
) -> tuple[Measure, ...]:
    """What was measured, the newest first."""
    table = backup_measure
    columns = [table.c[name] for name in Measure.__dataclass_fields__]
    rows = connection.execute(
        select(*columns)
        .where(table.c.plan == plan, table.c.repository == repository)
        .order_by(table.c.measured_at.desc())
        .limit(limit)
    )
    return tuple(Measure(*row) for row in rows)


def newest_measures(connection: Connection, plans: Mapping[str, str]) -> dict[str, Measure]:
    """What was measured last of each plan, by plan. plans: each with the repository asked about."""
    if not plans:
        return {}
    of, table = asked((plan, where, 0) for plan, where in plans.items()), backup_measure
    mine = (table.c.plan == of.c.plan, table.c.repository == of.c.repository)
    newest = select(func.max(table.c.measured_at)).where(*mine).correlate(of).scalar_subquery()
    columns = [table.c[name] for name in Measure.__dataclass_fields__]
    rows = connection.execute(
        select(table.c.plan, *columns).join_from(
            of, table, and_(*mine, table.c.measured_at == newest)
        )
    )
    return {plan: Measure(*measure) for plan, *measure in rows}


def _replace(connection: Connection, plan: str, repository: str, found: Sequence[Snapshot]) -> None:
    table = backup_snapshot
    mine = (table.c.repository == repository, table.c.plan == plan)
    there = set(connection.execute(select(table.c.id).where(*mine)).scalars())
    wanted = {one.id for one in found}
    for gone in there - wanted:
        connection.execute(
            delete(table).where(table.c.repository == repository, table.c.id == gone)
        )
    fresh = [one for one in found if one.id not in there]
    runs = _runs(connection, [_run_of(one) for one in fresh])
    for one in fresh:
        insert_unless_there(connection, table, _row(one, plan, repository, runs))


def _runs(connection: Connection, ids: Sequence[str]) -> dict[str, Row[Any]]:
    table = backup_run
    columns = (table.c.id, table.c.files, table.c.bytes, table.c.bytes_added)
    found: dict[str, Row[Any]] = {}
    for start in range(0, len(ids), 500):
        asked = select(*columns).where(table.c.id.in_(ids[start : start + 500]))
        found |= {row.id: row for row in connection.execute(asked)}
    return found


def _run_of(one: Snapshot) -> str:
    runs = [tag.removeprefix("run=") for tag in one.tags or () if tag.startswith("run=")]
    return runs[0] if runs else ""


def _row(one: Snapshot, plan: str, repository: str, runs: dict[str, Row[Any]]) -> dict[str, object]:
    made_by = runs.get(_run_of(one))
    sizes: tuple[int | None, int | None, int | None] = (None, None, None)
    if made_by is not None:
        sizes = (made_by.files, made_by.bytes, made_by.bytes_added)
    elif one.summary is not None:
        told = one.summary
        sizes = (told.total_files_processed, told.total_bytes_processed, told.data_added)
    return {
        "repository": repository,
        "id": one.id,
        "plan": plan,
        "run": _run_of(one),
        "taken_at": one.time_micros,
        "host": _storable(one.hostname),
        "paths": _list(one.paths),
        "tags": _list(one.tags),
        "files": sizes[0],
        "bytes": sizes[1],
        "bytes_added": sizes[2],
    }


def _list(texts: Sequence[str] | None) -> str:
    return msgspec.json.encode([_storable(text) for text in texts or ()]).decode()


def _storable(text: str) -> str:
    # PostgreSQL takes no NUL in a text, and nobody takes half a surrogate pair.
    return text.replace("\0", "").encode("utf-8", "replace").decode()


def _known(row: Row[Any]) -> Known:
    values = {name: getattr(row, name) for name in Known.__dataclass_fields__}
    lists = {
        name: msgspec.json.decode(values[name], type=tuple[str, ...]) for name in ("paths", "tags")
    }
    return Known(**{**values, **lists})


def _forget_measures(connection: Connection, plan: str, repository: str) -> None:
    table = backup_measure
    mine = (table.c.plan == plan, table.c.repository == repository)
    last = connection.execute(
        select(table.c.measured_at)
        .where(*mine)
        .order_by(table.c.measured_at.desc())
        .offset(KEPT_MEASURES)
        .limit(1)
    ).scalar_one_or_none()
    if last is not None:
        connection.execute(delete(table).where(*mine, table.c.measured_at <= last))
