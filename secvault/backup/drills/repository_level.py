"""The repository level: whether it is whole, and whether the snapshot is what it passes for.

The snapshot's place among what the vault knows of its own runs, and restic's own check of the
structure, while the snapshot is restored. What is restored tells the rest: whether the
data that this snapshot needs is there, and whether what is in it belongs to its run.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

from sqlalchemy import select

from secvault.backup.claims import CLOCK_SET_BACK_SECONDS
from secvault.backup.drills.choosing import Choice, run_of
from secvault.backup.drills.result import Fact, Fault, FaultCode, LevelResult
from secvault.backup.engine import BackupEngine
from secvault.backup.manifest import Manifest
from secvault.backup.repository import Repository
from secvault.backup.repository_faults import RepositoryDamaged
from secvault.backup.restic_faults import tells_of_damage
from secvault.backup.restic_process import Cancel, UntilFailed
from secvault.clock import timestamp
from secvault.store.tables import backup_copy, backup_run

MOST_NAMED = 100
"""Faults of one kind that a drill names; all are counted."""
_AHEAD = CLOCK_SET_BACK_SECONDS * 1_000_000
_GONE = re.compile(r"does not exist|no such file|not found", re.IGNORECASE)
_RESTORED = re.compile(r"ignoring error for (?P<path>/.*?): (?P<words>.*)")


@dataclass
class Looked:
    """What is known of the repository so far. seconds: that looking took."""

    faults: list[Fault] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)
    not_tested: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def add(self, faults: Iterable[Fault]) -> None:
        """Take faults that are not known yet."""
        for fault in faults:
            if not any(_is_same(one, fault) for one in self.faults):
                self.faults.append(fault)

    def take(self, checked: Checked) -> None:
        """Take what restic's check came to."""
        self.seconds += checked.seconds
        self.add(checked.faults)

    def result(self) -> LevelResult:
        """What the level came to."""
        return LevelResult(
            "repository",
            "failed" if self.faults else "passed",
            self.seconds,
            tuple(self.facts),
            tuple(self.faults),
            tuple(self.not_tested),
        )


@dataclass(frozen=True)
class Checked:
    """What restic's check of the structure came to. seconds: that it took."""

    faults: tuple[Fault, ...]
    seconds: float


@dataclass(frozen=True)
class _Made:
    """What the vault knows of a run's snapshot in a repository."""

    run: str
    snapshot: str
    data_at: int | None
    started_at: int


def look(engine: BackupEngine, plan: str, choice: Choice) -> Looked:
    """Compare what was chosen with what the vault knows of its runs, at this moment."""
    looked = Looked()
    looked.facts.append(Fact("snapshots", len(choice.listed)))
    looked.add(_of_time(choice, engine.clock.micros()))
    if choice.chosen == "newest":
        looked.add(_of_the_newest(engine, plan, choice))
    run = run_of(choice.snapshot)
    if _made(engine, plan, choice.name, run) is None:
        # After a recovery there are such; and whoever has the password can make one.
        looked.not_tested.append(
            f"whether this vault made the snapshot: none of its runs that ended well is {run}"
        )
    return looked


@contextmanager
def checking(
    engine: BackupEngine, repository: Repository, cancel: Cancel
) -> Iterator[Callable[[], Checked]]:
    """Have restic check the structure while the block runs; what is yielded waits for its end.

    First without a lock, so that backups go on. What looks like damage then may be the work of
    others meanwhile; only what is there under a lock counts. Where the block fails the check is
    stopped. Waiting raises what keeps the repository from being checked: RepositoryUnreachable,
    RepositoryLocked, Cancelled.
    """
    failed = threading.Event()

    def check(*, locked: bool) -> Checked:
        began = engine.clock.monotonic()
        faults: tuple[Fault, ...] = ()
        try:
            engine.restic.check(repository, locked=locked, cancel=UntilFailed(cancel, failed))
        except RepositoryDamaged as damage:
            faults = of_damage(damage)
        return Checked(faults, engine.clock.monotonic() - began)

    with ThreadPoolExecutor(1, "drill-check") as pool:
        begun = pool.submit(check, locked=False)

        def checked() -> Checked:
            suspected = begun.result()
            if not suspected.faults:
                return suspected
            found = check(locked=True)
            return Checked(found.faults, suspected.seconds + found.seconds)

        try:
            yield checked
        except BaseException:
            failed.set()
            raise


def newest_made(engine: BackupEngine, plan: str, repository: str) -> str | None:
    """The id of the newest snapshot that the vault made of the plan in a repository, if any."""
    made = _made(engine, plan, repository)
    return None if made is None else made.snapshot


def of_damage(damage: RepositoryDamaged) -> tuple[Fault, ...]:
    """The faults that restic's words tell of, whatever it was doing."""
    gone = {
        name
        for line in damage.troubles
        if _GONE.search(line)
        for name in re.findall(r"[0-9a-f]{8,64}", line)
    }
    found = tuple(_fault_of(name, gone) for name in damage.files[:MOST_NAMED])
    return found or tuple(_unnamed(damage))


def _is_same(one: Fault, other: Fault) -> bool:
    if one.code != other.code or one.where.startswith("/") or other.where.startswith("/"):
        return one == other
    # restic names its files in full, or by the beginning of their ids.
    return one.where.startswith(other.where) or other.where.startswith(one.where)


def _unnamed(damage: RepositoryDamaged) -> Iterator[Fault]:
    """The faults where restic names no file of the repository, but what it could not restore."""
    lines = [line for line in damage.troubles if tells_of_damage((line,))] or [damage.detail]
    for line in lines[:MOST_NAMED]:
        restored = _RESTORED.match(line)
        if restored is None:
            yield Fault("repository-structure", "repository", line[:300])
        else:
            words = f"what it needs of the repository is damaged: {restored['words'][:300]}"
            yield Fault("pack-damaged", restored["path"], words)


def of_the_manifest(
    engine: BackupEngine, plan: str, choice: Choice, head: Manifest
) -> Iterator[Fault]:
    """Whether what is in the snapshot is of the run that the snapshot says it is of."""
    if head.plan != plan:
        yield Fault(
            "manifest-damaged", choice.snapshot.id, f"the manifest is of the plan {head.plan!r}"
        )
        return
    now = engine.clock.micros()
    if head.data_at > now + _AHEAD:
        yield Fault(
            "snapshot-from-the-future",
            choice.snapshot.id,
            f"the data says that it is of {timestamp(head.data_at)}, and now it is "
            f"{timestamp(now)}: a clock was wrong, or somebody chose the time",
        )
    run = run_of(choice.snapshot)
    if head.run != run:
        yield Fault(
            "snapshot-not-newest",
            choice.snapshot.id,
            f"the snapshot says that it is of the run {run}, and holds the data of {head.run}",
        )
        return
    made = _made(engine, plan, choice.name, run)
    if made is not None and made.data_at is not None and made.data_at != head.data_at:
        yield Fault(
            "snapshot-not-newest",
            choice.snapshot.id,
            f"the data is of {timestamp(head.data_at)}, and that of the run {run} was of "
            f"{timestamp(made.data_at)}",
        )


def _fault_of(name: str, gone: set[str]) -> Fault:
    kind, _, number = name.partition(" ")
    lost = any(number and (one.startswith(number) or number.startswith(one)) for one in gone)
    if kind == "pack" and lost:
        return Fault("pack-missing", name, "a pack of the repository is missing")
    if kind == "pack":
        return Fault("pack-damaged", name, "a pack of the repository is not what was written")
    if kind == "snapshot" and lost:
        return Fault("snapshot-missing", name, "a snapshot of the repository is missing")
    what = "is missing" if lost else "is not what was written"
    code: FaultCode = "repository-structure"
    return Fault(code, name, f"part of the repository's structure {what}: {kind}")


def _of_time(choice: Choice, now: int) -> Iterator[Fault]:
    taken = choice.snapshot.time_micros
    if taken > now + _AHEAD:
        yield Fault(
            "snapshot-from-the-future",
            choice.snapshot.id,
            f"the snapshot is of {timestamp(taken)}, and now it is {timestamp(now)}: a clock is "
            "wrong, or somebody chose the time",
        )


def _of_the_newest(engine: BackupEngine, plan: str, choice: Choice) -> Iterator[Fault]:
    """Whether the newest snapshot of the repository is the newest that the vault made there.

    One of a run that the vault does not know, or that is under way, is newer.
    """
    made = _made(engine, plan, choice.name)
    if made is None:
        return
    there = {one.id for one in choice.listed}
    runs = {run_of(one) for one in choice.listed}
    if made.snapshot not in there and made.run not in runs:
        yield Fault(
            "snapshot-missing",
            made.snapshot,
            f"the newest snapshot that was made is not there, that of the run {made.run}",
        )
    run = run_of(choice.snapshot)
    begun = _begun_at(engine, run)
    if run != made.run and begun is not None and begun < made.started_at:
        yield Fault(
            "snapshot-not-newest",
            choice.snapshot.id,
            f"the newest snapshot there is that of the run {run}, and the newest that was made is "
            f"that of {made.run}",
        )


def _made(engine: BackupEngine, plan: str, repository: str, run: str | None = None) -> _Made | None:
    """The newest snapshot that the vault made in a repository, or that of this run, if any."""
    columns = (backup_run.c.data_at, backup_run.c.started_at)
    only = () if run is None else (backup_run.c.id == run,)
    newest = backup_run.c.started_at.desc()
    own = (
        select(backup_run.c.id, backup_run.c.snapshot, *columns)
        .where(
            backup_run.c.plan == plan,
            backup_run.c.repository == repository,
            backup_run.c.state == "done",
            backup_run.c.snapshot.is_not(None),
            *only,
        )
        .order_by(newest)
        .limit(1)
    )
    copied = (
        select(backup_copy.c.run, backup_copy.c.snapshot, *columns)
        .join(backup_run, backup_run.c.id == backup_copy.c.run)
        .where(
            backup_copy.c.plan == plan,
            backup_copy.c.repository == repository,
            backup_copy.c.state == "done",
            backup_copy.c.snapshot.is_not(None),
            *only,
        )
        .order_by(newest)
        .limit(1)
    )
    with engine.store.read() as connection:
        found = [_Made(*row) for each in (own, copied) for row in connection.execute(each)]
    return max(found, key=lambda one: one.started_at, default=None)


def _begun_at(engine: BackupEngine, run: str) -> int | None:
    with engine.store.read() as connection:
        return connection.execute(
            select(backup_run.c.started_at).where(backup_run.c.id == run)
        ).scalar_one_or_none()
