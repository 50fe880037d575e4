"""Checks of a plan's repositories: the structure always, and a part of the data in turn."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, and_, false, insert, select, update

from secvault.backup import check_parts
from secvault.backup.claims import PlanBusy
from secvault.backup.engine import BackupEngine
from secvault.backup.many_plans import asked, of_newest
from secvault.backup.repository import KEYS, Repository
from secvault.backup.repository_faults import RepositoryDamaged
from secvault.backup.restic import Cancel
from secvault.config import PlanSettings
from secvault.errors import Cancelled, Conflict, NotFound, SecvaultError
from secvault.store import tables

STRUCTURE, ALL = "structure", "all"
_MOST_HINTS = 20

OnCount = Callable[[int, int], None]


@dataclass(frozen=True)
class Reading:
    """How much of the data a check reads.

    what: `structure` for none, `all`, what restic takes as a subset (1/10, 5%, 500M), or empty for
    the parts whose turn it is, of `parts` equal ones, so that each is read within `days`. coming:
    when the plan's checks after this one are due, in micros, as far as the days go.
    """

    what: str = ""
    days: int = 0
    parts: int = 1
    coming: tuple[int, ...] = ()


@dataclass(frozen=True)
class Checked:
    """What a check came to in one repository. read: `structure`, `all` or the parts, as 3/12,4/12.

    damaged: the files that are damaged, as far as restic names them. hints: what it said besides.
    """

    repository: str
    checked_at: int
    passed: bool
    read: str
    damaged: tuple[str, ...]
    hints: tuple[str, ...]


@dataclass(frozen=True)
class Check:
    """A check as stored. Times in micros. passed: None while a repository was not looked at."""

    id: str
    plan: str
    state: str
    phase: str
    requested_by: str
    started_at: int
    finished_at: int | None
    passed: bool | None
    cancel_by: str | None
    error: str | None
    repositories: tuple[Checked, ...] = ()


def begin(engine: BackupEngine, plan_name: str, check_id: str, requested_by: str) -> Check:
    """Claim the plan for this check; the same id again resumes it.

    Raises PlanBusy, NotFound, and Cancelled where the end of this check was asked for.
    """
    engine.plan(plan_name)
    try:
        engine.claim(
            tables.backup_check,
            plan_name,
            check_id,
            requested_by=requested_by,
            started_at=engine.clock.micros(),
        )
    except PlanBusy:
        raise PlanBusy(f"the plan {plan_name} is being checked already; wait for it") from None
    return read_check(engine, check_id)


def check_all(
    engine: BackupEngine,
    plan_name: str,
    check_id: str,
    reading: Reading,
    cancel: Cancel,
    on_count: OnCount = lambda _done, _total: None,
) -> tuple[Checked, ...]:
    """Check each repository of the plan that this check has not looked at yet.

    on_count: told how many of how many repositories were looked at.
    Each has its turn, whatever becomes of the others. Raises RepositoryDamaged if one is damaged;
    else what kept the first of them from being looked at; Cancelled at once.
    """
    plan = engine.plan(plan_name)
    done = {one.repository: one for one in read_check(engine, check_id).repositories}
    names = repositories(plan)
    failed: SecvaultError | None = None
    for number, name in enumerate(names):
        on_count(number, len(names))
        if name not in done:
            engine.mark(tables.backup_check, check_id, phase=f"checking {name}")
            try:
                done[name] = _check_one(engine, check_id, name, reading, cancel)
            except SecvaultError as error:
                if isinstance(error, Cancelled) or cancel.is_set():
                    raise
                failed = failed or error
    on_count(len(names), len(names))
    damaged = [one for one in done.values() if not one.passed]
    if damaged:
        first = damaged[0]
        files = ", ".join(first.damaged[:3]) or "restic's own words are with the check"
        raise RepositoryDamaged(
            f"the check found damage in the repository {first.repository}: {files}; keep it as it "
            "is, restore what is needed from another copy, then repair it with `restic repair`",
            files=first.damaged,
            troubles=first.hints,
        )
    if failed is not None:
        raise failed
    return tuple(done.values())


def repositories(plan: PlanSettings) -> tuple[str, ...]:
    """The repositories of a plan by name, each with that of its data keys behind it."""
    names = (plan.repository, *plan.copies)
    keys = (KEYS,) if plan.vault else ()
    return tuple(name + kind for name in names for kind in ("", *keys))


def finish(engine: BackupEngine, connection: Connection, check_id: str) -> None:
    """Call the check done, in the caller's transaction. Raises Conflict when it was given up."""
    table, now = tables.backup_check, engine.clock.micros()
    ended = connection.execute(
        update(table)
        .where(table.c.id == check_id, table.c.state == "running")
        .values(state="done", phase="done", passed=True, finished_at=now, beat_at=now)
    )
    if ended.rowcount != 1:
        raise Conflict(f"the check {check_id} was given up for dead, or ended elsewhere")


def find_check(engine: BackupEngine, check_id: str) -> Check | None:
    """A stored check with what it came to in each repository, or None."""
    with engine.store.read() as connection:
        row = connection.execute(
            select(*_COLUMNS).where(tables.backup_check.c.id == check_id)
        ).one_or_none()
        return _check(row, _checked(connection, [check_id])[check_id]) if row else None


def read_check(engine: BackupEngine, check_id: str) -> Check:
    """The same. Raises NotFound."""
    found = find_check(engine, check_id)
    if found is None:
        raise NotFound(f"there is no check {check_id}")
    return found


def newest_checks(
    engine: BackupEngine, limit: int, *, plan: str | None = None
) -> tuple[Check, ...]:
    """The newest checks, newest first: of all plans, unless one is named."""
    table = tables.backup_check
    asked = () if plan is None else (table.c.plan == plan,)
    newest_first = select(*_COLUMNS).order_by(table.c.started_at.desc(), table.c.id)
    with engine.store.read() as connection:
        rows = connection.execute(newest_first.where(*asked).limit(limit)).all()
        checked = _checked(connection, [row.id for row in rows])
    return tuple(_check(row, checked[row.id]) for row in rows)


def damaged(connection: Connection, plans: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """The repositories in which the newest look found damage, by plan; nothing for the others.

    A check that could not look says nothing.
    """
    names = list(plans)
    if not names:
        return {}
    check, part = tables.backup_check, tables.backup_checked
    of = asked(connection, [(plan, "", 0) for plan in names])
    looked = of_newest(check.c.id, of, check.c.passed.is_not(None))
    rows = connection.execute(
        select(of.c.plan, part.c.repository)
        .join_from(of, part, and_(part.c.check_id == looked, part.c.passed.is_(false())))
        .order_by(part.c.repository)
    )
    found: dict[str, tuple[str, ...]] = {}
    for plan, repository in rows:
        found[plan] = (*found.get(plan, ()), repository)
    return found


def _check_one(
    engine: BackupEngine,
    check_id: str,
    name: str,
    reading: Reading,
    cancel: Cancel,
) -> Checked:
    repository = engine.opened_repository(name)
    count = reading.parts
    numbers: tuple[int, ...] = ()
    if reading.days and reading.what in ("", ALL):
        with engine.store.write() as connection:
            parts = check_parts.parts_of(connection, name, count, engine.clock.micros())
        numbers = tuple(part.number for part in parts)
        if not reading.what:
            numbers = check_parts.to_read(parts, reading.coming, reading.days)
    subsets = _subsets(reading, numbers, count)
    read = ",".join(filter(None, subsets)) or STRUCTURE
    try:
        hints = _checked_by_restic(engine, repository, subsets, cancel)
        checked = _whole(name, engine.clock.micros(), read, hints)
    except RepositoryDamaged as damage:
        checked = _damaged(name, engine.clock.micros(), read, damage)
    _store(engine, check_id, checked, numbers, count)
    return checked


def _whole(name: str, at: int, read: str, hints: Sequence[str]) -> Checked:
    return Checked(
        repository=name,
        checked_at=at,
        passed=True,
        read=read,
        damaged=(),
        hints=tuple(hints[:_MOST_HINTS]),
    )


def _damaged(name: str, at: int, read: str, damage: RepositoryDamaged) -> Checked:
    return Checked(
        repository=name,
        checked_at=at,
        passed=False,
        read=read,
        damaged=damage.files,
        hints=damage.troubles[:_MOST_HINTS],
    )


def _subsets(reading: Reading, numbers: Sequence[int], count: int) -> tuple[str, ...]:
    """What restic is told to read, one run of it for each."""
    if numbers and len(numbers) == count:
        return (ALL,)
    if numbers:
        return tuple(f"{number}/{count}" for number in numbers)
    return ("" if reading.what == STRUCTURE else reading.what,)


def _checked_by_restic(
    engine: BackupEngine,
    repository: Repository,
    subsets: Sequence[str],
    cancel: Cancel,
) -> tuple[str, ...]:
    hints: dict[str, None] = {}
    for subset in subsets:
        report = engine.restic.check(
            repository,
            read_data_subset=subset if subset not in ("", ALL) else None,
            read_all=subset == ALL,
            cancel=cancel,
        )
        hints.update(dict.fromkeys(report.hints))
    return tuple(hints)


def _store(
    engine: BackupEngine, check_id: str, checked: Checked, numbers: Sequence[int], count: int
) -> None:
    with engine.store.write() as connection:
        connection.execute(
            insert(tables.backup_checked).values(
                check_id=check_id,
                repository=checked.repository,
                checked_at=checked.checked_at,
                passed=checked.passed,
                read=checked.read,
                damaged="\n".join(checked.damaged) or None,
                notes="\n".join(checked.hints) or None,
            )
        )
        if checked.passed and numbers:
            check_parts.were_read(
                connection, checked.repository, count, numbers, checked.checked_at
            )
        if not checked.passed:
            connection.execute(
                update(tables.backup_check)
                .where(tables.backup_check.c.id == check_id)
                .values(passed=False)
            )


def _check(row: Row[Any], repositories: tuple[Checked, ...]) -> Check:
    return Check(**row._asdict(), repositories=repositories)


def _checked(connection: Connection, ids: Sequence[str]) -> dict[str, tuple[Checked, ...]]:
    table = tables.backup_checked
    rows = connection.execute(
        select(table).where(table.c.check_id.in_(ids)).order_by(table.c.checked_at)
    ).all()
    found: dict[str, tuple[Checked, ...]] = dict.fromkeys(ids, ())
    for row in rows:
        one = Checked(
            row.repository,
            row.checked_at,
            row.passed,
            row.read,
            tuple((row.damaged or "").splitlines()),
            tuple((row.notes or "").splitlines()),
        )
        found[row.check_id] = (*found[row.check_id], one)
    return found


_COLUMNS = [
    tables.backup_check.c[name] for name in Check.__dataclass_fields__ if name != "repositories"
]
