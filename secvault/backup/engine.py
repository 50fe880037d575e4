"""What every run and drill works with: the store, restic, the plans, the scratch space."""

from __future__ import annotations

import base64
import os
import shutil
import sqlite3
import stat
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Table, insert, or_, select, update

from secvault.backup import bucket
from secvault.backup.bucket import BucketReport, HeldByLock
from secvault.backup.database import PostgresqlPrograms
from secvault.backup.plan_rules import NOTHING_OPEN, Openings
from secvault.backup.plans_at_hand import PlansAtHand
from secvault.backup.repository import (
    KEYS,
    Repository,
    S3Location,
    s3_credentials,
    settings_for_keys,
)
from secvault.backup.repository_faults import RepositoryDenied
from secvault.backup.restic import Restic
from secvault.clock import Clock
from secvault.config import PlanSettings, RepositorySettings
from secvault.crypto import aead
from secvault.crypto.secret import Secret
from secvault.errors import BackupFailed, Conflict, SecvaultError
from secvault.keyring import Keyring
from secvault.store import Store, tables
from secvault.store.engine import insert_unless_there

BEAT_SECONDS = 10
SILENT_AFTER_SECONDS = 60
# A beat this far in the future was written under a clock that has been set back since.
CLOCK_SET_BACK_SECONDS = 600
LONGEST_ERROR = 1000


@dataclass(frozen=True)
class BackupEngine:
    """The parts that runs and drills share.

    own_folders: secvault's own files that go into every backup beside its database. scratch: a
    folder of ours, wiped at will. password_key: seals the repositories' passwords. node: this
    process, for the runs that it works on. environment: where S3 credentials may come from.
    settle: called before the database is copied; what was acknowledged until then is in it after.
    contents: the folder of the files that records hold; None where they lie elsewhere.
    declared: the plans of the settings, beside those of the store. openings: what these may save.
    keyring, keys_key: for the data keys, which are saved apart; keys_days: how long they are kept.
    """

    store: Store
    clock: Clock
    restic: Restic
    postgresql: PostgresqlPrograms
    declared: Mapping[str, PlanSettings]
    repository_settings: Callable[[str], RepositorySettings]
    own_folders: tuple[Path, ...]
    scratch: Path
    evidence: Path
    password_key: Secret
    node: str
    host: str
    environment: Mapping[str, str]
    keyring: Keyring
    keys_key: Secret
    keys_days: int = 7
    openings: Openings = NOTHING_OPEN
    random: aead.Random = os.urandom
    contents: Path | None = None
    settle: Callable[[], object] = lambda: None

    def plan(self, name: str) -> PlanSettings:
        """A plan to be run, of the settings or of the store; see `PlansAtHand.get`."""
        return self._plans.get(name)

    def plans(self) -> Mapping[str, PlanSettings]:
        """Every plan by name, of the settings and of the store; see `PlansAtHand.all`."""
        return self._plans.all()

    def source_password(self, plan: str, name: str) -> Secret | None:
        """The secret of a plan's source; see `PlansAtHand.source_password`."""
        return self._plans.source_password(plan, name)

    @property
    def _plans(self) -> PlansAtHand:
        return PlansAtHand(self.declared, self.store, self.keyring, self.openings)

    def repository(self, name: str) -> Repository:
        """The repository with its password, which is made at first use and kept sealed.

        name: as declared, or with `KEYS` behind it.
        """
        declared = name.removesuffix(KEYS)
        settings = self.repository_settings(declared)
        if declared != name:
            settings = settings_for_keys(settings)
        table = tables.backup_repository
        kept = select(table.c.sealed_password).where(table.c.name == name)
        context = aead.bind("secvault/repository-password", name)
        with self.store.read() as connection:
            sealed = connection.execute(kept).scalar_one_or_none()
        if sealed is None:
            fresh = base64.urlsafe_b64encode(aead.draw(32, self.random))
            row = {
                "name": name,
                "location": settings.location,
                "sealed_password": aead.seal(fresh, self.password_key, context, self.random),
                "created_at": self.clock.micros(),
            }
            with self.store.write() as connection:
                # Whoever is first: two plans may use a new repository at the same moment.
                insert_unless_there(connection, table, row)
                sealed = connection.execute(kept).scalar_one()
        password = Secret(aead.open_sealed(sealed, self.password_key, context))
        return Repository(settings.location, password, s3_credentials(settings, self.environment))

    def ready_repository(self, name: str) -> Repository:
        """The repository to save into: made when missing, free of locks of dead processes."""
        repository = self.repository(name)
        if not self.restic.exists(repository):
            place = repository.place
            if isinstance(place, S3Location) and repository.credentials is not None:
                region = repository.credentials.region
                client = bucket.s3_client(repository)
                bucket.ensure_bucket(client, place.bucket, region=region, object_lock=None)
            try:
                self.restic.init(repository)
            except Conflict:
                # Made by another run since we looked; anything else keeps `exists` at False.
                if not self.restic.exists(repository):
                    raise
        self.restic.unlock(repository)
        return repository

    def inspect_bucket(self, name: str) -> BucketReport | None:
        """The bucket that the repository lies in; None for a folder."""
        repository = self.repository(name)
        if not isinstance(repository.place, S3Location):
            return None
        return bucket.inspect_bucket(bucket.s3_client(repository), repository.place.bucket)

    def held_by_lock(self, name: str) -> HeldByLock | None:
        """What was deleted and a bucket's Object Lock keeps; None where none can be seen."""
        repository = self.repository(name)
        if not isinstance(repository.place, S3Location):
            return None
        client = bucket.s3_client(repository)
        try:
            lock = bucket.inspect_bucket(client, repository.place.bucket).object_lock
            return bucket.held_by_lock(client, repository.place, lock, self.clock.now())
        except RepositoryDenied:
            # Credentials that may only save are the better ones; they need not see the lock.
            return None

    def opened_repository(self, name: str) -> Repository:
        """The repository to read from, which must be there, free of locks of dead processes."""
        repository = self.repository(name)
        self.restic.unlock(repository)
        return repository

    def fresh_folder(self, name: str) -> Path:
        """An empty private folder in the scratch space. Raises BackupFailed, OSError."""
        folder = self.scratch / name
        self.clear(folder)
        self.scratch.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder.mkdir(mode=0o700)
        return folder

    def clear(self, folder: Path) -> None:
        """Remove a folder of the scratch space, whatever is in it. Raises BackupFailed."""
        try:
            if not os.path.lexists(folder):
                return
            try:
                shutil.rmtree(folder)
            except PermissionError:
                # Restored folders have the modes that they had; nothing is deleted from 0500.
                _allow_removal(folder)
                shutil.rmtree(folder)
        except OSError as error:
            raise BackupFailed(
                f"what was copied for a backup or drill stays: {in_words(error)}; "
                f"remove {folder} by hand"
            ) from error

    def claim(self, table: Table, plan: str, row_id: str, **first: object) -> None:
        """Make the row of a run or a drill, or take it up again: the plan's only running one.

        first: values of a new row. A row that is done stays as it is. Raises Conflict.
        """
        self.release_silent(table, plan)
        alive = {"state": "running", "node": self.node, "beat_at": self.clock.micros()}
        try:
            with self.store.write() as connection:
                row = select(table.c.state).where(table.c.id == row_id)
                state = connection.execute(row).scalar_one_or_none()
                if state is None:
                    connection.execute(
                        insert(table).values(id=row_id, plan=plan, phase="begun", **alive, **first)
                    )
                elif state != "done":
                    connection.execute(
                        update(table)
                        .where(table.c.id == row_id)
                        .values(error=None, finished_at=None, **alive)
                    )
        except Conflict:
            raise Conflict(
                f"the plan {plan} has one running already; wait for it (one whose process was "
                f"killed is given up {SILENT_AFTER_SECONDS} seconds after its last sign of life)"
            ) from None

    @contextmanager
    def at_work(self, table: Table, row_id: str, work: str) -> Iterator[None]:
        """Show signs of life on the row while the block runs, and its failure if it fails.

        work: for the sentence, for instance "the backup". Raises what the block raised;
        OSError and sqlite3.Error as BackupFailed.
        """
        try:
            with self.beating(table, row_id):
                try:
                    yield
                except (OSError, sqlite3.Error) as error:
                    raise BackupFailed(f"{work} stopped: {in_words(error)}") from error
        except BaseException as error:
            try:
                self.fail(table, row_id, error)
            except SecvaultError as unwritten:
                error.add_note(f"{row_id} could not be marked as failed: {unwritten.detail}")
            raise

    @contextmanager
    def beating(self, table: Table, row_id: str) -> Iterator[None]:
        """Show signs of life on a row of `backup_run` or `drill` while the block runs."""
        stop = threading.Event()

        def beat() -> None:
            while not stop.wait(BEAT_SECONDS):
                # The next beat makes up for one that the store did not take.
                with suppress(SecvaultError):
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

    def fail(self, table: Table, row_id: str, error: BaseException) -> None:
        """Call a running run or drill failed, for the reason given."""
        reason = f"an unexpected {type(error).__name__}; the log says where"
        if isinstance(error, SecvaultError):
            reason = error.detail
        with self.store.write() as connection:
            connection.execute(
                update(table)
                .where(table.c.id == row_id, table.c.state == "running")
                .values(
                    state="failed",
                    finished_at=self.clock.micros(),
                    error=_storable(reason)[:LONGEST_ERROR],
                )
            )

    def release_silent(self, table: Table, plan: str) -> None:
        """End runs of the plan whose process has died, so that a new one can begin."""
        now = self.clock.micros()
        silent = or_(
            table.c.beat_at < now - SILENT_AFTER_SECONDS * 1_000_000,
            table.c.beat_at > now + CLOCK_SET_BACK_SECONDS * 1_000_000,
        )
        with self.store.write() as connection:
            connection.execute(
                update(table)
                .where(table.c.plan == plan, table.c.state == "running", silent)
                .values(state="failed", finished_at=now, error="the process that worked on it died")
            )


def in_words(error: OSError | sqlite3.Error) -> str:
    """What the machine refused, in one line that any terminal and database takes."""
    words = str(error)
    if isinstance(error, shutil.Error) and error.args and error.args[0]:
        # A list of (source, target, why) from a whole tree.
        words = str(error.args[0][0][-1])
    elif isinstance(error, OSError) and error.filename is not None:
        words = f"{os.fsdecode(error.filename)}: {error.strerror}"
    elif isinstance(error, OSError) and error.strerror:
        words = error.strerror
    return _storable(words)


def _storable(text: str) -> str:
    # Names of files that are not UTF-8 hold lone surrogates, which no database takes.
    return text.encode("utf-8", "backslashreplace").decode()


def _allow_removal(folder: Path) -> None:
    folder.chmod(0o700)
    for place, names, _ in os.walk(folder):
        for name in names:
            inner = Path(place, name)
            if stat.S_ISDIR(inner.lstat().st_mode):
                inner.chmod(0o700)
