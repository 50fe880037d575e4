"""Drills as rows: what each was asked, how far it is, what it found; read without any document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, select, update

from secvault.backup.claims import Claims
from secvault.backup.drills.result import DrillResult
from secvault.backup.many_plans import among
from secvault.config.drills import LevelName
from secvault.crypto.evidence import SignedEvidence
from secvault.errors import Conflict, NotFound
from secvault.store.tables import drill

MOST_FAULTS = 1000
"""How many faults a row names; the signed document has them all."""


class StoredFault(msgspec.Struct, frozen=True):
    """A fault as a row has it; see `result.Fault`."""

    level: str
    code: str
    where: str
    words: str


class StoredFigures(msgspec.Struct, frozen=True, omit_defaults=True):
    """Figures that have no column of their own. Milliseconds, and shares in millionths.

    estimate_*: of the whole restore, by a sample. sample_*: see `result.SampleFigures`.
    """

    rpo_target_seconds: int = 0
    rto_target_seconds: int = 0
    audit_entries_lost: int | None = None
    estimate_ms: int | None = None
    estimate_low_ms: int | None = None
    estimate_high_ms: int | None = None
    sample_population: int | None = None
    sample_size: int | None = None
    sample_found: int | None = None
    sample_upper_rate: int | None = None


@dataclass(frozen=True)
class Drill:
    """A drill as stored. Times in micros; phases in milliseconds, by their names.

    state: see `claims`; passed is None in every one but done. complete: whether it was all that the
    plan's settings ask for. levels: the verdict of each. What is of an older program is empty.
    """

    id: str
    plan: str
    state: str
    phase: str
    requested_by: str
    started_at: int
    finished_at: int | None
    repository: str | None
    snapshot: str | None
    snapshot_at: int | None
    data_at: int | None
    chosen: str | None
    extent: str | None
    passed: bool | None
    complete: bool | None
    rpo_seconds: int | None
    rto_seconds: int | None
    files: int | None
    bytes: int | None
    scratch_announced: int | None
    scratch_used: int | None
    cancel_by: str | None
    beat_at: int
    error: str | None
    levels: Mapping[str, str]
    faults: tuple[StoredFault, ...]
    phases: Mapping[str, int]
    figures: StoredFigures

    @property
    def ended(self) -> bool:
        """Whether nothing of it is still to come."""
        return self.state in ("done", "failed", "cancelled")

    @property
    def bytes_per_second(self) -> int | None:
        """How fast what was restored came; None where that is not known."""
        return _rate(self.phases, self.bytes)

    @property
    def rto_of_all_seconds(self) -> int | None:
        """How long all takes: as measured, or as a sample lets expect; None where neither tells."""
        return _of_all(self.extent, self.figures, self.rto_seconds)


@dataclass(frozen=True)
class Proof:
    """As much of a drill as tells what it proved: hundreds of plans are looked at together.

    Times in micros. rto_of_all_seconds, bytes_per_second: see `Drill`.
    """

    id: str
    started_at: int
    finished_at: int | None
    rpo_seconds: int | None
    rto_of_all_seconds: int | None
    bytes_per_second: int | None


def _rate(phases: Mapping[str, int], count: int | None) -> int | None:
    took = phases.get("fetch")
    return count * 1000 // took if took and count is not None else None


def _of_all(extent: str | None, figures: StoredFigures, rto_seconds: int | None) -> int | None:
    if extent == "sample" and figures.sample_size is not None:
        estimated = figures.estimate_ms
        return None if estimated is None else -(-estimated // 1000)
    return rto_seconds


def find_drill(claims: Claims, drill_id: str) -> Drill | None:
    """A stored drill, or None."""
    with claims.store.read() as connection:
        row = connection.execute(select(*_COLUMNS).where(drill.c.id == drill_id)).one_or_none()
    return _drill(row) if row else None


def read_drill(claims: Claims, drill_id: str) -> Drill:
    """The same. Raises NotFound."""
    found = find_drill(claims, drill_id)
    if found is None:
        raise NotFound(f"there is no drill {drill_id}")
    return found


def drill_in(connection: Connection, drill_id: str) -> Drill:
    """The same in the caller's transaction. Raises NotFound."""
    found = newest(connection, 1, drill.c.id == drill_id)
    if not found:
        raise NotFound(f"there is no drill {drill_id}")
    return found[0]


def newest_drills(
    claims: Claims, limit: int, *, plan: str | None = None, state: str | None = None
) -> tuple[Drill, ...]:
    """The newest drills, newest first: of all plans and in all states, unless one is named."""
    asked = [
        column == value
        for column, value in ((drill.c.plan, plan), (drill.c.state, state))
        if value is not None
    ]
    with claims.store.read() as connection:
        return newest(connection, limit, *asked)


def newest(connection: Connection, limit: int, *asked: ColumnElement[bool]) -> tuple[Drill, ...]:
    """Those that fit, newest first, in the caller's transaction."""
    rows = connection.execute(
        select(*_COLUMNS)
        .where(*asked)
        .order_by(drill.c.started_at.desc(), drill.c.id.desc())
        .limit(limit)
    )
    return tuple(_drill(row) for row in rows)


def by_ids(connection: Connection, ids: Sequence[str]) -> dict[str, Drill]:
    """The drills with these ids, by id, in the caller's transaction."""
    rows = connection.execute(select(*_COLUMNS).where(among(connection, drill.c.id, ids)))
    return {row.id: _drill(row) for row in rows}


def proofs(connection: Connection, ids: Sequence[str]) -> dict[str, Proof]:
    """What the drills with these ids proved, likewise."""
    rows = connection.execute(select(*_TOLD).where(among(connection, drill.c.id, ids)))
    return {row.id: _proof(row) for row in rows}


def evidence(claims: Claims, drill_id: str) -> tuple[bytes, bytes]:
    """The signed finding of a drill: (canonical JSON, signed note). Raises NotFound."""
    with claims.store.read() as connection:
        row = connection.execute(
            select(drill.c.document, drill.c.note).where(drill.c.id == drill_id)
        ).one_or_none()
    if row is None or row.document is None:
        raise NotFound(f"there is no finished drill {drill_id}")
    return row.document, row.note


def store(claims: Claims, result: DrillResult, signed: SignedEvidence, *, complete: bool) -> None:
    """End the drill with what it found, all at once.

    Raises Conflict where it is not this process's any more: nothing is stored then.
    """
    figures = result.figures
    levels: dict[LevelName, str] = {one.name: one.verdict for one in result.levels}
    with claims.store.write() as connection:
        ended = connection.execute(
            update(drill)
            .where(
                drill.c.id == result.id,
                drill.c.state == "running",
                drill.c.node == claims.node,
            )
            .values(
                state="done",
                phase="done",
                finished_at=result.finished_at,
                beat_at=claims.clock.micros(),
                repository=result.repository,
                snapshot=result.snapshot,
                snapshot_at=result.snapshot_at,
                data_at=figures.data_at,
                chosen=result.chosen,
                extent=result.extent,
                passed=result.passed,
                complete=complete,
                rpo_seconds=figures.rpo_seconds,
                # Nothing was brought back where only the repository was looked at.
                rto_seconds=_whole(figures.rto_seconds) if figures.phases else None,
                files=figures.files,
                bytes=figures.bytes,
                scratch_announced=figures.scratch_announced,
                scratch_used=figures.scratch_used,
                levels=_json(levels),
                faults=_json(_faults(result)),
                phases=_json({name: _ms(took) for name, took in figures.phases.items()}),
                figures=_json(_figures(result)),
                document=signed.document,
                note=signed.note,
                error=None,
            )
        )
        if ended.rowcount != 1:
            raise Conflict(f"the drill {result.id} was given up for dead, or ended elsewhere")


def _faults(result: DrillResult) -> list[StoredFault]:
    return [
        StoredFault(level.name, fault.code, fault.where, fault.words)
        for level in result.levels
        for fault in level.faults
    ][:MOST_FAULTS]


def _figures(result: DrillResult) -> StoredFigures:
    figures, estimate, sample = result.figures, result.figures.estimate, result.figures.sample
    return StoredFigures(
        rpo_target_seconds=figures.rpo_target_seconds,
        rto_target_seconds=figures.rto_target_seconds,
        audit_entries_lost=figures.audit_entries_lost,
        estimate_ms=_ms(estimate.seconds) if estimate else None,
        estimate_low_ms=_ms(estimate.low) if estimate else None,
        estimate_high_ms=_ms(estimate.high) if estimate else None,
        sample_population=sample.population if sample else None,
        sample_size=sample.size if sample else None,
        sample_found=sample.found if sample else None,
        sample_upper_rate=int(sample.upper_rate * 1_000_000) if sample else None,
    )


def _ms(seconds: float) -> int:
    return int(seconds * 1000)


def _whole(seconds: float) -> int:
    """Whole seconds, no less than it took."""
    return -(-_ms(seconds) // 1000)


def _json(value: object) -> str:
    return msgspec.json.encode(value, order="sorted").decode()


def _drill(row: Row[Any]) -> Drill:
    values = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for the row as a mapping
    for name, (shape, empty) in _JSON.items():
        text = values[name]
        values[name] = msgspec.json.decode(text, type=shape) if text else empty
    return Drill(**values)


def _proof(row: Row[Any]) -> Proof:
    shape, empty = _JSON["figures"]
    # Only those of a sample say in their figures how long all takes.
    read = row.extent == "sample" and row.figures
    figures = msgspec.json.decode(row.figures, type=shape) if read else empty
    phases = msgspec.json.decode(row.phases, type=_JSON["phases"][0]) if row.phases else {}
    return Proof(
        row.id,
        row.started_at,
        row.finished_at,
        row.rpo_seconds,
        _of_all(row.extent, figures, row.rto_seconds),
        _rate(phases, row.bytes),
    )


_JSON: Mapping[str, tuple[Any, Any]] = {
    "levels": (dict[str, str], {}),
    "faults": (tuple[StoredFault, ...], ()),
    "phases": (dict[str, int], {}),
    "figures": (StoredFigures, StoredFigures()),
}
_COLUMNS = [drill.c[name] for name in Drill.__dataclass_fields__]
_TOLD = [
    drill.c[name]
    for name in (
        "id",
        "started_at",
        "finished_at",
        "extent",
        "rpo_seconds",
        "rto_seconds",
        "bytes",
        "phases",
        "figures",
    )
]
"""Of a `Proof`."""
