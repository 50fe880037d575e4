"""The objects of an S3 bucket as a source: each run brings a copy that stays up to date.

The copy lies in a folder that is kept from run to run, beside its index, and restic saves it from
there. An object is fetched when its ETag, size, time or version is another than in the index, or
when its file is missing. What is gone from the bucket goes from the copy, and stays in the
snapshots.
"""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

import msgspec

from secvault.backup.bucket import connect, named_faults
from secvault.backup.repository import S3Credentials, S3Location, parse_location
from secvault.backup.repository_faults import RepositoryMissing, SourceUnreadable
from secvault.backup.sources import bucket_index as index
from secvault.backup.sources.bucket_index import ObjectVersion
from secvault.backup.sources.source import Staged, Turn
from secvault.config.backup_sources import BucketSource
from secvault.errors import BackupFailed, Cancelled, ConfigurationError, Damaged

WORKERS = 8
"""Objects that are fetched or sent at one time."""
_WAITING = 64
_CHUNK = 1 << 20
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_GONE = frozenset({"NoSuchKey", "NoSuchVersion", "404"})
_MD5_HEX = 32


@dataclass(frozen=True)
class Bucket:
    """A bucket at hand. prefix: what the keys begin with, a slash at its end, or empty."""

    client: Any
    name: str
    prefix: str
    endpoint: str


def stage(source: BucketSource, turn: Turn) -> Staged:
    """Bring the copy up to what the bucket holds now, whole, or raise.

    Raises SourceUnreadable where there is no such bucket, ConfigurationError, BackupFailed,
    Unavailable, Cancelled, OSError; what was fetched by then need not be fetched again.
    """
    if turn.kept is None:
        raise BackupFailed(f"{turn.name}: there is no folder to keep the copy of the bucket in")
    setting = f"backup.plans.{turn.plan}.sources.{turn.name}"
    bucket = opened(source, turn, setting)
    folder = turn.kept
    (folder / index.OBJECTS).mkdir(parents=True, exist_ok=True, mode=0o700)
    head = index.Head(bucket.endpoint, bucket.name, bucket.prefix, source.versions)
    facts, files = index.Facts(), set[int]()

    def counted(objects: Iterator[ObjectVersion]) -> Iterator[ObjectVersion]:
        for one in objects:
            facts.add(one)
            files.add(_number(one.file))
            yield one

    fetching = _Fetching(bucket, folder, turn, with_tags=source.with_tags)
    try:
        with named_faults(bucket.name):
            index.write(head, counted(fetching.objects(source.versions)), folder / index.NAME)
    except RepositoryMissing:
        raise SourceUnreadable(
            f"{setting}.location: there is no bucket {bucket.name}; nothing was saved",
            unreadable=(bucket.name,),
        ) from None
    _drop_others(folder / index.OBJECTS, files)
    return Staged((folder,), facts=facts.told())


def opened(source: BucketSource, turn: Turn, setting: str) -> Bucket:
    """The bucket that the settings name. setting: where they stand. Raises ConfigurationError."""
    place = parse_location(source.location)
    if not isinstance(place, S3Location):
        raise ConfigurationError(f"{setting}.location: write it as s3:https://host/bucket/prefix")
    key_id, secret = source.access_key_id, turn.password
    if not key_id or secret is None:
        raise ConfigurationError(f"{setting}: access_key_id and secret_access_key are both needed")
    client = connect(
        place,
        S3Credentials(key_id, secret, None, source.region),
        "path" if source.path_style else "dns",
        source.ca_file,
    )
    prefix = f"{place.prefix}/" if place.prefix else ""
    return Bucket(client, place.bucket, prefix, place.endpoint)


def tags_of(bucket: Bucket, key: str, version: str) -> dict[str, str]:
    """The tags of an object, by its whole key. Raises what boto3 raises."""
    which = {"VersionId": version} if version else {}
    answer = bucket.client.get_object_tagging(Bucket=bucket.name, Key=key, **which)
    return {tag["Key"]: tag["Value"] for tag in answer.get("TagSet", ())}


@dataclass
class _Fetching:
    """Fetching what the index of before does not have."""

    bucket: Bucket
    folder: Path
    turn: Turn
    with_tags: bool
    _before: _Before = field(init=False)

    def __post_init__(self) -> None:
        self._before = _Before(self.folder / index.NAME)

    def objects(self, versions: str) -> Iterator[ObjectVersion]:
        """Every object, in order, its content in its file."""
        listed = _newest(self.bucket) if versions == "newest" else _all_versions(self.bucket)
        with ThreadPoolExecutor(WORKERS, thread_name_prefix="bucket") as pool:
            waiting: deque[Future[ObjectVersion | None]] = deque()
            try:
                for one in listed:
                    self._heed()
                    known = self._before.of(one)
                    waiting.append(pool.submit(self._brought, one, known))
                    while len(waiting) > _WAITING:
                        yield from _there(waiting.popleft())
                while waiting:
                    yield from _there(waiting.popleft())
            finally:
                for each in waiting:
                    each.cancel()

    def _heed(self) -> None:
        if self.turn.cancel.is_set():
            raise Cancelled("stopped on request; nothing was saved yet")

    def _brought(self, one: ObjectVersion, known: ObjectVersion | None) -> ObjectVersion | None:
        """The object with its content here; None when it is gone meanwhile."""
        from botocore.exceptions import ClientError  # noqa: PLC0415

        self._heed()
        if one.deleted:
            return one
        try:
            if known is None or not self._is_here(known):
                found = self._fetched(one)
            else:
                found = msgspec.structs.replace(known, newest=one.newest)
            tags = {}
            if self.with_tags:
                tags = tags_of(self.bucket, self.bucket.prefix + one.key, one.version)
            return msgspec.structs.replace(found, tags=tags)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in _GONE:
                return None
            raise

    def _is_here(self, known: ObjectVersion) -> bool:
        try:
            return (self.folder / index.OBJECTS / known.file).stat().st_size == known.size
        except OSError:
            return False

    def _fetched(self, one: ObjectVersion) -> ObjectVersion:
        key = self.bucket.prefix + one.key
        which = {"VersionId": one.version} if one.version else {}
        answer = self.bucket.client.get_object(Bucket=self.bucket.name, Key=key, **which)
        file = self.folder / index.OBJECTS / one.file
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        part = file.with_name(f"{hashlib.sha256(one.file.encode()).hexdigest()[:32]}.part")
        digest, md5, size = hashlib.sha256(), hashlib.md5(usedforsecurity=False), 0
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as to:
            for chunk in answer["Body"].iter_chunks(_CHUNK):
                self._heed()
                to.write(chunk)
                digest.update(chunk)
                md5.update(chunk)
                size += len(chunk)
        etag = answer.get("ETag", "").strip('"')
        # Of what was sent in one piece and is not encrypted by a key of the sender or of KMS.
        is_md5 = len(etag) == _MD5_HEX and not answer.get("SSECustomerAlgorithm")
        is_md5 = is_md5 and "kms" not in answer.get("ServerSideEncryption", "")
        if size != answer["ContentLength"] or (is_md5 and md5.hexdigest() != etag):
            part.unlink()
            raise Damaged(f"the object {key} did not arrive as the server has it; run it again")
        modified = answer["LastModified"]
        seconds = modified.timestamp()
        os.utime(part, (seconds, seconds))
        part.replace(file)
        until = answer.get("ObjectLockRetainUntilDate")
        return ObjectVersion(
            key=one.key,
            version=one.version,
            newest=one.newest,
            modified=_micros(modified),
            size=size,
            etag=etag,
            sha256=digest.hexdigest(),
            file=one.file,
            headers=index.headers_of(answer),
            metadata=dict(answer.get("Metadata", {})),
            storage_class=answer.get("StorageClass", ""),
            locked_until="" if until is None else until.isoformat(),
        )


class _Before:
    """The index of the run before, read in step with the listing: both are in order of the keys."""

    def __init__(self, file: Path) -> None:
        self._groups = index.by_key(_readable(file))
        self._key = ""
        self._versions: tuple[ObjectVersion, ...] = ()
        self._ended = False

    def of(self, one: ObjectVersion) -> ObjectVersion | None:
        """What was known of this very content, or None."""
        while not self._ended and self._key.encode() < one.key.encode():
            self._key, self._versions = next(self._groups, ("", ()))
            self._ended = not self._versions
        if self._key != one.key:
            return None
        same = (one.version, one.modified, one.size, one.etag, one.file)
        for known in self._versions:
            if (known.version, known.modified, known.size, known.etag, known.file) == same:
                return known
        return None


def _readable(file: Path) -> Iterator[ObjectVersion]:
    # Without an index, or behind where it is damaged, all is fetched anew.
    with suppress(Damaged):
        yield from index.read(file)


def _there(task: Future[ObjectVersion | None]) -> tuple[ObjectVersion, ...]:
    found = task.result()
    return () if found is None else (found,)


def _newest(bucket: Bucket) -> Iterator[ObjectVersion]:
    pages = bucket.client.get_paginator("list_objects_v2")
    for page in pages.paginate(Bucket=bucket.name, Prefix=bucket.prefix):
        for told in page.get("Contents", ()):
            yield _listed(bucket, told, "", newest=True)


def _all_versions(bucket: Bucket) -> Iterator[ObjectVersion]:
    """All versions and marks of deletions, of each key the oldest first."""
    for _, versions in groupby(_versions_and_marks(bucket), key=lambda one: one[1].key):
        # The newest is told by the server; others may have the same time.
        for _, one in sorted(versions, key=lambda each: (each[1].newest, each[0])):
            yield one


def _versions_and_marks(bucket: Bucket) -> Iterator[tuple[datetime, ObjectVersion]]:
    """The same with their times, those of a key together, otherwise in no order."""
    pages = bucket.client.get_paginator("list_object_versions")
    for page in pages.paginate(Bucket=bucket.name, Prefix=bucket.prefix):
        # A page has two lists, newest first, of what the server told as one.
        versions = [
            (
                told["LastModified"],
                _listed(bucket, told, told["VersionId"], newest=told["IsLatest"]),
            )
            for told in reversed(page.get("Versions", ()))
        ]
        marks = [
            (
                told["LastModified"],
                ObjectVersion(
                    key=told["Key"].removeprefix(bucket.prefix),
                    version=told["VersionId"],
                    newest=told["IsLatest"],
                    modified=_micros(told["LastModified"]),
                ),
            )
            for told in reversed(page.get("DeleteMarkers", ()))
        ]
        yield from sorted([*versions, *marks], key=lambda one: one[1].key.encode())


def _listed(
    bucket: Bucket, told: Mapping[str, Any], version: str, *, newest: bool
) -> ObjectVersion:
    key = told["Key"].removeprefix(bucket.prefix)
    return ObjectVersion(
        key=key,
        version=version,
        newest=newest,
        modified=_micros(told["LastModified"]),
        size=told["Size"],
        etag=told["ETag"].strip('"'),
        file=index.file_of(key, version),
    )


def _micros(moment: datetime) -> int:
    # Whole seconds: some servers tell fractions in a listing, and none with an object.
    return (moment.replace(microsecond=0) - _EPOCH) // timedelta(microseconds=1)


def _drop_others(objects: Path, files: set[int]) -> None:
    """Remove what is in the copy and not in the bucket any more."""
    for folder, _, names in os.walk(objects, topdown=False):
        for name in names:
            file = Path(folder, name)
            if _number(str(file.relative_to(objects))) not in files:
                file.unlink()
        if Path(folder) != objects:
            # Not empty: something of it is still there.
            with suppress(OSError):
                Path(folder).rmdir()


def _number(file: str) -> int:
    """Eight bytes for a path, so that a million of them take some 70 MB and no more."""
    return int.from_bytes(hashlib.blake2b(file.encode(), digest_size=8).digest())
