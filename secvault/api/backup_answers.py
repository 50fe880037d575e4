"""What the interface answers about plans and snapshots, and how it is made."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from secvault.backup.anomaly import Anomaly
from secvault.backup.catalogue import Measure
from secvault.backup.looking import Version
from secvault.backup.restic import Entry
from secvault.backup.restic_looking import Counted, modified_micros
from secvault.clock import timestamp
from secvault.service.backup_snapshots import Compared, Row
from secvault.service.backup_status import Status


class AnomalyAnswer(BaseModel):
    """What was strange about the newest good run. subject: a source; empty for the whole plan."""

    rule: Literal["size_collapse", "mass_change", "entropy_rise"]
    subject: str
    percent: int
    threshold: int
    files: int
    run: str
    snapshot: str


class StatusAnswer(BaseModel):
    """How a plan stands. Sizes in bytes, ages in seconds."""

    plan: str
    state: Literal["behind", "strange", "failing", "unproven", "new", "good"]
    behind: bool
    behind_since: str | None
    promised_hours: int
    due_by: str = Field(
        description="When the data of the next good backup has to be at the latest."
    )
    owner: str
    repositories: list[str]
    newest_run: str | None
    newest_snapshot: str | None
    data_at: str | None
    age_seconds: int | None
    bytes: int | None
    bytes_added: int | None
    files: int | None
    snapshots: int
    stored_bytes: int | None
    running: str | None
    next_due: str | None
    failed_run: str | None
    failed_times: int
    error: str | None
    proven_at: str | None
    drills: Literal["failed", "overdue", "missed", "new", "proven", "off"] = Field(
        description="How the plan stands with its restore drills."
    )
    damaged: list[str] = Field(
        description="Its repositories in which the newest check found damage."
    )
    catalogue_as_of: str | None
    anomalies: list[AnomalyAnswer]


class StatusList(BaseModel):
    """Every plan, the worst first."""

    plans: list[StatusAnswer]


class SnapshotAnswer(BaseModel):
    """A snapshot. Sizes where they are known; grown: bytes more than the one before."""

    id: str
    repository: str
    time: str
    run: str | None
    host: str
    paths: list[str]
    tags: list[str]
    files: int | None
    bytes: int | None
    bytes_added: int | None
    grown: int | None


class MeasureAnswer(BaseModel):
    """What the plan's snapshots took together; plain_bytes: before they were compressed."""

    measured_at: str
    snapshots: int
    stored_bytes: int
    plain_bytes: int


class SnapshotList(BaseModel):
    """The plan's snapshots, newest last, as of when the repository answered."""

    plan: str
    repository: str
    as_of: str | None
    trouble: str = Field(description="Why the repository does not answer now; empty where it does.")
    snapshots: list[SnapshotAnswer]
    measures: list[MeasureAnswer]


class EntryAnswer(BaseModel):
    """A file or folder as it was saved. mode: permissions, in Go's bits. modified: UTC."""

    name: str
    path: str
    type: str
    size: int
    mode: int
    uid: int
    gid: int
    modified: str | None


class FolderAnswer(BaseModel):
    """A page of a folder; `after` continues with the next one."""

    snapshot: str
    time: str
    folder: str
    entries: list[EntryAnswer]
    after: str | None


class VersionAnswer(BaseModel):
    """A file as it stands in one snapshot or in several."""

    path: str
    type: str
    size: int
    modified: str | None
    newest_snapshot: str
    newest_time: str
    oldest_snapshot: str
    oldest_time: str
    snapshots: int


class FoundAnswer(BaseModel):
    """What has the name. more: whether there is further, which was not listed."""

    versions: list[VersionAnswer]
    more: bool
    snapshots_searched: int


class CountedAnswer(BaseModel):
    """What came or went."""

    files: int
    folders: int
    others: int
    bytes: int


class ChangeAnswer(BaseModel):
    """One difference. change: + added, - removed, M content, T type, U metadata, ? bit rot."""

    path: str
    change: str


class DifferenceAnswer(BaseModel):
    """How a snapshot differs from an earlier one; the sums are of all changes."""

    before: str
    before_time: str
    after: str
    after_time: str
    changed_files: int
    added: CountedAnswer
    removed: CountedAnswer
    changes: list[ChangeAnswer]
    more: bool


def status(one: Status) -> StatusAnswer:
    """The answer for a plan."""
    state, newest, failed = one.state, one.state.newest, one.state.failed
    return StatusAnswer(
        plan=state.plan,
        state=one.word,
        behind=state.behind,
        behind_since=time(state.behind_since),
        promised_hours=state.promised_hours,
        due_by=timestamp(state.due_by),
        owner=state.owner,
        repositories=list(state.repositories),
        newest_run=newest.run if newest else None,
        newest_snapshot=newest.snapshot if newest else None,
        data_at=time(newest.data_at if newest else None),
        age_seconds=None if one.age is None else one.age // 1_000_000,
        bytes=newest.bytes if newest else None,
        bytes_added=newest.bytes_added if newest else None,
        files=newest.files if newest else None,
        snapshots=state.snapshots,
        stored_bytes=one.measured.stored_bytes if one.measured else None,
        running=state.running,
        next_due=time(state.next_due),
        failed_run=failed.run if failed else None,
        failed_times=failed.times if failed else 0,
        error=failed.error if failed else None,
        proven_at=time(one.drills.proven.finished_at if one.drills.proven else None),
        drills=one.drills.word,
        damaged=list(one.damaged),
        catalogue_as_of=time(state.refreshed_at),
        anomalies=[anomaly(each) for each in state.anomalies],
    )


def anomaly(one: Anomaly) -> AnomalyAnswer:
    """The answer for one thing that is strange."""
    return AnomalyAnswer(
        rule=one.rule,
        subject=one.subject,
        percent=one.percent,
        threshold=one.threshold,
        files=one.files,
        run=one.run,
        snapshot=one.snapshot,
    )


def snapshot(row: Row) -> SnapshotAnswer:
    """The answer for a snapshot."""
    one = row.snapshot
    return SnapshotAnswer(
        id=one.id,
        repository=one.repository,
        time=timestamp(one.taken_at),
        run=one.run or None,
        host=one.host,
        paths=list(one.paths),
        tags=list(one.tags),
        files=one.files,
        bytes=one.bytes,
        bytes_added=one.bytes_added,
        grown=row.grown,
    )


def measure(one: Measure) -> MeasureAnswer:
    """The answer for a measurement."""
    return MeasureAnswer(
        measured_at=timestamp(one.measured_at),
        snapshots=one.snapshots,
        stored_bytes=one.stored_bytes,
        plain_bytes=one.plain_bytes,
    )


def entry(one: Entry) -> EntryAnswer:
    """The answer for a file or folder."""
    return EntryAnswer(
        name=one.name,
        path=one.path,
        type=one.type,
        size=one.size,
        mode=one.mode,
        uid=one.uid,
        gid=one.gid,
        modified=time(modified_micros(one)),
    )


def version(one: Version) -> VersionAnswer:
    """The answer for a version of a file."""
    return VersionAnswer(
        path=one.path,
        type=one.type,
        size=one.size,
        modified=time(one.modified),
        newest_snapshot=one.newest.id,
        newest_time=timestamp(one.newest.taken_at),
        oldest_snapshot=one.oldest.id,
        oldest_time=timestamp(one.oldest.taken_at),
        snapshots=one.snapshots,
    )


def difference(found: Compared) -> DifferenceAnswer:
    """The answer for two snapshots."""
    totals = found.difference.totals
    return DifferenceAnswer(
        before=found.before.id,
        before_time=timestamp(found.before.taken_at),
        after=found.after.id,
        after_time=timestamp(found.after.taken_at),
        changed_files=totals.changed_files,
        added=counted(totals.added),
        removed=counted(totals.removed),
        changes=[
            ChangeAnswer(path=one.path, change=one.modifier) for one in found.difference.changes
        ],
        more=found.difference.more,
    )


def counted(one: Counted) -> CountedAnswer:
    """The answer for what came or went."""
    return CountedAnswer(files=one.files, folders=one.dirs, others=one.others, bytes=one.bytes)


def time(micros: int | None) -> str | None:
    """The moment as text; None stays None."""
    return None if micros is None else timestamp(micros)
