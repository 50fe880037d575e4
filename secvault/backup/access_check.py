"""A repository seen from where it lies: reached or not, and what is missing to protect it.

For a bucket: versions, Object Lock, who can reach it, what the credentials for saving could delete,
whether those for pruning can do their work; and how the lock and the plans' retention fit together.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from secvault.backup import bucket, bucket_locks
from secvault.backup.bucket import BucketReport, Finding, ObjectLock, judge
from secvault.backup.bucket_access import (
    Deletion,
    Public,
    deletion,
    judge_deletion,
    judge_public,
    public_access,
)
from secvault.backup.engine import BackupEngine
from secvault.backup.repository import KEYS, Repository, S3Location
from secvault.backup.repository_faults import (
    RepositoryDamaged,
    RepositoryDenied,
    RepositoryMissing,
    WrongRepositoryPassword,
)
from secvault.backup.retaining import retention_of
from secvault.config import PlanSettings
from secvault.errors import SecvaultError

_FOLDER = Finding(
    "the repository is a folder: whoever can write there can delete it",
    "keep a copy in a bucket with Object Lock (`copies` of the plan)",
)
_MAY_LOOK = "let the credentials that prune read its versioning, its lock and its policy"


@dataclass(frozen=True)
class AccessReport:
    """What was seen of one repository.

    made: whether there is one that our password opens; None where that was not tried. bucket,
    public, may: None for a folder; may also where deleting was not tried. immutable: what is saved
    survives somebody who holds the credentials for saving. findings: what is wrong, and the mend.
    hints: what is good to know.
    """

    name: str
    location: str
    made: bool | None = None
    bucket: BucketReport | None = None
    public: Public | None = None
    may: Deletion | None = None
    immutable: bool = False
    findings: tuple[Finding, ...] = ()
    hints: tuple[Finding, ...] = ()


def look(engine: BackupEngine, name: str, days: int) -> AccessReport:
    """Look at the bucket without changing anything; days: for how long backups should be safe.

    Raises RepositoryUnreachable, RepositoryDenied, ConfigurationError and others.
    """
    repository = engine.repository(name)
    seen = AccessReport(name, repository.location)
    place = repository.place
    if not isinstance(place, S3Location):
        return seen if name.endswith(KEYS) else replace(seen, hints=(_FOLDER,))
    # Whoever only saves need not be able to look.
    client = bucket.s3_client(repository.pruner())
    report = bucket.inspect_bucket(client, place.bucket)
    verdict = judge(report, days=days)
    if not report.exists:
        return replace(seen, bucket=report, findings=verdict.findings)
    public = public_access(client, place.bucket)
    of_keys = name.endswith(KEYS)
    by_kind = tuple(_of_keys(report, engine.keys_days)) if of_keys else verdict.findings
    lock = report.object_lock
    return replace(
        seen,
        bucket=report,
        public=public,
        immutable=verdict.immutable and not of_keys,
        findings=(*by_kind, *judge_public(public)),
        hints=() if of_keys or lock is None else tuple(_fit(engine, name, lock)),
    )


def check(engine: BackupEngine, name: str, days: int) -> AccessReport:
    """The same, and try what the credentials may do: open, delete, lock for longer.

    What is refused or wrong is a finding. Raises RepositoryUnreachable, ConfigurationError.
    """
    repository = engine.repository(name)
    made, findings = _made(engine, repository)
    try:
        seen = look(engine, name, days)
    except RepositoryDenied as error:
        seen = AccessReport(name, repository.location)
        findings += (Finding(f"the bucket cannot be looked at: {error.detail}", _MAY_LOOK),)
    place, report = repository.place, seen.bucket
    if not isinstance(place, S3Location) or (report is not None and not report.exists):
        return replace(seen, made=made, findings=(*seen.findings, *findings))
    may = deletion(bucket.s3_client(repository), place, engine.random)
    versions = report is not None and report.versioning == "enabled"
    lock = report.object_lock if report is not None and versions else None
    # Data keys are meant to be deleted.
    if not seen.name.endswith(KEYS):
        compliant = lock is not None and lock.mode == "COMPLIANCE"
        findings += judge_deletion(may, versions=versions, locked=compliant)
        if made and lock is not None:
            findings += tuple(_of_extension(engine, repository.pruner(), place, lock))
    if repository.pruning is not None:
        findings += tuple(_of_pruner(engine, repository.pruner(), place))
    return replace(seen, made=made, may=may, findings=(*seen.findings, *findings))


def _made(engine: BackupEngine, repository: Repository) -> tuple[bool, tuple[Finding, ...]]:
    """Whether the password opens it, and what keeps it from that."""
    try:
        engine.restic.identity(repository)
    except RepositoryMissing:
        return False, ()
    except (WrongRepositoryPassword, RepositoryDenied, RepositoryDamaged) as error:
        return False, (Finding(error.detail, "no run can save there before that is mended"),)
    return True, ()


def _of_keys(report: BucketReport, keys_days: int) -> Iterable[Finding]:
    """Data keys are to go soon: what protects other data keeps whoever was erased."""
    mend = "set keys_location to a bucket that keeps no versions and locks nothing"
    lock = report.object_lock
    if lock is not None and lock.days > keys_days:
        yield Finding(
            f"the bucket's lock keeps data keys for {lock.days} days, and backup.keys_days says "
            f"{keys_days}: so long it takes until an erased person cannot be read",
            mend,
        )
    elif report.versioning != "off":
        yield Finding(
            "the bucket keeps versions, also of data keys that were deleted: an erased person can "
            "be read by them",
            f"{mend}, or let its versions expire after {keys_days} days",
        )


def _of_pruner(
    engine: BackupEngine, repository: Repository, place: S3Location
) -> Iterable[Finding]:
    try:
        may = deletion(bucket.s3_client(repository), place, engine.random)
    except SecvaultError as error:
        yield Finding(
            f"the credentials for pruning do not work: {error.detail}",
            "correct prune_access_key_id and its secret",
        )
        return
    if not (may.hide and may.unlock):
        yield Finding(
            "the credentials for pruning cannot delete: nothing that is forgotten goes",
            "let them list, read and delete there",
        )


def _of_extension(
    engine: BackupEngine, repository: Repository, place: S3Location, lock: ObjectLock
) -> Iterable[Finding]:
    try:
        client = bucket.s3_client(repository)
        bucket_locks.extend(
            client,
            place,
            lock,
            written_before=engine.clock.now(),
            now=engine.clock.now(),
            only="config",
        )
    except RepositoryDenied:
        yield Finding(
            f"locks end {lock.days} days after an object was written, and cannot be extended: what "
            "new snapshots share with old ones can be deleted then",
            "let the credentials that prune do PutObjectRetention",
        )


def _fit(engine: BackupEngine, name: str, lock: ObjectLock) -> Iterable[Finding]:
    for plan_name, plan in sorted(engine.plans().items()):
        if name in (plan.repository, *plan.copies):
            yield from judge_retention(plan_name, plan, lock)


def judge_retention(plan_name: str, plan: PlanSettings, lock: ObjectLock) -> Iterable[Finding]:
    """How the plan's retention and the bucket's lock fit together, in either direction."""
    days = retention_of(plan).days()
    if days > lock.days:
        yield Finding(
            f"{plan_name} keeps snapshots for {days} days and more, and the lock is for "
            f"{lock.days}: it is extended while backups run, and ends at the earliest "
            f"{lock.days // 2} days after they stop",
            "lock for at least twice as long as it may take to notice that somebody stopped them",
        )
    if days < lock.days:
        yield Finding(
            f"{plan_name} gives snapshots up after {days} days, and the lock keeps their bytes for "
            f"up to {lock.days}",
            "expect the bucket to grow by that, or lock for less",
        )
