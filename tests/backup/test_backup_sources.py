"""A run of a plan with sources: saved by restic whole or not at all, restored and loaded again."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from secvault.backup import manifest, run
from secvault.backup.sources import kinds
from secvault.backup.sources.faults import ProgramFailed
from secvault.backup.sources.loading import Wish, differences
from secvault.config.backup_sources import CommandSource, SqliteSource
from tests.backup.small_vault import PLAN, SmallVault, small_vault
from tests.backup.sources.conftest import new_database, server
from tests.backup.sources.turns import postgresql_source, turn

__all__ = ["new_database", "server"]

pytestmark = [pytest.mark.real, pytest.mark.usefixtures("quick_repositories")]


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[SmallVault]:
    with small_vault(tmp_path) as made:
        yield made


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    file = tmp_path / "notes.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE note AS SELECT 'Ghi chú' AS body")
        connection.commit()
    return file


def sources(erp: Any, notes: Path, command: str) -> dict[str, Any]:
    return {
        "erp": erp,
        "notes": SqliteSource(files=(notes,)),
        "ldap": CommandSource(command=("/bin/sh", "-c", command), file="ldap.ldif"),
    }


def test_what_a_run_saved_of_each_source_is_restored_and_loaded(
    vault: SmallVault,
    server: SplitResult,
    new_database: Callable[[str], str],
    notes: Path,
    tmp_path: Path,
) -> None:
    name = new_database("kế toán")
    erp = postgresql_source(server, name, password=server.password, with_globals=True)
    planned = vault.planned(sources=sources(erp, notes, "echo 'cn: Đức'"), folders=())
    planned.back_up()
    assert planned.left_in_scratch() == []

    target = tmp_path / "target"
    newest = run.newest_snapshot(planned.engine, PLAN)
    repository = planned.engine.opened_repository("local")
    planned.engine.restic.restore(
        repository, newest.id, target, verify=True, on_progress=vault.seen.append
    )
    assert run.compare_restored(planned.engine, PLAN, newest, target).whole
    (listed,) = target.rglob(manifest.NAME)
    entries = {one.name: one for one in manifest.read(listed).sources}
    assert {one.kind for one in entries.values()} == {"postgresql", "sqlite", "command"}

    def lies(source: str) -> Path:
        return target / entries[source].paths[0].lstrip("/")

    assert (lies("ldap") / "ldap.ldif").read_text() == "cn: Đức\n"
    notes.unlink()
    mine = turn(tmp_path)
    loaded = kinds.load(entries["notes"], lies("notes"), SqliteSource(files=(notes,)), mine)
    assert differences(entries["notes"].facts, loaded.facts) == ()
    with psycopg.connect(server.geturl(), autocommit=True) as connection:
        connection.execute(SQL("DROP DATABASE {}").format(Identifier(name)))
    mine = turn(tmp_path, server.password or "")
    loaded = kinds.load(entries["erp"], lies("erp"), erp, mine, Wish())
    assert differences(entries["erp"].facts, loaded.facts) == ()
    with psycopg.connect(server.geturl(), dbname=name) as connection:
        ((rows,),) = connection.execute("SELECT count(*) FROM staff").fetchall()
    assert rows == 1000


def test_a_source_that_fails_half_way_fails_the_run_and_makes_no_snapshot(
    vault: SmallVault, server: SplitResult, notes: Path
) -> None:
    erp = postgresql_source(server, "postgres", password=server.password)
    planned = vault.planned(
        sources=sources(erp, notes, "echo half; echo disk on fire >&2; exit 1"), folders=()
    )
    with pytest.raises(ProgramFailed, match="disk on fire"):
        planned.back_up()
    assert not (vault.folder / "repository").exists()
    assert planned.left_in_scratch() in ([], [f"source-{PLAN}-ldap"])
    assert "disk on fire" in str(run.read_run(planned.engine, "run-1").error)
    assert str(server.password) not in str(run.read_run(planned.engine, "run-1").error)


def test_most_of_a_dump_of_the_same_content_is_stored_once(
    vault: SmallVault, server: SplitResult, new_database: Callable[[str], str], notes: Path
) -> None:
    name = new_database("twice")
    with psycopg.connect(server.geturl(), dbname=name) as connection:
        connection.execute(
            "CREATE TABLE large AS SELECT md5(n::text) AS body FROM generate_series(1, 500000) AS n"
        )
    erp = postgresql_source(server, name, password=server.password)
    planned = vault.planned(sources=sources(erp, notes, "echo same"), folders=(), vault=False)
    first, _ = planned.back_up("run-1")
    second, _ = planned.back_up("run-2")
    assert first.bytes_added is not None
    assert second.bytes_added is not None
    assert first.bytes_added > 16_000_000
    # A dump begins with the time at which it was made; restic reads that part anew.
    assert second.bytes_added < first.bytes_added / 2
