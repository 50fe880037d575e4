"""restic, the program: one method for each thing that it does with a repository.

Works with 0.14 and later. Every method runs restic once or a few times, waits, and raises what
went wrong by name (`repository_faults`). Secrets reach restic as `restic_process` tells.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from secvault.backup import restic_faults
from secvault.backup.repository import LocalFolder, Repository, S3Location
from secvault.backup.repository_faults import RepositoryMissing, SourceUnreadable
from secvault.backup.restic_answers import (
    BackupSummary,
    CheckReport,
    ForgetReport,
    HeldLock,
    Progress,
    RestoreSummary,
    count_restored,
    forget_report,
    progress_of,
    restore_phase,
)
from secvault.backup.restic_messages import (
    BackupDone,
    CheckDone,
    Entry,
    ForgetGroup,
    Lock,
    RepositoryConfig,
    Snapshot,
    Status,
    read_as,
    read_list,
    read_message,
)
from secvault.backup.restic_process import (
    PASSWORD_FILE,
    Cancel,
    Launch,
    NeverCancelled,
    Order,
    ResticProcess,
    guarded,
)
from secvault.backup.retention import Retention
from secvault.clock import Clock
from secvault.errors import BackupFailed, Cancelled, ConfigurationError, Conflict, InvalidInput

__all__ = [
    "BackupSummary",
    "Cancel",
    "CheckReport",
    "Entry",
    "ForgetReport",
    "HeldLock",
    "Progress",
    "Restic",
    "ResticVersion",
    "RestoreSummary",
    "Retention",
    "Snapshot",
    "find_restic",
]

ResticVersion = tuple[int, int, int]
OnProgress = Callable[[Progress], None]

OLDEST: ResticVersion = (0, 14, 0)
_VERSION = re.compile(rb"\brestic (\d+)\.(\d+)\.(\d+)")
_SNAPSHOT_ID = re.compile(r"[0-9a-f]{8,64}|latest")
_FULL_ID = 64
# What restic may see of our environment: how to reach a server, and nothing that may be a secret.
_PASSED_ON = ("PATH", "LANG", "LC_ALL", "SSL_CERT_FILE", "SSL_CERT_DIR")
_PASSED_ON_TO_S3 = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")
_NEVER = NeverCancelled()
_SUBSET = re.compile(r"[1-9]\d*/[1-9]\d*|\d+(\.\d+)?%|[1-9]\d*[kKmMgGtT]?")


@dataclass(frozen=True)
class Restic:
    """The restic program, ready to be used.

    cache, scratch: folders of ours, made where missing (mode 0700); scratch takes restic's
    temporary files. environment: ours, of which restic gets a short list. time_zone: of the
    snapshots' times, which decides where a day ends for retention. patience: seconds that restic
    may retry to open a repository that does not answer (0.16 and later would for 15 minutes).
    """

    binary: Path
    setpriv: Path
    cache: Path
    scratch: Path
    clock: Clock
    environment: Mapping[str, str] = field(repr=False)
    time_zone: str = "UTC"
    patience: float = 30.0
    launch: Launch = subprocess.Popen

    def version(self) -> ResticVersion:
        """Its version. Raises ConfigurationError where it is older than 0.14 or no restic."""
        order = Order((str(self.binary), "version"), self._environment(None), None, (), 0.0)
        with ResticProcess(order, self.launch, self.clock, _NEVER) as process:
            answer = b"\n".join(process.lines())
            process.ending()
        found = _VERSION.search(answer)
        if found is None:
            raise ConfigurationError(f"{self.binary} does not answer as restic; install restic")
        version = (int(found[1]), int(found[2]), int(found[3]))
        if version < OLDEST:
            raise ConfigurationError(
                f"restic {'.'.join(map(str, version))} is too old; install 0.14 or later"
            )
        return version

    def init(self, repository: Repository) -> str:
        """Make the repository and return its id. Raises Conflict where there is one already.

        restic makes a missing bucket, without versioning or Object Lock: make the bucket first.
        """
        if _keys_without_config(repository):
            raise Conflict(
                f"{repository.location} holds keys of a repository without its config file: "
                "restore that file, or empty the folder if nothing was ever saved there"
            )
        status, _, complaints = self._run(repository, "init")
        if status != restic_faults.DONE:
            if any("already exists" in line for line in complaints):
                raise Conflict(f"there is a repository at {repository.location} already")
            self._raise(status, complaints, "making the repository", repository)
        return self.identity(repository)

    def identity(self, repository: Repository) -> str:
        """The repository's id, 64 hexadecimal characters. Raises RepositoryMissing and others."""
        # `cat` needs no lock: a repository that somebody works on can be asked.
        answer = self._answer(
            repository, "opening the repository", "cat", "config", options=("--no-lock",)
        )
        config = read_as(answer, RepositoryConfig)
        if config is None:
            raise BackupFailed("restic did not show the repository's config as JSON")
        return config.id

    def exists(self, repository: Repository) -> bool:
        """Whether there is a repository that this password opens; False only where there is none.

        Raises WrongRepositoryPassword, RepositoryUnreachable, RepositoryDenied, RepositoryDamaged.
        """
        try:
            self.identity(repository)
        except RepositoryMissing:
            return False
        return True

    def backup(
        self,
        repository: Repository,
        paths: Sequence[Path],
        *,
        host: str,
        tags: Sequence[str] = (),
        excludes: Sequence[str] = (),
        on_progress: OnProgress,
        cancel: Cancel = _NEVER,
    ) -> BackupSummary:
        """Save the paths (absolute) as one snapshot.

        Raises SourceUnreadable where a path is missing or anything could not be read: then the
        snapshot, if there is one, is no complete backup. Raises Cancelled, RepositoryLocked and
        others; snapshots made before are never touched.
        """
        _require_sources(paths)
        arguments = [
            f"--host={_argument('host', host)}",
            *(f"--tag={_tag(tag)}" for tag in tags),
            *(f"--exclude={_argument('excludes', pattern)}" for pattern in excludes),
            "--cleanup-cache",
            "--",
            *map(str, paths),
        ]
        shapes = {"status": Status, "summary": BackupDone}
        done: BackupDone | None = None
        with self._process(repository, ("backup", *arguments), cancel) as process:
            for line in process.lines():
                message = read_message(line, shapes)
                if isinstance(message, BackupDone):
                    done = message
                elif isinstance(message, Status):
                    on_progress(progress_of(message, "backup"))
            status, complaints = process.ending()
        vanished = [line for line in complaints if line.endswith("does not exist, skipping")]
        if status == restic_faults.PARTLY_READ or vanished:
            raise _unreadable(complaints, done)
        if status != restic_faults.DONE:
            self._raise(status, complaints, "the backup", repository)
        if done is None or not done.snapshot_id:
            raise BackupFailed("restic ended without naming the snapshot; run the backup again")
        return BackupSummary(
            snapshot_id=self._full_id(repository, done.snapshot_id),
            files_new=done.files_new,
            files_changed=done.files_changed,
            files_unmodified=done.files_unmodified,
            files_total=done.total_files_processed,
            bytes_total=done.total_bytes_processed,
            bytes_added=done.data_added,
        )

    def snapshots(
        self,
        repository: Repository,
        *,
        tags: Sequence[str] = (),
        host: str | None = None,
        skip_damaged: bool = False,
    ) -> tuple[Snapshot, ...]:
        """The snapshots that have all these tags, newest last.

        restic passes over a snapshot that it cannot read; here that raises RepositoryDamaged,
        unless `skip_damaged` asks for what is left.
        """
        status, answer, complaints = self._run(repository, "snapshots", *_filter(tags, host))
        if status != restic_faults.DONE:
            self._raise(status, complaints, "listing the snapshots", repository)
        if restic_faults.tells_of_damage(complaints) and not skip_damaged:
            raise restic_faults.damage(complaints, "listing the snapshots", repository.location)
        found = read_list(answer, Snapshot)
        if found is None:
            raise BackupFailed("restic did not list the snapshots as JSON")
        return tuple(sorted(found, key=lambda snapshot: snapshot.time))

    def forget(
        self,
        repository: Repository,
        retention: Retention,
        *,
        tags: Sequence[str],
        host: str | None = None,
        prune: bool,
        cancel: Cancel = _NEVER,
    ) -> ForgetReport:
        """Forget the snapshots with all these tags that retention does not keep.

        At least one tag is needed, so that it is never a whole repository. They count as one
        group, whatever their paths. prune: delete the data that nobody needs any more.
        What the storage refuses to delete (Object Lock, credentials without delete) stands in
        the report and is no error. In a bucket with versions a deletion hides an object and the
        lock keeps its bytes: see `bucket.held_by_lock`.
        """
        if not tags:
            raise InvalidInput.at("tags", "name the tag of the snapshots to choose from")
        rules = ("--group-by=", *_filter(tags, host), *retention.arguments())
        act = ("forget", *rules, *(("--prune",) if prune else ()))
        status, answer, complaints = self._run(repository, *act, cancel=cancel)
        refused = restic_faults.refused_removals(complaints)
        if restic_faults.tells_of_damage(complaints):
            raise restic_faults.damage(complaints, "forgetting", repository.location)
        if status != restic_faults.DONE and not refused:
            self._raise(status, complaints, "forgetting", repository)
        groups = read_list(answer, ForgetGroup)
        if groups is None and refused:
            # 0.14 prints its decisions only when all deletions went well.
            answer = self._answer(repository, "forgetting", "forget", *rules, "--dry-run")
            groups = read_list(answer, ForgetGroup)
        if groups is None:
            raise BackupFailed("restic did not say as JSON what it forgot")
        return forget_report(groups, refused, pruned=prune and status == restic_faults.DONE)

    def check(
        self,
        repository: Repository,
        *,
        read_data_subset: str | None = None,
        read_all: bool = False,
        cancel: Cancel = _NEVER,
    ) -> CheckReport:
        """Verify the structure, and the data as asked. Raises RepositoryDamaged naming the files.

        read_data_subset: `n/t`, a percentage or a size, as restic takes it; read_all: every byte.
        Needs the repository for itself: raises RepositoryLocked while a backup runs.
        """
        if read_data_subset is not None and not _SUBSET.fullmatch(read_data_subset):
            raise InvalidInput.at("read_data_subset", "write it as 1/10, 2.5% or 500M")
        reading = (f"--read-data-subset={read_data_subset}",) if read_data_subset else ()
        if read_all:
            reading = ("--read-data",)
        status, answer, complaints = self._run(repository, "check", *reading, cancel=cancel)
        done = next(
            filter(None, (read_message(li, {"summary": CheckDone}) for li in answer.splitlines())),
            None,
        )
        broken = tuple(f"pack {pack}" for pack in (done.broken_packs or ())) if done else ()
        if status != restic_faults.DONE:
            self._raise(status, (*complaints, *broken), "the check", repository)
        if (done is not None and done.num_errors) or restic_faults.tells_of_damage(complaints):
            raise restic_faults.damage((*complaints, *broken), "the check", repository.location)
        if done is None and b"no errors were found" not in answer:
            raise BackupFailed("restic ended the check without a verdict; run it again")
        return CheckReport(read="all" if read_all else read_data_subset or "", hints=complaints)

    def restore(
        self,
        repository: Repository,
        snapshot_id: str,
        target: Path,
        *,
        include: Sequence[str] = (),
        verify: bool,
        on_progress: OnProgress,
        cancel: Cancel = _NEVER,
    ) -> RestoreSummary:
        """Bring a snapshot back below `target`, an empty or new folder, under its full paths.

        include: only what these patterns match. verify: read everything again and compare.
        Raises RepositoryDamaged, BackupFailed, Cancelled: then what lies in `target` is not to
        be trusted. Before 0.17 restic tells only the phase, not how far it is.
        """
        _require_empty(target)
        arguments = [
            f"--target={_argument('target', str(target))}",
            *(f"--include={_argument('include', pattern)}" for pattern in include),
            *(("--verify",) if verify else ()),
            _snapshot_id(snapshot_id),
        ]
        with self._process(repository, ("restore", *arguments), cancel) as process:
            for line in process.lines():
                message = read_message(line, {"status": Status})
                phase = restore_phase(line)
                if message is not None:
                    on_progress(progress_of(message, "restore"))
                elif phase is not None:
                    on_progress(Progress(phase=phase))
            status, complaints = process.ending()
        if status != restic_faults.DONE:
            self._raise(status, complaints, "the restore", repository)
        if restic_faults.tells_of_damage(complaints):
            raise restic_faults.damage(complaints, "the restore", repository.location)
        return count_restored(target)

    def ls(self, repository: Repository, snapshot_id: str) -> Iterator[Entry]:
        """The files and folders of a snapshot, as they are read. Raises at the end what failed."""
        listing = ("ls", _snapshot_id(snapshot_id))
        with self._process(repository, listing, _NEVER) as process:
            for line in process.lines():
                entry = read_message(line, {"node": Entry})
                if entry is not None:
                    yield entry
            status, complaints = process.ending()
        if status != restic_faults.DONE:
            self._raise(status, complaints, "listing the snapshot", repository)

    def unlock(self, repository: Repository) -> None:
        """Remove the locks that restic itself calls stale: of dead processes, or 30 minutes old."""
        if not _may_have_locks(repository):
            return
        self._answer(repository, "removing stale locks", "unlock")

    def locks(self, repository: Repository) -> tuple[HeldLock, ...]:
        """Who holds the repository now, oldest first."""
        listed = self._answer(
            repository, "listing the locks", "list", "locks", options=("--no-lock",)
        )
        held: list[HeldLock] = []
        for lock_id in listed.decode(errors="replace").split():
            status, answer, _ = self._run(
                repository, "cat", "lock", lock_id, options=("--no-lock",)
            )
            lock = read_as(answer, Lock)
            # A lock that is gone by now is none.
            if status == restic_faults.DONE and lock is not None:
                held.append(HeldLock(lock_id, lock))
        return tuple(sorted(held, key=lambda one: one.lock.time))

    def _full_id(self, repository: Repository, short: str) -> str:
        """Before 0.16 a backup names its snapshot by the first 8 characters of its id."""
        if len(short) == _FULL_ID:
            return short
        if isinstance(repository.place, LocalFolder):
            found = [path.name for path in (repository.place.path / "snapshots").glob(f"{short}*")]
        else:
            answer = self._answer(repository, "finding the snapshot", "snapshots", short)
            found = [snapshot.id for snapshot in read_list(answer, Snapshot) or ()]
        if len(found) != 1:
            raise BackupFailed(f"the snapshot {short} was made but cannot be found; list snapshots")
        return found[0]

    def _answer(
        self, repository: Repository, work: str, *command: str, options: Sequence[str] = ()
    ) -> bytes:
        status, answer, complaints = self._run(repository, *command, options=options)
        if status != restic_faults.DONE:
            self._raise(status, complaints, work, repository)
        return answer

    def _run(
        self,
        repository: Repository,
        *command: str,
        options: Sequence[str] = (),
        cancel: Cancel = _NEVER,
    ) -> tuple[int, bytes, tuple[str, ...]]:
        with self._process(repository, command, cancel, options) as process:
            answer = b"\n".join(process.lines())
            status, complaints = process.ending()
        return status, answer, complaints
