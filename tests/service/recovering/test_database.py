"""Where a recovered database goes: into an empty one, and into none that is somebody's."""

from __future__ import annotations

from pathlib import Path

import pytest

from secvault.backup.database import PostgresqlPrograms, copy_database
from secvault.errors import Conflict
from secvault.service.recovering import database
from secvault.service.recovering.place import Place

PROGRAMS = PostgresqlPrograms()


@pytest.fixture
def dump(migrated_postgresql_url: str, tmp_path: Path) -> Path:
    """The folder with the copy of a database."""
    folder = tmp_path / "staged"
    folder.mkdir()
    with database.opened(migrated_postgresql_url) as store:
        copy_database(store, folder, PROGRAMS, lambda _connection: None)
    return folder


@pytest.mark.real
def test_a_resumed_recovery_takes_a_filled_database_only_as_it_has_filled_it_itself(
    dump: Path, migrated_postgresql_url: str, empty_postgresql_url: str, tmp_path: Path
) -> None:
    place = Place(tmp_path / "vault")

    def bring(url: str, snapshot: str) -> None:
        database.bring(dump, "postgresql", url, place, PROGRAMS, snapshot, again=True)

    # Somebody's own, such as that of the service which runs still.
    with pytest.raises(Conflict, match="not empty"):
        bring(migrated_postgresql_url, "aaaa")
    bring(empty_postgresql_url, "aaaa")
    bring(empty_postgresql_url, "aaaa")
    with pytest.raises(Conflict, match="holds the snapshot aaaa"):
        bring(empty_postgresql_url, "bbbb")
    with pytest.raises(Conflict, match="not empty"):
        bring(migrated_postgresql_url, "aaaa")
