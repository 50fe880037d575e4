"""The staged copy of a run: secvault itself, what each source gives, and the manifest of it all.

Everything lies in one folder of the scratch space, the same for each run of a plan: restic finds
the snapshot before by its paths, and reads less. The data keys are staged apart (`keys_apart`).
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from secvault.backup import keys_apart, manifest, saving
from secvault.backup.contents import CONTENTS, stage_contents
from secvault.backup.database import copy_database
from secvault.backup.engine import BackupEngine
from secvault.backup.restic import Cancel
from secvault.backup.sources import kinds
from secvault.backup.sources.source import SourceEntry, Staged, Turn
from secvault.config import PlanSettings
from secvault.config.backup_sources import FoldersSource
from secvault.errors import Damaged
from secvault.store import tables

SOURCES = "sources"
"""Where in a staged copy the sources write, each into a folder of its name."""
CONFIGURATION = "secvault.toml"
"""The settings in a staged copy, beside secvault's database."""
_SCRATCH = "source-"
NO_DATABASE = ""
"""What the manifest names as the database of a plan without secvault itself."""


@dataclass(frozen=True)
class Copied:
    """What the manifest says of secvault's own copy."""

    database: str
    audit_size: int


def stage(
    engine: BackupEngine, plan: PlanSettings, plan_name: str, run_id: str, cancel: Cancel
) -> manifest.Manifest:
    """Copy secvault itself as of one moment and what the sources give, and say so in the manifest,
    which lists no files yet (`saving.listing`).

    Raises SourceUnreadable, ConfigurationError, Cancelled, BackupFailed, OSError, sqlite3.Error.
    """
    saving.plan_folders(engine, plan_name, plan)
    # Not over what another run has staged since this one was given up for dead.
    engine.mark(tables.backup_run, run_id, phase="staging")
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
        try:
            staged[name] = kinds.stage(source, turn)
        finally:
            engine.clear(turn.scratch)
        if isinstance(source, FoldersSource):
            setting = f"backup.plans.{plan_name}.sources.{name}.paths"
            one = staged[name]
            saving.refuse_own(engine, plan, one.paths, one.excludes, setting)
    head = manifest.Manifest(
        format=manifest.FORMAT,
        run=run_id,
        plan=plan_name,
        data_at=data_at,
        audit_size=copied.audit_size,
        database=copied.database,
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
    )
    manifest.write(head, folder / manifest.NAME)
    _drop_kept(engine, plan, plan_name)
    return head


def is_staged(engine: BackupEngine, plan: PlanSettings, plan_name: str, run_id: str) -> bool:
    """Whether what is staged is of this run, whole.

    Another node may have staged it, or another run have wiped it, before this process came.
    """
    head = staged_head(engine, plan_name)
    # The plan may have been changed since.
    if head is None or head.run != run_id or head.keys_apart != plan.vault:
        return False
    return not plan.vault or keys_apart.is_staged(engine, plan_name, run_id)


def staged_head(engine: BackupEngine, plan_name: str) -> manifest.Manifest | None:
    """The manifest of the copy that is staged, whole; None where there is none."""
    try:
        return manifest.read(engine.scratch / staging(plan_name) / manifest.NAME)
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
    if settings := engine.configuration():
        file = folder / CONFIGURATION
        file.write_text(settings, "utf-8")
        file.chmod(0o600)
    # After the database: what it names was there by then, and is never written to again.
    if engine.contents is not None and engine.contents.is_dir():
        stage_contents(engine.contents, folder / CONTENTS)
    return Copied(copy.dialect, copy.audit_size)


def _drop_kept(engine: BackupEngine, plan: PlanSettings, plan_name: str) -> None:
    """Remove what is kept for plans and sources that there are no more, and what a process that
    was killed has left of theirs: a password may be in it.
    """
    plans = {*engine.plan_names(), plan_name}
    for folder in engine.scratch.glob(f"{_SCRATCH}*@*"):
        plan_of, _, source = folder.name.removeprefix(_SCRATCH).partition("@")
        if plan_of not in plans or (plan_of == plan_name and source not in plan.sources):
            engine.clear(folder)
    for folder in engine.kept.glob("*"):
        if folder.name not in plans:
            engine.clear(folder)
    for folder in (engine.kept / plan_name / SOURCES).glob("*"):
        if folder.name not in plan.sources:
            engine.clear(folder)


def _turn(engine: BackupEngine, staged: Path, plan_name: str, name: str, cancel: Cancel) -> Turn:
    folder = staged / SOURCES / name
    folder.mkdir(parents=True, mode=0o700)
    return Turn(
        plan=plan_name,
        name=name,
        folder=folder,
        scratch=engine.fresh_folder(f"{_SCRATCH}{plan_name}@{name}"),
        clock=engine.clock,
        cancel=cancel,
        environment=engine.environment,
        password=engine.source_password(plan_name, name),
        kept=engine.kept / plan_name / SOURCES / name,
    )
