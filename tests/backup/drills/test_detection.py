"""Damage is found as often as a drill's sample states: in thousands of repositories, and in real
ones.

Most repositories are simulated: a manifest of files, some of which are damaged, and the drill's own
draw from it. Randomness is fresh each time; the limits are such that an honest draw fails once in a
million runs. SVTEST_CORRUPTED_REPOSITORIES says how many (2,000 otherwise).
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import islice
from pathlib import Path

import pytest

from secvault.backup.drills.drawing import Draw, draw
from secvault.backup.drills.sample_restore import fetch_batches
from secvault.backup.drills.sampling import (
    chance_of_finding,
    least_damaged,
    most_damaged,
    sample_size,
)
from secvault.backup.excludes import Excludes
from secvault.backup.file_entry import FileEntry
from secvault.backup.listing import list_places
from secvault.backup.manifest import ENTRIES, FORMAT, Manifest, compare, entries
from secvault.backup.repository import Repository
from secvault.backup.repository_faults import RepositoryDamaged
from secvault.backup.restic import Progress, Restic
from secvault.backup.restic_process import NeverCancelled
from secvault.backup.walking import Place, Walk

REPOSITORIES = int(os.environ.get("SVTEST_CORRUPTED_REPOSITORIES", "2000"))
POPULATIONS = (1, 2, 3, 7, 20, 60, 150, 299, 500, 1200, 3000)
RATES = (1e-6, 0.001, 0.01, 0.02, 0.05, 0.2, 0.5)
CONFIDENCES = (0.5, 0.8, 0.9, 0.95, 0.99)
DEVIATIONS = 5
"""Of a sum of so many: beyond them lies less than one in a million."""
NOWHERE = Path("/nowhere")


@dataclass
class Tally:
    """Of the repositories with one stated confidence: how many, expected and found."""

    repositories: int = 0
    expected: float = 0
    variance: float = 0
    found: int = 0
    wrong_bounds: int = 0
    bounds: list[float] = field(default_factory=list)


@cache
def simulated(population: int) -> list[FileEntry]:
    """A manifest of so many files in folders, a tenth of them empty and a tenth with two names."""
    made: list[FileEntry] = []
    for number in range(population):
        if number % 50 == 0:
            made.append(FileEntry(f"/srv/{number:06}", 0, 0, mode=0o040755))
        linked = f"1:{number}" if number % 10 == 3 else ""
        size = 0 if number % 10 == 7 else number
        made += [
            FileEntry(f"/srv/{number // 50 * 50:06}/{number:06}{name}", size, 0, mode=0o100644,
                      linked=linked)
            for name in (("", ".second") if linked else ("",))
        ]  # fmt: skip
    return made


def drawn_from(made: Sequence[FileEntry], rate: float, confidence: float) -> Draw:
    return draw(lambda: made, lambda _entry: True, rate, confidence, os.urandom)


def corrupted(made: Sequence[FileEntry], count: int, damage: random.Random) -> set[str]:
    """So many damaged files by their first name: anywhere, or all in one stretch as of one pack."""
    first = list(dict.fromkeys(_file(one) for one in made if one.is_file()))
    if damage.random() < 0.5:
        return set(damage.sample(first, count))
    start = damage.randrange(len(first))
    return set(islice((first * 2)[start:], count))


def _file(entry: FileEntry) -> str:
    return entry.linked or entry.path


def test_damage_is_found_as_often_as_stated_and_bounds_hold_as_often() -> None:
    seed = random.SystemRandom().getrandbits(64)
    damage = random.Random(seed)
    tallies = {confidence: Tally() for confidence in CONFIDENCES}
    for number in range(REPOSITORIES):
        confidence = CONFIDENCES[number % len(CONFIDENCES)]
        made, rate = simulated(damage.choice(POPULATIONS)), damage.choice(RATES)
        drawn = drawn_from(made, rate, confidence)
        least = least_damaged(drawn.population, rate)
        # Just as much as the drill promises to find, or any more.
        count = least if damage.random() < 0.8 else damage.randint(least, drawn.population)
        hurt = corrupted(made, count, damage)
        found = len({_file(one) for one in drawn.entries} & hurt)
        tally, chance = tallies[confidence], chance_of_finding(drawn.population, count, drawn.size)
        assert chance >= confidence
        tally.repositories += 1
        tally.expected += chance
        tally.variance += chance * (1 - chance)
        tally.found += found > 0
        upper = most_damaged(drawn.population, drawn.size, found, confidence)
        tally.wrong_bounds += upper < count
    for confidence, tally in tallies.items():
        case = f"{confidence} by the seed {seed}: {tally}"
        count = tally.repositories
        away = DEVIATIONS * max(1, (count * confidence * (1 - confidence)) ** 0.5)
        assert tally.found >= count * confidence - away, case
        assert abs(tally.found - tally.expected) <= DEVIATIONS * max(1, tally.variance**0.5), case
        assert tally.wrong_bounds <= count * (1 - confidence) + away, case


def test_damage_of_just_the_rate_is_found_as_often_as_is_counted_exactly() -> None:
    # One case so often that a draw which prefers some files would show.
    made, rate, confidence, times = simulated(150), 0.02, 0.8, 3000
    population, hurt = 150, corrupted(simulated(150), 3, random.Random(4))
    chance = chance_of_finding(population, 3, sample_size(population, rate, confidence))
    found = sum(
        any(_file(one) in hurt for one in drawn_from(made, rate, confidence).entries)
        for _ in range(times)
    )
    assert abs(found - times * chance) <= DEVIATIONS * (times * chance * (1 - chance)) ** 0.5
    assert confidence <= chance < confidence + 0.01


@dataclass(frozen=True)
class Saved:
    """A folder in a real repository. blobs: pack, offset and length of each file's content."""

    repository: Repository
    snapshot: str
    made: list[FileEntry]
    blobs: dict[str, tuple[str, int, int]]


@pytest.fixture
def saved(restic: Restic, repository: Repository, tmp_path: Path) -> Saved:
    """80 files of different content, each one blob."""
    source = tmp_path / "source"
    source.mkdir()
    for number in range(80):
        (source / f"{number:02}").write_bytes(os.urandom(500 + number))
    snapshot = restic.backup(repository, [source], host="h", on_progress=_unseen).snapshot_id
    walk = Walk(Excludes(()), frozenset())
    (tmp_path / "listed").mkdir()
    listed = tmp_path / "listed"
    made = list_places([Place(source)], walk, listed / "none", listed / ENTRIES, lambda: None)
    head = Manifest(FORMAT, "run", "plan", 1, 0, "", listed=made)
    files = [one for one in entries(head, listed) if one.is_file()]
    return Saved(repository, snapshot, files, _blobs(restic, repository))


@pytest.mark.real
@pytest.mark.parametrize("count", [1, 4])
def test_a_flipped_bit_in_a_real_repository_is_found_just_when_its_file_is_drawn(
    restic: Restic, saved: Saved, tmp_path: Path, count: int
) -> None:
    outcomes = Counter[bool]()
    for number in range(6):
        copy = tmp_path / f"copy-{number}"
        shutil.copytree(saved.repository.location, copy)
        hurt = random.SystemRandom().sample(saved.made, count)
        for entry in hurt:
            content = entry.place().read_bytes()
            pack, offset, length = saved.blobs[hashlib.sha256(content).hexdigest()]
            _flip(copy / "data" / pack[:2] / pack, offset + length // 2)
        drawn = drawn_from(saved.made, 0.05, 0.6)
        broken = Repository(str(copy), saved.repository.password)
        is_drawn = any(one in hurt for one in drawn.entries)
        assert _finds(restic, broken, saved.snapshot, drawn, tmp_path / f"b-{number}") == is_drawn
        outcomes[is_drawn] += 1
    assert sum(outcomes.values()) == 6


@pytest.mark.real
def test_a_file_saved_with_other_content_is_found_just_when_it_is_drawn(
    restic: Restic, repository: Repository, saved: Saved, tmp_path: Path
) -> None:
    hurt = saved.made[:20]
    for entry in hurt:
        entry.place().write_bytes(os.urandom(entry.size))
        os.utime(entry.place(), ns=(entry.modified_ns, entry.modified_ns))
    source = saved.made[0].place().parent
    snapshot = restic.backup(repository, [source], host="h", on_progress=_unseen).snapshot_id
    for number in range(6):
        drawn = drawn_from(saved.made, 0.25, 0.5)
        back = tmp_path / f"back-{number}"
        is_drawn = any(one in hurt for one in drawn.entries)
        assert _finds(restic, repository, snapshot, drawn, back) == is_drawn


def _finds(
    restic: Restic, repository: Repository, snapshot: str, drawn: Draw, target: Path
) -> bool:
    """Whether restoring and comparing the sample shows any damage, as a drill does it."""
    fetching = fetch_batches(
        restic,
        repository,
        snapshot,
        target,
        drawn.batches,
        monotonic=time.monotonic,
        on_progress=_unseen,
        cancel=NeverCancelled(),
    )
    try:
        return not all(compare(batch.entries, target, NOWHERE).whole for batch in fetching)
    except RepositoryDamaged:
        return True


def _blobs(restic: Restic, repository: Repository) -> dict[str, tuple[str, int, int]]:
    """Where each blob lies, by its id: of a file of one blob, the SHA-256 of its content."""
    command = restic.command
    listed = command.answer(repository, "listing", "list", "index").split()
    found = {}
    for index in listed:
        answer = json.loads(command.answer(repository, "reading", "cat", "index", index.decode()))
        for pack in answer["packs"]:
            for blob in pack["blobs"]:
                found[blob["id"]] = (pack["id"], blob["offset"], blob["length"])
    return found


def _flip(pack: Path, at: int) -> None:
    pack.chmod(0o600)
    with pack.open("r+b") as file:
        file.seek(at)
        (was,) = file.read(1)
        file.seek(at)
        file.write(bytes([was ^ 1]))


def _unseen(_progress: Progress) -> None:
    """Nobody watches."""
