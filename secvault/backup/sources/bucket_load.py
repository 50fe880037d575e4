"""Putting the saved objects of a bucket back: into the same bucket or another.

Content, headers, metadata and tags come back as they were, and where all versions are saved and
the bucket keeps versions, their order and the deletions between them. The server itself names
versions and says when they were made; storage class and locks are the bucket's own.
"""

from __future__ import annotations

import base64
import hashlib
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlencode

import msgspec

from secvault.backup.bucket import ensure_bucket, inspect_bucket, named_faults
from secvault.backup.sources import bucket_index as index
from secvault.backup.sources.bucket import WORKERS, Bucket, opened, tags_of
from secvault.backup.sources.bucket_index import ObjectVersion
from secvault.backup.sources.loading import Loaded, Target, Wish, refuse_overwriting
from secvault.backup.sources.source import SourceEntry, Turn
from secvault.config.backup_sources import BucketSource
from secvault.crypto.canonical import JsonValue
from secvault.errors import Cancelled, Conflict, Damaged, InvalidInput

PART = 64 << 20
"""Bytes that are sent at once; larger objects go in parts of this size or more."""
_MOST_PARTS = 10_000
_WAITING = 64
_CHUNK = 1 << 20


def look(entry: SourceEntry, into: BucketSource, turn: Turn, wish: Wish) -> tuple[Target, ...]:
    """The bucket, and whether anything is in it. Raises InvalidInput, BackupFailed, Unavailable."""
    if wish.names:
        raise InvalidInput.at(
            "names", "a bucket is loaded as a whole; restore single objects as files"
        )
    bucket = opened(into, turn, entry.name)
    there = inspect_bucket(bucket.client, bucket.name).exists
    empty = True
    if there:
        with named_faults(bucket.name):
            listed = bucket.client.list_objects_v2(
                Bucket=bucket.name, Prefix=bucket.prefix, MaxKeys=1
            )
        empty = listed["KeyCount"] == 0
    name = f"{bucket.name}/{bucket.prefix}".rstrip("/")
    return (Target(entry.name, name, bucket.endpoint, there=there, empty=empty),)


def load(entry: SourceEntry, folder: Path, into: BucketSource, turn: Turn, wish: Wish) -> Loaded:
    """Send every object, then read all of it back to say what is there.

    A bucket that is not there is made. With `wish.replace`, objects of the same keys are written
    over (in a bucket with versions: hidden behind the new ones), and what else is there stays.
    Raises Conflict where something is there, or where versions are to be put back and the bucket
    keeps none; Damaged, BackupFailed, Unavailable, Cancelled.
    """
    targets = look(entry, into, turn, wish)
    refuse_overwriting(targets, wish)
    bucket = opened(into, turn, entry.name)
    history = into.versions == "all" and _has_history(entry)
    _ready(bucket, into, made=not targets[0].there, history=history)
    work = _Sending(bucket, folder, turn, history=history)
    with named_faults(bucket.name):
        work.send()
        facts = work.facts()
    if _has_history(entry) and not history:
        # They were saved, and were not asked for.
        del facts["versions"], facts["deletions"]
    return Loaded(facts)


def _has_history(entry: SourceEntry) -> bool:
    counted = [entry.facts.get(name) for name in ("versions", "objects", "deletions")]
    versions, objects, deletions = (one if isinstance(one, int) else 0 for one in counted)
    return versions > objects or deletions > 0


def _ready(bucket: Bucket, into: BucketSource, *, made: bool, history: bool) -> None:
    report = ensure_bucket(bucket.client, bucket.name, region=into.region, object_lock=None)
    if not history or report.versioning == "enabled":
        return
    if not made:
        raise Conflict(
            f"the bucket {bucket.name} keeps no versions, and several of an object were saved: "
            'enable versioning on it, or load the newest ones (versions = "newest")'
        )
    with named_faults(bucket.name):
        bucket.client.put_bucket_versioning(
            Bucket=bucket.name, VersioningConfiguration={"Status": "Enabled"}
        )


@dataclass(frozen=True)
class _Sending:
    bucket: Bucket
    folder: Path
    turn: Turn
    history: bool

    def send(self) -> None:
        """Send the versions of each key in their order, several keys at one time."""
        with ThreadPoolExecutor(WORKERS, thread_name_prefix="bucket") as pool:
            waiting: deque[Future[None]] = deque()
            try:
                for versions in self._wanted():
                    self._heed()
                    waiting.append(pool.submit(self._send_key, versions))
                    while len(waiting) > _WAITING:
                        waiting.popleft().result()
                while waiting:
                    waiting.popleft().result()
            finally:
                for each in waiting:
                    each.cancel()

    def facts(self) -> dict[str, JsonValue]:
        """What of the wanted objects is there now, read back from the server."""
        found = index.Facts()
        with ThreadPoolExecutor(WORKERS, thread_name_prefix="bucket") as pool:
            waiting: deque[Future[tuple[ObjectVersion, ...]]] = deque()
            for versions in self._wanted():
                self._heed()
                waiting.append(pool.submit(self._read_back, versions))
                if len(waiting) > _WAITING:
                    for one in waiting.popleft().result():
                        found.add(one)
            for task in waiting:
                for one in task.result():
                    found.add(one)
        return found.told()

    def _heed(self) -> None:
        if self.turn.cancel.is_set():
            raise Cancelled("stopped on request; what was sent by then is in the bucket")

    def _wanted(self) -> Iterator[tuple[ObjectVersion, ...]]:
        for _, versions in index.by_key(index.read(self.folder / index.NAME)):
            chosen = versions
            if not self.history:
                chosen = tuple(one for one in versions if one.newest and not one.deleted)
            if chosen:
                yield chosen

    def _send_key(self, versions: tuple[ObjectVersion, ...]) -> None:
        key = self.bucket.prefix + versions[0].key
        for one in versions:
            self._heed()
            if one.deleted:
                self.bucket.client.delete_object(Bucket=self.bucket.name, Key=key)
                continue
            file = self.folder / index.OBJECTS / one.file
            try:
                source = file.open("rb")
            except OSError:
                raise Damaged(f"the snapshot does not hold the content of {one.key}") from None
            with source:
                self._send(source, key, one)

    def _send(self, source: BinaryIO, key: str, one: ObjectVersion) -> None:
        told: dict[str, Any] = {**one.headers, "Metadata": one.metadata}
        if one.tags:
            told["Tagging"] = urlencode(one.tags)
        where = {"Bucket": self.bucket.name, "Key": key}
        if one.size <= PART:
            body = source.read()
            _require_same(hashlib.sha256(body).hexdigest(), one)
            self.bucket.client.put_object(Body=body, ContentMD5=_md5(body), **where, **told)
            return
        self._send_parts(source, one, where, told)

    def _send_parts(
        self, source: BinaryIO, one: ObjectVersion, where: dict[str, str], told: dict[str, Any]
    ) -> None:
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

        client, size = self.bucket.client, max(PART, -(-one.size // _MOST_PARTS))
        upload = client.create_multipart_upload(**where, **told)["UploadId"]
        try:
            parts: list[dict[str, Any]] = []
            digest = hashlib.sha256()
            while body := source.read(size):
                self._heed()
                digest.update(body)
                number = len(parts) + 1
                sent = client.upload_part(
                    Body=body, ContentMD5=_md5(body), PartNumber=number, UploadId=upload, **where
                )
                parts.append({"PartNumber": number, "ETag": sent["ETag"]})
            _require_same(digest.hexdigest(), one)
            client.complete_multipart_upload(
                UploadId=upload, MultipartUpload={"Parts": parts}, **where
            )
        except BaseException:
            # What came of the upload is told; its parts would lie there for ever.
            with suppress(BotoCoreError, ClientError):
                client.abort_multipart_upload(UploadId=upload, **where)
            raise

    def _read_back(self, versions: tuple[ObjectVersion, ...]) -> tuple[ObjectVersion, ...]:
        """The versions that are there with what they should hold; the newest one as it is."""
        last = versions[-1]
        older = self._older(versions) if len(versions) > 1 else ()
        if last.deleted:
            return (*older, last)
        key = self.bucket.prefix + last.key
        answer, digest, size = self._content(key)
        there = msgspec.structs.replace(
            last,
            size=size,
            sha256=digest,
            headers=index.headers_of(answer),
            metadata=dict(answer.get("Metadata", {})),
            tags=tags_of(self.bucket, key, "") if last.tags else {},
        )
        return (*older, there)

    def _older(self, versions: tuple[ObjectVersion, ...]) -> tuple[ObjectVersion, ...]:
        """Of all but the newest version those that are there; in no order."""
        key = self.bucket.prefix + versions[-1].key
        wanted = [one for one in versions if not one.deleted]
        marks = [one for one in versions[:-1] if one.deleted]
        ids, marked = self._listed(key, len(wanted))
        found = []
        for one, version in zip(reversed(wanted), ids, strict=False):
            if one is versions[-1]:
                continue
            _, digest, _ = self._content(key, VersionId=version)
            if digest == one.sha256:
                found.append(one)
        return (*found, *marks[:marked])

    def _listed(self, key: str, most: int) -> tuple[list[str], int]:
        """The names of the newest versions of a key, and how many marks of deletions it has."""
        ids: list[str] = []
        marked = 0
        pages = self.bucket.client.get_paginator("list_object_versions")
        for page in pages.paginate(Bucket=self.bucket.name, Prefix=key):
            told = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
            ids += [one["VersionId"] for one in page.get("Versions", ()) if one["Key"] == key]
            marked += sum(one["Key"] == key for one in page.get("DeleteMarkers", ()))
            # The key itself comes before all that begin with it.
            if any(one["Key"] != key for one in told):
                break
        return ids[:most], marked

    def _content(self, key: str, **which: str) -> tuple[dict[str, Any], str, int]:
        answer = self.bucket.client.get_object(Bucket=self.bucket.name, Key=key, **which)
        digest, size = hashlib.sha256(), 0
        for chunk in answer["Body"].iter_chunks(_CHUNK):
            self._heed()
            digest.update(chunk)
            size += len(chunk)
        return answer, digest.hexdigest(), size


def _require_same(digest: str, one: ObjectVersion) -> None:
    if digest != one.sha256:
        raise Damaged(f"the content of {one.key} is not what was saved")


def _md5(body: bytes) -> str:
    return base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
