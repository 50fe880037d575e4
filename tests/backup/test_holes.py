"""Holes are given to restored files, and to no others."""

from __future__ import annotations

import os
from pathlib import Path

from secvault.backup import holes
from secvault.backup.file_entry import FileEntry

SIZE = 1 << 20


def _zeros(file: Path) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(bytes(SIZE))
    return file


def _entry(path: str) -> FileEntry:
    return FileEntry(path=path, size=SIZE, modified_ns=0, mode=0o100600, allocated=0)


def test_no_file_is_touched_that_lies_behind_a_restored_link(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    own, other = _zeros(tree / "srv" / "own"), _zeros(tmp_path / "living" / "other")
    (tree / "link").symlink_to(other.parent)
    before = other.stat()
    dug = holes.dig([_entry("/srv/own"), _entry("/link/other")], tree, dict(os.environ))
    assert dug <= 1
    after = other.stat()
    assert (after.st_blocks, after.st_ctime_ns) == (before.st_blocks, before.st_ctime_ns)
    assert own.read_bytes() == bytes(SIZE)
