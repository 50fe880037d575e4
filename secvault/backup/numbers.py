"""The numbers of runs: taken while what was staged is still there, kept as rows, compared later.

Taking them reads no repository. Of the files themselves it reads a few blocks (`randomness`); which
ones changed is known by the manifest's times.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, delete, insert, select, update

from secvault.backup import manifest, randomness, staging
from secvault.backup.anomaly import PAST, Numbers
from secvault.backup.engine import BackupEngine
from secvault.backup.file_entry import FileEntry
from secvault.backup.manifest import Manifest
from secvault.backup.randomness import Sample
from secvault.backup.restic_answers import BackupSummary
from secvault.config import PlanSettings
from secvault.store.tables import backup_numbers, backup_run

KEPT = 400
"""How many runs of a plan have their numbers kept."""

_MOST_WRITTEN = 8192
_WHAT_IS_SAVED = {"vault", "folders", "excludes", "sources"}


@dataclass(frozen=True)
class Looked:
    """What the staged copy says of a run."""

    plan: str
    data_at: int
    sample: Sample
    sources: Mapping[str, int]


class Looking:
    """Looks through a staged copy, while restic saves it.

    Use with `with`; leaving the block waits for the look. What it raises comes out of `keep`.
    """

    def __init__(self, engine: BackupEngine, plan: PlanSettings, staged: Path) -> None:
        """staged: the folder with its manifest."""
        self._engine, self._plan, self._staged = engine, plan, staged
        self._pool = ThreadPoolExecutor(1, "numbers")
        self._looked: Future[Looked] | None = None

    def __enter__(self) -> Looking:
        return self

    def __exit__(self, *exception: object) -> None:
        self._pool.shutdown()

    def start(self) -> None:
        """Begin, when all that is saved is listed in the manifest."""
        self._looked = self._pool.submit(look, self._engine, self._staged)

    def keep(self, run: str, summary: BackupSummary) -> Numbers:
        """Keep the numbers of a run whose snapshot was just made; the same run replaces them.

        Raises Damaged for a manifest that is not there, Unavailable.
        """
        if self._looked is None:
            raise RuntimeError("nothing was looked at")
        looked = self._looked.result()
        taken = Numbers(
            run=run,
            plan=looked.plan,
            snapshot=summary.snapshot_id,
            data_at=looked.data_at,
            scope=scope_of(self._plan),
            files=summary.files_total,
            bytes=summary.bytes_total,
            bytes_added=summary.bytes_added,
            files_new=summary.files_new,
            files_changed=summary.files_changed,
            sampled=looked.sample.files,
            random_looking=looked.sample.random_looking,
            sources=looked.sources,
        )
        with self._engine.store.write() as connection:
            connection.execute(delete(backup_numbers).where(backup_numbers.c.run == run))
            connection.execute(insert(backup_numbers).values(_values(taken)))
            _forget_old(connection, looked.plan)
        return taken


def look(engine: BackupEngine, staged: Path) -> Looked:
    """Look through the manifest of a staged copy, and into some of the files that changed."""
    listed = manifest.read(staged / manifest.NAME)
    with engine.store.read() as connection:
        before = past(connection, listed.plan, listed.data_at, 1)
    since = before[-1].data_at if before else 0
    sizes = _Sizes(listed)
    changed = _Spread(engine.sampled_files)
    for entry in manifest.entries(listed, staged):
        if not entry.is_file():
            continue
        sizes.add(entry)
        if _is_changed(entry, staged, since):
            changed.add(entry)
    sample = randomness.sample(changed.kept, engine.sampled_files)
    return Looked(listed.plan, listed.data_at, sample, sizes.by_source)


def scope_of(plan: PlanSettings) -> str:
    """A digest of what the plan saves: where it changed, sizes say nothing about what happened."""
    saved = plan.model_dump_json(include=_WHAT_IS_SAVED)
    return hashlib.sha256(saved.encode()).hexdigest()


def past(connection: Connection, plan: str, before: int, limit: int = PAST) -> tuple[Numbers, ...]:
    """The numbers of the plan's good runs whose data is of before this moment, the newest last."""
    question = (
        select(backup_numbers)
        .join(backup_run, backup_run.c.id == backup_numbers.c.run)
        .where(
            backup_numbers.c.plan == plan,
            backup_numbers.c.data_at < before,
            backup_run.c.state == "done",
        )
        .order_by(backup_numbers.c.data_at.desc())
        .limit(limit)
    )
    return tuple(_numbers(row) for row in reversed(connection.execute(question).all()))


def unjudged(connection: Connection, limit: int = 100) -> tuple[Numbers, ...]:
    """Those of runs that ended well and were not compared with the ones before; oldest first."""
    question = (
        select(backup_numbers)
        .join(backup_run, backup_run.c.id == backup_numbers.c.run)
        .where(backup_numbers.c.judged_at.is_(None), backup_run.c.state == "done")
        .order_by(backup_numbers.c.data_at)
        .limit(limit)
    )
    return tuple(_numbers(row) for row in connection.execute(question))


def mark_judged(connection: Connection, run: str, now: int) -> bool:
    """They were compared; False when another process has done so."""
    marked = connection.execute(
        update(backup_numbers)
        .where(backup_numbers.c.run == run, backup_numbers.c.judged_at.is_(None))
        .values(judged_at=now)
    )
    return marked.rowcount == 1


def _is_changed(entry: FileEntry, staged: Path, since: int) -> bool:
    """Whether a file was written since, in micros, and is none of secvault's own, which are sealed.

    Who encrypts files can put back when they were modified, but not when they were changed.
    """
    if entry.size < randomness.SMALLEST:
        return False
    if max(entry.modified_ns, entry.changed_ns) <= since * 1000:
        return False
    ours = entry.path.startswith(f"{staged}/")
    return not ours or entry.path.startswith(f"{staged}/{staging.SOURCES}/")


class _Spread:
    """Some of many paths, from the first to the last of them, whose number is not known before."""

    def __init__(self, most: int) -> None:
        self.kept: list[Path] = []
        self._most = most
        self._step = 1
        self._seen = 0

    def add(self, entry: FileEntry) -> None:
        """Take the next one, or pass it over."""
        if self._most and self._seen % self._step == 0:
            self.kept.append(entry.place())
            if len(self.kept) >= 2 * self._most:
                self.kept = self.kept[::2]
                self._step *= 2
        self._seen += 1


class _Sizes:
    """The bytes of the files of each source."""

    def __init__(self, listed: Manifest) -> None:
        self.by_source = {source.name: 0 for source in listed.sources}
        self._places = [
            (source.name, path, f"{path.rstrip('/')}/")
            for source in listed.sources
            for path in source.paths
        ]

    def add(self, entry: FileEntry) -> None:
        """Count a file."""
        for name, path, inside in self._places:
            if entry.path == path or entry.path.startswith(inside):
                self.by_source[name] += entry.size
                return


def _forget_old(connection: Connection, plan: str) -> None:
    oldest = (
        select(backup_numbers.c.data_at)
        .where(backup_numbers.c.plan == plan)
        .order_by(backup_numbers.c.data_at.desc())
        .offset(KEPT)
        .limit(1)
    )
    last = connection.execute(oldest).scalar_one_or_none()
    if last is not None:
        connection.execute(
            delete(backup_numbers).where(
                backup_numbers.c.plan == plan, backup_numbers.c.data_at <= last
            )
        )


def _values(taken: Numbers) -> dict[str, Any]:
    sources = msgspec.json.encode(dict(taken.sources), order="sorted").decode()
    return {**asdict(replace(taken, sources={})), "sources": sources, "judged_at": None}


def _numbers(row: Row[Any]) -> Numbers:
    values = {name: getattr(row, name) for name in Numbers.__dataclass_fields__}
    return Numbers(**{**values, "sources": msgspec.json.decode(row.sources, type=dict[str, int])})
