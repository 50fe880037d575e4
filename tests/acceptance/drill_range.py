"""A vault with records and databases and one backup of it all, on which drills are tried.

What a test does to the repository is undone by `Range.reset`, in the time that it takes to link a
few dozen files. Nothing in it is written over in place, therefore: see `Range.rewrite`.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Event
from typing import Any
from urllib.parse import urlsplit

import pytest
from sqlalchemy import delete, select

from secvault.backup import in_order, numbers, run, staging
from secvault.backup.engine import BackupEngine
from secvault.backup.run import Run
from secvault.clock import Clock
from secvault.config import PlanSettings, RepositorySettings
from secvault.config.drills import DrillSettings
from secvault.service import Service, authentication, opening, records
from secvault.service.spine import Caller
from secvault.store import tables
from tests.acceptance.drill_databases import Databases, databases_on
from tests.running_service import Hands, House, furnish, payslip

PLAN = "nightly"
PLANS = "SECVAULT_BACKUP__PLANS__NIGHTLY"
RECORDS = 12

Tamper = Callable[[Path], object]
"""Gets the folder that a run has staged."""


@dataclass
class Ticking:
    """A clock that runs. ahead: by how many seconds it is wrong."""

    ahead: float = 0.0

    def clock(self) -> Clock:
        """The clock."""
        return Clock(
            wall=lambda: int((time.time() + self.ahead) * 1_000_000),
            monotonic=time.monotonic,
            sleep=time.sleep,
        )


@dataclass
class Range:
    """The vault, open, after its first backup. pristine: copies of its repositories as they were.

    head: of payroll; their session ends by itself, and hundreds of drills take longer. runs: of
    those that belong to the pristine repository. undo: what `reset` does beside.
    """

    house: House
    service: Service
    head: Caller
    hands: Ticking
    databases: Databases
    files: Path
    pristine: Path
    runs: set[str] = field(default_factory=set)
    made: int = 0
    undo: list[Callable[[], object]] = field(default_factory=list)

    @property
    def repository(self) -> Path:
        """The repository of the plan."""
        return self.house.folder / "repository"

    @property
    def keys_repository(self) -> Path:
        """Where its data keys lie."""
        return self.house.folder / "repository-data-keys"

    @property
    def plan(self) -> PlanSettings:
        """The plan."""
        return self.service.backups.plan(PLAN)

    @property
    def staged(self) -> Path:
        """Where a run stages."""
        return self.service.backups.scratch / staging.staging(PLAN)

    @property
    def operator(self) -> Caller:
        """Who asks for drills."""
        return Caller(authentication.local_operator(self.service))

    def packs(self, repository: Path | None = None) -> list[Path]:
        """The files that hold the repository's data, in a fixed order."""
        found = (repository or self.repository) / "data"
        return sorted(path for path in found.rglob("*") if path.is_file())

    @staticmethod
    def rewrite(path: Path, content: bytes) -> None:
        """Write a file of the repository anew, never into the one that the pristine copy shares."""
        beside = path.with_name(f".{path.name}")
        beside.write_bytes(content)
        beside.replace(path)

    def planned(self, **changed: Any) -> Range:
        """The same with other settings of the plan."""
        engine = self.service.backups
        plan: PlanSettings = engine.declared[PLAN].model_copy(update=changed)
        engine = replace(engine, declared={**engine.declared, PLAN: plan})
        return replace(self, service=replace(self.service, backups=engine))

    def on_repository(self, settings: RepositorySettings) -> Range:
        """The same with a further repository `open` of these settings."""
        engine = self.service.backups
        at_hand = engine.repositories
        known = at_hand.declared
        repositories = replace(
            at_hand,
            declared=lambda name: settings if name == "open" else known(name),
            declared_names=(*at_hand.declared_names, "open"),
        )
        engine = replace(engine, repositories=repositories)
        return replace(self, service=replace(self.service, backups=engine))

    def drilling(self, **settings: Any) -> Range:
        """The same, where drills of the plan have these settings."""
        return self.planned(drill=DrillSettings(**settings))

    def back_up(
        self,
        *,
        staged: Tamper | None = None,
        listed: Tamper | None = None,
        options: Sequence[str] = (),
        clock: Clock | None = None,
    ) -> Run:
        """A run. staged: done to what it has copied, before that is listed and hashed. listed: the
        same afterwards, before restic reads it. options: of restic's, beside its own. clock: that
        the program of this run goes by.
        """
        self.made += 1
        run_id = f"run-{self.made}"
        engine = self._hooked(listed, options)
        if clock is not None:
            engine = replace(engine, clock=clock)
        run.begin(engine, PLAN, run_id, "user:thu")
        with (
            _looked_at_first(),
            engine.at_work(tables.backup_run, run_id, "the backup", Event()),
        ):
            for name in ("stage", "save", *(("copy",) if self.plan.copies else ())):
                in_order.STEPS[name](engine, run_id, _unseen, Event())
                if name == "stage" and staged is not None:
                    staged(self.staged)
            staging.clear_staging(engine, PLAN)
            with engine.store.write() as connection:
                return run.finish(engine, connection, run_id)

    def keep(self) -> None:
        """What is there now is what `reset` brings back."""
        for name, place in self._places():
            shutil.rmtree(self.pristine / name, ignore_errors=True)
            shutil.copytree(place, self.pristine / name, copy_function=os.link)
        with self.service.store.read() as connection:
            self.runs = set(connection.execute(select(tables.backup_run.c.id)).scalars())

    def reset(self) -> None:
        """Undo what was done to the repository, and forget the runs of since."""
        while self.undo:
            self.undo.pop()()
        for name, place in self._places():
            shutil.rmtree(place)
            shutil.copytree(self.pristine / name, place, copy_function=os.link)
        row = tables.backup_run
        with self.service.store.write() as connection:
            connection.execute(delete(row).where(row.c.id.not_in(self.runs)))
        staging.clear_staging(self.service.backups, PLAN)
        self.hands.ahead = 0.0

    def left_behind(self) -> list[str]:
        """What is still in the scratch space."""
        scratch = self.service.backups.scratch
        return sorted(one.name for one in scratch.iterdir()) if scratch.exists() else []

    def _places(self) -> Iterator[tuple[str, Path]]:
        yield "data", self.repository
        yield "keys", self.keys_repository

    def _hooked(self, listed: Tamper | None, options: Sequence[str]) -> BackupEngine:
        engine = self.service.backups
        command = engine.restic.command

        def launch(argv: Sequence[str], **how: Any) -> subprocess.Popen[bytes]:
            words = list(argv)
            if "backup" in words and "--tag=secvault" in words:
                at = words.index("backup") + 1
                words[at:at] = options
                if listed is not None:
                    listed(self.staged)
            return command.launch(words, **how)

        restic = replace(engine.restic, command=replace(command, launch=launch))
        return replace(engine, restic=restic)


@contextmanager
def shooting_range(
    folder: Path, postgresql: str, mariadb: str, more: Mapping[str, str] | None = None
) -> Iterator[Range]:
    """A range in this folder, with databases of its own on these servers, dropped at the end.

    more: further variables, as of another repository, which `reset` then brings not back.
    """
    with databases_on(folder, postgresql, mariadb) as databases:
        files = _files(folder / "files")
        settings = {**_settings(folder, databases, files), **(more or {})}
        house = furnish(folder / "house", Hands(time.time()), settings)
        hands = Ticking()
        with opening.opened(
            house.settings, hands.clock(), program="test", environment=dict(os.environ)
        ) as service:
            head = Caller(authentication.authenticate(service, house.tokens["head"]))
            made = Range(house, service, head, hands, databases, files, folder / "pristine")
            _add_records(made)
            made.back_up()
            if made.repository.is_dir():
                made.keep()
            yield made


def dump_of(made: Range, source: str) -> Path:
    """Where below the staged copy the dump of a database lies: `erp`, `shop` or `notes`."""
    databases = made.databases
    inner = {
        "erp": f"erp/{databases.erp}.dump",
        "shop": f"shop/{databases.shop}.sql",
        "notes": f"notes/{str(databases.notes).lstrip('/')}",
    }[source]
    return made.staged / staging.SOURCES / inner


def _settings(folder: Path, databases: Databases, files: Path) -> dict[str, str]:
    erp, shop = urlsplit(databases.postgresql), urlsplit(databases.mariadb)
    sources: dict[str, dict[str, Any]] = {
        "erp": {
            "kind": "postgresql",
            "host": erp.hostname,
            "port": erp.port,
            "user": erp.username,
            "password": erp.password,
            "databases": [databases.erp],
        },
        "shop": {
            "kind": "mariadb",
            "host": shop.hostname,
            "port": shop.port,
            "user": shop.username,
            "password": shop.password,
            "databases": [databases.shop],
        },
        "notes": {"kind": "sqlite", "files": [str(databases.notes)]},
        "papers": {"kind": "folders", "paths": [str(files)]},
    }
    return {
        f"{PLANS}__KEEP_LAST": "1000",
        "SECVAULT_BACKUP__REPOSITORIES__LOCAL__LOCATION": str(folder / "house" / "repository"),
        **{
            f"{PLANS}__SOURCES__{name.upper()}__{key.upper()}": value
            if isinstance(value, str)
            else json.dumps(value)
            for name, each in sources.items()
            for key, value in each.items()
            if value is not None
        },
    }


def _files(folder: Path) -> Path:
    (folder / "deep").mkdir(parents=True)
    for number in range(20):
        file = folder / ("deep" if number % 3 else ".") / f"Hồ sơ {number}.bin"
        file.write_bytes(os.urandom(1000 + 7000 * number))
        file.chmod(0o640 if number % 2 else 0o600)
    (folder / "empty.txt").touch()
    (folder / "deep" / "same").hardlink_to(folder / "Hồ sơ 0.bin")
    (folder / "link").symlink_to("deep")
    return folder


def _add_records(made: Range) -> None:
    head = made.head
    for number in range(RECORDS):
        fields = payslip(employee=f"nv-{number:04}", full_name=f"Người thứ {number}")
        records.create_record(made.service, head, "payroll", f"pay-{number:03}", fields)


class _AtOnce:
    """Does what it is given at once, in the thread that gives it."""

    def __init__(self, *_named: object) -> None:
        pass

    def submit(self, act: Callable[..., object], *given: object) -> Future[object]:
        done: Future[object] = Future()
        done.set_result(act(*given))
        return done

    def shutdown(self) -> None:
        pass


@contextmanager
def _looked_at_first() -> Iterator[None]:
    """Else the look for what is strange meets what is done to the staged copy meanwhile."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(numbers, "ThreadPoolExecutor", _AtOnce)
        yield


def _unseen(_progress: object) -> None:
    """Nobody watches."""
