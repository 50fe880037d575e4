"""The catalogue of snapshots, and looking into them, on a real repository."""

from __future__ import annotations

import os
import shutil
import threading
import time
import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import update

from secvault.backup import catalogue, looking, numbers, restic_looking, retaining, rpo
from secvault.backup.repository import LocalFolder
from secvault.backup.repository_faults import RepositoryMissing
from secvault.backup.restic import Restic
from secvault.errors import InvalidInput, NotFound
from secvault.store import tables
from tests import quick_repository
from tests.backup.small_vault import PLAN, SmallVault, small_vault

pytestmark = pytest.mark.real

NEVER = threading.Event()
HOUR = 3600


@pytest.fixture(scope="module", params=["the machine's restic", "a newer restic"])
def twice(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SmallVault]:
    """Backed up twice; in between 30 documents were encrypted. For tests that only look."""
    folder = tmp_path_factory.mktemp("twice")
    with quick_repository.made_quickly(), small_vault(folder) as made:
        vault = made
        if request.param == "a newer restic":
            newer = str(request.getfixturevalue("newer_restic"))
            command = replace(made.engine.restic.command, binary=newer)
            vault = replace(made, engine=replace(made.engine, restic=Restic(command)))
        # By the clock of the files.
        vault.hands.seconds = time.time()
        for number in range(30):
            (vault.documents / f"letter {number:02}.txt").write_text("Kính gửi\n" * 500)
        (vault.documents / "100%s.txt").write_text("x")
        (vault.documents / unicodedata.normalize("NFD", "Hợp đồng.DOCX")).write_bytes(b"y")
        vault.back_up("run-1")
        vault.hands.seconds += HOUR
        for number in range(30):
            (vault.documents / f"letter {number:02}.txt").write_bytes(os.urandom(5_000))
        (vault.documents / "100%s.txt").unlink()
        (vault.documents / "README-decrypt.txt").write_text("pay")
        vault.back_up("run-2")
        yield vault


def test_the_catalogue_has_what_the_repository_has_with_the_sizes_of_the_runs(
    twice: SmallVault,
) -> None:
    first, second = catalogue.present(twice.engine, PLAN, "local")
    assert [one.id for one in (first, second)] == [one.id for one in twice.snapshots()]
    assert (first.run, second.run) == ("run-1", "run-2")
    assert first.bytes
    assert second.bytes_added
    assert second.files == first.files
    with twice.engine.store.read() as connection:
        assert not catalogue.is_stale(connection, PLAN, "local")
        assert catalogue.refreshed_at(connection, PLAN, "local") == twice.engine.clock.micros()


def test_whoever_looks_holds_no_lock_that_keeps_a_check_from_beginning(
    twice: SmallVault,
) -> None:
    place = twice.engine.repository("local").place
    assert isinstance(place, LocalFolder)
    locks = place.path / "locks"
    aside = locks.rename(place.path / "locks-aside")
    locks.write_text("no lock can be made here")
    try:
        assert len(catalogue.refresh(twice.engine, PLAN, "local")) == 2
    finally:
        locks.unlink()
        aside.rename(locks)


def test_a_folder_is_listed_page_by_page_in_one_order_and_without_what_lies_deeper(
    twice: SmallVault,
) -> None:
    newest = catalogue.named(twice.engine, PLAN, "local", "latest")
    names: list[str] = []
    after: str | None = ""
    while after is not None:
        page = looking.page(twice.engine, newest, f"{twice.documents}/", after, 9, NEVER)
        names += [entry.name for entry in page.entries]
        after = page.after
    assert names == sorted(names, key=str.encode)
    assert len(names) == len(set(names)) == 34
    assert "deep" in names
    assert "er" not in names
    assert looking.page(twice.engine, newest, "/nowhere", "", 9, NEVER).entries == ()
    top = looking.page(twice.engine, newest, "/", "", 9, NEVER)
    assert [entry.path for entry in top.entries] == [f"/{twice.documents.parts[1]}"]
    for folder, limit in (("documents", 9), ("/a/../b", 9), ("/", 0), ("/", 10_001)):
        with pytest.raises(InvalidInput):
            looking.page(twice.engine, newest, folder, "", limit, NEVER)


def test_a_name_is_found_whatever_its_case_and_composition_and_each_version_once(
    twice: SmallVault,
) -> None:
    newest_first = catalogue.present(twice.engine, PLAN, "local")[::-1]

    def find(pattern: str, limit: int = 10) -> looking.Found:
        return looking.find(twice.engine, newest_first, pattern, limit, NEVER)

    (contract,) = find("hợp*.docx").versions
    assert contract.snapshots == 2
    assert (contract.newest.run, contract.oldest.run) == ("run-2", "run-1")
    encrypted, plain = find("letter 07.txt").versions
    assert (encrypted.size, encrypted.newest.run) == (5_000, "run-2")
    assert (plain.oldest.run, plain.snapshots) == ("run-1", 1)
    (gone,) = find("100%s.txt").versions
    assert gone.newest.run == "run-1"
    (by_path,) = find(f"{twice.documents}/deep/*/RANDOM.*").versions
    assert by_path.size == 200_000
    some = find("letter*", limit=3)
    assert (len(some.versions), some.more) == (3, True)
    assert find("no such name") == looking.Found((), more=False, looked_into=2)
    for pattern in ("", "x" * 300, "a\0b"):
        with pytest.raises(InvalidInput):
            find(pattern)


def test_two_snapshots_are_compared_with_sums_of_everything_and_some_names(
    twice: SmallVault,
) -> None:
    newest = catalogue.named(twice.engine, PLAN, "local", "latest")
    before = catalogue.before(twice.engine, newest)
    repository = twice.engine.repository("local")
    found = restic_looking.difference(twice.engine.restic, repository, before.id, newest.id, 1_000)
    changes = {change.path: change.modifier for change in found.changes}
    assert changes[f"{twice.documents}/100%s.txt"] == "-"
    assert changes[f"{twice.documents}/README-decrypt.txt"] == "+"
    assert changes[f"{twice.documents}/letter 00.txt"] == "M"
    assert found.totals.changed_files >= 30
    assert (found.totals.added.files, found.totals.removed.files) == (1, 1)
    assert found.totals.added.bytes > 30 * 5_000
    short = restic_looking.difference(twice.engine.restic, repository, before.id, newest.id, 2)
    assert (len(short.changes), short.more, short.totals) == (2, True, found.totals)
    with pytest.raises(NotFound, match="oldest"):
        catalogue.before(twice.engine, before)


def test_the_numbers_of_a_run_tell_of_changed_files_that_were_encrypted(
    twice: SmallVault,
) -> None:
    with twice.engine.store.read() as connection:
        first, second = numbers.past(connection, PLAN, 2**62)
        assert [one.run for one in numbers.unjudged(connection)] == ["run-1", "run-2"]
    assert first.random_looking <= 1
    # Not secvault's own database, which is always written anew.
    assert (second.sampled, second.random_looking) == (30, 30)
    assert second.files_changed >= 30
    assert first.scope == second.scope


def test_what_the_snapshots_take_is_measured_and_kept(twice: SmallVault) -> None:
    taken = catalogue.measure(twice.engine, PLAN, "local")
    assert taken.snapshots == 2
    assert 0 < taken.stored_bytes <= taken.plain_bytes
    with twice.engine.store.read() as connection:
        assert catalogue.measures(connection, PLAN, "local") == (taken,)


def test_a_name_that_is_none_or_too_short_names_no_snapshot(twice: SmallVault) -> None:
    newest = catalogue.named(twice.engine, PLAN, "local", "latest")
    assert catalogue.named(twice.engine, PLAN, "local", newest.id[:8]) == newest
    for text in ("", "ffffffff", "nonsense"):
        with pytest.raises(NotFound):
            catalogue.named(twice.engine, PLAN, "local", text)


@pytest.mark.usefixtures("quick_repositories")
def test_a_backup_that_somebody_deleted_does_not_count_as_kept(tmp_path: Path) -> None:
    with small_vault(tmp_path) as vault:
        done, _ = vault.back_up("run-1")
        settings = vault.engine.plan(PLAN)
        now = vault.engine.clock.micros()
        assert done.snapshot

        def state() -> rpo.PlanState:
            with vault.engine.store.read() as connection:
                return rpo.state_of(connection, PLAN, settings, now)

        assert state().newest is not None
        (tmp_path / "repository/snapshots" / done.snapshot).unlink()
        shutil.rmtree(tmp_path / "data/restic-cache")
        vault.hands.seconds += 1
        assert catalogue.refresh(vault.engine, PLAN, "local") == ()
        assert state().newest is None
        # While the repository does not answer, nothing is forgotten.
        (tmp_path / "repository").rename(tmp_path / "elsewhere")
        with pytest.raises(RepositoryMissing):
            catalogue.refresh(vault.engine, PLAN, "local")


@pytest.mark.usefixtures("quick_repositories")
def test_what_retention_forgets_beside_a_run_is_no_more_in_the_catalogue(tmp_path: Path) -> None:
    with small_vault(tmp_path) as made:
        vault = made.planned(keep_last=2, keep_daily=0, keep_weekly=0, keep_monthly=0)
        for number in range(2):
            vault.back_up(f"run-{number}")
            vault.hands.seconds += 60
        assert len(catalogue.present(vault.engine, PLAN, "local")) == 2
        fewer = vault.planned(keep_last=1, keep_daily=0, keep_weekly=0, keep_monthly=0)
        done = retaining.retain(fewer.engine, PLAN, NEVER)
        catalogue.take_out(fewer.engine, PLAN, done)
        (left,) = catalogue.present(vault.engine, PLAN, "local")
        assert left.run == "run-1"
        assert catalogue.refresh(vault.engine, PLAN, "local") == (left,)


def test_an_answer_that_came_late_does_not_undo_a_newer_one(twice: SmallVault) -> None:
    table = tables.backup_catalogue
    catalogue.refresh(twice.engine, PLAN, "local")
    ahead = twice.engine.clock.micros() + 1
    with twice.engine.store.write() as connection:
        connection.execute(update(table).values(refreshed_at=ahead))
    assert len(catalogue.refresh(twice.engine, PLAN, "local")) == 2
    with twice.engine.store.read() as connection:
        assert catalogue.refreshed_at(connection, PLAN, "local") == ahead
    with twice.engine.store.write() as connection:
        connection.execute(update(table).values(refreshed_at=ahead - 1))
