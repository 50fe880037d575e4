"""A restore drill: bring the newest snapshot back in a scratch place and prove that it can be used.

Measured: RPO, the age of the restored data when the drill began; RTO, the time from the first
restored byte to the last proof. The finding is evidence: canonical JSON under a signed note.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
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

KIND = "secvault restore drill"


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
    requested_by: str,
    proofs: Proofs,
    signer: NoteSigner,
    on_progress: Callable[[Progress], None],
    cancel: Cancel,
) -> Finding:
    """Restore, prove, measure, sign and store. Damage is a finding; other failures are raised."""
    begin(engine, plan_name, drill_id, requested_by)
    place = f"drill-{drill_id}"
    try:
        with engine.beating(tables.drill, drill_id):
            snapshot = run.newest_snapshot(engine, plan_name)
            folder = engine.fresh_folder(place)
            finding = _restore_and_prove(
                engine, plan_name, drill_id, requested_by, proofs, snapshot, folder,
                on_progress, cancel,
            )
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
    _store(engine, finding, signer)
    return finding


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


def _restore_and_prove(
    engine: BackupEngine,
    plan_name: str,
    drill_id: str,
    requested_by: str,
    proofs: Proofs,
    snapshot: Snapshot,
    folder: Path,
    on_progress: Callable[[Progress], None],
    cancel: Cancel,
) -> Finding:
    plan = engine.plan(plan_name)
    repository = engine.ready_repository(plan.repository)
    steps: list[Step] = []
    began = engine.clock.monotonic()
    started_at = engine.clock.micros()
    data_at, lost, compared = snapshot.time_micros, 0, None

    def prove(name: str, act: Callable[[], str]) -> bool:
        engine.mark(tables.drill, drill_id, phase=name)
        try:
            steps.append(Step(name, True, act()))
        except Damaged as damage:
            steps.append(Step(name, False, damage.detail))
        return steps[-1].passed

    def staged() -> Path:
        return run.staged_in(folder, snapshot, plan_name)

    def restored() -> str:
        summary = engine.restic.restore(
            repository, snapshot.id, folder, verify=True, on_progress=on_progress, cancel=cancel
        )
        return f"{summary.files} files, {summary.bytes} bytes"

    def hashed() -> str:
        nonlocal compared, data_at
        data_at = manifest.read(staged() / manifest.NAME).data_at
        compared = run.compare_restored(engine, plan_name, snapshot, folder)
        if not compared.whole:
            first = (*compared.missing, *compared.different)[0]
            raise Damaged(
                f"{len(compared.missing)} files missing, {len(compared.different)} different, "
                f"first {first}"
            )
        return f"{compared.checked} files hashed, all as they were"

    proven = prove("restore", restored) and prove("file hashes", hashed)
    if proven:
        try:
            with opened_copy(
                staged(), engine.store, engine.postgresql, f"secvault_{drill_id[:40]}"
            ) as store:
                lost = _audit_size(engine.store) - _audit_size(store)
                prove("database", lambda: _opened(store))
                prove("audit log", lambda: proofs.audit_log(store))
                prove("decrypted sample", lambda: proofs.sample_of_fields(store))
        except Damaged as damage:
            steps.append(Step("database", False, damage.detail))
    finished_at = engine.clock.micros()
    return Finding(
        id=drill_id,
        plan=plan_name,
        repository=plan.repository,
        snapshot=snapshot.id,
        requested_by=requested_by,
        started_at=started_at,
        finished_at=finished_at,
        data_at=data_at,
        rpo_ms=max(0, started_at - data_at) // 1000,
        rto_ms=int((engine.clock.monotonic() - began) * 1000),
        audit_events_lost=max(0, lost),
        files=compared.checked if compared else 0,
        bytes=compared.bytes if compared else 0,
        steps=tuple(steps),
    )


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
