"""SQLite databases as a source: copied by the online backup while others write, and put back by it.

A copy lies below the source's folder under the database's own path, and is checked (`PRAGMA
integrity_check`) before it counts: a damaged database fails the run that would have saved it.
"""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from secvault.backup.repository_faults import SourceUnreadable
from secvault.backup.sources import sqlite_figures
from secvault.backup.sources.figures import TableFigures
from secvault.backup.sources.loading import (
    Loaded,
    Target,
    Wish,
    chosen,
    databases,
    refuse_overwriting,
)
from secvault.backup.sources.source import (
    OWN_TABLES,
    SourceEntry,
    Staged,
    Turn,
    leads_nowhere_else,
)
from secvault.config.backup_sources import SqliteSource
from secvault.crypto.canonical import JsonValue
from secvault.errors import BackupFailed, Cancelled, ConfigurationError, Damaged

# What is copied between two looks at whether it is still wanted.
_PAGES_AT_ONCE = 2_000
_BUSY_SECONDS = 30.0
# For a file that nobody writes to: nothing is made beside it, also where it has a log (WAL).
_SETTLED = "&immutable=1"


def stage(source: SqliteSource, turn: Turn) -> Staged:
    """Copy each database as of one moment.

    Raises SourceUnreadable where one is not there, Damaged where one is not sound, BackupFailed
    where SQLite refuses, Cancelled.
    """
    found: dict[str, JsonValue] = {}
    for given in source.files:
        live = _named(given)
        copy = turn.folder / str(live).lstrip("/")
        try:
            status = live.stat()
        except OSError as error:
            setting = f"backup.plans.{turn.plan}.sources.{turn.name}.files"
            raise SourceUnreadable(
                f"{setting}: {live} cannot be read ({error.strerror}); nothing was saved",
                unreadable=(str(live),),
            ) from None
        copy.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        _copy(live, copy, turn)
        facts = _facts(copy, _SETTLED, with_sums=source.with_sums)
        tables = facts["tables"]
        if isinstance(tables, dict) and tables.keys() >= OWN_TABLES:
            raise ConfigurationError(
                f"backup.plans.{turn.plan}.sources.{turn.name}.files: {live} is the database of a "
                "secvault, which its own plan saves with `vault = true`; nothing was saved"
            )
        found[str(live)] = {
            **facts,
            "mode": f"{stat.S_IMODE(status.st_mode):04o}",
            "owner": status.st_uid,
            "group": status.st_gid,
        }
    return Staged((turn.folder,), facts={"server": _version(), "databases": found})


def look(entry: SourceEntry, into: SqliteSource, wish: Wish) -> tuple[Target, ...]:
    """Which files are there. Raises InvalidInput, Damaged."""
    names = chosen(entry, wish, (str(_named(file)) for file in into.files))
    return tuple(
        Target(
            name,
            file,
            str(Path(file).parent),
            there=os.path.lexists(file),
            empty=not os.path.lexists(file) or Path(file).stat().st_size == 0,
        )
        for name, file in names.items()
    )


def load(entry: SourceEntry, folder: Path, into: SqliteSource, turn: Turn, wish: Wish) -> Loaded:
    """Put databases back: a new file with the mode of before; one that is there is overwritten in a
    transaction, so that programs that have it open see the old or the new content.

    Raises as `kinds.load`.
    """
    targets = look(entry, into, wish)
    refuse_overwriting(targets, wish)
    saved = databases(entry.facts)
    facts: dict[str, JsonValue] = {}
    for target in targets:
        copy = folder / target.name.lstrip("/")
        if not leads_nowhere_else(target.name) or not copy.is_file():
            raise Damaged(f"{entry.name}: the snapshot does not hold the copy of {target.name}")
        _require_sound(copy, target.name)
        if target.there:
            _overwrite(copy, Path(target.into), turn)
        else:
            _place(copy, Path(target.into), saved[target.name], turn)
        of_others = "" if target.there else _SETTLED
        facts[target.name] = {**_facts(Path(target.into), of_others), "as": target.into}
    return Loaded({"server": _version(), "databases": facts})


def facts(file: Path, *, with_sums: bool) -> dict[str, JsonValue]:
    """What is recorded of a database that nobody writes to. Raises Damaged where it is not sound,
    sqlite3.Error."""
    _require_sound(file, file.name)
    return _facts(file, _SETTLED, with_sums=with_sums)


def _named(file: Path) -> Path:
    # The path as it is named, links and all, without what leads back out of a folder.
    return Path(os.path.normpath(file.absolute()))


def _copy(live: Path, copy: Path, turn: Turn) -> None:
    try:
        with (
            closing(_opened(live, "ro")) as source,
            closing(sqlite3.connect(copy)) as target,
        ):
            # One moment for all pages, also while other programs write between two parts of it.
            source.execute("BEGIN")
            source.execute("SELECT count(*) FROM sqlite_schema").fetchall()
            source.backup(target, pages=_PAGES_AT_ONCE, progress=_heeding(turn, live), sleep=0.01)
        copy.chmod(0o600)
    except sqlite3.Error as error:
        raise BackupFailed(f"{live} cannot be copied: {error}; nothing of it was saved") from None
    _require_sound(copy, str(live))


def _overwrite(copy: Path, target: Path, turn: Turn) -> None:
    try:
        with (
            closing(_opened(copy, "ro", _SETTLED)) as source,
            closing(sqlite3.connect(target, timeout=_BUSY_SECONDS)) as there,
        ):
            source.backup(there, pages=-1, progress=_heeding(turn, target), sleep=0.01)
    except sqlite3.Error as error:
        raise BackupFailed(f"{target} cannot be replaced: {error}; it is as it was") from None


def _place(copy: Path, target: Path, saved: dict[str, JsonValue], turn: Turn) -> None:
    if not target.parent.is_dir():
        raise ConfigurationError(f"there is no folder {target.parent}; make it first")
    beside = target.with_name(f".{target.name}.secvault")
    beside.unlink(missing_ok=True)
    # Never readable for others, not even while it is written.
    os.close(os.open(beside, os.O_CREAT | os.O_EXCL, 0o600))
    try:
        with (
            closing(_opened(copy, "ro", _SETTLED)) as source,
            closing(sqlite3.connect(beside)) as new,
        ):
            source.backup(new, pages=_PAGES_AT_ONCE, progress=_heeding(turn, target))
        mode, owner, group = saved.get("mode"), saved.get("owner"), saved.get("group")
        if os.geteuid() == 0 and isinstance(owner, int) and isinstance(group, int):
            os.chown(beside, owner, group)
        beside.chmod(int(mode, 8) & 0o777 if isinstance(mode, str) else 0o600)
        # Not over a file that somebody has made meanwhile.
        os.link(beside, target)
    except FileExistsError:
        raise BackupFailed(f"{target} was made by somebody else meanwhile; it stays") from None
    except sqlite3.Error as error:
        raise BackupFailed(f"{target} cannot be written: {error}") from None
    finally:
        beside.unlink(missing_ok=True)


def _opened(file: Path, mode: str, more: str = "") -> sqlite3.Connection:
    uri = f"{file.as_uri()}?mode={mode}{more}"
    return sqlite3.connect(uri, uri=True, isolation_level=None, timeout=_BUSY_SECONDS)


def _heeding(turn: Turn, file: Path) -> Callable[[int, int, int], None]:
    waiting_since: list[float] = []

    def heed(status: int, _remaining: int, _total: int) -> None:
        if turn.cancel.is_set():
            raise Cancelled(f"copying {file}: stopped on request")
        if status not in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
            waiting_since.clear()
            return
        # Python would ask again for ever.
        waiting_since.append(turn.clock.monotonic())
        if waiting_since[-1] - waiting_since[0] > _BUSY_SECONDS:
            raise BackupFailed(f"{file} is locked by another program; it is as it was")

    return heed


def _require_sound(copy: Path, name: str) -> None:
    try:
        with closing(_opened(copy, "ro", _SETTLED)) as connection:
            found = connection.execute("PRAGMA integrity_check(1)").fetchall()
    except sqlite3.DatabaseError as error:
        raise Damaged(f"{name} is damaged: {error}") from None
    if found != [("ok",)]:
        # What follows may quote a value.
        raise Damaged(f"{name} is damaged: SQLite's integrity check fails; nothing of it was used")


def _facts(file: Path, how: str, *, with_sums: bool = False) -> dict[str, JsonValue]:
    """Tables and rows, and what tells the database."""
    figures = TableFigures()
    with closing(_opened(file, "ro", how)) as connection:
        schema = connection.execute(
            "SELECT type, name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
        ).fetchall()
        objects: dict[str, JsonValue] = {}
        for kind, name, sql in schema:
            virtual = str(sql).upper().startswith("CREATE VIRTUAL")
            if kind == "table" and not virtual:
                # A virtual table keeps its rows in others, and its module may not be here.
                sqlite_figures.look(connection, str(name), figures, with_sums=with_sums)
            else:
                counted = "virtual table" if virtual else str(kind)
                so_far = objects.get(counted, 0)
                objects[counted] = (so_far if isinstance(so_far, int) else 0) + 1
        numbers = {
            name: int(connection.execute(f"PRAGMA {name}").fetchone()[0])
            for name in ("user_version", "application_id")
        }
    return {**figures.facts(), "objects": objects, **numbers}


def _version() -> str:
    return f"SQLite {sqlite3.sqlite_version}"
