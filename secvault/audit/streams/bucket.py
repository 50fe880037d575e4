"""A bucket: batches as objects of lines, named by day and by the numbers of their events.

`<prefix>/2026/11/26/000000000000-000000000499-6a1f0c2b9d3e.jsonl`: the n-th line is the event of
the first number plus n. The end is the beginning of the first one's leaf hash: a log that was put
back to an older state and went on overwrites nothing of what it was before. An object is stored
whole or not at all; the server's answer acknowledges.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from secvault.audit.streams.batch import Batch, Undelivered, hash_of
from secvault.clock import moment

SUFFIXES: Mapping[str, str] = {"json": "jsonl", "ocsf": "ocsf.jsonl", "cef": "cef"}
_HASH_DIGITS = 12


class PuttingClient(Protocol):
    """What is used of a boto3 client."""

    def put_object(self, **request: Any) -> Mapping[str, Any]:
        """Store an object."""


def name_of(batch: Batch, prefix: str) -> str:
    """The object's name. Numbers are padded, so that names sort as the log does."""
    day = moment(batch.events[0].t).strftime("%Y/%m/%d")
    which = hash_of(batch.events[0])[:_HASH_DIGITS]
    name = f"{day}/{batch.first:012d}-{batch.last:012d}-{which}.{SUFFIXES[batch.form]}"
    return f"{prefix}/{name}" if prefix else name


@dataclass(frozen=True)
class Bucket:
    """A bucket. connect: makes the client."""

    connect: Callable[[], PuttingClient]
    bucket: str
    prefix: str = ""

    def deliver(self, batch: Batch) -> None:
        """See `Destination`."""
        from botocore.exceptions import (  # noqa: PLC0415 - half a second, for this kind alone
            BotoCoreError,
            ClientError,
            HTTPClientError,
        )

        lines = b"".join(line + b"\n" for line in batch.lines())
        # Also buckets with Object Lock ask for it.
        checksum = base64.b64encode(hashlib.md5(lines, usedforsecurity=False).digest()).decode()
        try:
            self.connect().put_object(
                Bucket=self.bucket,
                Key=name_of(batch, self.prefix),
                Body=lines,
                ContentMD5=checksum,
                ContentType="text/plain" if batch.form == "cef" else "application/x-ndjson",
            )
        except ClientError as error:
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            raise Undelivered(f"status_{status}") from None
        except (BotoCoreError, HTTPClientError, OSError):
            raise Undelivered("unreachable") from None
