"""What came back as the copy of secvault is looked at before it is opened."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from secvault.backup import manifest
from secvault.backup.restored_copy import require_plain
from secvault.errors import Damaged


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A restored tree as an honest run fills it, beside a folder that is not of it."""
    tree = tmp_path / "tree"
    staged = tree / "var" / "staging-nightly"
    for folder in ("policies", "attachments/ab", "sources/erp"):
        (staged / folder).mkdir(parents=True)
    for name in ("manifest.json", "secvault.db", "secvault.toml", "attachments/ab/cd"):
        (staged / name).write_text("x")
    (staged / "policies" / "current").symlink_to("/etc/secvault/policies/7")
    (tmp_path / "other" / "staging-nightly").mkdir(parents=True)
    return tree


def _staged(tree: Path) -> Path:
    return tree / "var" / "staging-nightly"


def test_what_a_run_stages_is_taken_with_the_links_of_its_policies(tree: Path) -> None:
    require_plain(tree, _staged(tree))


def _linked_database(staged: Path) -> None:
    (staged / "secvault.db").unlink()
    (staged / "secvault.db").symlink_to("/var/lib/secvault/data/secvault.db")


def _linked_policies(staged: Path) -> None:
    (staged / "more").symlink_to("/etc")


def _linked_attachments(staged: Path) -> None:
    (staged / "attachments" / "ab" / "ef").symlink_to("/etc/passwd")


def _piped_settings(staged: Path) -> None:
    (staged / "secvault.toml").unlink()
    os.mkfifo(staged / "secvault.toml")


def _a_journal(staged: Path) -> None:
    (staged / "secvault.db-journal").write_text("x")


def _elsewhere(staged: Path) -> None:
    staged.parent.rename(staged.parent.with_name("before"))
    staged.parent.symlink_to(staged.parents[2] / "other")


@pytest.mark.parametrize(
    "forge",
    [
        _linked_database,
        _linked_policies,
        _linked_attachments,
        _piped_settings,
        _a_journal,
        _elsewhere,
    ],
)
def test_nothing_that_leads_elsewhere_is_opened(tree: Path, forge: Callable[[Path], None]) -> None:
    forge(_staged(tree))
    with pytest.raises(Damaged):
        require_plain(tree, _staged(tree))


@pytest.mark.timeout(20)
def test_a_manifest_that_is_no_file_is_none(tmp_path: Path) -> None:
    pipe, link = tmp_path / "pipe", tmp_path / "link"
    os.mkfifo(pipe)
    link.symlink_to("/dev/zero")
    for one in (pipe, link):
        with pytest.raises(Damaged, match="no manifest"):
            manifest.read(one)
