"""The two sides of the benchmark of backups: a plan of a vault, and restic by itself."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event
from typing import Any

from blake3 import blake3

from secvault.backup.restic import Progress
from secvault.service import Service, authentication, backups
from secvault.service.spine import Caller
from tests.acceptance.installation import new_installation

KEPT = {"last": 3, "daily": 14, "weekly": 8, "monthly": 24}
_CLEAR_PEAK = "5"


@dataclass(frozen=True)
class Taken:
    """What one run took. in_restic: seconds of them in which restic ran; calls: how often.

    grown: bytes by which the peak of this process's memory was above what it had before.
    """

    seconds: float
    in_restic: float
    calls: int
    grown: int = 0


@dataclass(frozen=True)
class Plan:
    """A plan of an opened vault that saves one folder into a repository that is made already.

    spans: gets the seconds of each run of restic.
    """

    service: Service
    name: str
    folder: Path
    spans: list[float]

    @property
    def repository(self) -> Path:
        """The folder of its repository."""
        return Path(self.service.backups.repository(self.name).location)

    def run(self) -> Taken:
        """One run, in this process, through the service."""
        caller = Caller(authentication.local_operator(self.service))
        self.spans.clear()
        Path("/proc/self/clear_refs").write_text(_CLEAR_PEAK)
        before = _memory("VmRSS")
        # What was written before is not written during what is measured.
        os.sync()
        began = time.perf_counter()
        done, _ = backups.run_backup(self.service, caller, self.name, unseen, Event())
        seconds = time.perf_counter() - began
        if done.state != "done":
            raise RuntimeError(f"the run of {self.name} is {done.state}: {done.error}")
        grown = max(0, _memory("VmHWM") - before)
        return Taken(seconds, sum(self.spans), len(self.spans), grown)


@dataclass(frozen=True)
class BareRestic:
    """restic on a repository of its own."""

    repository: Path
    password: Path
    cache: Path
    folder: Path

    def run(self, *, hashing: bool = False) -> Taken:
        """Save the folder, then apply the retention.

        hashing: each file's BLAKE3 is taken meanwhile, and nothing waits for it: no manifest can
        cost less.
        """
        os.sync()
        began = time.perf_counter()
        with ThreadPoolExecutor(1) as pool:
            files = [path for path in self.folder.rglob("*") if path.is_file()] if hashing else []
            hashed = pool.submit(_hash, files)
            self.call("backup", str(self.folder))
            hashed.result()
        rules = [f"--keep-{name}={count}" for name, count in KEPT.items()]
        self.call("forget", "--prune", *rules)
        seconds = time.perf_counter() - began
        return Taken(seconds, seconds, 2)

    def call(self, *command: str) -> None:
        """Run restic on the repository. Raises CalledProcessError."""
        where = [f"--repo={self.repository}", f"--password-file={self.password}",
                 f"--cache-dir={self.cache}"]  # fmt: skip
        subprocess.run(
            ["restic", *where, *command],
            check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        )  # fmt: skip


@contextmanager
def opened_vault(folder: Path, saved: Mapping[str, Path]) -> Iterator[dict[str, Plan]]:
    """A vault with a plan for each folder by its name, each with a new, empty repository."""
    rules = "".join(f"keep_{name} = {count}\n" for name, count in KEPT.items())
    declared = "".join(
        f'[backup.repositories.{name}]\nlocation = "{folder}/{name}"\n'
        f'[backup.plans.{name}]\nvault = false\nrepository = "{name}"\n'
        f'folders = ["{place}"]\n{rules}'
        for name, place in saved.items()
    )
    with new_installation(folder, declared).opened() as opened:
        spans: list[float] = []
        service = timing(opened, spans)
        for name in saved:
            service.backups.ready_repository(name)
        yield {name: Plan(service, name, place, spans) for name, place in saved.items()}


@contextmanager
def beside(plan: Plan, folder: Path, name: str, *, copied: bool = False) -> Iterator[BareRestic]:
    """restic with an empty repository of its own and the plan's password.

    name: of the repository, which is removed at the end. copied: it is the plan's, so that the
    password costs what it costs there; else as `restic init` makes it, with the cost that this
    chooses.
    """
    repository = folder / f"{plan.name}-{name}"
    password = folder / f"{plan.name}-password"
    password.touch(mode=0o600)
    password.write_bytes(plan.service.backups.repository(plan.name).password.expose())
    cache = folder / f"{plan.name}-{name}-cache"
    bare = BareRestic(repository, password, cache, plan.folder)
    if copied:
        shutil.copytree(plan.repository, repository)
    else:
        bare.call("init")
    try:
        yield bare
    finally:
        shutil.rmtree(repository)
        shutil.rmtree(cache, ignore_errors=True)


def timing(service: Service, spans: list[float]) -> Service:
    """The same service, which notes how long each restic runs."""

    class Timed(subprocess.Popen[bytes]):
        def __init__(self, *arguments: Any, **more: Any) -> None:
            self.began = time.perf_counter()
            super().__init__(*arguments, **more)

        def wait(self, timeout: float | None = None) -> int:
            code = super().wait(timeout)
            spans.append(time.perf_counter() - self.began)
            return code

    restic = service.backups.restic
    timed = replace(restic, command=replace(restic.command, launch=Timed))
    return replace(service, backups=replace(service.backups, restic=timed))


def _hash(files: Sequence[Path]) -> None:
    for file in files:
        with file.open("rb", buffering=0) as content:
            hashlib.file_digest(content, blake3)  # type: ignore[arg-type]


def unseen(_progress: Progress) -> None:
    """Nobody watches."""


def _memory(name: str) -> int:
    """Bytes, as the kernel counts them for this process."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) << 10
    raise LookupError(f"the kernel tells no {name} of process {os.getpid()}")
