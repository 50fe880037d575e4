"""Scenarios on a small vault: what is no protection does not pass for one; room comes first."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from secvault.backup.drills.scenarios import bucket_lost, ransomware
from secvault.backup.drills.scenarios.script import Broken, Script
from secvault.backup.repository_faults import StorageFull
from secvault.backup.restic_process import NeverCancelled
from tests.backup.small_vault import PLAN, SmallVault, small_vault

pytestmark = [pytest.mark.real, pytest.mark.usefixtures("quick_repositories")]


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[SmallVault]:
    with small_vault(tmp_path) as made:
        yield made


def script(vault: SmallVault, folder: Path) -> Script:
    engine = vault.engine
    folder.mkdir()
    return Script(
        engine=engine,
        id="s-1",
        scenario="ransomware",
        plan_name=PLAN,
        plan=engine.plan(PLAN),
        folder=folder,
        requested_by="user:thu",
        cancel=NeverCancelled(),
        on_progress=lambda _: None,
        mark=lambda _: None,
        started_at=engine.clock.micros(),
        began=engine.clock.monotonic(),
    )


def _refusing(code: int, where: Callable[[Path], bool]) -> Callable[[Path, bytes], int]:
    write = Path.write_bytes

    def written(self: Path, content: bytes) -> int:
        if ransomware.PROBES in self.name and where(self):
            raise OSError(code, os.strerror(code))
        return write(self, content)

    return written


@pytest.mark.parametrize(
    ("code", "where", "found"),
    [
        # Nothing can be written anywhere: that protects.
        (errno.EROFS, lambda _: True, set()),
        # Only at the top, and what counts lies further down.
        (errno.EACCES, lambda probe: probe.parent.name != "data", {"repository-not-protected"}),
        (errno.ENOSPC, lambda _: True, {"repository-unreachable"}),
        (errno.EIO, lambda _: True, {"repository-unreachable"}),
    ],
)
def test_only_a_refusal_protects_a_folder_and_no_full_disk_does(
    vault: SmallVault,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    code: int,
    where: Callable[[Path], bool],
    found: set[str],
) -> None:
    vault.back_up()
    played = script(vault, tmp_path / "scenario")
    monkeypatch.setattr(Path, "write_bytes", _refusing(code, where))
    survives = ransomware._survives(played, "local", os.urandom)
    assert {fault.code for fault in played.faults} == found
    assert survives is not bool(found)
    assert not [*vault.folder.rglob(f"{ransomware.PROBES}*")]


def test_a_probe_that_cannot_be_deleted_but_overwritten_is_told_and_protects_nothing(
    vault: SmallVault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault.back_up()
    played = script(vault, tmp_path / "scenario")

    def kept(_self: Path, **_how: Any) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(Path, "unlink", kept)
    # It was overwritten, which is as bad.
    assert not ransomware._survives(played, "local", os.urandom)
    assert [words for words in played.not_tested if "stays" in words]


def test_a_folder_that_is_not_mounted_is_no_protection(vault: SmallVault, tmp_path: Path) -> None:
    played = script(vault, tmp_path / "scenario")
    with pytest.raises(Broken):
        ransomware._attack_folder(played, "local", tmp_path / "nowhere", os.urandom)
    assert {fault.code for fault in played.faults} == {"repository-unreachable"}


def test_without_room_nothing_of_the_second_repository_is_restored(
    vault: SmallVault, tmp_path: Path
) -> None:
    vault = vault.planned(copies=("away",), vault=False)
    vault.back_up()
    played = script(vault, tmp_path / "scenario")
    with pytest.raises(StorageFull, match="nothing was restored"):
        bucket_lost.play(played, (), lambda _head: 1 << 60)
    assert not (played.folder / "tree").exists()
