"""A sample comes back alone and as it was, whatever its files are called, by old and new restic."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from secvault.backup import restic_arguments as arguments
from secvault.backup.drills.drawing import draw
from secvault.backup.drills.sample_restore import Fetched, fetch_batches
from secvault.backup.excludes import Excludes
from secvault.backup.listing import list_places
from secvault.backup.manifest import ENTRIES, FORMAT, FileEntry, Manifest, compare, entries
from secvault.backup.repository import Repository
from secvault.backup.restic import Progress, Restic, find_restic
from secvault.backup.restic_process import NeverCancelled
from secvault.backup.walking import Place, Walk
from secvault.clock import system_clock

NOWHERE = Path("/nowhere")
ODD_NAMES = (
    "*", "?", "[a-z]", "back\\slash", " blanks ", "new\nline", "carriage\r", "$HOME", "$$", "#no",
    "!not", "-option", "Bảng lương tháng 11.xlsx", "quo\"te'", "a,b", "{x}", "trailing.",
)  # fmt: skip


def listed(folder: Path, into: Path) -> list[FileEntry]:
    """The manifest's entries of the folder."""
    into.mkdir()
    walk = Walk(Excludes(()), frozenset())
    made = list_places([Place(folder)], walk, into / "none", into / ENTRIES, lambda: None)
    return list(entries(Manifest(FORMAT, "run", "plan", 1, 0, "", listed=made), into))


def fetched(
    restic: Restic,
    repository: Repository,
    snapshot: str,
    target: Path,
    batches: Sequence[Sequence[FileEntry]],
) -> list[Fetched]:
    return list(
        fetch_batches(
            restic,
            repository,
            snapshot,
            target,
            batches,
            monotonic=time.monotonic,
            on_progress=_unseen,
            cancel=NeverCancelled(),
        )
    )


def restored_files(target: Path) -> set[str]:
    return {
        os.path.relpath(f"{folder}/{name}", target)
        for folder, _, names in os.walk(target)
        for name in names
    }


@pytest.fixture
def program(each_restic: str, tmp_path: Path) -> Restic:
    return find_restic(
        each_restic, tmp_path / "cache", tmp_path / "scratch", system_clock(), os.environ
    )


def saved(restic: Restic, repository: Repository, folder: Path) -> str:
    return restic.backup(repository, [folder], host="h", on_progress=_unseen).snapshot_id


def test_just_what_was_drawn_comes_back_whatever_it_is_called(
    program: Restic, repository: Repository, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    for parent in ("plain", "*", "[a-z]"):
        (source / parent).mkdir(parents=True)
        for name in ODD_NAMES:
            (source / parent / name).write_text(f"{parent} {name}")
        (source / parent / os.fsdecode(b"l\xfc\xf6ng")).write_bytes(b"not UTF-8")
    for number in range(300):
        (source / f"{number:03}").write_bytes(bytes(number))
    snapshot = saved(program, repository, source)
    made = listed(source, tmp_path / "listed")
    drawn = draw(lambda: made, lambda _entry: True, 0.008, 0.95, os.urandom)
    odd = [one for one in made if one.is_file() and not one.path.startswith(f"{source}/0")]
    back = fetched(program, repository, snapshot, tmp_path / "sample", drawn.batches)
    odd_back = fetched(program, repository, snapshot, tmp_path / "odd", [odd[:-1]])
    for target, expected in ((tmp_path / "sample", drawn.entries), (tmp_path / "odd", odd[:-1])):
        assert restored_files(target) == {str(one.place())[1:] for one in expected}
        compared = compare(expected, target, NOWHERE)
        assert compared.whole, compared.first_fault
        assert compared.checked == len(expected)
    assert sum(one.timed.files for one in back) == drawn.size
    assert sum(one.timed.bytes for one in back) == drawn.bytes
    assert all(one.timed.seconds > 0 for one in (*back, *odd_back))


def test_names_of_one_file_are_names_of_one_file_again(
    program: Restic, repository: Repository, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for number in range(40):
        (source / f"{number}").write_text(f"{number}")
        for folder in ("a", "b"):
            (source / folder).mkdir(exist_ok=True)
            os.link(source / f"{number}", source / folder / f"{number}")
    snapshot = saved(program, repository, source)
    made = listed(source, tmp_path / "listed")
    drawn = draw(lambda: made, lambda _entry: True, 0.05, 0.95, os.urandom)
    assert (drawn.population, drawn.size * 3) == (40, len(drawn.entries))
    fetched(program, repository, snapshot, tmp_path / "back", drawn.batches)
    compared = compare(drawn.entries, tmp_path / "back", NOWHERE)
    assert compared.whole, compared.first_fault


def test_more_paths_than_a_program_can_be_given_come_back_all(
    program: Restic, repository: Repository, tmp_path: Path
) -> None:
    source = tmp_path / "source" / ("d" * 200) / ("e" * 200)
    source.mkdir(parents=True)
    for number in range(1200):
        (source / f"{'n' * 150}{number}").write_text("x")
    snapshot = saved(program, repository, tmp_path / "source")
    made = [one for one in listed(tmp_path / "source", tmp_path / "listed") if one.is_file()]
    assert sum(len(one.path) for one in made) > arguments.MOST_ARGUMENT_BYTES
    (back,) = fetched(program, repository, snapshot, tmp_path / "back", [made])
    assert len(restored_files(tmp_path / "back")) == 1200
    assert back.timed.starts == (1 if program.version() >= (0, 17, 0) else 2)


def test_what_the_snapshot_lacks_does_not_come_and_the_manifest_tells(
    program: Restic, repository: Repository, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for name in ("there", "gone"):
        (source / name).write_text(name)
    made = [one for one in listed(source, tmp_path / "listed") if one.is_file()]
    (source / "gone").unlink()
    snapshot = saved(program, repository, source)
    fetched(program, repository, snapshot, tmp_path / "back", [made])
    assert compare(made, tmp_path / "back", NOWHERE).missing == (f"{source}/gone",)


def _unseen(_progress: Progress) -> None:
    """Nobody watches."""
