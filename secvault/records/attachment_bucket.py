"""Attachments in an S3 bucket: one object each, `<prefix>/<first two of the name>/<name>`.

What is longer than a part comes in by a multipart upload, whose object is there only when the
upload is completed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

from secvault.errors import Damaged, Unavailable
from secvault.records.attachment_storage import Pieces, gone, place_within

PART_BYTES = 8 * 2**20
"""S3 takes parts from 5 MiB, at most 10,000 of them."""

_PIECE_BYTES = 2**20
_ABSENT = frozenset({"404", "NoSuchKey", "NotFound"})


class ObjectClient(Protocol):
    """What is used of a boto3 client."""

    def put_object(self, **request: Any) -> Mapping[str, Any]:
        """Store a small object."""

    def create_multipart_upload(self, **request: Any) -> Mapping[str, Any]:
        """Begin a long one."""

    def upload_part(self, **request: Any) -> Mapping[str, Any]:
        """A part of it."""

    def complete_multipart_upload(self, **request: Any) -> Mapping[str, Any]:
        """Make an object of the parts."""

    def abort_multipart_upload(self, **request: Any) -> Mapping[str, Any]:
        """Forget the parts."""

    def head_object(self, **request: Any) -> Mapping[str, Any]:
        """How long an object is."""

    def get_object(self, **request: Any) -> Mapping[str, Any]:
        """Read a range of it."""

    def delete_object(self, **request: Any) -> Mapping[str, Any]:
        """Remove it."""

    def get_paginator(self, operation: str) -> Any:
        """Read a long listing page by page."""


@dataclass(frozen=True)
class BucketStorage:
    """Contents in a bucket. connect: makes the client, at the first use."""

    connect: Callable[[], ObjectClient]
    bucket: str
    prefix: str = ""
    part_bytes: int = PART_BYTES

    @cached_property
    def client(self) -> ObjectClient:
        """The client, which threads may share."""
        return self.connect()

    def begin(self, name: str) -> BucketUpload:
        """See `Storage`."""
        return BucketUpload(self.client, self.bucket, self._key(name), self.part_bytes)

    def size(self, name: str) -> int | None:
        """See `Storage`."""
        with _named_faults(self.bucket):
            try:
                head = self.client.head_object(Bucket=self.bucket, Key=self._key(name))
            except Exception as error:
                if _code(error) in _ABSENT:
                    return None
                raise
        return int(head["ContentLength"])

    def read(self, name: str, start: int, stop: int) -> Pieces:
        """See `Storage`. One request, whose answer is read as it is wanted."""
        if start == stop:
            return
        span = f"bytes={start}-{stop - 1}"
        with _named_faults(self.bucket):
            try:
                answer = self.client.get_object(Bucket=self.bucket, Key=self._key(name), Range=span)
            except Exception as error:
                if _code(error) in _ABSENT:
                    raise Damaged(gone(name)) from None
                if _code(error) == "InvalidRange":
                    # Shorter than it was when it was stored.
                    return
                raise
            with closing(answer["Body"]) as body:
                yield from body.iter_chunks(_PIECE_BYTES)

    def remove(self, name: str) -> None:
        """See `Storage`."""
        key = self._key(name)
        with _named_faults(self.bucket):
            self.client.delete_object(Bucket=self.bucket, Key=key)
            pages = self.client.get_paginator("list_multipart_uploads")
            for page in pages.paginate(Bucket=self.bucket, Prefix=key):
                for one in page.get("Uploads") or ():
                    if one["Key"] == key:
                        self.client.abort_multipart_upload(
                            Bucket=self.bucket, Key=key, UploadId=one["UploadId"]
                        )

    def names(self) -> Iterator[str]:
        """See `Storage`."""
        before = f"{self.prefix}/" if self.prefix else ""
        of_ours = re.compile(re.escape(before) + r"([0-9a-f]{2})/(\1[0-9a-f]{30})")
        with _named_faults(self.bucket):
            for listing, part in (
                ("list_objects_v2", "Contents"),
                ("list_multipart_uploads", "Uploads"),
            ):
                pages = self.client.get_paginator(listing).paginate(
                    Bucket=self.bucket, Prefix=before
                )
                for page in pages:
                    for one in page.get(part) or ():
                        # What somebody else put there is none of ours.
                        if found := of_ours.fullmatch(one["Key"]):
                            yield found[2]

    def _key(self, name: str) -> str:
        place = place_within(name)
        return f"{self.prefix}/{place}" if self.prefix else place


class BucketUpload:
    """A content that goes into a bucket. Holds one part of it."""

    def __init__(self, client: ObjectClient, bucket: str, key: str, part_bytes: int) -> None:
        self._client, self._part_bytes = client, part_bytes
        self._at = {"Bucket": bucket, "Key": key}
        self._upload_id = ""
        self._parts: list[Mapping[str, Any]] = []
        self._waiting = bytearray()

    def write(self, sealed: bytes) -> None:
        """See `Upload`."""
        self._waiting += sealed
        while len(self._waiting) > self._part_bytes:
            self._send(bytes(self._waiting[: self._part_bytes]))
            del self._waiting[: self._part_bytes]

    def finish(self) -> None:
        """See `Upload`."""
        if not self._upload_id:
            with _named_faults(self._at["Bucket"]):
                self._client.put_object(**self._at, Body=bytes(self._waiting))
            return
        self._send(bytes(self._waiting))
        with _named_faults(self._at["Bucket"]):
            self._client.complete_multipart_upload(
                **self._at, UploadId=self._upload_id, MultipartUpload={"Parts": self._parts}
            )

    def abandon(self) -> None:
        """See `Upload`."""
        with suppress(Unavailable), _named_faults(self._at["Bucket"]):
            if self._upload_id:
                self._client.abort_multipart_upload(**self._at, UploadId=self._upload_id)
            self._client.delete_object(**self._at)

    def _send(self, part: bytes) -> None:
        with _named_faults(self._at["Bucket"]):
            if not self._upload_id:
                begun = self._client.create_multipart_upload(**self._at)
                self._upload_id = str(begun["UploadId"])
            number = len(self._parts) + 1
            sent = self._client.upload_part(
                **self._at, UploadId=self._upload_id, PartNumber=number, Body=part
            )
        self._parts.append({"PartNumber": number, "ETag": sent["ETag"]})


def _code(error: Exception) -> str:
    """The server's code of an error of boto3; empty for any other."""
    response = getattr(error, "response", None)
    return str(response.get("Error", {}).get("Code", "")) if isinstance(response, dict) else ""


@contextmanager
def _named_faults(bucket: str) -> Iterator[None]:
    from botocore.exceptions import (  # noqa: PLC0415 - most vaults keep no attachment in a bucket
        BotoCoreError,
        ClientError,
        HTTPClientError,
    )

    try:
        yield
    except ClientError as error:
        raise Unavailable(
            f"the bucket of the attachments, {bucket}, refuses {error.operation_name} "
            f"({_code(error)}); nothing was changed"
        ) from None
    except (BotoCoreError, HTTPClientError) as error:
        raise Unavailable(
            f"the bucket of the attachments, {bucket}, cannot be reached "
            f"({type(error).__name__}); nothing was changed, try again later"
        ) from None
