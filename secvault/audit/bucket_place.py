"""Publishing into a bucket of S3 under Object Lock.

A lock protects a version of an object, not its name: whoever holds the credentials can put another
version on top, or hide it behind a delete marker, but the first version stays until its time. So
the oldest version counts here, also of an object that is hidden. A store may take the headers of
a lock and do nothing: each version is asked for its lock after it was put.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Protocol

from secvault.audit.places import Placed
from secvault.errors import Conflict, Damaged, Unavailable

_ABSENT = frozenset({"404", "NoSuchKey", "NotFound"})
_THERE = frozenset({"412", "PreconditionFailed", "ConditionalRequestConflict", "409"})
_NO_CONDITIONS = frozenset({"501", "NotImplemented"})
_NO_LOCK = frozenset({"ObjectLockConfigurationNotFoundError", "NoSuchObjectLockConfiguration"})
_SECOND = 1_000_000


class LockingClient(Protocol):
    """What is used of a boto3 client."""

    def get_object_lock_configuration(self, **request: Any) -> Mapping[str, Any]:
        """Whether the bucket can lock."""

    def put_object(self, **request: Any) -> Mapping[str, Any]:
        """Store an object."""

    def head_object(self, **request: Any) -> Mapping[str, Any]:
        """What the store says of a version."""

    def get_object(self, **request: Any) -> Mapping[str, Any]:
        """Read a version."""

    def list_object_versions(self, **request: Any) -> Mapping[str, Any]:
        """The versions of objects, by name; of one name the newest first."""

    def get_paginator(self, operation: str) -> Any:
        """Read a long listing page by page."""


@dataclass(frozen=True)
class BucketPlace:
    """A bucket. connect: makes the client, at the first use. mode: empty to lock nothing."""

    connect: Callable[[], LockingClient]
    bucket: str
    prefix: str = ""
    mode: str = "COMPLIANCE"

    @property
    def locks(self) -> bool:
        """See `Place`."""
        return bool(self.mode)

    @cached_property
    def client(self) -> LockingClient:
        """The client."""
        return self.connect()

    def check(self) -> None:
        """See `Place`."""
        if not self.mode:
            return
        with _named_faults(self.bucket):
            try:
                found = self.client.get_object_lock_configuration(Bucket=self.bucket)
            except Exception as error:
                if _code(error) not in _NO_LOCK:
                    raise
                found = {}
        if found.get("ObjectLockConfiguration", {}).get("ObjectLockEnabled") != "Enabled":
            raise Conflict(
                f"the bucket {self.bucket} cannot lock objects, so what is published there could "
                "be removed; name a bucket that was made with Object Lock, or set lock to none"
            )

    def put_once(self, name: str, content: bytes, retain_until: int) -> Placed:
        """See `Place`."""
        key = self._key(name)
        with _named_faults(self.bucket):
            first = self._first(key)
            if first is None:
                version = self._put(key, content, retain_until, once=True)
                first = version if version is not None else self._first(key)
        if first is None:
            raise Unavailable(f"the bucket {self.bucket} has not kept {name}; try again")
        if self._read(key, first) != content:
            raise Damaged(f"{key} in the bucket {self.bucket} is something else than the log has")
        return self._read_back(key, first)

    def put_newest(self, name: str, content: bytes, retain_until: int) -> Placed:
        """See `Place`. The versions before it stay."""
        key = self._key(name)
        with _named_faults(self.bucket):
            version = self._put(key, content, retain_until, once=False)
        return self._read_back(key, version or "")

    def get(self, name: str) -> bytes | None:
        """See `Place`: the oldest version of it."""
        key = self._key(name)
        with _named_faults(self.bucket):
            first = self._first(key)
        return None if first is None else self._read(key, first)

    def get_newest(self, name: str) -> bytes | None:
        """See `Place`: the newest version that is no delete marker."""
        key = self._key(name)
        with _named_faults(self.bucket):
            page = self.client.list_object_versions(Bucket=self.bucket, Prefix=key, MaxKeys=10)
        for each in page.get("Versions") or ():
            if each["Key"] == key:
                return self._read(key, each["VersionId"])
        return None

    def names(self, folder: str) -> Iterator[str]:
        """See `Place`."""
        before = len(self._key(""))
        with _named_faults(self.bucket):
            pages = self.client.get_paginator("list_object_versions")
            for page in pages.paginate(Bucket=self.bucket, Prefix=f"{self._key(folder)}/"):
                yield from sorted({each["Key"][before:] for each in page.get("Versions") or ()})

    def last_beyond(self, folder: str, name: str) -> bytes | None:
        """See `Place`. Of more than a thousand it is one of the first thousand."""
        with _named_faults(self.bucket):
            page = self.client.list_object_versions(
                Bucket=self.bucket, Prefix=f"{self._key(folder)}/", KeyMarker=self._key(name)
            )
        found = page.get("Versions") or ()
        if not found:
            return None
        last = max(found, key=lambda each: (each["Key"], -each["LastModified"].timestamp()))
        return self._read(last["Key"], last["VersionId"])

    def _first(self, key: str) -> str | None:
        """The id of the oldest version of exactly this object."""
        marker: dict[str, str] = {}
        oldest = None
        while True:
            page = self.client.list_object_versions(Bucket=self.bucket, Prefix=key, **marker)
            for each in page.get("Versions") or ():
                if each["Key"] != key:
                    return oldest
                oldest = str(each["VersionId"])
            if not page.get("IsTruncated"):
                return oldest
            marker = {
                "KeyMarker": page["NextKeyMarker"],
                "VersionIdMarker": page["NextVersionIdMarker"],
            }

    def _put(self, key: str, content: bytes, retain_until: int, *, once: bool) -> str | None:
        """Store the object; the id of its version, None when one was there already."""
        request: dict[str, Any] = {"Bucket": self.bucket, "Key": key, "Body": content}
        if self.mode:
            # Whole seconds, which is what stores keep; rounded up, so that it is never shorter.
            until = datetime.fromtimestamp(-(-retain_until // _SECOND), UTC)
            request |= {"ObjectLockMode": self.mode, "ObjectLockRetainUntilDate": until}
            # Amazon asks for a checksum of whatever it locks.
            request["ChecksumAlgorithm"] = "SHA256"
        if once:
            request["IfNoneMatch"] = "*"
        try:
            answer = self.client.put_object(**request)
        except Exception as error:
            if once and _code(error) in _THERE:
                return None
            if once and _code(error) in _NO_CONDITIONS:
                return self._put(key, content, retain_until, once=False)
            raise
        return str(answer.get("VersionId") or "null")

    def _read(self, key: str, version: str) -> bytes:
        with _named_faults(self.bucket):
            answer = self.client.get_object(Bucket=self.bucket, Key=key, VersionId=version)
            with closing(answer["Body"]) as body:
                return bytes(body.read())

    def _read_back(self, key: str, version: str) -> Placed:
        with _named_faults(self.bucket):
            head = self.client.head_object(Bucket=self.bucket, Key=key, VersionId=version)
        until = head.get("ObjectLockRetainUntilDate")
        return Placed(
            version=version,
            mode=str(head.get("ObjectLockMode") or ""),
            retain_until=0 if until is None else int(until.timestamp()) * _SECOND,
        )

    def _key(self, name: str) -> str:
        return f"{self.prefix}/{name}" if self.prefix else name


def _code(error: Exception) -> str:
    answer = getattr(error, "response", None)
    return str(answer.get("Error", {}).get("Code", "")) if isinstance(answer, Mapping) else ""


@contextmanager
def _named_faults(bucket: str) -> Iterator[None]:
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - heavy

    try:
        yield
    except ClientError as error:
        raise Unavailable(
            f"the bucket {bucket}: {error.operation_name} failed ({_code(error)}); check the "
            "address, the credentials and what they may do"
        ) from None
    except BotoCoreError as error:
        raise Unavailable(
            f"the server of the bucket {bucket} cannot be reached ({type(error).__name__})"
        ) from None
