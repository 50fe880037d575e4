"""restic, the program: one method for each thing that it does with a repository.

Works with 0.14 and later. Every method runs restic once or a few times, waits, and raises what
went wrong by name (`repository_faults`). Secrets reach restic as `restic_process` tells.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

from secvault.backup import restic_arguments as arguments
from secvault.backup import restic_faults
from secvault.backup.late_words import Late, OddPatterns, late_lines
from secvault.backup.repository import LocalFolder, Repository
from secvault.backup.repository_faults import RepositoryMissing
from secvault.backup.restic_answers import (
    BackupSummary,
    CheckReport,
    ForgetReport,
    HeldLock,
    Progress,
    RestoreSummary,
    check_verdict,
    count_restored,
    finished,
    forget_report,
    progress_of,
    restore_phase,
    unreadable,
)
from secvault.backup.restic_command import ResticCommand
from secvault.backup.restic_messages import (
    BackupDone,
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
from secvault.backup.restic_process import LATE_FILE, Cancel, Launch, NeverCancelled
from secvault.backup.restic_version import ResticVersion, parse_version
from secvault.backup.retention import Retention
from secvault.clock import Clock
from secvault.errors import BackupFailed, Conflict, InvalidInput

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

OnProgress = Callable[[Progress], None]

SPARSE: ResticVersion = (0, 15, 0)
INCLUDE_FILE: ResticVersion = (0, 17, 0)
_FULL_ID = 64
_NEVER = NeverCancelled()


@dataclass(frozen=True)
class Restic:
    """The restic program and what it does with repositories; `find_restic` makes one."""

    command: ResticCommand

    def version(self) -> ResticVersion:
        """Its version. Raises ConfigurationError where it is older than 0.14 or no restic."""
        return parse_version(self.command.version_text(), self.command.binary)

    def init(self, repository: Repository) -> None:
        """Make the repository. Raises Conflict where there is one already.

        restic makes a missing bucket, without versioning or Object Lock: make the bucket first.
        """
        if arguments.keys_without_config(repository):
            raise Conflict(
                f"{repository.location} holds keys of a repository without its config file: "
                "restore that file, or empty the folder if nothing was ever saved there"
            )
        status, _, complaints = self.command.run(repository, "init")
        if status != restic_faults.DONE:
            if any("already exists" in line for line in complaints):
                raise Conflict(f"there is a repository at {repository.location} already")
            self.command.fail(status, complaints, "making the repository", repository)

    def identity(self, repository: Repository) -> str:
        """The repository's id, 64 hexadecimal characters. Raises RepositoryMissing and others."""
        # `cat` needs no lock: a repository that somebody works on can be asked.
        answer = self.command.answer(
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
        awaited: Future[Sequence[str]] | None = None,
        parent: str | None = None,
        on_progress: OnProgress,
        cancel: Cancel = _NEVER,
    ) -> BackupSummary:
        """Save the paths (absolute) as one snapshot.

        awaited: what is left out besides `excludes`; restic opens the repository meanwhile, and
        reads nothing of the paths before it is there. What that raises stops restic, and is raised.
        parent: the id of a snapshot; what did not change since is not read again. None: all is.
        Raises SourceUnreadable where a path is missing or anything could not be read: then the
        snapshot, if there is one, is no complete backup. Raises Cancelled, RepositoryLocked and
        others; snapshots made before are never touched.
        """
        arguments.require_sources(paths)
        words = (
            f"--host={arguments.word('host', host)}",
            *(f"--tag={arguments.tag(tag)}" for tag in tags),
            # restic's own choice of a parent fails where any one snapshot is damaged.
            f"--parent={arguments.snapshot_id(parent)}" if parent else "--force",
            "--cleanup-cache",
            "--",
            *map(str, paths),
        )
        late = None if awaited is None else late_lines(awaited)
        try:
            return self._backup(repository, words, excludes, late, on_progress, cancel)
        except OddPatterns:
            if awaited is None:
                raise
            told = (*excludes, *awaited.result())
            return self._backup(repository, words, told, None, on_progress, cancel)

    def _backup(
        self,
        repository: Repository,
        words: Sequence[str],
        excludes: Sequence[str],
        late: Late | None,
        on_progress: OnProgress,
        cancel: Cancel,
    ) -> BackupSummary:
        shapes: dict[str, type[Status] | type[BackupDone]] = {
            "status": Status,
            "summary": BackupDone,
        }
        done: BackupDone | None = None
        waiting = () if late is None else (f"--exclude-file={LATE_FILE}",)
        with (
            arguments.excluding(excludes, self.command.scratch) as excluded,
            self.command.process(
                repository, ("backup", *excluded, *waiting, *words), cancel, late=late
            ) as process,
        ):
            for line in process.lines():
                message = read_message(line, shapes)
                if isinstance(message, BackupDone):
                    done = message
                elif isinstance(message, Status):
                    on_progress(progress_of(message, "backup"))
            status, complaints = process.ending()
        vanished = [line for line in complaints if line.endswith("does not exist, skipping")]
        if status == restic_faults.PARTLY_READ or vanished:
            made = done.snapshot_id if done is not None else ""
            raise unreadable(complaints, self._full_id(repository, made) if made else None)
        if status != restic_faults.DONE:
            self.command.fail(status, complaints, "the backup", repository)
        if done is None or not done.snapshot_id:
            raise BackupFailed("restic ended without naming the snapshot; run the backup again")
        if late is not None and not late.done():
            raise BackupFailed("restic did not wait to be told what to leave out; use another one")
        on_progress(finished(done))
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
        locked: bool = True,
    ) -> tuple[Snapshot, ...]:
        """The snapshots that have all these tags, newest last.

        restic passes over a snapshot that it cannot read; here that raises RepositoryDamaged,
        unless `skip_damaged` asks for what is left. locked: with a lock, which keeps a check or a
        prune from beginning meanwhile, and waits for neither where one is at work.
        """
        status, answer, complaints = self.command.run(
            repository,
            "snapshots",
            *arguments.only(tags, host),
            options=() if locked else ("--no-lock",),
        )
        if status != restic_faults.DONE:
            self.command.fail(status, complaints, "listing the snapshots", repository)
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
        leave_nothing: bool = False,
        cancel: Cancel = _NEVER,
    ) -> ForgetReport:
        """Forget the snapshots with all these tags that retention does not keep.

        At least one tag is needed, so that it is never a whole repository. They count as one
        group, whatever their paths. prune: delete the data that nobody needs any more;
        leave_nothing: all of it, where restic leaves up to a twentieth of everything in packs that
        hold what is still needed.
        What the storage refuses to delete (Object Lock, credentials without delete) stands in
        the report and is no error. In a bucket with versions a deletion hides an object and the
        lock keeps its bytes: see `bucket.held_by_lock`.
        """
        if not tags:
            raise InvalidInput.at("tags", "name the tag of the snapshots to choose from")
        rules = ("--group-by=", *arguments.only(tags, host), *retention.arguments())
        pruning = ("--prune", *(("--max-unused=0",) if leave_nothing else ())) if prune else ()
        act = ("forget", *rules, *pruning)
        status, answer, complaints = self.command.run(repository, *act, cancel=cancel)
        refused = restic_faults.refused_removals(complaints)
        if restic_faults.tells_of_damage(complaints):
            raise restic_faults.damage(complaints, "forgetting", repository.location)
        if status != restic_faults.DONE and not refused:
            self.command.fail(status, complaints, "forgetting", repository)
        groups = read_list(answer, ForgetGroup)
        if groups is None and refused:
            # 0.14 prints its decisions only when all deletions went well.
            answer = self.command.answer(repository, "forgetting", "forget", *rules, "--dry-run")
            groups = read_list(answer, ForgetGroup)
        if groups is None:
            raise BackupFailed("restic did not say as JSON what it forgot")
        pruned = prune and status == restic_faults.DONE and not refused
        return forget_report(groups, refused, pruned=pruned)

    def check(
        self,
        repository: Repository,
        *,
        read_data_subset: str | None = None,
        read_all: bool = False,
        locked: bool = True,
        cancel: Cancel = _NEVER,
    ) -> CheckReport:
        """Verify the structure, and the data as asked. Raises RepositoryDamaged naming the files.

        read_data_subset: `n/t`, a percentage or a size, as restic takes it; read_all: every byte.
        Needs the repository for itself: raises RepositoryLocked while a backup runs. locked: False
        needs it not, and may take for damage what others do meanwhile.
        """
        reading = arguments.reading(read_data_subset, everything=read_all)
        status, answer, complaints = self.command.run(
            repository,
            "check",
            *reading,
            cancel=cancel,
            options=() if locked else ("--no-lock",),
        )
        done, broken = check_verdict(answer)
        if status != restic_faults.DONE:
            self.command.fail(status, (*complaints, *broken), "the check", repository)
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
        beside: bool = False,
        on_progress: OnProgress,
        cancel: Cancel = _NEVER,
        locked: bool = True,
    ) -> RestoreSummary:
        """Bring a snapshot back below `target`, an empty or new folder, under its full paths.

        include: only what these patterns match. verify: read everything again and compare.
        beside: other files of the snapshot may be in `target` already. locked: False writes nothing
        to the repository, not even a lock, which would keep a prune from deleting meanwhile what is
        read. Raises RepositoryDamaged, BackupFailed, Cancelled: then what lies in `target` is not
        to be trusted. Before 0.17 restic tells only the phase, not how far it is.
        """
        if not beside:
            arguments.require_empty(target)
        wanted = [arguments.word("include", pattern) for pattern in include]
        words = [
            f"--target={arguments.word('target', str(target))}",
            *(("--verify",) if verify else ()),
            arguments.snapshot_id(snapshot_id),
        ]
        version = self.version()
        if version >= SPARSE:
            words.insert(0, "--sparse")
        from_file = version >= INCLUDE_FILE
        # Without the cache: what it kept of indexes, snapshots and folders would hide that the
        # repository has lost them.
        act = ("restore", "--no-cache", *words)
        options = () if locked else ("--no-lock",)
        with (
            arguments.including(wanted, self.command.scratch, from_file=from_file) as only,
            self.command.process(repository, (*act, *only), cancel, options) as process,
        ):
            for line in process.lines():
                message = read_message(line, {"status": Status})
                phase = restore_phase(line)
                if message is not None:
                    on_progress(progress_of(message, "restore"))
                elif phase is not None:
                    on_progress(Progress(phase=phase))
            status, complaints = process.ending()
        if status != restic_faults.DONE:
            self.command.fail(status, complaints, "the restore", repository)
        if restic_faults.tells_of_damage(complaints):
            raise restic_faults.damage(complaints, "the restore", repository.location)
        return count_restored(target)

    def ls(self, repository: Repository, snapshot_id: str) -> Iterator[Entry]:
        """The files and folders of a snapshot, as they are read. Raises at the end what failed."""
        listing = ("ls", arguments.snapshot_id(snapshot_id))
        with self.command.process(repository, listing, _NEVER) as process:
            for line in process.lines():
                entry = read_message(line, {"node": Entry})
                if entry is not None:
                    yield entry
            status, complaints = process.ending()
        if status != restic_faults.DONE:
            self.command.fail(status, complaints, "listing the snapshot", repository)

    def unlock(self, repository: Repository) -> None:
        """Remove the locks that restic itself calls stale: of dead processes, or 30 minutes old."""
        if not arguments.may_have_locks(repository):
            return
        self.command.answer(repository, "removing stale locks", "unlock")

    def locks(self, repository: Repository) -> tuple[HeldLock, ...]:
        """Who holds the repository now, oldest first."""
        listed = self.command.answer(
            repository, "listing the locks", "list", "locks", options=("--no-lock",)
        )
        held: list[HeldLock] = []
        for lock_id in listed.decode(errors="replace").split():
            status, answer, _ = self.command.run(
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
            answer = self.command.answer(repository, "finding the snapshot", "snapshots", short)
            found = [snapshot.id for snapshot in read_list(answer, Snapshot) or ()]
        if len(found) != 1:
            raise BackupFailed(f"the snapshot {short} was made but cannot be found; list snapshots")
        return found[0]


def find_restic(
    binary: Path | str,
    cache: Path,
    scratch: Path,
    clock: Clock,
    environment: Mapping[str, str],
    *,
    time_zone: str = "UTC",
    launch: Launch = subprocess.Popen,
) -> Restic:
    """restic by its path, or by its name in PATH; looked for at each use, not here.

    cache, scratch: folders of ours, made where missing (mode 0700); scratch takes temporary
    files. environment: ours, of which restic gets a short list. time_zone: of the snapshots'
    times, which decides where a day ends for retention. launch: starts a program as Popen does.
    """
    return Restic(ResticCommand(cache, scratch, clock, environment, str(binary), time_zone, launch))
