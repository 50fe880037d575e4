"""A flipped bit, a cut or a missing file in a repository is found, and never restored as good."""

from __future__ import annotations

import os
import random
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from secvault.backup.repository import Repository
from secvault.backup.repository_faults import RepositoryDamaged
from secvault.backup.restic import Progress, Restic
from secvault.errors import Damaged, SecvaultError

pytestmark = pytest.mark.real
FLIPS = 4


def ignore(_: Progress) -> None:
    """For whom progress does not matter."""


@pytest.fixture
def saved(restic: Restic, repository: Repository, tmp_path: Path) -> Path:
    """A folder of random data that is in the repository as its only snapshot."""
    folder = tmp_path / "saved"
    folder.mkdir()
    for number in range(3):
        (folder / f"{number}.bin").write_bytes(os.urandom(200_000))
    restic.backup(repository, [folder], host="host", on_progress=ignore)
    return folder


def flipped(
    original: Repository, kind: str, chance: random.Random, at: Path
) -> tuple[Repository, Path]:
    """A copy of the repository with one bit flipped in one of its files of this kind."""
    shutil.copytree(original.location, at)
    files = sorted(path for path in (at / kind).rglob("*") if path.is_file()) or [at / kind]
    file = chance.choice(files)
    content = bytearray(file.read_bytes())
    content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    file.chmod(0o600)
    file.write_bytes(content)
    return replace(original, location=str(at)), file


def without_cache(restic: Restic, at: Path) -> Restic:
    """restic that has seen nothing of a repository before."""
    return replace(restic, command=replace(restic.command, cache=at))


def is_restored_whole(restic: Restic, repository: Repository, saved: Path, at: Path) -> bool:
    """Whether a restore says that it went well; if it does, every bit must be right."""
    try:
        restic.restore(repository, "latest", at, verify=False, on_progress=ignore)
    except SecvaultError:
        return False
    for path in saved.iterdir():
        assert (at / path.relative_to("/")).read_bytes() == path.read_bytes()
    return True


@pytest.mark.slow
# Each of its many runs of restic derives a key, on a machine that may be busy.
@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", ["data", "index", "snapshots", "config", "keys"])
def test_a_flipped_bit_is_found_and_never_restored_as_good(
    restic: Restic, repository: Repository, saved: Path, tmp_path: Path, kind: str
) -> None:
    seed = random.SystemRandom().getrandbits(64)
    chance = random.Random(seed)
    for number in range(FLIPS):
        where = tmp_path / f"flip-{number}"
        damaged, file = flipped(repository, kind, chance, where / "repository")
        fresh = without_cache(restic, where / "cache")
        found: Damaged | None = None
        try:
            fresh.check(damaged, read_all=True)
        except RepositoryDamaged as error:
            found = error
        whole = is_restored_whole(fresh, damaged, saved, where / "back")
        told = f"{kind}, seed {seed}, flip {number} in {file}"

        if kind == "keys":
            # A key file also holds names and dates that protect nothing.
            assert found is not None or whole, told
            continue
        assert found is not None, told
        if kind == "data":
            assert f"pack {file.name}" in found.files, told
        elif kind != "config":
            assert any(name.split()[-1][:8] == file.name[:8] for name in found.files), told


@pytest.mark.parametrize("harm", ["cut", "gone"])
def test_a_pack_cut_short_or_gone_is_found(
    restic: Restic, repository: Repository, saved: Path, tmp_path: Path, harm: str
) -> None:
    pack = max(Path(repository.location, "data").glob("*/*"), key=lambda path: path.stat().st_size)
    pack.chmod(0o600)
    if harm == "cut":
        os.truncate(pack, pack.stat().st_size - 100)
    else:
        pack.unlink()
    with pytest.raises(RepositoryDamaged) as caught:
        # Without reading the data: 0.14 tries for 40 seconds to read a file that is not there.
        without_cache(restic, tmp_path / "fresh").check(repository)
    assert f"pack {pack.name}" in caught.value.files


def test_a_damaged_snapshot_is_told_and_the_others_can_be_listed(
    restic: Restic, repository: Repository, saved: Path, tmp_path: Path
) -> None:
    (first,) = restic.snapshots(repository)
    second = restic.backup(repository, [saved / "0.bin"], host="host", on_progress=ignore)
    file = Path(repository.location, "snapshots", first.id)
    file.chmod(0o600)
    file.write_bytes(file.read_bytes()[::-1])
    fresh = without_cache(restic, tmp_path / "fresh")

    with pytest.raises(RepositoryDamaged, match=first.id[:8]):
        fresh.snapshots(repository)
    left = fresh.snapshots(repository, skip_damaged=True)
    assert [one.id for one in left] == [second.snapshot_id]


def test_a_damaged_key_file_is_not_called_a_wrong_password(
    restic: Restic, repository: Repository
) -> None:
    (key,) = Path(repository.location, "keys").iterdir()
    key.chmod(0o600)
    content = key.read_bytes()
    at = content.index(b'"data":"') + 20
    key.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
    with pytest.raises(RepositoryDamaged, match=key.name[:8]):
        restic.exists(repository)
