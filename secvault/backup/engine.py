"""What every run and drill works with: the store, restic, the plans, the scratch space."""

from __future__ import annotations

import base64
import os
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Table, insert, select, update

from secvault.backup.database import PostgresqlPrograms
from secvault.backup.repository import Repository, s3_credentials
from secvault.backup.restic import Restic
from secvault.clock import Clock
from secvault.config import PlanSettings, RepositorySettings
from secvault.crypto import aead
from secvault.crypto.secret import Secret
from secvault.errors import NotFound
from secvault.store import Store, tables

BEAT_SECONDS = 10
SILENT_AFTER_SECONDS = 60


@dataclass(frozen=True)
class BackupEngine:
    """The parts that runs and drills share.

    own_folders: secvault's own files that go into every backup beside its database. scratch: a
    folder of ours, wiped at will. password_key: seals the repositories' passwords. node: this
    process, for the runs that it works on. environment: where S3 credentials may come from.
    """

    store: Store
    clock: Clock
    restic: Restic
    postgresql: PostgresqlPrograms
    plans: Mapping[str, PlanSettings]
    repository_settings: Callable[[str], RepositorySettings]
    own_folders: tuple[Path, ...]
    scratch: Path
    evidence: Path
    password_key: Secret
    node: str
    host: str
    environment: Mapping[str, str]
    random: aead.Random = os.urandom

    def plan(self, name: str) -> PlanSettings:
        """A declared plan. Raises NotFound."""
        found = self.plans.get(name)
        if found is None:
            known = ", ".join(sorted(self.plans)) or "none"
            raise NotFound(f"there is no backup plan {name!r}; declared are: {known}")
        return found

    def repository(self, name: str) -> Repository:
        """The repository with its password, which is made at first use and kept sealed."""
        settings = self.repository_settings(name)
        table = tables.backup_repository
        context = aead.bind("secvault/repository-password", name)
        with self.store.write() as connection:
            sealed = connection.execute(
                select(table.c.sealed_password).where(table.c.name == name)
            ).scalar_one_or_none()
            if sealed is None:
                fresh = base64.urlsafe_b64encode(aead.draw(32, self.random))
                sealed = aead.seal(fresh, self.password_key, context, self.random)
                connection.execute(
                    insert(table).values(
                        name=name,
                        location=settings.location,
                        sealed_password=sealed,
                        created_at=self.clock.micros(),
                    )
                )
        password = Secret(aead.open_sealed(sealed, self.password_key, context))
        return Repository(settings.location, password, s3_credentials(settings, self.environment))

    def ready_repository(self, name: str) -> Repository:
        """The same, initialised, and free of locks that dead processes left."""
        repository = self.repository(name)
        if not self.restic.exists(repository):
            self.restic.init(repository)
        self.restic.unlock(repository)
        return repository

    def fresh_folder(self, name: str) -> Path:
        """An empty private folder in the scratch space."""
        folder = self.scratch / name
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir(parents=True, mode=0o700)
        return folder

    @contextmanager
    def beating(self, table: Table, row_id: str) -> Iterator[None]:
        """Show signs of life on a row of `backup_run` or `drill` while the block runs."""
        stop = threading.Event()

        def beat() -> None:
            while not stop.wait(BEAT_SECONDS):
                self.mark(table, row_id)

        thread = threading.Thread(target=beat, name="beat", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def mark(self, table: Table, row_id: str, **values: object) -> None:
        """Change a row of ours and show a sign of life."""
        with self.store.write() as connection:
            connection.execute(
                update(table)
                .where(table.c.id == row_id)
                .values(beat_at=self.clock.micros(), node=self.node, **values)
            )

    def release_silent(self, table: Table, plan: str) -> None:
        """End runs of the plan whose process has died, so that a new one can begin."""
        limit = self.clock.micros() - SILENT_AFTER_SECONDS * 1_000_000
        with self.store.write() as connection:
            connection.execute(
                update(table)
                .where(table.c.plan == plan, table.c.state == "running", table.c.beat_at < limit)
                .values(
                    state="failed",
                    finished_at=self.clock.micros(),
                    error="the process that worked on it died",
                )
            )
