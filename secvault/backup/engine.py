"""What every run and drill works with: the store, restic, the plans, the scratch space."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import BoundedSemaphore

from secvault.backup import bucket, known_repositories, locks
from secvault.backup.bucket import HeldByLock
from secvault.backup.claims import LONGEST_ERROR, SILENT_AFTER_SECONDS, Claims
from secvault.backup.database import PostgresqlPrograms
from secvault.backup.in_words import in_words
from secvault.backup.passwords import Passwords
from secvault.backup.plan_rules import NOTHING_OPEN, Openings
from secvault.backup.plans_at_hand import PlansAtHand
from secvault.backup.removal import remove_tree
from secvault.backup.repositories import RepositoriesAtHand
from secvault.backup.repository import (
    KEYS,
    Repository,
    S3Location,
    repository_of,
    settings_for_keys,
)
from secvault.backup.repository_faults import RepositoryDenied, RepositoryMissing
from secvault.backup.restic import Restic
from secvault.backup.restic_copies import init_like
from secvault.backup.restic_keys import lighten
from secvault.config import PlanSettings, RepositorySettings
from secvault.crypto import aead
from secvault.crypto.secret import Secret
from secvault.errors import BackupFailed, Conflict, SecvaultError
from secvault.keyring import Keyring

__all__ = ["LONGEST_ERROR", "SILENT_AFTER_SECONDS", "BackupEngine", "in_words"]

LOOKS_AT_ONCE = 8
"""Looks into snapshots in one process at one time."""


@dataclass(frozen=True)
class BackupEngine(Claims):
    """The parts that runs and drills share.

    own_folders: secvault's own files that go into every backup beside its database. scratch: a
    folder of ours, wiped at will. password_key: seals the repositories' passwords. node: this
    process, for the runs that it works on. environment: where S3 credentials may come from.
    settle: called before the database is copied; what was acknowledged until then is in it after.
    contents: the folder of the files that records hold; None where they lie elsewhere.
    configuration: gives the settings as TOML without secrets; they go into every backup, too.
    declared: the plans of the settings, beside those of the store. openings: what these may save.
    keyring, keys_key: for the data keys, which are saved apart; keys_days: how long they are kept.
    sampled_files: how many changed files of a run are looked into; see `numbers`. looks: turns of
    those who look into snapshots.
    """

    restic: Restic
    postgresql: PostgresqlPrograms
    declared: Mapping[str, PlanSettings]
    repositories: RepositoriesAtHand
    own_folders: tuple[Path, ...]
    scratch: Path
    evidence: Path
    password_key: Secret
    host: str
    environment: Mapping[str, str]
    keyring: Keyring
    keys_key: Secret
    keys_days: int = 7
    sampled_files: int = 64
    openings: Openings = NOTHING_OPEN
    random: aead.Random = os.urandom
    contents: Path | None = None
    configuration: Callable[[], str] = lambda: ""
    settle: Callable[[], object] = lambda: None
    looks: BoundedSemaphore = field(
        default_factory=lambda: BoundedSemaphore(LOOKS_AT_ONCE), repr=False, compare=False
    )

    def plan(self, name: str) -> PlanSettings:
        """A plan to be run, of the settings or of the store; see `PlansAtHand.get`."""
        return self._plans.get(name)

    def plans(self) -> Mapping[str, PlanSettings]:
        """Every plan by name, of the settings and of the store; see `PlansAtHand.all`."""
        return self._plans.all()

    def plan_names(self) -> frozenset[str]:
        """The names of all plans; see `PlansAtHand.names`."""
        return self._plans.names()

    def readable_plans(self) -> Mapping[str, PlanSettings]:
        """Every plan by name that can be read; see `PlansAtHand.readable`."""
        return self._plans.readable()

    def repositories_of(self, name: str) -> tuple[str, ...]:
        """The repositories that the plan saves into, the first one first; none for an unknown."""
        plan = self.plans().get(name)
        return () if plan is None else (plan.repository, *plan.copies)

    def source_password(self, plan: str, name: str) -> Secret | None:
        """The secret of a plan's source; see `PlansAtHand.source_password`."""
        return self._plans.source_password(plan, name)

    @property
    def _plans(self) -> PlansAtHand:
        return PlansAtHand(self.declared, self.store, self.keyring, self.openings)

    def repository(self, name: str) -> Repository:
        """The repository with its password, which is made at first use and kept sealed.

        name: as declared or added, or with `KEYS` behind it.
        """
        settings = self.settings_of(name)
        password = self.passwords.of(name, settings.location)
        return repository_of(settings, password, self.environment)

    def settings_of(self, name: str) -> RepositorySettings:
        """The settings of a repository, or of that for its data keys. Raises ConfigurationError."""
        owner = name.removesuffix(KEYS)
        settings = self.repositories.get(owner)
        return settings if owner == name else settings_for_keys(settings)

    @property
    def passwords(self) -> Passwords:
        """The passwords of all repositories, as they are kept."""
        return Passwords(self.store, self.clock, self.password_key, self.random)

    def ready_repository(self, name: str, like: Repository | None = None) -> Repository:
        """The repository to save into: made at first use, free of stale locks (`locks`).

        like: the repository from which it gets copies; it is made to cut files as that does.
        Raises RepositoryGone where there was one and is none.
        """
        repository = self.repository(name)
        if not known_repositories.is_known(self.store, name, repository):
            try:
                identity = self.restic.identity(repository)
            except RepositoryMissing:
                identity = self._make(name, repository, like)
            known_repositories.recognise(self.store, name, repository, identity)
        try:
            locks.remove_stale(self, self.restic, repository.pruner())
        except RepositoryMissing:
            known_repositories.allow_making(self.store, name, repository)
            raise
        return repository

    def _make(self, name: str, repository: Repository, like: Repository | None) -> str:
        place = repository.place
        if isinstance(place, S3Location) and repository.credentials is not None:
            region = repository.credentials.region
            client = bucket.s3_client(repository)
            bucket.make_if_missing(client, place.bucket, region=region)
        command = self.restic.command
        try:
            if like is None:
                self.restic.init(repository)
            else:
                init_like(command, repository, like)
        except Conflict:
            # Made by another run since we looked; anything else is still missing.
            if not self.restic.exists(repository):
                raise
        else:
            kept = self.passwords.kept(name)
            if kept is not None and kept.drawn and kept.current == repository.password:
                # A repository that opens by the key that restic made is as good, and slower.
                with suppress(SecvaultError):
                    lighten(command, repository, self.host, self.random)
        return self.restic.identity(repository)

    def held_by_lock(self, name: str) -> HeldByLock | None:
        """What was deleted and a bucket's Object Lock keeps; None where none can be seen."""
        repository = self.repository(name).pruner()
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
        """The repository to read from, which must be there, free of stale locks (`locks`)."""
        repository = self.repository(name)
        locks.remove_stale(self, self.restic, repository.pruner())
        return repository

    def for_plan(self, name: str) -> BackupEngine:
        """The same, whose restic is no faster on the network than the plan allows.

        Raises NotFound.
        """
        plan = self.plan(name)
        limited = self.restic.command.limited(plan.upload_kib, plan.download_kib)
        return replace(self, restic=replace(self.restic, command=limited))

    def fresh_folder(self, name: str) -> Path:
        """An empty private folder in the scratch space. Raises BackupFailed, OSError."""
        folder = self.scratch / name
        self.clear(folder)
        self.scratch.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder.mkdir(mode=0o700)
        return folder

    @property
    def kept(self) -> Path:
        """What stays from run to run, a folder for each plan; wiped, it is made anew."""
        return self.scratch.with_name("backup-kept")

    def clear(self, folder: Path) -> None:
        """Remove a folder of the scratch space, whatever is in it. Raises BackupFailed."""
        try:
            if os.path.lexists(folder):
                remove_tree(folder)
        except OSError as error:
            raise BackupFailed(
                f"what was copied for a backup or drill stays: {in_words(error)}; "
                f"remove {folder} by hand"
            ) from error
