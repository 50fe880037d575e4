"""Scenario drills as rows, with the signed evidence of what they came to."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select, update

from secvault.backup.drills.exercise import ScenarioResult
from secvault.backup.engine import BackupEngine
from secvault.config.drills import ScenarioName
from secvault.crypto.evidence import SignedEvidence
from secvault.errors import Conflict, NotFound
from secvault.store import tables


@dataclass(frozen=True)
class StoredScenario:
    """A scenario drill as stored. Times in micros. state: as in `claims`; phase: its last step."""

    id: str
    scenario: ScenarioName
    plan: str
    state: str
    phase: str
    requested_by: str
    started_at: int
    finished_at: int | None
    passed: bool | None
    rto_seconds: int | None
    error: str | None


def begin(
    engine: BackupEngine, scenario: ScenarioName, plan: str, id_: str, requested_by: str
) -> None:
    """Claim the plan for this scenario drill; the same id again redoes it. Raises PlanBusy."""
    engine.claim(
        tables.drill_scenario,
        plan,
        id_,
        scenario=scenario,
        requested_by=requested_by,
        started_at=engine.clock.micros(),
    )


def finish(engine: BackupEngine, result: ScenarioResult, signed: SignedEvidence) -> None:
    """Keep what it came to. Raises Conflict where it was given up for dead meanwhile."""
    table = tables.drill_scenario
    with engine.store.write() as connection:
        ended = connection.execute(
            update(table)
            .where(table.c.id == result.id, table.c.state == "running", table.c.node == engine.node)
            .values(
                state="done",
                phase="done",
                finished_at=result.finished_at,
                beat_at=result.finished_at,
                passed=result.passed,
                rto_seconds=-int(-result.figures.rto_seconds // 1),
                document=signed.document,
                note=signed.note,
            )
        )
        if ended.rowcount != 1:
            raise Conflict(f"the drill {result.id} was given up for dead, or ended elsewhere")


def find(engine: BackupEngine, id_: str) -> StoredScenario | None:
    """A scenario drill, or None."""
    with engine.store.read() as connection:
        row = connection.execute(
            select(*_COLUMNS).where(tables.drill_scenario.c.id == id_)
        ).one_or_none()
    return StoredScenario(*row) if row else None


def newest(engine: BackupEngine, limit: int) -> tuple[StoredScenario, ...]:
    """The newest of all plans, newest first."""
    table = tables.drill_scenario
    with engine.store.read() as connection:
        rows = connection.execute(
            select(*_COLUMNS).order_by(table.c.started_at.desc(), table.c.id).limit(limit)
        ).all()
    return tuple(StoredScenario(*row) for row in rows)


def evidence(engine: BackupEngine, id_: str) -> SignedEvidence:
    """The signed evidence of one that is done. Raises NotFound."""
    table = tables.drill_scenario
    with engine.store.read() as connection:
        row = connection.execute(
            select(table.c.document, table.c.note).where(table.c.id == id_)
        ).one_or_none()
    if row is None or row.document is None:
        raise NotFound(f"there is no finished scenario drill {id_}")
    return SignedEvidence(row.document, row.note)


_COLUMNS = [tables.drill_scenario.c[name] for name in StoredScenario.__dataclass_fields__]
