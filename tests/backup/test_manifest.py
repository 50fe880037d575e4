"""What a manifest lists, how a restored tree compares with it, and what is refused as one."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from secvault.backup import manifest
from secvault.backup.excludes import Excludes
from secvault.backup.listing import list_places
from secvault.backup.manifest import Comparison, FileEntry, Listed, Manifest, compare
from secvault.backup.sources.source import SourceEntry
from secvault.backup.walking import Place, Walk
from secvault.errors import Damaged

NOWHERE = Path("/nowhere")
NOT_UTF8 = b"l\xfc\xf6ng \xff.txt"


def listed(into: Path, *folders: Path) -> tuple[FileEntry, ...]:
    """What the folders hold, written below `into` and read again."""
    walk = Walk(Excludes(()), frozenset())
    made = list_places(
        [Place(folder) for folder in folders],
        walk,
        into / "none",
        into / manifest.ENTRIES,
        lambda: None,
    )
    assert walk.unreadable == []
    head = Manifest(manifest.FORMAT, "run-1", "nightly", 1, 2, "sqlite", listed=made)
    manifest.write(head, into / manifest.NAME)
    return tuple(manifest.entries(manifest.read(into / manifest.NAME), into))


@dataclass(frozen=True)
class Tree:
    """A folder with files, its manifest, and a copy as a restore brings it back."""

    source: Path
    made: tuple[FileEntry, ...]
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
    made = listed(tmp_path, source)
    target = tmp_path / "target"
    target.joinpath(*source.parts[1:-1]).mkdir(parents=True)
    subprocess.run(["cp", "-a", source, target.joinpath(*source.parts[1:-1])], check=True)
    return Tree(source, made, target)


def test_all_is_listed_folders_before_what_is_in_them_and_links_are_not_followed(
    tree: Tree,
) -> None:
    names = [str(one.place().relative_to(tree.source)) for one in tree.made]

    assert names == [
        *(".", "deep", "deep/lương.txt", "empty", "link", os.fsdecode(NOT_UTF8), "plain.txt")
    ]
    assert [one.path for one in tree.made if one.target] == [f"{tree.source}/link"]


def test_an_unchanged_copy_is_whole(tree: Tree) -> None:
    compared = tree.compared()

    assert compared.whole
    assert (compared.checked, compared.bytes, compared.entries) == (3, 5 + 6 + 3, 7)


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
        source = Path(scratch, "source")
        source.mkdir()
        for name in names:
            Path(os.fsdecode(os.fsencode(source) + b"/" + name)).write_bytes(name)
        again = listed(Path(scratch), source)

        assert {os.fsencode(one.place().name) for one in again[1:]} == names
        assert compare(again, Path("/"), NOWHERE).whole


FIRST = {
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


def test_a_manifest_of_the_first_version_is_read_for_ever(tmp_path: Path) -> None:
    (tmp_path / manifest.NAME).write_text(json.dumps(FIRST))
    head = manifest.read(tmp_path / manifest.NAME)

    (entry,) = manifest.entries(head, tmp_path)
    assert entry == FileEntry(
        "/srv/l\\xfc.txt", 3, 17, sha256="ab" * 32, raw_path="L3Nydi9s/C50eHQ="
    )
    file = tmp_path / "restored" / os.fsdecode(b"srv/l\xfc.txt")
    file.parent.mkdir(parents=True)
    file.write_bytes(b"abc")
    os.utime(file, ns=(17, 17))
    assert manifest.compare([entry], tmp_path / "restored", NOWHERE).different == (entry.path,)


@pytest.mark.parametrize("content", [b"plain", b"plaim"])
def test_a_manifest_of_the_second_version_knows_files_by_their_sha_256(
    tree: Tree, content: bytes
) -> None:
    folder = tree.source.parent
    head = msgspec.structs.replace(
        manifest.read(folder / manifest.NAME), format="secvault manifest v2"
    )
    lines = b"".join(
        msgspec.json.encode(
            msgspec.structs.replace(
                one,
                blake3="",
                sha256=hashlib.sha256(one.place().read_bytes()).hexdigest() if one.blake3 else "",
            )
        )
        + b"\n"
        for one in manifest.entries(head, folder)
    )
    (folder / manifest.ENTRIES).write_bytes(lines)
    assert head.listed is not None
    digest = hashlib.sha256(lines).hexdigest()
    head = msgspec.structs.replace(head, listed=msgspec.structs.replace(head.listed, sha256=digest))
    manifest.write(head, folder / manifest.NAME)
    file = tree.restored / "plain.txt"
    before = file.stat().st_mtime_ns
    file.write_bytes(content)
    os.utime(file, ns=(before, before))

    assert tree.compared().whole == (content == b"plain")


def test_the_stored_form_stays_as_it_is(tmp_path: Path) -> None:
    head = Manifest(
        manifest.FORMAT,
        "run-1",
        "nightly",
        5,
        6,
        "sqlite",
        sources=(SourceEntry("web", "folders", ("/srv/web",)),),
        listed=Listed(2, 3, "cd" * 32),
        left_out=("/srv/web/cache/*",),
    )
    manifest.write(head, tmp_path / manifest.NAME)

    assert json.loads((tmp_path / manifest.NAME).read_text()) == {
        "format": "secvault manifest v3",
        "run": "run-1",
        "plan": "nightly",
        "data_at": 5,
        "audit_size": 6,
        "database": "sqlite",
        "files": [],
        "keys_apart": False,
        "sources": [
            {"name": "web", "kind": "folders", "paths": ["/srv/web"], "excludes": [], "facts": {}}
        ],
        "listed": {"entries": 2, "bytes": 3, "sha256": "cd" * 32},
        "left_out": ["/srv/web/cache/*"],
    }
    assert manifest.read(tmp_path / manifest.NAME) == head
    link = FileEntry(
        "/srv/l\\xfc",
        0,
        17,
        raw_path="L3Nydi9s/A==",
        mode=0o120777,
        uid=3,
        gid=4,
        changed_ns=18,
        inode=5,
        target="plain.txt",
        attributes={"user.a": "ef" * 32},
    )
    assert msgspec.json.encode(link).decode() == (
        '{"path":"/srv/l\\\\xfc","size":0,"modified_ns":17,"raw_path":"L3Nydi9s/A==",'
        '"mode":41471,"uid":3,"gid":4,"changed_ns":18,"inode":5,"target":"plain.txt",'
        f'"attributes":{{"user.a":"{"ef" * 32}"}}}}'
    )


@pytest.mark.parametrize("change", ["a line less", "a changed line", "a line more", "gone"])
def test_lines_that_are_not_those_that_were_written_are_damage(tree: Tree, change: str) -> None:
    folder = tree.source.parent
    file, head = folder / manifest.ENTRIES, manifest.read(folder / manifest.NAME)
    lines = file.read_bytes().splitlines(keepends=True)
    changed = {
        "a line less": lines[:-1],
        "a changed line": [*lines[:-1], lines[-1].replace(b"plain", b"plaim")],
        "a line more": [*lines, lines[-1]],
    }
    if change == "gone":
        file.unlink()
    else:
        file.write_bytes(b"".join(changed[change]))

    with pytest.raises(Damaged, match="files of the manifest"):
        list(manifest.entries(head, folder))


def test_a_manifest_that_is_not_there_says_what_that_means(tmp_path: Path) -> None:
    with pytest.raises(Damaged, match="holds no manifest"):
        manifest.read(tmp_path / "manifest.json")


@pytest.mark.parametrize(
    "changed",
    [
        {"format": "secvault manifest v4"},
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
    sound = Manifest(manifest.FIRST_FORMAT, "run-1", "nightly", 5, 6, "sqlite")
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
