"""A restore drill beside bare `restic restore` and the hashing of what it brought back.

Both read the same snapshot of the same repository, in alternating rounds, to the same disk. The
hashes of the other side are made one file after the other by the same library, and compared with
nothing. Once more, and not timed, the drill's scratch space is looked at from outside, again and
again. Without --full the data is small: for a look, and for the test of this benchmark.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from threading import Event, Thread

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from benchmarks.backup_sides import timing, unseen
from benchmarks.result import Compared, compare, show, write
from secvault.backup.drills.stored import Drill
from secvault.backup.repository import Repository
from secvault.cli import serve
from secvault.nursery import Nursery
from secvault.service import Service, authentication, backups, drills
from secvault.service.spine import Caller
from tests.acceptance.installation import new_installation

MOST_TIME = 1.15
SMALL = (300, 8, 24)
FULL = (8_000, 768, 1_536)
"""Small files, their size together, and that of the large ones together, in MiB."""
LARGE_FILES = 12

FILES, EVERYTHING = "files", "everything"
"""The plans: of the data alone; of the data and the vault itself, with a service to be started."""


@dataclass
class Rounds:
    """Seconds of each round, by each side. phases, restic: of ours; announced, used: bytes."""

    ours: list[float] = field(default_factory=list)
    theirs: list[float] = field(default_factory=list)
    restored: list[float] = field(default_factory=list)
    phases: list[Mapping[str, float]] = field(default_factory=list)
    restic: list[float] = field(default_factory=list)
    announced: int = 0
    used: int = 0


@dataclass(frozen=True)
class Side:
    """A plan of an opened vault that has one snapshot. spans: gets the seconds of each restic."""

    service: Service
    caller: Caller
    plan: str
    folder: Path
    spans: list[float]

    def drill(self, rounds: Rounds | None = None) -> Drill:
        """One drill, whole, with every level of the plan; timed where there are rounds."""
        self.spans.clear()
        os.sync()
        began = time.perf_counter()
        done = drills.run_drill(self.service, self.caller, self.plan, unseen, Event())
        seconds = time.perf_counter() - began
        if not done.passed:
            raise RuntimeError(f"the drill of {self.plan} did not pass: {done.faults}")
        if rounds is not None:
            rounds.ours.append(seconds)
            rounds.phases.append({name: took / 1000 for name, took in done.phases.items()})
            rounds.restic.append(sum(self.spans))
        return done

    def bare(self, rounds: Rounds) -> None:
        """restic restore, then the hash of every file."""
        target = self.folder / "bare"
        repository = self.service.backups.repository(
            self.service.backups.plan(self.plan).repository
        )
        snapshot = self.service.backups.restic.snapshots(repository)[-1].id
        password = _password(self.folder, repository)
        where = [f"--repo={repository.place}", f"--password-file={password}",
                 f"--cache-dir={self.folder / 'bare-cache'}"]  # fmt: skip
        os.sync()
        began = time.perf_counter()
        subprocess.run(
            ["restic", *where, "restore", f"--target={target}", snapshot],
            check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        restored = time.perf_counter()
        for folder, _, names in os.walk(target):
            for name in names:
                _hash(f"{folder}/{name}")
        rounds.theirs.append(time.perf_counter() - began)
        rounds.restored.append(restored - began)
        shutil.rmtree(target)


def main() -> int:
    """Measure, print and write; the exit code."""
    arguments = _arguments()
    # As in the worker of a service, which was forked from the keeper: before there is a thread.
    serve.load_program()
    nursery = serve.nursery()
    found = {name: Rounds() for name in (FILES, EVERYTHING)}
    with tempfile.TemporaryDirectory(prefix="bench-", dir=arguments.folder) as place:
        folder = Path(place)
        _make_files(folder / "data", arguments.files, arguments.mib, arguments.large_mib)
        with (
            _opened(folder, nursery) as sides,
            _progress(len(found) * (2 * arguments.rounds + 2)) as step,
        ):
            for side in sides:
                backups.run_backup(side.service, side.caller, side.plan, unseen, Event())
                step()
                _watched(side, found[side.plan])
                step()
            for number in range(arguments.rounds):
                for side in sides:
                    works: list[Callable[[Rounds], object]] = [side.drill, side.bare]
                    for work in works if number % 2 else works[::-1]:
                        work(found[side.plan])
                        step()
    rows = [row for name, rounds in found.items() for row in _rows(name, rounds)]
    show(f"Drills: {arguments.files:,} files of {arguments.mib} MiB, {LARGE_FILES} of "
         f"{arguments.large_mib} MiB", rows, _notes(found))  # fmt: skip
    if arguments.json:
        write(arguments.json, rows, {"rounds": {name: asdict(of) for name, of in found.items()}})
    missed = any(row.verdict == "missed" for row in rows)
    return 1 if arguments.enforce and missed else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench drill", description=__doc__)
    parser.add_argument("--full", action="store_true", help="8,000 files, 2.3 GiB in all")
    parser.add_argument("--files", type=int, help="how many small ones")
    parser.add_argument("--mib", type=int, help="of all of them together")
    parser.add_argument("--large-mib", type=int, help=f"of the {LARGE_FILES} large ones together")
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
def _progress(total: int) -> Iterator[Callable[[], None]]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("backups and drills", total=total)
        yield lambda: progress.advance(task)


def _make_files(folder: Path, count: int, mib: int, large_mib: int) -> None:
    """Small files of every size in folders of 100, a few large ones; half can be compressed."""
    chosen = random.Random(9)
    weights = [chosen.lognormvariate(0, 1.5) for _ in range(count)]
    for number, weight in enumerate(weights):
        size = int(weight / sum(weights) * (mib << 20))
        _write(folder / f"{number // 100}" / f"{number}.bin", size)
    for number in range(LARGE_FILES):
        _write(folder / "large" / f"{number}.bin", (large_mib << 20) // LARGE_FILES)


def _write(file: Path, size: int) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("wb") as out:
        while size > 0:
            half = os.urandom(2048)
            size -= out.write((half + half)[:size])


@contextmanager
def _opened(folder: Path, nursery: Nursery) -> Iterator[tuple[Side, ...]]:
    """A vault with both plans, each with a repository of its own."""
    declared = "".join(
        f'[backup.repositories.{name}]\nlocation = "{folder}/repository-{name}"\n'
        f'[backup.plans.{name}]\nvault = {vault}\nrepository = "{name}"\n'
        f'folders = ["{folder}/data"]\nkeep_last = 2\n'
        f"[backup.plans.{name}.drill]\nlevels = {levels}\n"
        for name, vault, levels in (
            (FILES, "false", ["repository", "files"]),
            (EVERYTHING, "true", ["repository", "files", "databases", "vault", "service"]),
        )
    )
    with new_installation(folder / "installation", declared).opened() as opened:
        spans: list[float] = []
        service = replace(timing(opened, spans), nursery=nursery)
        caller = Caller(authentication.local_operator(service))
        yield tuple(Side(service, caller, name, folder, spans) for name in (FILES, EVERYTHING))


def _watched(side: Side, rounds: Rounds) -> None:
    """One drill whose scratch space is looked at from outside for as long as it runs."""
    over, most = Event(), [0]

    def look() -> None:
        while not over.wait(0.02):
            most[0] = max(most[0], *map(_taken, side.service.backups.scratch.glob("drill-*")), 0)

    looking = Thread(target=look)
    looking.start()
    try:
        done = side.drill()
    finally:
        over.set()
        looking.join()
    rounds.announced, rounds.used = done.scratch_announced or 0, most[0]


def _taken(folder: Path) -> int:
    """Bytes on disk; not by the drill's own code."""
    total = 0
    for place, folders, names in os.walk(folder):
        for name in (*folders, *names):
            try:
                total += os.lstat(f"{place}/{name}").st_blocks * 512
            except FileNotFoundError:
                continue
    return total


def _hash(path: str) -> None:
    with open(path, "rb") as content:  # noqa: PTH123 - one of ten thousand
        hashlib.file_digest(content, "sha256")


def _password(folder: Path, repository: Repository) -> Path:
    file = folder / "bare-password"
    file.touch(mode=0o600)
    file.write_bytes(repository.password.expose())
    return file


def _rows(name: str, rounds: Rounds) -> list[Compared]:
    return [
        compare(
            f"a drill, {name}", "s", rounds.ours, rounds.theirs, peer="restic restore, hashing",
            budget=round(1 / MOST_TIME, 3), less_is_better=True,
        ),
        Compared(
            f"its scratch space, {name}", "MiB", rounds.used / 2**20, rounds.announced / 2**20,
            "announced", rounds.announced / max(1, rounds.used), 1.0,
        ),
    ]  # fmt: skip


def _notes(found: Mapping[str, Rounds]) -> list[str]:
    told = [
        "Ours is a whole drill through the service, until its evidence is signed and stored and",
        "what was restored is removed. Theirs is restic restore and the SHA-256 of each file,",
        "as sha256sum takes it (ours compares by BLAKE3); removing them is not counted. A ratio of",
        "0.87 is 1.15 times the time.",
    ]
    for name, of in found.items():
        phases = ", ".join(
            f"{phase} {statistics.median(one.get(phase, 0) for one in of.phases):.2f}"
            for phase in ("fetch", "restore", "load", "verify")
        )
        told.append(
            f"{name}: of ours {phases} s, restic ran {statistics.median(of.restic):.2f} s; theirs "
            f"restored in {statistics.median(of.restored):.2f} s."
        )
    return told


if __name__ == "__main__":
    sys.exit(main())
