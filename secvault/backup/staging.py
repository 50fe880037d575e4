"""The staged copy of a run: secvault itself, what each source gives, and the manifest of it all.

Everything lies in one folder of the scratch space, the same for each run of a plan: restic finds
the snapshot before by its paths, and reads less. The data keys are staged apart (`keys_apart`).
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from secvault.backup import keys_apart, manifest
from secvault.backup.contents import CONTENTS, stage_contents
from secvault.backup.database import copy_database
from secvault.backup.engine import BackupEngine, in_words
from secvault.backup.repository_faults import SourceUnreadable
from secvault.backup.restic import Cancel
from secvault.backup.sources import kinds
from secvault.backup.sources.folders import usable_paths
from secvault.backup.sources.source import SourceEntry, Staged, Turn
from secvault.config import PlanSettings
from secvault.errors import Cancelled, ConfigurationError, Damaged
from secvault.store import tables

SOURCES = "sources"
"""Where in a staged copy the sources write, each into a folder of its name."""
NO_DATABASE = ""
"""What the manifest names as the database of a plan without secvault itself."""


@dataclass(frozen=True)
class Copied:
    """What the manifest says of secvault's own copy."""

    database: str
    audit_size: int


def stage(
    engine: BackupEngine, plan: PlanSettings, plan_name: str, run_id: str, cancel: Cancel
) -> None:
    """Copy secvault itself as of one moment and what the sources give, and write the manifest.

    Raises SourceUnreadable, ConfigurationError, Cancelled, BackupFailed, OSError, sqlite3.Error.
    """
    folders = plan_folders(engine, plan_name, plan)
    folder = engine.fresh_folder(staging(plan_name))
    data_at = engine.clock.micros()
    copied = Copied(NO_DATABASE, 0)
    if plan.vault:
        engine.mark(tables.backup_run, run_id, phase="copying the database")
        copied = _copy_vault(engine, folder, plan_name, run_id, data_at)
    staged: dict[str, Staged] = {}
    for name, source in plan.sources.items():
        engine.mark(tables.backup_run, run_id, phase=f"copying {name}", source=name)
        turn = _turn(engine, folder, plan_name, name, cancel)
        staged[name] = kinds.stage(source, turn)
        engine.clear(turn.scratch)
    engine.mark(tables.backup_run, run_id, phase="hashing files")
    excludes = (*plan.excludes, *(pattern for one in staged.values() for pattern in one.excludes))
    outside = _outside(folder, (path for one in staged.values() for path in one.paths))
    listed = _hashed((folder, *folders, *outside), excludes, cancel)
    manifest.write(
        manifest.Manifest(
            format=manifest.FORMAT,
            run=run_id,
            plan=plan_name,
            data_at=data_at,
            audit_size=copied.audit_size,
            database=copied.database,
            files=listed,
            keys_apart=plan.vault,
            sources=tuple(
                SourceEntry(
                    name,
                    plan.sources[name].kind,
                    tuple(map(str, one.paths)),
                    one.excludes,
                    dict(one.facts),
                )
                for name, one in staged.items()
            ),
        ),
        folder / manifest.NAME,
    )
    engine.mark(tables.backup_run, run_id, data_at=data_at, audit_size=copied.audit_size)


@dataclass(frozen=True)
class ToSave:
    """What restic is given: absolute paths, the staged copy first, and what it leaves out."""

    paths: tuple[Path, ...]
    excludes: tuple[str, ...]


def to_save(engine: BackupEngine, plan: PlanSettings, plan_name: str) -> ToSave:
    """What the staged copy, its folders and its sources come to. Raises Damaged."""
    staged = engine.scratch / staging(plan_name)
    sources = manifest.read(staged / manifest.NAME).sources
    outside = _outside(staged, (Path(path) for one in sources for path in one.paths))
    return ToSave(
        (staged, *plan_folders(engine, plan_name, plan), *outside),
        (*plan.excludes, *(pattern for one in sources for pattern in one.excludes)),
    )


def plan_folders(engine: BackupEngine, plan_name: str, plan: PlanSettings) -> tuple[Path, ...]:
    """The plan's folders, absolute. Raises SourceUnreadable, ConfigurationError."""
    setting = f"backup.plans.{plan_name}.folders"
    folders = usable_paths(plan.folders, setting)
    for folder in folders:
        real, scratch = folder.resolve(), engine.scratch.resolve()
        if scratch.is_relative_to(real) or real.is_relative_to(scratch):
            # The live database, half copies, and maybe the seal's key: a backup alone would open.
            raise ConfigurationError(
                f"{setting}: {folder} holds secvault's own data folder, whose content is backed up "
                "in its own way; name the folders beside it"
            )
    return folders


def is_staged(engine: BackupEngine, plan: PlanSettings, plan_name: str, run_id: str) -> bool:
    """Whether what is staged is of this run, whole.

    Another node may have staged it, or another run have wiped it, before this process came.
    """
    made_by = staged_run(engine, plan_name)
    return made_by == run_id and (not plan.vault or keys_apart.is_staged(engine, plan_name, run_id))


def staged_run(engine: BackupEngine, plan_name: str) -> str | None:
    """Whose copy is staged, whole; None where there is none."""
    try:
        return manifest.read(engine.scratch / staging(plan_name) / manifest.NAME).run
    except Damaged:
        return None


def clear_staging(engine: BackupEngine, plan_name: str) -> None:
    """Remove the staged copy, which is worth something only while a run may be tried again."""
    engine.clear(engine.scratch / staging(plan_name))
    engine.clear(engine.scratch / keys_apart.staging(plan_name))


def staging(plan_name: str) -> str:
    """The name of the folder in the scratch space that the plan's copy is made in."""
    return f"staging-{plan_name}"


def _copy_vault(
    engine: BackupEngine, folder: Path, plan_name: str, run_id: str, data_at: int
) -> Copied:
    engine.settle()
    copy = copy_database(
        engine.store,
        folder,
        engine.postgresql,
        lambda state: keys_apart.stage(engine, state, plan_name, run_id, data_at),
    )
    for own in engine.own_folders:
        shutil.copytree(own, folder / own.name, symlinks=True)
    # After the database: what it names was there by then, and is never written to again.
    if engine.contents is not None and engine.contents.is_dir():
        stage_contents(engine.contents, folder / CONTENTS)
    return Copied(copy.dialect, copy.audit_size)


def _turn(engine: BackupEngine, staged: Path, plan_name: str, name: str, cancel: Cancel) -> Turn:
    folder = staged / SOURCES / name
    folder.mkdir(parents=True, mode=0o700)
    return Turn(
        plan=plan_name,
        name=name,
        folder=folder,
        scratch=engine.fresh_folder(f"source-{plan_name}-{name}"),
        clock=engine.clock,
        cancel=cancel,
        environment=engine.environment,
        password=engine.source_password(plan_name, name),
    )


def _outside(staged: Path, paths: Iterable[Path]) -> tuple[Path, ...]:
    # What lies in the staged copy is saved with it.
    return tuple(path for path in paths if not path.is_relative_to(staged))


def _hashed(
    places: tuple[Path, ...], excludes: tuple[str, ...], cancel: Cancel
) -> tuple[manifest.FileEntry, ...]:
    files: list[manifest.FileEntry] = []
    unreadable: list[str] = []
    for found in manifest.entries(places):
        if cancel.is_set():
            raise Cancelled("stopped on request; nothing was saved yet")
        if isinstance(found, OSError):
            unreadable.append(in_words(found))
        else:
            files.append(found)
    # With excludes, only restic knows whether it is meant to read them; it fails if so.
    if unreadable and not excludes:
        raise SourceUnreadable(
            f"{len(unreadable)} files or folders cannot be read, first {unreadable[0]}; make them "
            "readable or exclude them, and run the backup again",
            unreadable=unreadable,
        )
    return tuple(files)
