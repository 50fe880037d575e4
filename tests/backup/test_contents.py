"""Files of records in a staged copy: every whole one, without a second set of bytes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from secvault.backup.contents import stage_contents


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "attachments"
    (made / "ab").mkdir(parents=True)
    (made / "ab" / "abcd").write_bytes(b"sealed")
    (made / "ab" / "abce.part").write_bytes(b"on its way")
    return made


def test_whole_files_are_there_under_a_second_name_and_unfinished_ones_are_not(
    folder: Path, tmp_path: Path
) -> None:
    stage_contents(folder, tmp_path / "staged")
    (staged,) = (file for file in (tmp_path / "staged").rglob("*") if file.is_file())
    assert staged.read_bytes() == b"sealed"
    assert staged.samefile(folder / "ab" / "abcd")
    # What is removed here stays there.
    (folder / "ab" / "abcd").unlink()
    assert staged.read_bytes() == b"sealed"


def test_where_there_are_no_links_it_is_copied(folder: Path, tmp_path: Path) -> None:
    def refuse(_source: str, _target: str) -> None:
        raise PermissionError("no links on this file system")

    stage_contents(folder, tmp_path / "staged", refuse)
    staged = tmp_path / "staged" / "ab" / "abcd"
    assert staged.read_bytes() == b"sealed"
    assert not staged.samefile(folder / "ab" / "abcd")
    assert staged.stat().st_mode & 0o777 == 0o600


def test_a_file_that_is_removed_meanwhile_is_left_out(folder: Path, tmp_path: Path) -> None:
    (folder / "ab" / "abcf").write_bytes(b"removed")

    def link(source: str, target: str) -> None:
        if source.endswith("abcf"):
            Path(source).unlink()
        os.link(source, target)

    stage_contents(folder, tmp_path / "staged", link)
    assert [file.name for file in (tmp_path / "staged" / "ab").iterdir()] == ["abcd"]
