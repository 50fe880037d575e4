"""Where a copy's database is opened: SQLite's file where it lies; PostgreSQL's dump in a server of
the drill's own, and only without one in a database of its own on the live server.
"""

from __future__ import annotations

from contextlib import ExitStack

from sqlalchemy import text
from sqlalchemy.engine import make_url

from secvault.backup.database import (
    POSTGRESQL_COPY,
    SQLITE_COPY,
    opened_copy,
    restored_postgresql,
    scratch_database,
)
from secvault.backup.drills.databases.servers import Place, ServerMissing, running_postgresql
from secvault.backup.drills.ground import Ground
from secvault.backup.restored_copy import require_plain
from secvault.service.drill_levels.findings import Findings
from secvault.store import Store

_FOLDER, _DATABASE = "own-server", "secvault"


def open_database(ground: Ground, closing: ExitStack, found: Findings) -> Store:
    """The store of the copy, put away by `closing`.

    Raises Damaged when it is not whole, BackupFailed when it cannot be tried.
    """
    engine = ground.engine
    require_plain(ground.tree, ground.staged)
    dump = ground.staged / POSTGRESQL_COPY
    if dump.exists() and not (ground.staged / SQLITE_COPY).exists():
        try:
            return _in_own_server(ground, closing)
        except ServerMissing as missing:
            found.leave_open(
                "the copy in a server of its own: it was restored into a database of its own on "
                f"the live server, for {missing.detail}"
            )
    scratch = scratch_database(engine.store, ground.drill)
    return closing.enter_context(
        opened_copy(ground.staged, engine.store, engine.postgresql, scratch)
    )


def _in_own_server(ground: Ground, closing: ExitStack) -> Store:
    engine = ground.engine
    folder = ground.scratch / _FOLDER
    folder.mkdir(mode=0o700)
    place = Place(
        folder,
        engine.clock,
        ground.cancel,
        engine.environment,
        ground.plan_name,
        gentle=ground.plan.drill.gentle,
    )
    server = closing.enter_context(running_postgresql(place, major(engine.store)))
    server.create(_DATABASE)
    url = make_url(server.url(_DATABASE))
    return closing.enter_context(
        restored_postgresql(ground.staged / POSTGRESQL_COPY, url, engine.postgresql)
    )


def major(live: Store) -> int:
    """The major version of the live server; 0 where the live vault is on SQLite by now."""
    if live.dialect != "postgresql":
        return 0
    with live.read() as connection:
        number = connection.execute(text("SHOW server_version_num")).scalar_one()
    return int(number) // 10_000
