"""What lies in a restored tree is told in the order of the manifest, whatever takes long."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from blake3 import blake3

from secvault.backup.file_entry import FileEntry
from secvault.backup.reading_ahead import seen_below
from secvault.errors import Cancelled

FILE = 0o100644


def entry(path: str, size: int = 0, mode: int = FILE, content: bytes = b"") -> FileEntry:
    return FileEntry(path, size, 0, blake3=blake3(content).hexdigest(), mode=mode)


def test_large_and_small_files_come_in_order_each_compared_by_its_content(tmp_path: Path) -> None:
    contents = {
        f"/{number:04}": os.urandom(6 << 20 if number % 60 == 5 else number)
        for number in range(200)
    }
    for path, content in contents.items():
        (tmp_path / path[1:]).write_bytes(content)
    changed = {"/0002", "/0065", "/0199"}
    for path in changed:
        with (tmp_path / path[1:]).open("r+b") as file:
            file.seek(-1, os.SEEK_END)
            file.write(bytes([contents[path][-1] ^ 1]))
    seen = list(
        seen_below(tmp_path, (entry(path, len(one), content=one) for path, one in contents.items()))
    )
    assert [one.entry.path for one in seen] == list(contents)
    assert {one.entry.path for one in seen if not one.same} == changed


def test_what_is_missing_or_no_file_is_not_the_same_and_keeps_none_waiting(
    tmp_path: Path,
) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("x")
    wanted = [entry("/pipe"), entry("/folder", mode=0o040755), entry("/gone"), entry("/file/below")]
    pipe, folder, gone, below = seen_below(tmp_path, wanted)
    assert pipe.found is not None
    assert folder.found is not None
    assert gone.found is below.found is None
    assert all(one.readable and not one.same for one in (pipe, folder, gone, below))


def test_what_cannot_be_read_is_told_apart_from_what_is_missing(tmp_path: Path) -> None:
    looping = tmp_path / "loop"
    looping.symlink_to("loop")
    (seen,) = seen_below(tmp_path, [entry("/loop/below")])
    assert seen.found is None
    assert not seen.readable


def test_what_lies_behind_a_link_did_not_come_back(tmp_path: Path) -> None:
    living, tree = tmp_path / "living", tmp_path / "tree"
    for folder in (living / "deep", tree):
        folder.mkdir(parents=True)
    (living / "deep" / "file").write_text("x")
    (tree / "srv").symlink_to(living)
    link, *behind = seen_below(
        tree, [entry("/srv", mode=0o120777), entry("/srv/deep/file", 1), entry("/srv/file", 1)]
    )
    assert link.found is not None
    assert [(one.found, one.readable, one.same) for one in behind] == [(None, False, False)] * 2


def test_what_stops_the_list_stops_the_reading(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")

    def listed() -> Iterator[FileEntry]:
        for _ in range(5000):
            yield entry("/file")
        raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        list(seen_below(tmp_path, listed()))


def test_only_so_much_is_read_ahead(tmp_path: Path) -> None:
    taken = 0

    def listed() -> Iterator[FileEntry]:
        nonlocal taken
        for _ in range(100_000):
            taken += 1
            yield entry("/none")

    reading = seen_below(tmp_path, listed())
    next(reading)
    assert taken < 5000
    reading.close()
