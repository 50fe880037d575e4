"""The programs that backups need on this machine: which are there, and how to get the others."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from secvault.backup.engine import BackupEngine
from secvault.config import PlanSettings
from secvault.config.backup_sources import CommandSource, MariadbSource, PostgresqlSource
from secvault.errors import BackupFailed, ConfigurationError

_RESTIC = (
    "install the package restic (Debian 12 and later, Ubuntu 22.10 and later), or put restic's "
    "own static program, from its page of releases, anywhere and name it by backup.restic"
)
_SETPRIV = "install the package util-linux, which has setpriv; restic is started by it"
_POSTGRESQL = "install PostgreSQL's client programs of the server's version or a later one"
_MARIADB = "install the client programs of MariaDB or MySQL"
_COMMAND = "name a program that is there, or mend its folder's path"


@dataclass(frozen=True)
class Program:
    """A program that is needed. wanted_by: `restic`, or the settings that name it.

    path: where it was found; None where it was not. version: as it tells itself, empty where it was
    not asked. fault, mend: what is wrong with it and what to do; empty where nothing is.
    """

    name: str
    wanted_by: str
    path: Path | None
    version: str = ""
    fault: str = ""
    mend: str = ""


@dataclass(frozen=True)
class Cache:
    """restic's cache, which is ours and no user's. bytes: what lies in it; None: not there yet."""

    folder: Path
    bytes: int | None


def look(engine: BackupEngine) -> tuple[tuple[Program, ...], Cache]:
    """Look for all that the plans need, as the account that this process runs as."""
    path = engine.environment.get("PATH", os.defpath)
    found = [_restic(engine, path), _needed("setpriv", "restic", path, _SETPRIV)]
    for name, plan in sorted(engine.plans().items()):
        found += _of_plan(name, plan, path)
    folder = engine.restic.command.cache
    return tuple(found), Cache(folder, _size(folder) if folder.is_dir() else None)


def _restic(engine: BackupEngine, path: str) -> Program:
    binary = engine.restic.command.binary
    found = shutil.which(binary, path=path)
    if found is None:
        fault = f"there is no program {binary}"
        return Program(binary, "backup.restic", None, fault=fault, mend=_RESTIC)
    try:
        version = engine.restic.version()
    except (BackupFailed, ConfigurationError, OSError) as error:
        words = getattr(error, "detail", str(error))
        return Program(binary, "backup.restic", Path(found), fault=words, mend=_RESTIC)
    return Program(binary, "backup.restic", Path(found), ".".join(map(str, version)))


def _of_plan(name: str, plan: PlanSettings, path: str) -> Iterable[Program]:
    for source_name, source in sorted(plan.sources.items()):
        setting = f"backup.plans.{name}.sources.{source_name}"
        match source:
            case PostgresqlSource():
                place = str(source.programs) if source.programs else path
                yield _needed("pg_dump", setting, place, _POSTGRESQL)
                yield _needed("pg_restore", setting, place, _POSTGRESQL)
            case MariadbSource():
                place = str(source.programs) if source.programs else path
                yield _one_of(("mariadb-dump", "mysqldump"), setting, place, _MARIADB)
            case CommandSource():
                yield _needed(source.command[0], setting, path, _COMMAND)
    for hook_name, hook in sorted(plan.hooks.items()):
        setting = f"backup.plans.{name}.hooks.{hook_name}"
        yield _needed(hook.command[0], setting, path, _COMMAND)


def _needed(name: str, wanted_by: str, path: str, mend: str) -> Program:
    return _one_of((name,), wanted_by, path, mend)


def _one_of(names: tuple[str, ...], wanted_by: str, path: str, mend: str) -> Program:
    for name in names:
        found = shutil.which(name, path=path)
        if found is not None:
            return Program(name, wanted_by, Path(found))
    fault = f"there is no program {' or '.join(names)} in {path}"
    return Program(names[0], wanted_by, None, fault=fault, mend=mend)


def _size(folder: Path) -> int:
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                total += Path(place, name).lstat().st_size
            except FileNotFoundError:
                # restic itself has just removed it.
                continue
    return total
