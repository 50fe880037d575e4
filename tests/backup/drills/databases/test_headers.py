"""What a dump says of itself: whether it is whole, and of which database it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secvault.backup.drills.databases import headers
from secvault.backup.sources import kinds
from secvault.errors import Damaged
from tests.backup.drills.databases.grounds import mariadb_source
from tests.backup.sources.turns import postgresql_source, turn


def judged(kind: str, folder: Path, name: str, one: Any) -> str:
    file = headers.file_of(kind, folder, name, one)
    fault = headers.fault("erp", kind, name, one, file)
    return "" if fault is None else fault.code


@pytest.mark.real
@pytest.mark.parametrize("form", ["custom", "plain"])
def test_a_dump_of_postgresql_is_known_for_what_it_is(
    form: str,
    saved_postgresql: SplitResult,
    new_database: Callable[[str], str],
    tmp_path: Path,
) -> None:
    name = new_database("lương \"tháng\" 'mười'")
    mine = turn(tmp_path, saved_postgresql.password or "")
    staged: Any = kinds.stage(postgresql_source(saved_postgresql, name, format=form), mine)
    one = staged.facts["databases"][name]
    assert judged("postgresql", mine.folder, name, one) == ""
    file = mine.folder / one["file"]
    if form == "custom":
        assert judged("postgresql", mine.folder, "other", one) == "dump-of-another-database"
    whole = file.read_bytes()
    file.write_bytes(whole[:-40])
    assert judged("postgresql", mine.folder, name, one) == "dump-damaged"
    file.write_bytes(b"\0" * len(whole))
    assert judged("postgresql", mine.folder, name, one) == "dump-damaged"


@pytest.mark.real
def test_a_dump_of_mariadb_is_known_for_what_it_is(
    saved_mariadb: SplitResult, mariadb_url: str, tmp_path: Path
) -> None:
    name = mariadb_url.rsplit("/", 1)[1]
    mine = turn(tmp_path, saved_mariadb.password or "")
    staged: Any = kinds.stage(mariadb_source(saved_mariadb, name), mine)
    one = staged.facts["databases"][name]
    assert judged("mariadb", mine.folder, name, one) == ""
    assert judged("mariadb", mine.folder, "other", one) == "dump-of-another-database"
    file = mine.folder / one["file"]
    file.write_bytes(file.read_bytes()[:-60])
    del one["bytes"]
    assert judged("mariadb", mine.folder, name, one) == "dump-damaged"


@pytest.mark.parametrize("told", ["../out", "/etc/passwd", "a/b", "", 7, None, "link", "gone"])
def test_what_a_manifest_names_outside_of_the_folder_is_not_opened(
    told: object, tmp_path: Path
) -> None:
    (tmp_path / "link").symlink_to("/etc/passwd")
    one: Any = {"file": told}
    with pytest.raises(Damaged):
        headers.file_of("postgresql", tmp_path, "erp", one)


@given(st.binary(max_size=300))
def test_any_head_of_an_archive_is_read_without_an_error(tail: bytes) -> None:
    headers._database_of(b"PGDMP" + tail)
