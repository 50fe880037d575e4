"""A real restic, or several: SVTEST_RESTIC names them, separated by colons; else that in PATH."""

from __future__ import annotations

import os
import secrets
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest

from secvault.backup.repository import Repository
from secvault.backup.restic import Restic, find_restic
from secvault.clock import system_clock
from secvault.crypto.secret import Secret
from tests import quick_repository

RESTICS = os.environ.get("SVTEST_RESTIC", "restic").split(os.pathsep)
TREE = {
    "plain.txt": b"plain",
    "empty": b"",
    "thư mục/Bảng lương tháng 11.txt": "lương".encode(),
    unicodedata.normalize("NFD", "thư mục/Bảng lương tháng 12.txt"): b"decomposed",
    "deep/er/still/big.bin": bytes(range(256)) * 4096,
}


@pytest.fixture(params=RESTICS)
def restic(request: pytest.FixtureRequest, tmp_path: Path) -> Restic:
    """The program, with folders of its own, and an environment that holds a secret of ours."""
    environment = {**os.environ, "SECVAULT_SECRET": "must-not-reach-restic"}
    return find_restic(
        request.param, tmp_path / "cache", tmp_path / "scratch", system_clock(), environment
    )


@pytest.fixture(params=["the machine's", "a newer one"])
def each_restic(request: pytest.FixtureRequest) -> str:
    """The program of the restic in the PATH (Debian 12's is 0.14), then of one of 0.18 or later."""
    if request.param == "the machine's":
        return "restic"
    return str(request.getfixturevalue("newer_restic"))


@pytest.fixture
def new_repository(tmp_path: Path) -> Callable[[], Repository]:
    """Makes the address of a local repository, nothing being there yet."""

    def make() -> Repository:
        name = f"repository-{secrets.token_hex(4)}"
        return Repository(str(tmp_path / name), Secret.of(secrets.token_urlsafe(24)))

    return make


@pytest.fixture
def repository(new_repository: Callable[[], Repository]) -> Repository:
    """An initialised, empty local repository."""
    made = new_repository()
    quick_repository.make(made)
    return made


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder with what file systems offer: names, links, modes, an empty file and folder."""
    folder = tmp_path / "source"
    for name, content in TREE.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (folder / "empty folder").mkdir()
    (folder / "link").symlink_to("plain.txt")
    (folder / "dangling").symlink_to("nowhere")
    (folder / "plain.txt").chmod(0o640)
    (folder / "deep").chmod(0o700)
    return folder


@pytest.fixture
def large_source(tmp_path: Path) -> Path:
    """Enough random data (96 MiB) to keep restic at work for a second."""
    folder = tmp_path / "large"
    folder.mkdir()
    for number in range(24):
        (folder / f"{number}.bin").write_bytes(os.urandom(4 << 20))
    return folder
