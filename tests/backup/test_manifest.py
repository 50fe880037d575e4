"""What a manifest lists, how a restored tree compares with it, and what is refused as one."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from secvault.backup import manifest
from secvault.backup.manifest import Comparison, FileEntry, Manifest, compare, entries
from secvault.errors import Damaged

NOWHERE = Path("/nowhere")
NOT_UTF8 = b"l\xfc\xf6ng \xff.txt"


def listed(*folders: Path) -> Manifest:
    found = tuple(entries(folders))
    files = tuple(one for one in found if isinstance(one, FileEntry))
    assert len(files) == len(found), found
    return Manifest(manifest.FORMAT, "run-1", "nightly", 1, 2, "sqlite", files)


@dataclass(frozen=True)
class Tree:
    """A folder with files, its manifest, and a copy as a restore brings it back."""

    source: Path
    made: Manifest
    target: Path

    @property
    def restored(self) -> Path:
        return self.target / str(self.source).lstrip("/")

    def compared(self, settled: Path = NOWHERE) -> Comparison:
        return compare(self.made, self.target, settled)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    source = tmp_path / "source"
    (source / "deep").mkdir(parents=True)
    (source / "plain.txt").write_bytes(b"plain")
    (source / "deep" / "lương.txt").write_bytes(b"salary")
    (source / "link").symlink_to("plain.txt")
    (source / "empty").mkdir()
    Path(os.fsdecode(os.fsencode(source) + b"/" + NOT_UTF8)).write_bytes(b"odd")
    made = listed(source)
    target = tmp_path / "target"
    shutil.copytree(source, target / str(source).lstrip("/"), symlinks=True)
    return Tree(source, made, target)


def test_every_regular_file_is_listed_and_links_are_not_followed(tree: Tree) -> None:
    names = [one.place().name for one in tree.made.files]

    assert names == [os.fsdecode(NOT_UTF8), "plain.txt", "lương.txt"]


def test_an_unchanged_copy_is_whole(tree: Tree) -> None:
    compared = tree.compared()

    assert compared.whole
    assert (compared.checked, compared.bytes) == (3, 5 + 6 + 3)


def test_a_missing_file_is_named(tree: Tree) -> None:
    (tree.restored / "plain.txt").unlink()

    assert tree.compared().missing == (f"{tree.source}/plain.txt",)
    assert not tree.compared().whole


def test_a_changed_byte_under_the_same_time_is_damage(tree: Tree) -> None:
    file = tree.restored / "plain.txt"
    before = file.stat().st_mtime_ns
    file.write_bytes(b"plaim")
    os.utime(file, ns=(before, before))

    assert tree.compared().different == (f"{tree.source}/plain.txt",)


def test_a_link_in_the_place_of_a_file_is_damage(tree: Tree) -> None:
    file = tree.restored / "plain.txt"
    file.unlink()
    file.symlink_to(tree.source / "plain.txt")

    assert tree.compared().different == (f"{tree.source}/plain.txt",)


def test_a_file_written_while_the_backup_ran_cannot_be_judged(tree: Tree) -> None:
    (tree.restored / "plain.txt").write_bytes(b"newer")

    assert tree.compared().changed_meanwhile == (f"{tree.source}/plain.txt",)
    assert tree.compared().whole


def test_a_file_that_nobody_else_writes_to_has_no_such_excuse(tree: Tree) -> None:
    (tree.restored / "plain.txt").write_bytes(b"newer")

    assert tree.compared(settled=tree.source).different == (f"{tree.source}/plain.txt",)


def test_files_left_out_on_purpose_are_not_missing_but_are_told(tree: Tree) -> None:
    for name in ("plain.txt", "deep/lương.txt"):
        (tree.restored / name).unlink()
    compared = tree.compared().without_missing(lambda path: path.endswith("plain.txt"))

    assert compared.missing == (f"{tree.source}/deep/lương.txt",)
    assert compared.left_out == (f"{tree.source}/plain.txt",)


def test_what_cannot_be_read_comes_as_its_error() -> None:
    # A regular file that refuses to be read at its beginning, also for root.
    unreadable = Path(f"/proc/{os.getpid()}/mem")
    (found,) = entries((unreadable,))

    assert isinstance(found, OSError)


def test_a_file_that_is_gone_when_its_turn_comes_is_left_out(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / name).write_bytes(b"")
    found = entries((tmp_path,))
    first = next(found)
    (tmp_path / "b").unlink()

    assert isinstance(first, FileEntry)
    assert [one.path[-1] for one in found if isinstance(one, FileEntry)] == ["c"]


@given(
    names=st.sets(
        st.binary(min_size=1, max_size=40).filter(
            lambda name: b"/" not in name and b"\0" not in name and name not in (b".", b"..")
        ),
        min_size=1,
        max_size=6,
    )
)
def test_any_name_that_a_file_may_have_survives_the_manifest(names: set[bytes]) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        source, file = Path(scratch, "source"), Path(scratch, "manifest.json")
        source.mkdir()
        for name in names:
            Path(os.fsdecode(os.fsencode(source) + b"/" + name)).write_bytes(name)
        manifest.write(listed(source), file)
        again = manifest.read(file)

        assert {os.fsencode(one.place().name) for one in again.files} == names
        assert compare(again, Path("/"), NOWHERE).whole


def test_the_stored_form_stays_as_it_is(tmp_path: Path) -> None:
    entry = FileEntry("/srv/l\\xfc.txt", 3, 17, "ab" * 32, "L3Nydi9s/C50eHQ=")
    made = Manifest(manifest.FORMAT, "run-1", "nightly", 5, 6, "sqlite", (entry,))
    manifest.write(made, tmp_path / "manifest.json")

    assert json.loads((tmp_path / "manifest.json").read_text()) == {
        "format": "secvault manifest v1",
        "run": "run-1",
        "plan": "nightly",
        "data_at": 5,
        "audit_size": 6,
        "database": "sqlite",
        "files": [
            {
                "path": "/srv/l\\xfc.txt",
                "size": 3,
                "modified_ns": 17,
                "sha256": "ab" * 32,
                "raw_path": "L3Nydi9s/C50eHQ=",
            }
        ],
        "keys_apart": False,
    }
    assert manifest.read(tmp_path / "manifest.json") == made


def test_a_manifest_that_is_not_there_says_what_that_means(tmp_path: Path) -> None:
    with pytest.raises(Damaged, match="holds no manifest"):
        manifest.read(tmp_path / "manifest.json")


@pytest.mark.parametrize(
    "changed",
    [
        {"format": "secvault manifest v2"},
        {"files": [{"path": "relative", "size": 1, "modified_ns": 1, "sha256": ""}]},
        {"files": [{"path": "/a/../../etc/x", "size": 1, "modified_ns": 1, "sha256": ""}]},
        {"files": [{"path": "/a\0b", "size": 1, "modified_ns": 1, "sha256": ""}]},
        {"files": [{"path": "/a", "size": 1, "modified_ns": 1, "sha256": "", "raw_path": "*"}]},
        {"files": [{"path": "/a", "size": "1", "modified_ns": 1, "sha256": ""}]},
        {"files": None},
        {"data_at": 2**70},
    ],
)
def test_a_manifest_that_leads_astray_is_refused(
    tmp_path: Path, changed: dict[str, object]
) -> None:
    file = tmp_path / "manifest.json"
    sound = Manifest(manifest.FORMAT, "run-1", "nightly", 5, 6, "sqlite", ())
    file.write_text(json.dumps({**msgspec.to_builtins(sound), **changed}))

    with pytest.raises(Damaged):
        manifest.read(file)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"\xff\xfe", b"[" * 100_000, b'{"a":"\xff"}']
)
def test_what_is_no_manifest_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "manifest.json").write_bytes(content)

    with pytest.raises(Damaged):
        manifest.read(tmp_path / "manifest.json")
