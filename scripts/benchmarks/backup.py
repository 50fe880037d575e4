"""A run of a plan beside bare restic on the same data: many files, one large file, nothing changed.

Both save into folders with the same password and apply the same retention. The other side's
repository is as `restic init` makes it; ours is opened by a key that costs less to try
(`secvault.backup.restic_key_file`), and what restic takes with such a key has a row of its own.
Without --full the data is small: for a look, and for the test of this benchmark.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from benchmarks.backup_sides import BareRestic, Plan, Taken, beside, opened_vault
from benchmarks.result import Compared, compare, show, write

MOST_TIME = 1.05
MOST_GROWTH = 32 << 20
"""How much more memory of ours a run may take at its worst than before it, in bytes."""

SMALL = (400, 16, 32)
FULL = (10_000, 1024, 2048)
"""Files, their size together and the size of the one large file, in MiB."""

MANY, LARGE, UNCHANGED = "many files", "one large file", "nothing changed"


@dataclass
class Rounds:
    """What was taken in each round, by each side, for one kind of work.

    eased: of restic with our kind of key. least: of restic beside which all is hashed, where
    everything is new.
    """

    ours: list[Taken] = field(default_factory=list)
    theirs: list[Taken] = field(default_factory=list)
    eased: list[Taken] = field(default_factory=list)
    least: list[Taken] = field(default_factory=list)


def main() -> int:
    """Measure, print and write; the exit code."""
    arguments = _arguments()
    found: dict[str, Rounds] = {name: Rounds() for name in (MANY, LARGE, UNCHANGED)}
    with tempfile.TemporaryDirectory(prefix="bench-", dir=arguments.folder) as place:
        folder = Path(place)
        many, large = folder / "many", folder / "large"
        _make_files(many, arguments.files, (arguments.mib << 20) // arguments.files)
        _make_files(large, 1, arguments.large_mib << 20)
        with _progress(arguments.rounds * (3 * len(found) + 2)) as progress:
            for number in range(arguments.rounds):
                names = (f"many-{number}", f"large-{number}")
                kept = folder / f"round-{number}"
                with opened_vault(kept, dict(zip(names, (many, large), strict=True))) as plans:
                    _measure(plans[names[0]], kept, number, (found[MANY], found[UNCHANGED]),
                             progress)  # fmt: skip
                    _measure(plans[names[1]], kept, number, (found[LARGE],), progress)
                shutil.rmtree(kept)
    rows = [row for name, rounds in found.items() for row in _rows(name, rounds)]
    show(f"Backups: {arguments.files:,} files of {arguments.mib} MiB, and one of "
         f"{arguments.large_mib} MiB", rows, _notes(found))  # fmt: skip
    if arguments.json:
        write(arguments.json, rows, {"rounds": {name: asdict(of) for name, of in found.items()}})
    missed = any(row.verdict == "missed" for row in rows)
    return 1 if arguments.enforce and missed else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench backup", description=__doc__)
    parser.add_argument("--full", action="store_true", help="10,000 files of 1 GiB, one of 2 GiB")
    parser.add_argument("--files", type=int, help="how many")
    parser.add_argument("--mib", type=int, help="of all of them together")
    parser.add_argument("--large-mib", type=int, help="of the one large file")
    parser.add_argument("--rounds", type=int, default=3, help="each side in turn")
    parser.add_argument("--folder", type=Path, help="on whose disk all of it lies")
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    parser.add_argument("--enforce", action="store_true", help="exit 1 when a budget is missed")
    arguments = parser.parse_args()
    given = (arguments.files, arguments.mib, arguments.large_mib)
    usual = FULL if arguments.full else SMALL
    arguments.files, arguments.mib, arguments.large_mib = (
        one or other for one, other in zip(given, usual, strict=True)
    )
    if min(arguments.files, arguments.mib, arguments.large_mib, arguments.rounds) < 1:
        parser.error("every number is at least 1")
    return arguments


@contextmanager
def _progress(total: int) -> Iterator[Progress]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        progress.add_task("runs", total=total)
        yield progress


def _make_files(folder: Path, count: int, size: int) -> None:
    """Files of which half can be compressed away, in folders of 100."""
    for number in range(count):
        file = folder / f"{number // 100}" / f"{number}.bin"
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("wb") as out:
            left = size
            while left > 0:
                half = os.urandom(2048)
                left -= out.write((half + half)[:left])


def _measure(
    plan: Plan, folder: Path, number: int, works: tuple[Rounds, ...], progress: Progress
) -> None:
    """Each kind of work by all sides on repositories of their own, in an order that changes."""

    def took(found: list[Taken], one: Taken) -> None:
        found.append(one)
        progress.advance(progress.task_ids[0])

    with beside(plan, folder, "hashing") as hashing:
        took(works[0].least, hashing.run(hashing=True))
    with (
        beside(plan, folder, "bare") as bare,
        beside(plan, folder, "eased", copied=True) as eased,
    ):
        for rounds in works:
            sides: list[tuple[list[Taken], Plan | BareRestic]] = [
                (rounds.ours, plan),
                (rounds.theirs, bare),
                (rounds.eased, eased),
            ]
            for found, side in sides if number % 2 else reversed(sides):
                took(found, side.run())
    # Room for what comes next.
    shutil.rmtree(plan.repository)


def _rows(name: str, rounds: Rounds) -> list[Compared]:
    growth = max(one.grown for one in rounds.ours)
    ours, theirs, eased, least = (
        [one.seconds for one in side]
        for side in (rounds.ours, rounds.theirs, rounds.eased, rounds.least)
    )
    peer = "restic backup, forget"
    rows = [compare(name, "s", ours, theirs, peer=peer, budget=round(1 / MOST_TIME, 3),
                    less_is_better=True),
            compare(f"{name}: beside restic with such a key", "s", ours, eased, peer=peer,
                    less_is_better=True)]  # fmt: skip
    if least:
        rows.append(compare(f"{name}: the same, hashed beside", "s", least, theirs, peer=peer,
                            less_is_better=True))  # fmt: skip
    return [
        *rows,
        Compared(
            f"{name}: more memory of ours", "MiB", growth / 2**20, MOST_GROWTH / 2**20, "asked",
            MOST_GROWTH / max(growth, 2**20), 1.0,
        ),
    ]  # fmt: skip


def _notes(found: dict[str, Rounds]) -> list[str]:
    apart = ", ".join(
        f"{name} {statistics.median(one.seconds - one.in_restic for one in of.ours):.2f} s"
        for name, of in found.items()
    )
    calls = max(one.calls for of in found.values() for one in of.ours)
    return [
        "Ours is a run of a plan that saves a folder: each file hashed for the manifest, saved,",
        "retention applied, what happened audited. Theirs is restic backup, then restic forget",
        "--prune with the same rules, on a repository as restic init makes it. A ratio of 0.952",
        "is 1.05 times the time. Beside restic with such a key: theirs on a copy of our empty",
        "repository, whose password costs next to nothing to try. Hashed beside: restic as",
        "usual, while a thread takes the BLAKE3 of all files and nothing waits for it.",
        f"Of ours while no restic ran, the hashing most of all: {apart}.",
        f"Ours runs restic {calls} times, theirs 2 times; each opens the repository's password.",
    ]


if __name__ == "__main__":
    sys.exit(main())
