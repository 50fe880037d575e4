"""A vault with one snapshot, made once, and what tests of drills look at."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from secvault.backup.drills import stored
from secvault.backup.drills.result import DrillResult, LevelResult
from secvault.backup.drills.stored import Drill
from tests.backup.small_vault import SmallVault, small_vault


@contextmanager
def copied(model: Path, folder: Path) -> Iterator[SmallVault]:
    """The vault of this folder once more, whose files come back under the paths of then."""
    shutil.copytree(model, folder)
    with small_vault(folder) as made:
        yield made


def row_of(vault: SmallVault, drill_id: str) -> Drill:
    found = stored.find_drill(vault.engine, drill_id)
    assert found is not None
    return found


def level_of(result: DrillResult, name: str) -> LevelResult:
    return next(one for one in result.levels if one.name == name)


def codes(result: DrillResult) -> set[tuple[str, str]]:
    """Which faults each level found."""
    return {(level.name, fault.code) for level in result.levels for fault in level.faults}


def flip(file: Path) -> None:
    """One bit in the midst of a file."""
    content = bytearray(file.read_bytes())
    content[len(content) // 3] ^= 1
    file.chmod(0o600)
    file.write_bytes(content)
