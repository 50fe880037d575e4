"""How restic is called: its arguments, its environment, and the errors when it fails."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NoReturn

from secvault.backup import restic_faults
from secvault.backup.late_words import Late
from secvault.backup.repository import LocalFolder, Repository, S3Location
from secvault.backup.repository_faults import RepositoryDamaged, WrongRepositoryPassword
from secvault.backup.repository_files import is_file_name
from secvault.backup.restic_process import (
    PASSWORD_FILE,
    Cancel,
    Launch,
    NeverCancelled,
    Order,
    ResticProcess,
    UntilFailed,
    guarded,
)
from secvault.clock import Clock
from secvault.errors import BackupFailed, ConfigurationError, SecvaultError

# Lines of progress per second.
PROGRESS_RATE = "2"
# Seconds that restic may go on trying to open a repository that does not answer: newer ones would
# for 15 minutes. What fails in the middle of the work is retried by restic's own rules.
PATIENCE_SECONDS = 30.0
# What restic may see of our environment: how to reach a server, and nothing that may be a secret.
_PASSED_ON = ("LANG", "LC_ALL", "PATH", "SSL_CERT_DIR", "SSL_CERT_FILE")
# Proxies may carry a password, so they go only where they are of use.
_PROXIES = ("HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "https_proxy", "http_proxy", "no_proxy")
_NEVER = NeverCancelled()
# Both become the program that they start: the signals that are for it still reach it.
_GENTLE = ("nice", "-n", "10", "ionice", "--ignore", "-c", "2", "-n", "7")


@dataclass(frozen=True)
class ResticCommand:
    """The program and the folders that it works with; see `restic.open_restic`.

    limits: options that keep it from using all of the network. gentle: other programs go first.
    stop: ends each call, whatever else may end it.
    """

    cache: Path
    scratch: Path
    clock: Clock
    environment: Mapping[str, str] = field(repr=False)
    binary: str
    time_zone: str
    launch: Launch
    patience: float = PATIENCE_SECONDS
    limits: tuple[str, ...] = ()
    gentle: bool = False
    stop: Cancel = _NEVER

    def gently(self) -> ResticCommand:
        """The same, which lets other programs use the processors and the disk first."""
        return replace(self, gentle=True)

    def heeding(self, stop: Cancel) -> ResticCommand:
        """The same, whose every call is stopped when this says so."""
        return replace(self, stop=stop)

    def limited(self, upload_kib: int, download_kib: int) -> ResticCommand:
        """The same, with at most so many KiB a second to and from the storage; 0: no limit."""
        named = {"upload": upload_kib, "download": download_kib}
        limits = tuple(f"--limit-{name}={kib}" for name, kib in named.items() if kib)
        return replace(self, limits=limits)

    def version_text(self) -> bytes:
        """What `restic version` prints."""
        order = Order((self._program(self.binary), "version"), self._child_environment(None), None)
        with ResticProcess(order, self.launch, self.clock, _NEVER) as process:
            answer = b"\n".join(process.lines())
            process.ending()
        return answer

    @contextmanager
    def process(
        self,
        repository: Repository,
        command: Sequence[str],
        cancel: Cancel = _NEVER,
        options: Sequence[str] = (),
        other: Repository | None = None,
        late: Late | None = None,
    ) -> Iterator[ResticProcess]:
        """A running restic. Where it had to be stopped, the lock that it may have left is removed.

        options: of restic itself, before the command. other: the repository that is copied from;
        the command reads its password from SECOND_PASSWORD_FILE. late: what it reads from
        LATE_FILE. Raises what `ResticProcess` raises.
        """
        order = replace(self._order(repository, command, options, other), late=late)
        process = ResticProcess(order, self.launch, self.clock, UntilFailed(cancel, self.stop))
        try:
            with process:
                yield process
        except BaseException as error:
            if process.stopped and command[0] != "unlock" and "--no-lock" not in options:
                # 0.14 leaves its lock behind when it is stopped while it opens the repository.
                # The process is gone by now, so for restic the lock is stale.
                left_in = (repository,) if other is None else (repository, other)
                for place in left_in:
                    try:
                        self.heeding(_NEVER).run(place.pruner(), "unlock")
                    except SecvaultError as left:
                        error.add_note(
                            f"restic's lock may be left in the repository: {left.detail}"
                        )
            raise

    def run(
        self,
        repository: Repository,
        *command: str,
        cancel: Cancel = _NEVER,
        options: Sequence[str] = (),
        other: Repository | None = None,
    ) -> tuple[int, bytes, tuple[str, ...]]:
        """Exit status, stdout in whole, and the complaints of stderr."""
        with self.process(repository, command, cancel, options, other) as process:
            answer = b"\n".join(process.lines())
            status, complaints = process.ending()
        return status, answer, complaints

    def answer(
        self, repository: Repository, work: str, *command: str, options: Sequence[str] = ()
    ) -> bytes:
        """The stdout of a command that went well; raises as `fail` where it did not."""
        status, answer, complaints = self.run(repository, *command, options=options)
        if status != restic_faults.DONE:
            self.fail(status, complaints, work, repository)
        return answer

    def fail(
        self, status: int, complaints: Sequence[str], work: str, repository: Repository
    ) -> NoReturn:
        """Raise the error that this exit status and these words mean."""
        error = restic_faults.failure(
            status, complaints, work, repository.location, self.clock.now()
        )
        if type(error) in {WrongRepositoryPassword, RepositoryDamaged, BackupFailed}:
            # For 0.14 a damaged key file is a wrong password, or no text that it understands.
            keys = _damaged_keys(repository)
            if keys:
                raise restic_faults.damage((*complaints, *keys), work, repository.location)
        raise error

    def _order(
        self,
        repository: Repository,
        command: Sequence[str],
        options: Sequence[str],
        other: Repository | None,
    ) -> Order:
        for folder in (self.cache, self.scratch):
            try:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            except OSError as error:
                raise BackupFailed(
                    f"the folder {folder} cannot be made: {error.strerror}; restic needs it"
                ) from None
        # restic takes one access to S3; see `one_restic_reaches`.
        in_s3 = repository
        if other is not None and isinstance(repository.place, LocalFolder):
            in_s3 = other
        argv = (
            *(_GENTLE if self.gentle else ()),
            self._program(self.binary),
            "--json",
            f"--repo={repository.place}",
            f"--cache-dir={self.cache}",
            f"--password-file={PASSWORD_FILE}",
            *_storage_options(in_s3),
            *self.limits,
            *options,
            *command,
        )
        return Order(
            guarded(self._program("setpriv"), argv),
            self._child_environment(in_s3),
            repository.password,
            (*repository.secrets(), *(() if other is None else other.secrets())),
            None if other is None else other.password,
            self.patience,
        )

    def _program(self, name: str) -> str:
        found = shutil.which(name, path=self.environment.get("PATH", os.defpath))
        if found is None:
            package = "util-linux" if name == "setpriv" else "restic"
            raise ConfigurationError(f"there is no program {name}; install the package {package}")
        return found

    def _child_environment(self, repository: Repository | None) -> dict[str, str]:
        names: tuple[str, ...] = _PASSED_ON
        secrets: dict[str, str] = {}
        if repository is not None and isinstance(repository.place, S3Location):
            names += _PROXIES
            secrets = _s3_environment(repository)
        ours = {name: self.environment[name] for name in names if name in self.environment}
        return {
            **ours,
            **secrets,
            "TZ": self.time_zone,
            "TMPDIR": str(self.scratch),
            "RESTIC_PROGRESS_FPS": PROGRESS_RATE,
        }


def _damaged_keys(repository: Repository) -> tuple[str, ...]:
    """The key files of a folder that are not what their names, their SHA-256, say."""
    if not isinstance(repository.place, LocalFolder):
        return ()
    try:
        return tuple(
            f"key {key.name}"
            for key in sorted((repository.place.path / "keys").iterdir())
            # What a killed process has not finished has another name, and opens nothing.
            if is_file_name(key.name) and hashlib.sha256(key.read_bytes()).hexdigest() != key.name
        )
    except OSError:
        return ()


def _storage_options(repository: Repository) -> tuple[str, ...]:
    if not isinstance(repository.place, S3Location) or repository.credentials is None:
        return ()
    named = {
        "s3.region": repository.credentials.region,
        "s3.bucket-lookup": repository.addressing,
        "s3.storage-class": repository.storage_class,
    }
    options = [f"--option={name}={value}" for name, value in named.items() if value]
    if repository.ca_file is not None:
        options.append(f"--cacert={repository.ca_file}")
    return tuple(options)


def _s3_environment(repository: Repository) -> dict[str, str]:
    credentials = repository.credentials
    if credentials is None:
        return {}
    named = {
        "AWS_ACCESS_KEY_ID": credentials.access_key_id,
        "AWS_SECRET_ACCESS_KEY": credentials.secret_access_key.text(),
    }
    if credentials.session_token is not None:
        named["AWS_SESSION_TOKEN"] = credentials.session_token.text()
    return named
