"""Parts of a snapshot brought back from a real repository: proven, in place, or loaded."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Event

import msgspec
import pytest

from secvault.backup.engine import BackupEngine
from secvault.backup.manifest import Comparison
from secvault.backup.repository_faults import StorageFull
from secvault.backup.restic import Restic
from secvault.backup.restores import parts as looked
from secvault.backup.restores import restoring
from secvault.backup.restores.loading import Destination
from secvault.backup.restores.order import Folder, Order, Original, Place
from secvault.backup.restores.parts import Goal, Parts, find_snapshot, looked_into
from secvault.backup.restores.placing import Placing
from secvault.backup.restores.preview import Preview
from secvault.backup.restores.restoring import Restored
from secvault.backup.restores.target import Guarded
from secvault.config.backup_sources import FoldersSource, SqliteSource
from secvault.errors import Conflict, Damaged, NotFound
from tests.backup.small_vault import PLAN, SmallVault, small_vault
from tests.quick_repository import made_quickly

pytestmark = [pytest.mark.real, pytest.mark.usefixtures("quick_repositories")]

ODD = ("a*b", "a?b", "a[b]", "a\\b", "!a", "$HOME", "ợ é", "a b", "-x")
FREE = Guarded((Path("/nowhere"),), frozenset())


@pytest.fixture(scope="session")
def saved_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A vault with one snapshot of a plan without secvault: a folder, another, and a database."""
    folder = tmp_path_factory.mktemp("saved")
    share = folder / "share"
    for name in ODD:
        (share / name).mkdir(parents=True)
        (share / name / "file").write_text(name)
    (share / "axb").mkdir()
    (share / "axb" / "file").write_text("only alike")
    with closing(sqlite3.connect(folder / "notes.db")) as notes:
        notes.execute("CREATE TABLE note (text)")
        notes.executemany("INSERT INTO note VALUES (?)", [(f"n{number}",) for number in range(50)])
        notes.commit()
    with made_quickly(), opened(folder) as vault:
        vault.back_up()
    return folder


@contextmanager
def opened(folder: Path) -> Iterator[SmallVault]:
    with small_vault(folder) as made:
        yield made.planned(
            vault=False,
            sources={
                "files": FoldersSource(paths=(folder / "share",)),
                "notes": SqliteSource(files=(folder / "notes.db",)),
            },
        )


@pytest.fixture
def vault(saved_once: Path) -> Iterator[SmallVault]:
    """The vault of that snapshot, where it was made: what was saved must lie where it was."""
    before = saved_once.with_name("before")
    shutil.copytree(saved_once, before, symlinks=True)
    try:
        with opened(saved_once) as made:
            yield made
    finally:
        shutil.rmtree(saved_once)
        before.rename(saved_once)


def order(vault: SmallVault, place: Place, **more: object) -> Order:
    newest = find_snapshot(vault.engine, PLAN, "local", None)
    return Order(PLAN, newest.id, "local", place, **more)  # type: ignore[arg-type]


def goal(vault: SmallVault) -> Goal:
    notes = vault.engine.plan(PLAN).sources["notes"]
    return Goal(FREE, {"notes": Destination(notes, "sqlite")})


def restore(vault: SmallVault, wanted: Order, work: str = "work") -> Restored:
    phases: list[str] = []
    with looked_into(vault.engine, work, wanted, Event()) as parts:
        return restoring.restore(
            vault.engine,
            work,
            parts,
            goal(vault),
            on_phase=phases.append,
            on_progress=vault.seen.append,
            cancel=Event(),
        )


def preview(vault: SmallVault, wanted: Order) -> Preview:
    with looked_into(vault.engine, "look", wanted, Event()) as parts:
        return restoring.previewed(vault.engine, parts, goal(vault), Event())


def left(vault: SmallVault) -> list[str]:
    return [name for name in vault.left_in_scratch() if name.startswith(("restore", "load"))]


def test_single_folders_come_by_their_exact_names_into_another_place(
    vault: SmallVault, tmp_path: Path
) -> None:
    share = vault.folder / "share"
    paths = tuple(str(share / name) for name in ODD)
    done = restore(vault, order(vault, Folder(str(tmp_path / "r")), paths=paths))
    there = tmp_path / "r" / str(share).lstrip("/")
    assert {path.name for path in there.iterdir()} == set(ODD)
    assert all((there / name / "file").read_text() == name for name in ODD)
    assert (done.checked, done.tally.placed) == (len(ODD), len(ODD))
    assert left(vault) == []


def test_a_file_that_was_deleted_comes_back_to_where_it_was(vault: SmallVault) -> None:
    file = vault.folder / "share" / "a b" / "file"
    before = file.stat()
    file.unlink()
    wanted = order(vault, Original(), paths=(str(file),))
    seen = preview(vault, wanted)
    assert (seen.files, seen.new, seen.existing, seen.blocked) == (1, 1, 0, 0)
    restore(vault, wanted)
    after = file.stat()
    assert file.read_text() == "a b"
    assert (after.st_mtime_ns, after.st_mode) == (before.st_mtime_ns, before.st_mode)


def test_what_was_changed_since_is_seen_beforehand_and_written_over_only_when_told(
    vault: SmallVault,
) -> None:
    file = vault.folder / "share" / "a*b" / "file"
    file.write_text("changed since")
    wanted = order(vault, Original(), sources=("files",))
    seen = preview(vault, wanted)
    assert seen.existing == len(ODD) + 1
    assert str(file) in seen.existing_first
    with pytest.raises(Conflict, match=r"nothing was restored"):
        restore(vault, wanted)
    assert file.read_text() == "changed since"
    kept = restore(vault, order(vault, Original(), sources=("files",), existing="keep"))
    assert (kept.tally.kept, kept.tally.same) == (1, len(ODD))
    done = restore(vault, order(vault, Original(), sources=("files",), existing="overwrite"))
    assert done.tally.replaced == len(ODD) + 1
    assert file.read_text() == "a*b"
    assert left(vault) == []


def test_a_database_is_loaded_over_the_old_one_only_when_told(vault: SmallVault) -> None:
    notes = vault.folder / "notes.db"
    with closing(sqlite3.connect(notes)) as notes_now:
        notes_now.execute("DELETE FROM note")
        notes_now.commit()
    wanted = order(vault, Original(), sources=("notes",))
    seen = preview(vault, wanted)
    (load,) = seen.loads
    assert [(one.into, one.there, one.empty) for one in load.meets] == [(str(notes), True, False)]
    with pytest.raises(Conflict, match="already"):
        restore(vault, wanted)
    done = restore(vault, order(vault, Original(), sources=("notes",), existing="overwrite"))
    assert [one.differences for one in done.loads] == [()]
    with closing(sqlite3.connect(notes)) as notes_now:
        assert notes_now.execute("SELECT count(*) FROM note").fetchone() == (50,)
    assert left(vault) == []


def test_in_a_folder_a_database_is_laid_down_as_the_file_that_was_saved(
    vault: SmallVault, tmp_path: Path
) -> None:
    done = restore(vault, order(vault, Folder(str(tmp_path / "r")), sources=("notes",)))
    (found,) = [path for path in (tmp_path / "r").rglob("notes.db") if path.is_file()]
    with closing(sqlite3.connect(found)) as notes_now:
        assert notes_now.execute("SELECT count(*) FROM note").fetchone() == (50,)
    assert done.loads == ()


def test_a_restore_that_was_killed_in_the_midst_is_done_again_to_the_same_end(
    vault: SmallVault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    share = vault.folder / "share"
    shutil.rmtree(share)
    (share / "a b").mkdir(parents=True)
    wanted = order(vault, Original(), sources=("files",))
    moved: list[str] = []
    put = Placing._put

    class Killed(BaseException):
        """As good as a signal: nothing handles it."""

    def dying(self: Placing, source: int, target: int, name: str, path: Path) -> None:
        put(self, source, target, name, path)
        moved.append(name)
        if len(moved) == 4:
            raise Killed

    monkeypatch.setattr(Placing, "_put", dying)
    with pytest.raises(Killed):
        restore(vault, wanted)
    monkeypatch.setattr(Placing, "_put", put)
    done = restore(vault, wanted)
    assert done.tally.same > 0
    assert {path.name for path in share.iterdir()} == {*ODD, "axb"}
    assert left(vault) == []


def test_the_folder_of_a_dead_process_is_removed_and_that_of_one_alive_is_not(
    vault: SmallVault,
) -> None:
    dead = vault.engine.scratch / "restore-files-dead"
    dead.mkdir(parents=True)
    (dead / "x").write_text("left")
    with looked.held_scratch(vault.engine, "alive", "files") as alive:
        assert not dead.exists()
        (alive / "x").write_text("at work")
        with looked.held_scratch(vault.engine, "other", "files"):
            assert (alive / "x").exists()
        with (
            pytest.raises(Conflict, match="another process"),
            looked.held_scratch(vault.engine, "alive", "files"),
        ):
            pass
        assert (alive / "x").exists()
    assert left(vault) == []


def test_nothing_is_put_in_place_where_one_file_is_not_as_it_was_saved(
    vault: SmallVault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    restored = Restic.restore

    def damaging(self: Restic, *given: object, **more: object) -> object:
        summary = restored(self, *given, **more)  # type: ignore[arg-type]
        target = given[2]
        assert isinstance(target, Path)
        for file in target.rglob("file"):
            if file.parent.name == "a b":
                seen = file.stat()
                file.write_text("x y")
                os.utime(file, ns=(seen.st_atime_ns, seen.st_mtime_ns))
        return summary

    monkeypatch.setattr(Restic, "restore", damaging)
    with pytest.raises(Damaged, match=r"1 different, .*a b/file; nothing was put in place"):
        restore(vault, order(vault, Folder(str(tmp_path / "r")), sources=("files",)))
    assert not (tmp_path / "r").exists()
    assert left(vault) == []


def test_a_snapshot_whose_paths_lead_out_of_a_folder_is_not_restored(
    vault: SmallVault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = Restic.snapshots

    def forged(self: Restic, *given: object, **more: object) -> list[object]:
        found = listed(self, *given, **more)  # type: ignore[arg-type]
        ways = [(*(one.paths or ()), f"{tmp_path}/../../etc") for one in found]
        return [
            msgspec.structs.replace(one, paths=paths)
            for one, paths in zip(found, ways, strict=True)
        ]

    wanted = order(vault, Folder(str(tmp_path / "r")))
    monkeypatch.setattr(Restic, "snapshots", forged)
    with pytest.raises(Damaged, match="leads out of its folder"):
        restore(vault, wanted)
    assert not (tmp_path / "r").exists()


def test_nothing_is_loaded_through_a_link_of_the_snapshot(
    vault: SmallVault, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared = restoring.require_as_saved

    def with_link(engine: BackupEngine, parts: Parts, folder: Path) -> Comparison:
        done = compared(engine, parts, folder)
        (dump,) = (file for file in folder.rglob("*") if "notes" in file.name and file.is_file())
        dump.rename(dump.with_name("aside"))
        dump.symlink_to(dump.with_name("aside"))
        return done

    monkeypatch.setattr(restoring, "require_as_saved", with_link)
    with pytest.raises(Damaged, match="a link or a device"):
        restore(vault, order(vault, Original(), sources=("notes",), existing="overwrite"))


def test_room_is_looked_at_first(
    vault: SmallVault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = order(vault, Folder(str(tmp_path / "r")), sources=("files",))
    monkeypatch.setattr("secvault.backup.restores.preview._free", lambda _path: 3)
    assert not preview(vault, wanted).enough_room
    with pytest.raises(StorageFull, match="make room"):
        restore(vault, wanted)


def test_what_the_snapshot_does_not_hold_is_said_before_and_refused(
    vault: SmallVault, tmp_path: Path
) -> None:
    wanted = order(
        vault, Folder(str(tmp_path / "r")), paths=(str(vault.folder / "share" / "nothing"),)
    )
    assert preview(vault, wanted).missing == [str(vault.folder / "share" / "nothing")]
    with pytest.raises(NotFound, match="does not hold"):
        restore(vault, wanted)
    with pytest.raises(NotFound):
        restore(vault, replace_snapshot(wanted, "f" * 64))


def replace_snapshot(wanted: Order, snapshot: str) -> Order:
    return msgspec.structs.replace(wanted, snapshot=snapshot)


def test_a_drill_of_a_plan_without_secvault_proves_its_files(vault: SmallVault) -> None:
    result = vault.drill()
    assert result.passed
    assert {one.name: one.verdict for one in result.levels if one.verdict != "not tested"} == {
        "repository": "passed",
        "files": "passed",
    }
    assert result.figures.audit_entries_lost is None
