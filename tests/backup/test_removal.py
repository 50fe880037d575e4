"""What was restored is removed, whatever its modes, names and depth are, and nothing else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from secvault.backup.removal import remove_tree

NAME = "n" * 200
DEPTH = 30
"""Folders of that name: a path longer than the 4,096 bytes that Linux takes."""


@pytest.fixture(autouse=True, params=["root", "an account of its own"])
def who(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0 if request.param == "root" else 1000)


def test_a_tree_of_many_folders_goes_with_all_kinds_of_files(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    for number in range(50):
        folder = tree / f"{number % 7}" / f"{number}"
        folder.mkdir(parents=True)
        (folder / "file").write_bytes(b"x" * number)
        os.mkfifo(folder / "pipe")
        os.link(folder / "file", folder / "other name")
    (tree / os.fsdecode(b"\xff")).mkdir()
    remove_tree(tree)
    assert list(tmp_path.iterdir()) == []


def test_nothing_behind_a_link_is_removed(tmp_path: Path) -> None:
    living, tree = tmp_path / "living", tmp_path / "tree"
    living.mkdir()
    (living / "file").write_text("x")
    tree.mkdir()
    (tree / "folder").symlink_to(living)
    (tree / "file").symlink_to(living / "file")
    remove_tree(tree)
    assert [one.name for one in living.iterdir()] == ["file"]

    link = tmp_path / "link"
    link.symlink_to(living)
    with pytest.raises(NotADirectoryError):
        remove_tree(link)
    assert (living / "file").read_text() == "x"


def test_folders_that_nothing_may_be_deleted_from_go_too(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    for mode in (0o500, 0o000, 0o300):
        folder = tree / f"{mode:o}" / "below"
        folder.mkdir(parents=True)
        (folder / "file").write_text("x")
        folder.chmod(mode)
        folder.parent.chmod(mode)
    remove_tree(tree)
    assert not tree.exists()


def test_what_lies_deeper_than_a_path_can_say_goes_too(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    at = os.open(tree, os.O_RDONLY)
    for _ in range(DEPTH):
        os.mkdir(NAME, dir_fd=at)
        below = os.open(NAME, os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = below
    os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=at))
    os.close(at)
    remove_tree(tree)
    assert not tree.exists()


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        remove_tree(tmp_path / "nothing")
