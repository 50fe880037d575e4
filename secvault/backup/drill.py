"""A restore drill: bring the newest snapshot back in a scratch place and prove that it can be used.

Measured: RPO, the age of the restored data when the drill began; RTO, the time from the first
restored byte to the last proof. The finding is evidence: canonical JSON under a signed note.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Protocol

from sqlalchemy import insert, select

from secvault.backup import manifest, run
from secvault.backup.database import audit_size, opened_copy
from secvault.backup.engine import BackupEngine
from secvault.backup.restic import Cancel, Progress, Snapshot
from secvault.clock import timestamp
from secvault.crypto.canonical import JsonValue
from secvault.crypto.evidence import sign_evidence
from secvault.crypto.note import NoteSigner
from secvault.errors import Conflict, Damaged, NotFound, SecvaultError
from secvault.store import Store, tables
from secvault.store.migrate import require_current

KIND = "restore-drill"
OnProgress = Callable[[Progress], None]


@dataclass(frozen=True)
class Step:
    """One thing that the drill proved or found wanting, with its figures in words."""

    name: str
    passed: bool
    finding: str


@dataclass(frozen=True)
class Finding:
    """What a drill found. Times in micros, durations in milliseconds."""

    id: str
    plan: str
    repository: str
    snapshot: str
    requested_by: str
    started_at: int
    finished_at: int
    data_at: int
    rpo_ms: int
    rto_ms: int
    audit_events_lost: int
    files: int
    bytes: int
    steps: tuple[Step, ...]

    @property
    def passed(self) -> bool:
        """Every step passed."""
        return all(step.passed for step in self.steps)


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
    """What is proven on the restored database beyond its files; both raise Damaged.

    Each returns what it saw in words.
    """

    def audit_log(self, restored: Store) -> str:
        """Verify the restored audit log."""
        ...

    def sample_of_fields(self, restored: Store) -> str:
        """Decrypt a sample of the restored fields with the current keys."""
        ...


def begin(engine: BackupEngine, plan_name: str, drill_id: str, requested_by: str) -> None:
    """Claim the plan for this drill; the same id again redoes it. Raises Conflict, NotFound."""
    engine.plan(plan_name)
    engine.release_silent(tables.drill, plan_name)
    if find_drill(engine, drill_id) is not None:
        engine.mark(tables.drill, drill_id, state="running", error=None, finished_at=None)
        return
    now = engine.clock.micros()
    try:
        with engine.store.write() as connection:
            connection.execute(
                insert(tables.drill).values(
                    id=drill_id,
                    plan=plan_name,
                    state="running",
                    phase="begun",
                    requested_by=requested_by,
                    started_at=now,
                    node=engine.node,
                    beat_at=now,
                )
            )
    except Conflict:
        raise Conflict(f"a drill of {plan_name} is running already; wait for it") from None


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
    """Restore, prove, measure, sign and store. Damage is a finding; other failures are raised."""
    begin(engine, plan_name, drill_id, requested_by)
    place = f"drill-{drill_id}"
    try:
        with engine.beating(tables.drill, drill_id):
            work = _Work(
                engine=engine,
                id=drill_id,
                plan=plan_name,
                snapshot=run.newest_snapshot(engine, plan_name),
                folder=engine.fresh_folder(place),
                started_at=engine.clock.micros(),
                began=engine.clock.monotonic(),
            )
            _prove_all(work, proofs, on_progress, cancel)
    except SecvaultError as error:
        engine.mark(
            tables.drill,
            drill_id,
            state="failed",
            error=error.detail[:1000],
            finished_at=engine.clock.micros(),
        )
        raise
    finally:
        shutil.rmtree(engine.scratch / place, ignore_errors=True)
    finding = work.finding(requested_by)
    _store(engine, finding, signer)
    return finding


@dataclass
class _Work:
    """A drill under way: what it works on, and what it has found so far."""

    engine: BackupEngine
    id: str
    plan: str
    snapshot: Snapshot
    folder: Path
    started_at: int
    began: float
    steps: list[Step] = field(default_factory=list)
    data_at: int | None = None
    events_lost: int = 0
    compared: manifest.Comparison | None = None

    @property
    def staged(self) -> Path:
        """The restored copy of secvault itself. Raises Damaged when there is none."""
        return run.staged_in(self.folder, self.snapshot, self.plan)

    def prove(self, name: str, act: Callable[[], str]) -> bool:
        """Do one step; damage is what it found."""
        self.engine.mark(tables.drill, self.id, phase=name)
        try:
            step = Step(name, passed=True, finding=act())
        except Damaged as damage:
            step = Step(name, passed=False, finding=damage.detail)
        self.steps.append(step)
        return step.passed

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
            rto_ms=int((clock.monotonic() - self.began) * 1000),
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


def document(finding: Finding) -> dict[str, JsonValue]:
    """The finding as the evidence states it."""
    steps: list[JsonValue] = [
        {"finding": step.finding, "name": step.name, "passed": step.passed}
        for step in finding.steps
    ]
    values: dict[str, JsonValue] = {
        name: value for name, value in asdict(finding).items() if name != "steps"
    }
    for name in ("started_at", "finished_at", "data_at"):
        values[name] = timestamp(getattr(finding, name))
    return {**values, "kind": KIND, "passed": finding.passed, "steps": steps, "version": 1}


def _prove_all(work: _Work, proofs: Proofs, on_progress: OnProgress, cancel: Cancel) -> None:
    engine = work.engine
    repository = engine.ready_repository(engine.plan(work.plan).repository)

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
    scratch_database = f"secvault_{work.id[-32:]}"
    try:
        with opened_copy(work.staged, engine.store, engine.postgresql, scratch_database) as store:
            work.events_lost = _audit_size(engine.store) - _audit_size(store)
            work.prove("database", lambda: _opened(store))
            work.prove("audit log", lambda: proofs.audit_log(store))
            work.prove("decrypted sample", lambda: proofs.sample_of_fields(store))
    except Damaged as damage:
        work.steps.append(Step("database", passed=False, finding=damage.detail))


def _hashed(work: _Work) -> str:
    work.data_at = manifest.read(work.staged / manifest.NAME).data_at
    compared = run.compare_restored(work.engine, work.plan, work.snapshot, work.folder)
    work.compared = compared
    if not compared.whole:
        first = (*compared.missing, *compared.different)[0]
        raise Damaged(
            f"{len(compared.missing)} files missing, {len(compared.different)} different, "
            f"first {first}"
        )
    return f"{compared.checked} files hashed, all as they were"


def _opened(store: Store) -> str:
    require_current(store)
    with store.read() as connection:
        records = len(connection.execute(select(tables.record.c.id)).all())
    return f"opened as {store.dialect}, {records} records"


def _audit_size(store: Store) -> int:
    with store.read() as connection:
        return audit_size(connection)


def _store(engine: BackupEngine, finding: Finding, signer: NoteSigner) -> None:
    signed = sign_evidence(document(finding), signer)
    engine.mark(
        tables.drill,
        finding.id,
        state="done",
        phase="done",
        finished_at=finding.finished_at,
        snapshot=finding.snapshot,
        passed=finding.passed,
        rpo_seconds=finding.rpo_ms // 1000,
        rto_seconds=-(-finding.rto_ms // 1000),
        document=signed.document,
        note=signed.note,
    )


_COLUMNS = [tables.drill.c[name] for name in Drill.__dataclass_fields__]
