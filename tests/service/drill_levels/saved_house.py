"""A vault with records of two departments and a file, saved once; and a drill's ground over it."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event
from typing import Any, cast

import msgspec

from secvault.backup import manifest, run
from secvault.backup.database import SQLITE_COPY
from secvault.backup.drills.ground import Ground, Stopwatch
from secvault.backup.drills.result import FaultCode, LevelResult
from secvault.service import Service, attachment_upload, authentication, backups, records
from secvault.service.attachment_upload import Sent
from secvault.service.drill_levels import OwnLevels, own_levels
from secvault.service.spine import Caller
from tests.api.test_api_attachments import CONTRACT
from tests.quick_repository import made_quickly
from tests.running_service import Hands, House, furnish, join

PLAN = "nightly"
PDF = b"%PDF-1.7\nthe contract\n%%EOF\n"
SUPPLIER = {
    "name": "Công ty Mẫu",
    "country": "VN",
    "bank": "VCB",
    "bank_account": "0071000999999",
    "since": "2020-01-01",
}


def present() -> Hands:
    """Of the real time: the restored service has the machine's own clock."""
    return Hands(time.time() // 30 * 30 + 10)


def furnished(folder: Path, more: dict[str, str] | None = None) -> House:
    """The vault, not saved yet."""
    house = furnish(folder, present(), more)
    with house.open() as service:
        head = Caller(authentication.authenticate(service, house.tokens["head"]))
        records.create_record(service, head, "contracts", "ct-1", cast("dict[str, Any]", CONTRACT))
        attach(service, head, PDF)
    return house


def saved(folder: Path, more: dict[str, str] | None = None) -> House:
    """The vault with one snapshot."""
    house = furnished(folder, more)
    with made_quickly(), house.open() as service:
        back_up(service)
    return house


def back_up(service: Service) -> None:
    operator = Caller(authentication.local_operator(service))
    backups.run_backup(service, operator, PLAN, lambda _progress: None, Event())


def attach(service: Service, head: Caller, content: bytes) -> None:
    sent = Sent("contract.pdf", "application/pdf")

    def begin() -> attachment_upload.Upload:
        return attachment_upload.begin_upload(
            service, head, "contracts", "ct-1", "document", sent, None
        )

    with attachment_upload.uploading(begin) as upload:
        upload.write(content)
        upload.finish()


def supplier(service: Service, house: House) -> None:
    """A record of another department than hr."""
    treasurer = join(service, house, "nga", ("role:accounting.head", "accounting"))
    records.create_record(service, treasurer, "suppliers", "sup-1", SUPPLIER)


def ground_of(service: Service, folder: Path, drill: str = "drill-1") -> Ground:
    """What a drill has when its newest snapshot is restored."""
    engine = service.backups
    snapshot = run.newest_snapshot(engine, PLAN)
    repository = engine.opened_repository("local")
    tree, scratch = folder / "tree", folder / "scratch"
    for one in (tree, scratch):
        one.mkdir(mode=0o700, parents=True)
    engine.restic.restore(
        repository,
        snapshot.id,
        tree,
        verify=False,
        on_progress=lambda _progress: None,
        cancel=Event(),
    )
    staged = run.staged_in(tree, snapshot, PLAN)
    plan = engine.plan(PLAN)
    return Ground(
        engine=engine,
        drill=drill,
        plan_name=PLAN,
        # Low priority costs time where tests share the processors.
        plan=plan.model_copy(update={"drill": plan.drill.model_copy(update={"gentle": False})}),
        repository=repository,
        snapshot=snapshot,
        manifest=manifest.read(staged / manifest.NAME),
        tree=tree,
        staged=staged,
        scratch=scratch,
        whole=True,
        watch=Stopwatch(time.monotonic),
        cancel=Event(),
        on_progress=lambda _progress: None,
        may_use=lambda: 1 << 40,
    )


@dataclass
class Drilled:
    """A drill over a restored copy, which a test may damage before it looks."""

    service: Service
    ground: Ground
    levels: OwnLevels

    @property
    def database(self) -> Path:
        return self.ground.staged / SQLITE_COPY

    def change(self, *statements: str) -> None:
        """Change the restored database, past secvault."""
        with closing(sqlite3.connect(self.database)) as connection:
            for statement in statements:
                connection.execute(statement)
            connection.commit()

    def triggers(self) -> list[str]:
        """What drops the triggers that keep rows of the log as they are."""
        with closing(sqlite3.connect(self.database)) as connection:
            found = connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
            return [f"DROP TRIGGER {name}" for (name,) in found]

    def claim(self, **changed: Any) -> None:
        """Have the manifest say something else."""
        claimed = msgspec.structs.replace(self.ground.manifest, **changed)
        self.ground = replace(self.ground, manifest=claimed)

    def vault(self) -> LevelResult:
        return self.levels.vault(self.ground)

    def serve(self) -> LevelResult:
        return self.levels.service(self.ground)


@contextmanager
def drilled(service: Service, folder: Path, **how: Any) -> Iterator[Drilled]:
    """A drill of the newest snapshot, up to its levels."""
    with own_levels(service, **how) as levels:
        yield Drilled(service, ground_of(service, folder), levels)


def codes(result: LevelResult) -> list[FaultCode]:
    return [fault.code for fault in result.faults]


def fact(result: LevelResult, name: str) -> int | str:
    return next(fact.value for fact in result.facts if fact.name == name)
