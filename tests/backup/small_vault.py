"""A store, a folder to save and a local repository, with a clock that tests move by hand."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Event
from typing import Any

from sqlalchemy import select

from secvault.backup import in_order, run
from secvault.backup.database import PostgresqlPrograms
from secvault.backup.drills import work
from secvault.backup.drills.examining import Beyond
from secvault.backup.drills.ground import Level
from secvault.backup.drills.order import AS_SET, LEVELS, DrillOrder
from secvault.backup.drills.result import DrillResult
from secvault.backup.drills.work import Means
from secvault.backup.engine import BackupEngine
from secvault.backup.key_file import PURPOSE
from secvault.backup.plan_rules import Openings
from secvault.backup.repositories import RepositoriesAtHand
from secvault.backup.restic import Cancel, ForgetReport, Progress, Snapshot, find_restic
from secvault.backup.restic_process import NeverCancelled
from secvault.backup.run import Run
from secvault.clock import Clock, system_clock
from secvault.config import PlanSettings, RepositorySettings
from secvault.crypto.canonical import JsonValue
from secvault.crypto.evidence import SignedEvidence, sign_evidence
from secvault.crypto.note import NoteSigner
from secvault.crypto.secret import Secret
from secvault.keyring import FileSeal, Keyring
from secvault.keyring.root import create_root, unseal
from secvault.store import Store, migrate, open_store, tables

PLAN = "nightly"
NOON = 1_790_000_000
SIGNER = NoteSigner("test/evidence", Secret(bytes(range(32))))
_NEVER = NeverCancelled()


@dataclass
class Hands:
    """The hands of the clock, in seconds; both clocks move together."""

    seconds: float = NOON

    def clock(self) -> Clock:
        return Clock(
            wall=lambda: int(self.seconds * 1_000_000),
            monotonic=lambda: self.seconds,
            sleep=time.sleep,
        )


def signed(result: DrillResult) -> SignedEvidence:
    """As evidence, of which these tests need no more than whose it is."""
    told: dict[str, JsonValue] = {"kind": "restore-drill", "id": result.id, "version": 2}
    return sign_evidence({**told, "passed": result.passed}, SIGNER)


@dataclass
class Repositories:
    """`local`, and further ones beside it, unless a test says otherwise by `settings`."""

    folder: Path
    settings: dict[str, RepositorySettings] = field(default_factory=dict)

    def declared(self, name: str) -> RepositorySettings:
        beside = self.folder / ("repository" if name == "local" else f"repository-{name}")
        return self.settings.get(name) or RepositorySettings(location=str(beside))

    def at_hand(self, store: Store) -> RepositoriesAtHand:
        """As an engine has them."""
        names = ("local", *self.settings)
        return RepositoriesAtHand(self.declared, names, store, Secret(bytes(32)), Openings())


@dataclass
class SmallVault:
    """What a test of runs and drills works with. documents: the folder that the plan saves.

    repositories: may be given settings; those that it has none for are folders.
    """

    folder: Path
    hands: Hands
    engine: BackupEngine
    documents: Path
    repositories: Repositories
    seen: list[Progress] = field(default_factory=list)

    def planned(self, **changed: Any) -> SmallVault:
        """The same vault with another plan."""
        plan = self.engine.declared[PLAN].model_copy(update=changed)
        return replace(self, engine=replace(self.engine, declared={PLAN: plan}))

    def back_up(self, run_id: str = "run-1") -> tuple[Run, ForgetReport]:
        return in_order.run_backup(
            self.engine,
            PLAN,
            run_id,
            requested_by="user:thu",
            on_progress=self.seen.append,
            cancel=Event(),
        )

    def drill(
        self,
        drill_id: str = "drill-1",
        order: DrillOrder = AS_SET,
        cancel: Cancel = _NEVER,
        *,
        now: float | None = None,
        room: int = 0,
        **levels: Level,
    ) -> DrillResult:
        """levels: beyond files, by their names. now: that of the clock, else at least the machine's
        own time, which restic gives to its snapshots. room: that the levels ask for.
        """
        self.hands.seconds = max(self.hands.seconds, time.time()) if now is None else now
        beyond = Beyond({name: levels[name] for name in LEVELS if name in levels}, lambda _: room)
        return work.run_drill(
            self.engine,
            PLAN,
            drill_id,
            order=order,
            requested_by="user:thu",
            means=Means(bring=lambda: nullcontext(beyond), sign=signed),
            on_progress=self.seen.append,
            cancel=cancel,
        )

    def snapshots(self) -> tuple[Snapshot, ...]:
        return run.snapshots(self.engine, PLAN)

    def packs(self) -> list[Path]:
        """The files that hold the repository's data, the largest last."""
        found = [path for path in (self.folder / "repository/data").rglob("*") if path.is_file()]
        return sorted(found, key=lambda path: path.stat().st_size)

    def left_in_scratch(self) -> list[str]:
        """Copies that are still there; restic keeps nothing in it."""
        scratch = self.engine.scratch
        return sorted(one.name for one in scratch.iterdir()) if scratch.exists() else []


def _keyring(store: Store, folder: Path, clock: Clock) -> Keyring:
    """Of a root that is made unless the store is a copy that has one."""
    seal = FileSeal(folder / "seal.key")
    with store.write() as connection:
        if connection.execute(select(tables.vault.c.id)).first() is None:
            if not seal.file.exists():
                seal.create()
            root = create_root(connection, seal, clock, os.urandom)
        else:
            root = unseal(connection, seal)
    return Keyring(store, clock, root)


@contextmanager
def small_vault(folder: Path, store_url: str = "") -> Iterator[SmallVault]:
    """A vault in this folder, new or a copy; on SQLite unless the address of a database is given.

    A copy holds the snapshots of its model, whose files come back under the paths of then.
    """
    hands = Hands()
    store = open_store(store_url or f"sqlite:///{folder}/secvault.db")
    migrate.upgrade(store)
    documents, policies = folder / "documents", folder / "policies"
    for place, name, content in (
        (documents, "Bảng lương.txt", "lương tháng 11".encode()),
        (documents, "deep/er/random.bin", os.urandom(200_000)),
        (policies, "roles.csv", b"p,role:x\n"),
    ):
        file = place / name
        if file.exists():
            continue
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    data = folder / "data"
    repositories = Repositories(folder)
    keyring = _keyring(store, folder, hands.clock())
    engine = BackupEngine(
        store=store,
        clock=hands.clock(),
        restic=find_restic(
            "restic", data / "restic-cache", data / "restic-scratch", system_clock(), os.environ
        ),
        postgresql=PostgresqlPrograms(),
        declared={PLAN: PlanSettings(repository="local", folders=(documents,), keep_last=2)},
        repositories=repositories.at_hand(store),
        own_folders=(policies,),
        scratch=data / "scratch",
        evidence=data / "evidence",
        password_key=Secret(bytes(32)),
        node="test:1",
        host="vault-test",
        environment={},
        keyring=keyring,
        keys_key=keyring.internal(PURPOSE),
    )
    try:
        yield SmallVault(folder, hands, engine, documents, repositories)
    finally:
        store.close()
