"""Putting restored files in place: never over what is there, through no link, across kills."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event

import pytest

from secvault.backup.restores import carrying
from secvault.backup.restores.order import Existing
from secvault.backup.restores.placing import Placing
from secvault.backup.restores.target import Guarded
from secvault.errors import Cancelled, Conflict, InvalidInput

NOBODY = 65534
FREE = Guarded((Path("/nowhere"),), frozenset())


def placing(existing: Existing = "refuse", guarded: Guarded = FREE) -> Placing:
    return Placing(existing, guarded, Event(), "mark")


@pytest.fixture
def staged(tmp_path: Path) -> Path:
    """A folder as it was fetched: with a file, a link, a pipe, a hole and odd modes."""
    folder = tmp_path / "scratch" / "share"
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "letter.txt").write_text("thư")
    (folder / "letter.txt").chmod(0o640)
    os.utime(folder / "letter.txt", ns=(10**18, 10**18 + 7))
    (folder / "deep" / "er" / "x.bin").write_bytes(b"x" * 3000)
    (folder / "link").symlink_to("letter.txt")
    os.mkfifo(folder / "pipe")
    with (folder / "sparse").open("wb") as file:
        file.seek(8 << 20)
        file.write(b"end")
    os.link(folder / "letter.txt", folder / "same.txt")
    (folder / "deep").chmod(0o750)
    return folder


def seen(folder: Path) -> dict[str, tuple[object, ...]]:
    """All that makes the things below what they are."""
    found: dict[str, tuple[object, ...]] = {}
    for path in sorted(folder.rglob("*")):
        at = path.lstat()
        content: object = None
        if stat.S_ISREG(at.st_mode):
            content = path.read_bytes()
        elif stat.S_ISLNK(at.st_mode):
            content = str(path.readlink())
        times = None if path.is_dir() else at.st_mtime_ns
        found[str(path.relative_to(folder))] = (at.st_mode, at.st_uid, times, content)
    return found


@pytest.fixture(params=["one file system", "two"])
def anywhere(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also as if the target lay on another file system, where nothing gets a second name."""
    if request.param == "one file system":
        return
    link, rename = os.link, os.rename

    def across(error: type[OSError] = OSError) -> OSError:
        return error(18, "Invalid cross-device link")

    def no_link(source: str, target: str, **more: int) -> None:
        if more.get("src_dir_fd") != more.get("dst_dir_fd"):
            raise across()
        link(source, target, **more)  # type: ignore[arg-type]

    def no_rename(source: str, target: str, **more: int) -> None:
        if more.get("src_dir_fd") != more.get("dst_dir_fd"):
            raise across()
        rename(source, target, **more)

    monkeypatch.setattr(carrying.os, "link", no_link)
    monkeypatch.setattr(carrying.os, "rename", no_rename)


@pytest.mark.usefixtures("anywhere")
def test_a_folder_that_is_not_there_comes_with_all_that_it_is(staged: Path, tmp_path: Path) -> None:
    before = seen(staged)
    work = placing()
    work.put(staged, tmp_path / "target", ("srv", "share"))
    assert seen(tmp_path / "target/srv/share") == before
    assert (work.tally.placed, work.tally.conflicting) == (6, 0)
    sparse = (tmp_path / "target/srv/share/sparse").stat()
    assert sparse.st_blocks * 512 < sparse.st_size
    assert not list((tmp_path / "target").rglob(".secvault*"))


@pytest.mark.usefixtures("anywhere")
def test_a_folder_that_is_there_takes_in_what_it_lacks_and_keeps_the_rest(
    staged: Path, tmp_path: Path
) -> None:
    target = tmp_path / "share"
    (target / "deep").mkdir(parents=True)
    (target / "mine.txt").write_text("mine")
    (target / "letter.txt").write_text("other")
    work = placing("keep")
    work.put(staged, target, ())
    assert (target / "letter.txt").read_text() == "other"
    assert (target / "mine.txt").read_text() == "mine"
    assert (target / "deep/er/x.bin").read_bytes() == b"x" * 3000
    assert (work.tally.kept, work.tally.replaced) == (1, 0)


@pytest.mark.usefixtures("anywhere")
def test_what_is_there_is_replaced_only_when_told(staged: Path, tmp_path: Path) -> None:
    target = tmp_path / "share"
    target.mkdir()
    (target / "letter.txt").write_text("other")
    refusing = placing()
    refusing.look(staged, target, ())
    assert refusing.tally.conflicts == [str(target / "letter.txt")]
    telling = placing("overwrite")
    telling.look(staged, target, ())
    telling.put(staged, target, ())
    assert telling.tally.conflicting == 0
    assert telling.tally.replaced == 1
    assert (target / "letter.txt").read_text() == "thư"
    assert stat.S_IMODE((target / "letter.txt").stat().st_mode) == 0o640


def test_what_was_put_there_before_a_kill_is_found_to_be_the_same(
    staged: Path, tmp_path: Path
) -> None:
    target = tmp_path / "share"
    target.mkdir()
    for name in ("letter.txt", "link"):
        os.link(staged / name, target / name, follow_symlinks=False)
    work = placing()
    work.look(staged, target, ())
    assert work.tally.conflicting == 0
    work.put(staged, target, ())
    assert (work.tally.same, work.tally.placed) == (2, 4)


def test_a_file_that_comes_between_the_look_and_the_act_is_not_written_over(
    staged: Path, tmp_path: Path
) -> None:
    target = tmp_path / "share"
    target.mkdir()
    work = placing()
    work.look(staged, target, ())
    (target / "letter.txt").write_text("just made")
    with pytest.raises(Conflict, match=r"letter\.txt is there already"):
        work.put(staged, target, ())
    assert (target / "letter.txt").read_text() == "just made"


@pytest.mark.parametrize("existing", ["refuse", "keep", "overwrite"])
def test_no_link_on_the_way_is_followed(staged: Path, tmp_path: Path, existing: Existing) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    target = tmp_path / "share"
    target.mkdir()
    (target / "deep").symlink_to(elsewhere)
    work = placing(existing)
    work.look(staged, target, ())
    assert work.tally.conflicts == [str(target / "deep")]
    with pytest.raises(Conflict, match="a link where a folder belongs"):
        placing(existing).put(staged, target, ())
    assert list(elsewhere.iterdir()) == []
    # The same for folders above it, as far as nobody but others named them.
    (tmp_path / "open").mkdir()
    (tmp_path / "open" / "srv").symlink_to(elsewhere)
    work = placing(existing)
    work.look(staged, tmp_path / "open", ("srv", "share"))
    assert work.tally.conflicting == 1
    with pytest.raises(Conflict):
        placing(existing).put(staged, tmp_path / "open", ("srv", "share"))
    assert list(elsewhere.iterdir()) == []


def test_a_link_of_the_target_is_replaced_itself_and_not_what_it_leads_to(
    staged: Path, tmp_path: Path
) -> None:
    target, precious = tmp_path / "share", tmp_path / "precious"
    target.mkdir()
    precious.write_text("precious")
    (target / "letter.txt").symlink_to(precious)
    placing("overwrite").put(staged, target, ())
    assert precious.read_text() == "precious"
    assert not (target / "letter.txt").is_symlink()


def test_a_folder_is_never_replaced_by_a_file_nor_a_file_by_a_folder(
    staged: Path, tmp_path: Path
) -> None:
    target = tmp_path / "share"
    (target / "letter.txt").mkdir(parents=True)
    (target / "deep").write_text("a file")
    work = placing("overwrite")
    work.look(staged, target, ())
    assert sorted(work.tally.conflicts) == [str(target / "deep"), str(target / "letter.txt")]
    with pytest.raises(Conflict):
        placing("overwrite").put(staged, target, ())
    assert (target / "deep").read_text() == "a file"


def test_what_is_secvaults_own_is_written_over_by_no_name(staged: Path, tmp_path: Path) -> None:
    own = tmp_path / "vault" / "share"
    own.mkdir(parents=True)
    (own / "letter.txt").write_text("own")
    guarded = Guarded.of([own], own / "restored")
    with pytest.raises(InvalidInput, match="secvault's own"):
        guarded.require_free("target", own / "deep")
    guarded.require_free("target", own / "restored" / "x")
    with pytest.raises(InvalidInput):
        guarded.require_free("target", own / "restored" / ".." / "x")
    alias = tmp_path / "alias"
    alias.symlink_to(own)
    with pytest.raises(Conflict, match="secvault's own"):
        placing("overwrite", guarded).put(staged, alias, ("deep", "share"))
    file = Guarded.of([own / "letter.txt"], tmp_path / "x")
    with pytest.raises(Conflict, match="secvault's own"):
        placing("overwrite", file).put(staged, own, ())
    assert (own / "letter.txt").read_text() == "own"


def test_stopping_leaves_whole_files_only(staged: Path, tmp_path: Path) -> None:
    target = tmp_path / "share"
    target.mkdir()
    cancel = Event()
    cancel.set()
    with pytest.raises(Cancelled):
        replace(placing(), cancel=cancel).put(staged, target, ())
    assert list(target.iterdir()) == []


@contextmanager
def without_leave(folder: Path) -> Iterator[None]:
    """As somebody to whom the folder belongs, and who may not write everywhere, as root may."""
    if os.geteuid() != 0:
        yield
        return
    for path in (folder, *folder.rglob("*")):
        os.chown(path, NOBODY, NOBODY)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def test_folders_that_may_not_be_written_come_too() -> None:
    # Below pytest's own folder, which is root's, nobody else gets anywhere.
    with TemporaryDirectory() as name:
        staged, target = Path(name, "scratch/share"), Path(name, "target")
        (staged / "deep").mkdir(parents=True)
        (staged / "deep" / "letter.txt").write_text("thư")
        with without_leave(Path(name)):
            (staged / "deep").chmod(0o500)
            placing().put(staged, target, ("share",))
            put = target / "share/deep"
            assert stat.S_IMODE(put.stat().st_mode) == 0o500
            assert (put / "letter.txt").read_text() == "thư"
            put.chmod(0o700)
