"""The index of a bucket's copy: what is known of each object, and the file that holds its content.

Lines of JSON in the order of the keys, of each key the oldest version first: the head, the objects,
and their number at the end, so that an index that was cut off is none.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any

import msgspec

from secvault.crypto.canonical import JsonValue
from secvault.errors import Damaged

NAME = "objects.jsonl"
OBJECTS = "objects"
"""The folder beside the index that holds the content."""
FORMAT = "secvault bucket v1"
HEADERS = (
    "ContentType",
    "CacheControl",
    "ContentDisposition",
    "ContentEncoding",
    "ContentLanguage",
    "WebsiteRedirectLocation",
)
"""What a server tells with an object and takes with one, as boto3 names it."""
_LONGEST_PART = 180
_LONGEST_FILE = 3000
_ODD = re.compile(r"[%@\x00-\x1f\x7f]")
_PLAIN_VERSION = re.compile(r"[A-Za-z0-9_.-]{1,64}")


class Head(msgspec.Struct, frozen=True, tag=FORMAT):
    """Of which bucket. prefix: what the keys begin with, a slash at its end, or empty.

    versions: whether all are there, or the newest only.
    """

    endpoint: str
    bucket: str
    prefix: str
    versions: str


class ObjectVersion(msgspec.Struct, frozen=True, omit_defaults=True, tag="object"):
    """One version of an object, or of the mark that hides it as deleted.

    key: without the prefix. version: the server's name for it, empty where only the newest is
    saved. modified: micros. file: below the folder of contents, empty of a mark. headers: see
    `HEADERS`. locked_until: of Object Lock, as the server told it; it is not put back.
    """

    key: str
    version: str
    newest: bool
    modified: int
    size: int = 0
    etag: str = ""
    sha256: str = ""
    file: str = ""
    headers: dict[str, str] = {}
    metadata: dict[str, str] = {}
    tags: dict[str, str] = {}
    storage_class: str = ""
    locked_until: str = ""

    @property
    def deleted(self) -> bool:
        """Whether it is the mark of a deletion."""
        return not self.file


class End(msgspec.Struct, frozen=True, tag="end"):
    """The last line."""

    objects: int


_DECODER: msgspec.json.Decoder[Head | ObjectVersion | End] = msgspec.json.Decoder(
    Head | ObjectVersion | End
)


def file_of(key: str, version: str) -> str:
    """Where the content of a version lies, as a relative path that any file system takes.

    It reads like the key. No folder has an @ in its name and every file has one, so that the keys
    `a` and `a/b` can both be there.
    """
    *folders, leaf = key.split("/")
    plain = not version or _PLAIN_VERSION.fullmatch(version)
    tag = version if plain else _digest(version)
    path = "/".join((*map(_part, folders), f"{_part(leaf)}@{tag}"))
    if len(path.encode()) > _LONGEST_FILE:
        return f"%~{_digest(key)}@{tag}"
    return path


def write(head: Head, objects: Iterable[ObjectVersion], file: Path) -> None:
    """Write the index, whole and on disk, or not at all. Raises OSError."""
    beside = file.with_name(f".{file.name}.new")
    count = 0
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as target:
        target.write(msgspec.json.encode(head) + b"\n")
        for one in objects:
            target.write(msgspec.json.encode(one) + b"\n")
            count += 1
        target.write(msgspec.json.encode(End(count)) + b"\n")
        target.flush()
        os.fsync(target.fileno())
    beside.replace(file)


def read(file: Path) -> Iterator[ObjectVersion]:
    """The objects. Raises Damaged, at the latest at the end, when it is no whole index."""
    count, ended = 0, False
    try:
        with file.open("rb") as source:
            if not isinstance(_DECODER.decode(source.readline()), Head):
                raise Damaged(f"{file} is no index of a bucket")
            for raw in source:
                line = _DECODER.decode(raw)
                if ended or isinstance(line, Head):
                    raise Damaged(f"{file} is no index of a bucket")
                if isinstance(line, End):
                    ended = line.objects == count
                    if not ended:
                        raise Damaged(f"{file} lacks lines")
                    continue
                _require_inside(line, file)
                count += 1
                yield line
    except OSError as error:
        raise Damaged(f"{file} cannot be read: {error.strerror}") from None
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise Damaged(f"{file} is no index of a bucket: {error}") from None
    if not ended:
        raise Damaged(f"{file} is cut off")


def by_key(objects: Iterable[ObjectVersion]) -> Iterator[tuple[str, tuple[ObjectVersion, ...]]]:
    """The versions of one key after the other, the oldest version first."""
    for key, versions in groupby(objects, key=attrgetter("key")):
        yield key, tuple(versions)


class Facts:
    """What a restore is compared by, gathered object by object in the order of the keys."""

    def __init__(self) -> None:
        self._counts = {"objects": 0, "bytes": 0, "versions": 0, "deletions": 0}
        self._contents = hashlib.sha256()

    def add(self, one: ObjectVersion) -> None:
        """Count a version."""
        if one.deleted:
            self._counts["deletions"] += 1
            return
        self._counts["versions"] += 1
        if one.newest:
            self._counts["objects"] += 1
            self._counts["bytes"] += one.size
            told = (
                one.key,
                one.sha256,
                sorted(one.headers.items()),
                sorted(one.metadata.items()),
                sorted(one.tags.items()),
            )
            self._contents.update(msgspec.json.encode(told) + b"\n")

    def told(self) -> dict[str, JsonValue]:
        """objects, bytes: of the newest versions that no deletion hides; contents: SHA-256 over
        their keys, contents, headers, metadata and tags. versions, deletions: of all.
        """
        return {**self._counts, "contents": self._contents.hexdigest()}


def headers_of(answer: dict[str, Any]) -> dict[str, str]:
    """Of an answer to a request for an object, what belongs to the object."""
    return {name: str(answer[name]) for name in HEADERS if answer.get(name)}


def _part(text: str) -> str:
    if text in {"", ".", ".."}:
        return text.replace(".", "%2E") or "%"
    part = _ODD.sub(lambda found: f"%{ord(found[0]):02X}", text)
    if len(part.encode()) <= _LONGEST_PART:
        return part
    return f"{part.encode()[:100].decode(errors='ignore')}%~{_digest(text)}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _require_inside(one: ObjectVersion, file: Path) -> None:
    parts = Path(one.file).parts
    if one.file.startswith("/") or ".." in parts or "\0" in one.file:
        raise Damaged(f"{file} names a file outside of the copy")
