"""A restore drill: bring the newest snapshot back in a scratch place and prove that it can be used.

Measured: RPO, the age of the restored data when the drill began; RTO, the time from then to the
last proof. The finding is evidence: canonical JSON under a signed note.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from sqlalchemy import func, select, update

from secvault.backup import keys_apart, manifest, rejoin, run
from secvault.backup.database import audit_size, drop_leftovers, opened_copy, scratch_database
from secvault.backup.engine import BackupEngine
from secvault.backup.finding import Finding, Step, document
from secvault.backup.restic import Cancel, Progress, Snapshot
from secvault.backup.staging import NO_DATABASE
from secvault.crypto.evidence import sign_evidence
from secvault.crypto.note import NoteSigner
from secvault.errors import (
    BackupFailed,
    Cancelled,
    Conflict,
    Damaged,
    InvalidInput,
    NotFound,
    SecvaultError,
    StoreVersion,
)
from secvault.store import Store, tables
from secvault.store.migrate import require_current, schema_revision, upgrade

__all__ = [
    "Drill",
    "Finding",
    "Proofs",
    "begin",
    "evidence",
    "find_drill",
    "newest_drills",
    "run_drill",
]

OnProgress = Callable[[Progress], None]


@dataclass(frozen=True)
class Drill:
    """A drill as stored."""

    id: str
    plan: str
    state: str
    phase: str
    requested_by: str
    started_at: int
    finished_at: int | None
    snapshot: str | None
    passed: bool | None
    rpo_seconds: int | None
    rto_seconds: int | None
    error: str | None


class Proofs(Protocol):
    """What is proven on the restored database beyond its files.

    All raise Damaged, or NotFound or InvalidInput for what the restored database lacks.

    Each returns what it saw in words.
    """

    def audit_log(self, restored: Store) -> str:
        """Verify the restored audit log."""
        ...

    def data_keys(self, restored: Store, files: Sequence[Path]) -> str:
        """Bring the data keys of these files back into the restored database."""
        ...

    def sample_of_fields(self, restored: Store) -> str:
        """Decrypt a sample of the restored fields with the current keys."""
        ...


def begin(engine: BackupEngine, plan_name: str, drill_id: str, requested_by: str) -> None:
    """Claim the plan for this drill; the same id again redoes it. Raises Conflict, NotFound."""
    engine.plan(plan_name)
    engine.claim(
        tables.drill,
        plan_name,
        drill_id,
        requested_by=requested_by,
        started_at=engine.clock.micros(),
    )


def run_drill(
    engine: BackupEngine,
    plan_name: str,
    drill_id: str,
    *,
    requested_by: str,
    proofs: Proofs,
    signer: NoteSigner,
    on_progress: OnProgress,
    cancel: Cancel,
) -> Finding:
    """Restore, prove, measure, sign and store. Damage is a finding; other failures are raised.

    What was restored is removed whatever happens; what killed drills left is removed first.
    """
    begin(engine, plan_name, drill_id, requested_by)
    with engine.at_work(tables.drill, drill_id, "the drill"):
        _sweep(engine)
        place = _place(drill_id)
        try:
            work = _Work(
                engine=engine,
                id=drill_id,
                plan=plan_name,
                folder=engine.scratch / place,
                started_at=engine.clock.micros(),
                began=engine.clock.monotonic(),
                snapshot=run.newest_snapshot(engine, plan_name),
            )
            engine.fresh_folder(place)
            _prove_all(work, proofs, on_progress, cancel)
            work.measure()
        except BaseException as error:
            try:
                engine.clear(engine.scratch / place)
            except SecvaultError as left:
                error.add_note(left.detail)
            raise
        work.put_away()
        finding = work.finding(requested_by)
        _store(engine, finding, signer)
    return finding


def _place(drill_id: str) -> str:
    # Ids of scheduled drills hold colons and are long; a folder's name should be neither.
    return f"drill-{hashlib.sha256(drill_id.encode()).hexdigest()[:32]}"


def _sweep(engine: BackupEngine) -> None:
    """Remove what drills restored that were killed, and are not running any more."""
    table = tables.drill
    with engine.store.read() as connection:
        running = (
            connection.execute(select(table.c.id).where(table.c.state == "running")).scalars().all()
        )
    places = {_place(one) for one in running}
    for folder in engine.scratch.glob("drill-*"):
        if folder.name not in places:
            engine.clear(folder)
    keep = frozenset(scratch_database(engine.store, one) for one in running)
    drop_leftovers(engine.store, keep)


@dataclass
class _Work:
    """A drill under way: what it works on, and what it has found so far."""

    engine: BackupEngine
    id: str
    plan: str
    folder: Path
    started_at: int
    began: float
    snapshot: Snapshot
    steps: list[Step] = field(default_factory=list)
    data_at: int | None = None
    events_lost: int = 0
    compared: manifest.Comparison | None = None
    seconds: float = 0.0

    @property
    def staged(self) -> Path:
        """The restored copy of secvault itself. Raises Damaged when there is none."""
        return run.staged_in(self.folder, self.snapshot, self.plan)

    def prove(
        self, name: str, act: Callable[[], str], also: tuple[type[SecvaultError], ...] = ()
    ) -> bool:
        """Do one step; damage, and the other errors named, are what it found."""
        self.engine.mark(tables.drill, self.id, phase=name)
        findings: tuple[type[SecvaultError], ...] = (Damaged, *also)
        try:
            step = Step(name, passed=True, finding=act())
        except findings as damage:
            step = Step(name, passed=False, finding=damage.detail)
        self.steps.append(step)
        return step.passed

    def measure(self) -> None:
        """Stop the watch: all is proven."""
        self.seconds = self.engine.clock.monotonic() - self.began

    def put_away(self) -> None:
        """Remove what was restored; what stays behind is a finding too."""

        def removed() -> str:
            self.engine.clear(self.folder)
            return "nothing of what was restored is left"

        self.prove("removal", removed, also=(BackupFailed,))

    def finding(self, requested_by: str) -> Finding:
        """What was found, measured now."""
        clock = self.engine.clock
        data_at = self.snapshot.time_micros if self.data_at is None else self.data_at
        return Finding(
            id=self.id,
            plan=self.plan,
            repository=self.engine.plan(self.plan).repository,
            snapshot=self.snapshot.id,
            requested_by=requested_by,
            started_at=self.started_at,
            finished_at=clock.micros(),
            data_at=data_at,
            rpo_ms=max(0, self.started_at - data_at) // 1000,
            rto_ms=int(self.seconds * 1000),
            audit_events_lost=max(0, self.events_lost),
            files=self.compared.checked if self.compared else 0,
            bytes=self.compared.bytes if self.compared else 0,
            steps=tuple(self.steps),
        )


def find_drill(engine: BackupEngine, drill_id: str) -> Drill | None:
    """A stored drill, or None."""
    with engine.store.read() as connection:
        row = connection.execute(
            select(*_COLUMNS).where(tables.drill.c.id == drill_id)
        ).one_or_none()
    return Drill(*row) if row else None


def newest_drills(engine: BackupEngine, limit: int) -> tuple[Drill, ...]:
    """The newest drills of all plans, newest first."""
    table = tables.drill
    with engine.store.read() as connection:
        rows = connection.execute(
            select(*_COLUMNS).order_by(table.c.started_at.desc(), table.c.id).limit(limit)
        ).all()
    return tuple(Drill(*row) for row in rows)


def evidence(engine: BackupEngine, drill_id: str) -> tuple[bytes, bytes]:
    """The signed finding of a drill: (canonical JSON, signed note). Raises NotFound."""
    table = tables.drill
    with engine.store.read() as connection:
        row = connection.execute(
            select(table.c.document, table.c.note).where(table.c.id == drill_id)
        ).one_or_none()
    if row is None or row.document is None:
        raise NotFound(f"there is no finished drill {drill_id}")
    return row.document, row.note


def _prove_all(work: _Work, proofs: Proofs, on_progress: OnProgress, cancel: Cancel) -> None:
    engine = work.engine
    repository = engine.opened_repository(engine.plan(work.plan).repository)

    def restored() -> str:
        summary = engine.restic.restore(
            repository,
            work.snapshot.id,
            work.folder,
            verify=True,
            on_progress=on_progress,
            cancel=cancel,
        )
        return f"{summary.files} files, {summary.bytes} bytes"

    if not work.prove("restore", restored) or not work.prove("file hashes", lambda: _hashed(work)):
        return
    if manifest.read(work.staged / manifest.NAME).database == NO_DATABASE:
        if engine.plan(work.plan).vault:
            words = "the snapshot holds no copy of secvault, which the plan saves; back it up again"
            work.steps.append(Step("database", passed=False, finding=words))
        return
    scratch = scratch_database(engine.store, work.id)
    try:
        with opened_copy(work.staged, engine.store, engine.postgresql, scratch) as store:
            if not work.prove("database", lambda: _opened(work, store), also=(StoreVersion,)):
                return
            lacking = (NotFound, InvalidInput)
            _heed(cancel)
            work.prove("data keys", lambda: _rejoined(work, store, proofs, cancel), also=lacking)
            _heed(cancel)
            work.prove("audit log", lambda: proofs.audit_log(store), also=lacking)
            _heed(cancel)
            work.prove("decrypted sample", lambda: proofs.sample_of_fields(store), also=lacking)
    except Damaged as damage:
        work.steps.append(Step("database", passed=False, finding=damage.detail))


def _heed(cancel: Cancel) -> None:
    if cancel.is_set():
        raise Cancelled("the drill was stopped on request; nothing is proven")


def _hashed(work: _Work) -> str:
    work.data_at = manifest.read(work.staged / manifest.NAME).data_at
    compared = run.compare_restored(work.engine, work.plan, work.snapshot, work.folder)
    work.compared = compared
    if not compared.whole:
        altered = len(compared.altered)
        others = f"{altered} with other modes, owners, times, links or attributes, "
        raise Damaged(
            f"{len(compared.missing)} files missing, {len(compared.different)} different, "
            f"{others if altered else ''}first {compared.first_fault}"
        )
    words = f"{compared.checked} files hashed, all as they were"
    if compared.changed_meanwhile:
        count, first = len(compared.changed_meanwhile), compared.changed_meanwhile[0]
        words = (
            f"{compared.checked} files hashed; {count} were written while the backup ran, so that "
            f"nothing can be said of them, first {first}; the others are as they were"
        )
    if not compared.owners:
        words += "; owners were not compared: only root can restore them"
    if compared.left_out:
        words += f"; {len(compared.left_out)} were left out by the plan's excludes"
    return words


def _opened(work: _Work, store: Store) -> str:
    before = schema_revision(store)
    if before is None:
        raise Damaged("the restored database has no schema")
    # What a real recovery with this program would do with an older backup.
    _, after = upgrade(store)
    require_current(store)
    work.events_lost = _audit_size(work.engine.store) - _audit_size(store)
    with store.read() as connection:
        records = connection.execute(select(func.count()).select_from(tables.record)).scalar_one()
    migrated = "" if after == before else f", brought from schema {before} to {after}"
    return f"opened as {store.dialect}, {records} records{migrated}"


def _rejoined(work: _Work, store: Store, proofs: Proofs, cancel: Cancel) -> str:
    """The newest data keys, as a recovery would take them."""
    engine = work.engine
    with store.read() as connection:
        if rejoin.has_keys(connection):
            return "in the database itself, as in backups of before data keys were kept apart"
    made_by = manifest.read(work.staged / manifest.NAME).run
    files = keys_apart.fetch(engine, work.plan, made_by, work.folder / keys_apart.FOLDER, cancel)
    return proofs.data_keys(store, files)


def _audit_size(store: Store) -> int:
    with store.read() as connection:
        return audit_size(connection)


def _store(engine: BackupEngine, finding: Finding, signer: NoteSigner) -> None:
    signed = sign_evidence(document(finding), signer)
    table = tables.drill
    with engine.store.write() as connection:
        ended = connection.execute(
            update(table)
            .where(table.c.id == finding.id, table.c.state == "running")
            .values(
                state="done",
                phase="done",
                finished_at=finding.finished_at,
                beat_at=finding.finished_at,
                snapshot=finding.snapshot,
                passed=finding.passed,
                rpo_seconds=finding.rpo_ms // 1000,
                rto_seconds=-(-finding.rto_ms // 1000),
                document=signed.document,
                note=signed.note,
            )
        )
        if ended.rowcount != 1:
            raise Conflict(f"the drill {finding.id} was given up for dead, or ended elsewhere")


_COLUMNS = [tables.drill.c[name] for name in Drill.__dataclass_fields__]
