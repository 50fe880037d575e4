"""The ground of a drill whose sources were staged and not gone through restic."""

from __future__ import annotations

import os
import secrets
import shutil
import sqlite3
import threading
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult

import msgspec

from secvault.backup.drills.databases.place import Place
from secvault.backup.drills.ground import Ground, Stopwatch
from secvault.backup.manifest import FORMAT, Manifest
from secvault.backup.repository import Repository
from secvault.backup.restic import Snapshot
from secvault.backup.restic_process import NeverCancelled
from secvault.backup.sources import kinds
from secvault.backup.sources.source import SourceEntry
from secvault.clock import system_clock
from secvault.config import PlanSettings
from secvault.config.backup_sources import MariadbSource, SourceSettings
from secvault.config.drills import DrillSettings
from tests.backup.small_vault import SmallVault
from tests.backup.sources.turns import turn

SAVED = Path("/var/lib/secvault/staging/sources")
"""Where the sources lay when they were saved."""


def saved(
    tree: Path, name: str, source: SourceSettings, password: str = "", kept: Path | None = None
) -> SourceEntry:
    """Stage a source, and put it where restic would have restored it."""
    mine = turn(tree.with_name("staging"), password)
    if kept is not None:
        object.__setattr__(mine, "kept", kept)
    staged = kinds.stage(source, mine)
    target = tree.joinpath(*SAVED.parts[1:], name)
    shutil.copytree(staged.paths[0], target)
    return SourceEntry(name, source.kind, (str(SAVED / name),), facts=dict(staged.facts))


def ground(
    vault: SmallVault,
    tree: Path,
    entries: tuple[SourceEntry, ...],
    sources: Mapping[str, SourceSettings],
    *,
    whole: bool = True,
    **drill: Any,
) -> Ground:
    """A drill of what was saved. drill: of its settings."""
    scratch = vault.engine.scratch / f"levels-{secrets.token_hex(4)}"
    scratch.mkdir(parents=True, mode=0o700)
    object.__setattr__(vault.engine, "clock", system_clock())
    object.__setattr__(vault.engine, "environment", dict(os.environ))
    plan = PlanSettings(
        vault=False,
        folders=(tree,),
        sources=dict(sources),
        drill=DrillSettings.model_validate(drill),
    )
    head = Manifest(
        format=FORMAT, run="run-1", plan="nightly", data_at=0, audit_size=0, database="",
        sources=entries,
    )  # fmt: skip
    return Ground(
        engine=vault.engine,
        drill="drill-1",
        plan_name="nightly",
        plan=plan,
        repository=object.__new__(Repository),
        snapshot=msgspec.convert({"id": "0" * 64, "time": "2026-11-26T12:00:00Z"}, Snapshot),
        manifest=head,
        tree=tree,
        staged=tree,
        scratch=scratch,
        whole=whole,
        watch=Stopwatch(system_clock().monotonic),
        cancel=threading.Event(),
        on_progress=lambda _: None,
        may_use=lambda: 1 << 40,
    )


def place(folder: Path) -> Place:
    """A folder for a scratch server."""
    folder.mkdir(mode=0o700, parents=True)
    return Place(folder, system_clock(), NeverCancelled(), dict(os.environ), "nightly")


def mariadb_source(server: SplitResult, *databases: str, **more: object) -> MariadbSource:
    """Databases of the server; without its users, unless `more` says so."""
    return MariadbSource.model_validate(
        {
            "host": server.hostname,
            "port": server.port,
            "user": server.username,
            "databases": databases,
            "with_users": False,
            **more,
        }
    )


def sqlite_file(file: Path) -> Path:
    """A database with two tables, of numbers, texts and bytes."""
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE staff (id INTEGER PRIMARY KEY, name TEXT, pay REAL)")
        connection.executemany(
            "INSERT INTO staff VALUES (?, ?, ?)",
            [(n, f"Nguyễn Văn {n}", n * 1.1) for n in range(300)],
        )
        connection.execute("CREATE TABLE log (line, raw BLOB)")
        connection.execute("INSERT INTO log VALUES (CAST(x'ff00' AS TEXT), x'ff00'), (NULL, 7)")
        connection.commit()
    return file
