"""Object Lock on the objects of one repository: made longer, and undone what it outlived."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from secvault.backup.bucket import ObjectLock, S3Client, named_faults
from secvault.backup.repository import S3Location

# What a repository is made of, below its prefix: all but its locks, which come and go.
LASTING = ("config", "data/", "index/", "keys/", "snapshots/")
AT_ONCE = 8


@dataclass(frozen=True)
class Hidden:
    """An object that was something else at a moment: its key, and the version of then."""

    key: str
    version: str
    size: int


def extend(
    client: S3Client,
    place: S3Location,
    lock: ObjectLock,
    *,
    written_before: datetime,
    now: datetime,
    only: str = "",
) -> int:
    """Lock what the repository is made of now for the bucket's days from now on; how many objects.

    written_before: what is younger is locked for long enough as it is. only: one of `LASTING`.
    One request an object. Raises RepositoryDenied, RepositoryUnreachable, BackupFailed.
    """
    until = now + timedelta(days=lock.days)

    def lengthen(key: str) -> None:
        client.put_object_retention(
            Bucket=place.bucket, Key=key, Retention={"Mode": lock.mode, "RetainUntilDate": until}
        )

    with named_faults(place.bucket), ThreadPoolExecutor(AT_ONCE) as threads:
        old = [
            found["Key"]
            for found in _objects(client, place, only)
            if found["LastModified"] <= written_before
        ]
        return len(list(threads.map(lengthen, old)))


def hidden_since(client: S3Client, place: S3Location, moment: datetime) -> tuple[Hidden, ...]:
    """What was there at that moment and is deleted or overwritten since, as far as it is kept.

    Raises RepositoryDenied, RepositoryUnreachable, BackupFailed.
    """
    newest: dict[str, str] = {}
    of_then: dict[str, Mapping[str, Any]] = {}
    with named_faults(place.bucket):
        for one in _versions(client, place):
            if one["IsLatest"]:
                newest[one["Key"]] = one["VersionId"]
            if one["LastModified"] <= moment:
                present = of_then.get(one["Key"])
                if present is None or present["LastModified"] < one["LastModified"]:
                    of_then[one["Key"]] = one
    return tuple(
        Hidden(key, one["VersionId"], one["Size"])
        for key, one in sorted(of_then.items())
        # A delete marker has no size: it was deleted by then already.
        if "Size" in one and newest.get(key) != one["VersionId"]
    )


def bring_back(client: S3Client, place: S3Location, hidden: Hidden) -> None:
    """Make the version of then the newest again, by a copy of it; nothing is deleted.

    Raises RepositoryDenied, RepositoryUnreachable, BackupFailed.
    """
    with named_faults(place.bucket):
        client.copy_object(
            Bucket=place.bucket,
            Key=hidden.key,
            CopySource={
                "Bucket": place.bucket,
                "Key": hidden.key,
                "VersionId": hidden.version,
            },
        )


def _objects(client: S3Client, place: S3Location, only: str) -> Iterator[Mapping[str, Any]]:
    listing = client.get_paginator("list_objects_v2")
    for prefix in _prefixes(place):
        if not prefix.endswith(only):
            continue
        for page in listing.paginate(Bucket=place.bucket, Prefix=prefix):
            yield from page.get("Contents", ())


def _versions(client: S3Client, place: S3Location) -> Iterator[Mapping[str, Any]]:
    listing = client.get_paginator("list_object_versions")
    for prefix in _prefixes(place):
        for page in listing.paginate(Bucket=place.bucket, Prefix=prefix):
            yield from page.get("Versions", ())
            yield from page.get("DeleteMarkers", ())


def _prefixes(place: S3Location) -> Iterator[str]:
    # One by one: the repository of the data keys may lie below the same prefix.
    before = f"{place.prefix}/" if place.prefix else ""
    return (f"{before}{name}" for name in LASTING)
