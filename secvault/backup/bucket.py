"""The S3 bucket under a repository: there or not, with versions and Object Lock or not.

What Object Lock is worth here: in COMPLIANCE mode nobody, the account's owner included, can delete
or change a version of an object before its time. Deleting without naming a version only hides the
object behind a delete marker, and that always succeeds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from secvault.backup.repository import Addressing, Repository, S3Credentials, S3Location
from secvault.backup.repository_faults import (
    RepositoryDenied,
    RepositoryMissing,
    RepositoryUnreachable,
)
from secvault.errors import BackupFailed, Conflict, InvalidInput

if TYPE_CHECKING:
    from botocore.exceptions import ClientError

LockMode = Literal["COMPLIANCE", "GOVERNANCE"]
Versioning = Literal["enabled", "suspended", "off"]

CONNECT_SECONDS = 10
READ_SECONDS = 60
ATTEMPTS = 3
MOST_DAYS = 36_500
_DAYS_OF_YEAR = 365
_ABSENT = frozenset({"404", "NoSuchBucket", "NotFound"})
DENIED = frozenset(
    {"403", "AccessDenied", "Forbidden", "InvalidAccessKeyId", "SignatureDoesNotMatch"}
    | {"ExpiredToken", "InvalidToken", "AllAccessDisabled"}
)
_NO_LOCK = frozenset({"ObjectLockConfigurationNotFoundError", "NoSuchObjectLockConfiguration"})


class S3Client(Protocol):
    """What is used of a boto3 client; `s3_client` makes one."""

    def head_bucket(self, **request: Any) -> Mapping[str, Any]:
        """Whether a bucket is there."""

    def create_bucket(self, **request: Any) -> Mapping[str, Any]:
        """Make a bucket."""

    def get_bucket_versioning(self, **request: Any) -> Mapping[str, Any]:
        """Whether it keeps versions."""

    def get_object_lock_configuration(self, **request: Any) -> Mapping[str, Any]:
        """Its Object Lock."""

    def put_object_lock_configuration(self, **request: Any) -> Mapping[str, Any]:
        """Change its Object Lock."""

    def get_paginator(self, operation: str) -> Any:
        """Read a long listing page by page."""

    def get_public_access_block(self, **request: Any) -> Mapping[str, Any]:
        """What keeps it from being public."""

    def get_bucket_policy(self, **request: Any) -> Mapping[str, Any]:
        """Who may do what with it."""

    def get_bucket_acl(self, **request: Any) -> Mapping[str, Any]:
        """To whom it is granted."""

    def put_object(self, **request: Any) -> Mapping[str, Any]:
        """Store an object."""

    def delete_object(self, **request: Any) -> Mapping[str, Any]:
        """Hide an object, or delete a version of it."""

    def put_object_retention(self, **request: Any) -> Mapping[str, Any]:
        """Lock an object until a moment."""

    def copy_object(self, **request: Any) -> Mapping[str, Any]:
        """Make a version the newest one again."""


@dataclass(frozen=True)
class ObjectLock:
    """What every new object of a bucket is locked with: the mode, and for how many days."""

    mode: LockMode
    days: int


@dataclass(frozen=True)
class BucketReport:
    """A bucket as it is. lock_enabled: it can lock objects; object_lock: and by default does."""

    name: str
    exists: bool
    versioning: Versioning = "off"
    lock_enabled: bool = False
    object_lock: ObjectLock | None = None


@dataclass(frozen=True)
class Finding:
    """Something that is not as it should be, and what to do about it."""

    fault: str
    mend: str


@dataclass(frozen=True)
class Verdict:
    """Whether backups in a bucket survive somebody who holds our credentials, and why not."""

    immutable: bool
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class HeldByLock:
    """What is deleted for restic and kept by Object Lock: versions, their bytes.

    until: when the last of them may go.
    """

    objects: int
    bytes: int
    until: datetime | None


def s3_client(repository: Repository) -> S3Client:
    """A client for the repository's server, with its credentials. Raises InvalidInput if local."""
    place, credentials = repository.place, repository.credentials
    if not isinstance(place, S3Location) or credentials is None:
        raise InvalidInput.at("location", f"{repository.location} is not in an S3 bucket")
    client: S3Client = connect(place, credentials, repository.addressing, repository.ca_file)
    return client


def connect(
    place: S3Location,
    credentials: S3Credentials,
    addressing: Addressing = "path",
    ca_file: Path | None = None,
    *,
    connect_seconds: float = CONNECT_SECONDS,
    read_seconds: float = READ_SECONDS,
    attempts: int = ATTEMPTS,
) -> Any:
    """A client of boto3 for the server of a bucket; see `Repository` for what it takes."""
    import boto3  # noqa: PLC0415 - most commands talk to no bucket
    from botocore.config import Config  # noqa: PLC0415

    token = credentials.session_token
    styles = {"path": "path", "dns": "virtual", "auto": "auto"}
    return boto3.client(
        "s3",
        endpoint_url=place.endpoint,
        region_name=credentials.region,
        aws_access_key_id=credentials.access_key_id,
        aws_secret_access_key=credentials.secret_access_key.text(),
        aws_session_token=None if token is None else token.text(),
        verify=None if ca_file is None else str(ca_file),
        config=Config(
            signature_version="s3v4",
            s3={"addressing_style": styles[addressing]},
            connect_timeout=connect_seconds,
            read_timeout=read_seconds,
            retries={"mode": "standard", "total_max_attempts": attempts},
            # Many servers that speak S3 are older than checksums in trailers.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )


def inspect_bucket(client: S3Client, bucket: str) -> BucketReport:
    """The bucket as it is; one that is not there is no error.

    Raises RepositoryDenied, RepositoryUnreachable, BackupFailed.
    """
    with named_faults(bucket):
        if code_of(lambda: client.head_bucket(Bucket=bucket), _ABSENT) is not None:
            return BucketReport(bucket, exists=False)
        versioning = client.get_bucket_versioning(Bucket=bucket).get("Status")
        found: list[Mapping[str, Any]] = []
        code_of(lambda: found.append(client.get_object_lock_configuration(Bucket=bucket)), _NO_LOCK)
    kinds: dict[Any, Versioning] = {"Enabled": "enabled", "Suspended": "suspended"}
    lock = found[0].get("ObjectLockConfiguration", {}) if found else {}
    return BucketReport(
        name=bucket,
        exists=True,
        versioning=kinds.get(versioning, "off"),
        lock_enabled=lock.get("ObjectLockEnabled") == "Enabled",
        object_lock=_default_lock(lock),
    )


def ensure_bucket(
    client: S3Client, bucket: str, *, region: str = "us-east-1", object_lock: ObjectLock | None
) -> BucketReport:
    """Make the bucket if it is not there; lock its new objects as asked.

    A lock is only ever made stronger: a longer time or a stricter mode that is there stays.
    Raises Conflict where the bucket is there and cannot lock objects.
    """
    if object_lock is not None and not 1 <= object_lock.days <= MOST_DAYS:
        raise InvalidInput.at("object_lock.days", f"must be 1 to {MOST_DAYS}")
    make_if_missing(client, bucket, region=region, lockable=object_lock is not None)
    report = inspect_bucket(client, bucket)
    with named_faults(bucket):
        if object_lock is None:
            return report
        if not report.lock_enabled:
            raise Conflict(
                f"the bucket {bucket} cannot lock objects, which is decided when it is made; use "
                "a new bucket, or have Object Lock enabled by the storage's administrator"
            )
        wanted = _stronger(report.object_lock, object_lock)
        if wanted != report.object_lock:
            retention = {"Mode": wanted.mode, "Days": wanted.days}
            client.put_object_lock_configuration(
                Bucket=bucket,
                ObjectLockConfiguration={
                    "ObjectLockEnabled": "Enabled",
                    "Rule": {"DefaultRetention": retention},
                },
            )
    return inspect_bucket(client, bucket)


def make_if_missing(
    client: S3Client, bucket: str, *, region: str = "us-east-1", lockable: bool = False
) -> None:
    """Make the bucket if it is not there. Of one that is, no more is asked than that it is there.

    Raises RepositoryDenied, RepositoryUnreachable, BackupFailed.
    """
    with named_faults(bucket):
        if code_of(lambda: client.head_bucket(Bucket=bucket), _ABSENT) is None:
            return
        # Amazon takes every region here but its first.
        where = {} if region == "us-east-1" else {"LocationConstraint": region}
        client.create_bucket(
            Bucket=bucket,
            ObjectLockEnabledForBucket=lockable,
            **({"CreateBucketConfiguration": where} if where else {}),
        )


def judge(report: BucketReport, *, days: int) -> Verdict:
    """Whether what is saved now survives `days` days in the hands of an attacker as ourselves."""
    if not report.exists:
        return Verdict(
            immutable=False,
            findings=(Finding(f"the bucket {report.name} is not there", "make it"),),
        )
    findings: list[Finding] = []
    if report.versioning != "enabled":
        findings.append(
            Finding(
                "versions are not kept, so what is overwritten or deleted is gone",
                "enable versioning on the bucket",
            )
        )
    lock = report.object_lock
    if lock is None:
        findings.append(
            Finding(
                "objects are not locked, so whoever holds the credentials can delete backups",
                f"set a default retention in COMPLIANCE mode of at least {days} days"
                if report.lock_enabled
                else "use a bucket that was made with Object Lock",
            )
        )
    else:
        if lock.mode != "COMPLIANCE":
            findings.append(
                Finding("GOVERNANCE mode can be bypassed", "set the mode to COMPLIANCE")
            )
        if lock.days < days:
            findings.append(
                Finding(
                    f"objects are locked for {lock.days} days only", f"lock them for {days} days"
                )
            )
    return Verdict(immutable=not findings, findings=tuple(findings))


def held_by_lock(
    client: S3Client, place: S3Location, lock: ObjectLock | None, now: datetime
) -> HeldByLock:
    """What was deleted below the repository's prefix and is kept by the lock until its time.

    Counted from the dates of the versions and the bucket's default retention, one request for each
    1000 versions. Locks of restic, which it makes and deletes all the time, are not counted.
    """
    if lock is None:
        return HeldByLock(0, 0, None)
    prefix = f"{place.prefix}/" if place.prefix else ""
    time = timedelta(days=lock.days)
    objects = size = 0
    until: datetime | None = None
    with named_faults(place.bucket):
        for version in _hidden_versions(client, place.bucket, prefix):
            free_at = version["LastModified"] + time
            if free_at > now and not version["Key"].startswith(f"{prefix}locks/"):
                objects += 1
                size += version["Size"]
                until = free_at if until is None else max(until, free_at)
    return HeldByLock(objects, size, until)


def _hidden_versions(client: S3Client, bucket: str, prefix: str) -> Iterator[Mapping[str, Any]]:
    pages = client.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix)
    for page in pages:
        for version in page.get("Versions", ()):
            if not version["IsLatest"]:
                yield version


def _default_lock(configuration: Mapping[str, Any]) -> ObjectLock | None:
    default = configuration.get("Rule", {}).get("DefaultRetention", {})
    days = int(default.get("Days") or 0) or int(default.get("Years") or 0) * _DAYS_OF_YEAR
    mode: LockMode = "COMPLIANCE" if default.get("Mode") == "COMPLIANCE" else "GOVERNANCE"
    return ObjectLock(mode, days) if days else None


def _stronger(present: ObjectLock | None, asked: ObjectLock) -> ObjectLock:
    if present is None:
        return asked
    strict = "COMPLIANCE" in {present.mode, asked.mode}
    return ObjectLock("COMPLIANCE" if strict else "GOVERNANCE", max(present.days, asked.days))


def code_of(request: Callable[[], object], expected: frozenset[str]) -> str | None:
    """Send the request; the server's error code if it is an expected one, None if all went well."""
    from botocore.exceptions import ClientError  # noqa: PLC0415

    try:
        request()
    except ClientError as error:
        code = _code(error)
        if code in expected:
            return code
        raise
    return None


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


@contextmanager
def named_faults(bucket: str) -> Iterator[None]:
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    try:
        yield
    except ClientError as error:
        code = _code(error)
        if code in DENIED:
            raise RepositoryDenied(
                f"the server refuses the credentials for the bucket {bucket} ({code}); check the "
                f"access key, its secret, and that they may {error.operation_name}"
            ) from None
        if code in _ABSENT:
            raise RepositoryMissing(f"there is no bucket {bucket}; make it first") from None
        if str(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", "")) >= "500":
            raise RepositoryUnreachable(
                f"the server of the bucket {bucket} cannot serve now ({code}); try again later"
            ) from None
        raise BackupFailed(f"the bucket {bucket}: {error.operation_name} failed: {code}") from None
    except BotoCoreError as error:
        raise RepositoryUnreachable(
            f"the server of the bucket {bucket} cannot be reached ({type(error).__name__}); check "
            "the address and the network, then try again"
        ) from None
