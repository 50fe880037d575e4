"""What restic says, as typed values: its JSON lines from 0.14 to the newest.

Unknown keys and unknown kinds of message are passed over, and a line that is cut short or is no
JSON at all reads as None, never as an error: an answer that matters and did not come is found by
its absence. Source: restic's documentation, "Scripting", and what 0.14 and 0.18 print.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import msgspec

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_GO_DURATION = re.compile(r"(?P<number>\d+(?:\.\d+)?)(?P<unit>h|ms|µs|ns|m|s)")
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "µs": 1e-6, "ns": 1e-9}
_CONTROL = dict.fromkeys([*range(32), 127], " ")


class Status(msgspec.Struct, frozen=True):
    """How far a backup or a restore has come. Totals are 0 while restic still counts."""

    total_files: int = 0
    files_done: int = 0
    files_restored: int = 0
    total_bytes: int = 0
    bytes_done: int = 0
    bytes_restored: int = 0
    seconds_remaining: int = 0


class BackupDone(msgspec.Struct, frozen=True):
    """The last line of a backup. snapshot_id: 8 hexadecimal characters before 0.16, then 64."""

    snapshot_id: str = ""
    files_new: int = 0
    files_changed: int = 0
    files_unmodified: int = 0
    data_added: int = 0
    data_added_packed: int | None = None
    total_files_processed: int = 0
    total_bytes_processed: int = 0


class CheckDone(msgspec.Struct, frozen=True):
    """The verdict of `check` (0.18 and later; before, it is plain text)."""

    num_errors: int = 0
    broken_packs: tuple[str, ...] | None = None


class Trouble(msgspec.Struct, frozen=True):
    """One thing that went wrong on the way. `error` is an object whose shape varies."""

    message: str = ""
    error: dict[str, Any] = {}
    during: str = ""
    item: str = ""

    def text(self) -> str:
        """The trouble in restic's own words, on one line."""
        path, number = self.error.get("Path"), self.error.get("Err")
        words = str(self.error.get("message") or self.message)
        if not words and path:
            words = f"{self.error.get('Op', 'reading')} {path}: error {number}"
        if self.item and self.item not in words:
            words = f"{self.item}: {words or 'failed'}"
        return one_line(words)


class SavedThen(msgspec.Struct, frozen=True):
    """What the backup that made a snapshot told of it (0.17 and later)."""

    total_files_processed: int | None = None
    total_bytes_processed: int | None = None
    data_added: int | None = None


class Snapshot(msgspec.Struct, frozen=True):
    """A snapshot. id: 64 hexadecimal characters. time: when it was begun, with its zone."""

    id: str
    time: datetime
    paths: tuple[str, ...] | None = None
    hostname: str = ""
    username: str = ""
    tags: tuple[str, ...] | None = None
    tree: str = ""
    parent: str = ""
    program_version: str = ""
    summary: SavedThen | None = None

    @property
    def time_micros(self) -> int:
        """When it was begun, microseconds since the epoch."""
        return (self.time - EPOCH) // timedelta(microseconds=1)


class KeptFor(msgspec.Struct, frozen=True):
    """Why `forget` keeps a snapshot. The snapshot inside has no id, only its time and tree."""

    class Which(msgspec.Struct, frozen=True):
        """The snapshot as the reasons name it."""

        time: datetime
        tree: str = ""

    snapshot: Which
    matches: tuple[str, ...] | None = None


class ForgetGroup(msgspec.Struct, frozen=True):
    """One group of snapshots under one retention; null lists are what an empty group has."""

    keep: tuple[Snapshot, ...] | None = None
    remove: tuple[Snapshot, ...] | None = None
    reasons: tuple[KeptFor, ...] | None = None


class RepositoryConfig(msgspec.Struct, frozen=True):
    """The repository's own description. id: 64 hexadecimal characters, the same for ever."""

    id: str
    version: int


class Lock(msgspec.Struct, frozen=True):
    """A lock in the repository, as its holder wrote it."""

    time: datetime
    exclusive: bool = False
    hostname: str = ""
    username: str = ""
    pid: int = 0


class Entry(msgspec.Struct, frozen=True):
    """One node of a snapshot. path: absolute; mode: Go's file mode bits; times as RFC 3339 text."""

    name: str
    path: str
    type: str
    size: int = 0
    mode: int = 0
    uid: int = 0
    gid: int = 0
    mtime: str = ""
    ctime: str = ""


class _Kind(msgspec.Struct, frozen=True):
    message_type: str = ""
    struct_type: str = ""


Message = TypeVar("Message", bound=msgspec.Struct)


def read_as(line: bytes | str, shape: type[Message]) -> Message | None:
    """The line as this shape, or None where it is something else."""
    try:
        return msgspec.json.decode(line, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError, OverflowError, RecursionError):
        return None


def read_message(line: bytes | str, shapes: Mapping[str, type[Message]]) -> Message | None:
    """The line by its `message_type`, else its `struct_type`; None where `shapes` has no such."""
    kind = read_as(line, _Kind)
    if kind is None:
        return None
    shape = shapes.get(kind.message_type) or shapes.get(kind.struct_type)
    return None if shape is None else read_as(line, shape)


def read_list(answer: bytes, item: type[Message]) -> tuple[Message, ...] | None:
    """The first line of an answer that is a list of this shape; None where there is none.

    `forget --prune --json` goes on in plain text behind the list.
    """
    for line in answer.splitlines():
        if line.lstrip().startswith((b"[", b"null")):
            try:
                return msgspec.json.decode(line, type=tuple[item, ...] | None) or ()  # type: ignore[valid-type]
            except (msgspec.DecodeError, UnicodeDecodeError, OverflowError, RecursionError):
                continue
    return None


def plain_words(line: str) -> Iterator[str]:
    """A line of restic's stderr as words for a person, whether it is JSON or plain text."""
    trouble = read_as(line, Trouble) if line.lstrip().startswith("{") else None
    if trouble is not None and (trouble.message or trouble.error or trouble.item):
        if trouble.error or trouble.item:
            yield trouble.text()
        else:
            yield from filter(None, (one_line(part) for part in trouble.message.splitlines()))
        return
    words = one_line(line)
    if words:
        yield words


def one_line(text: str) -> str:
    """The text without control characters and escape codes, on one line."""
    return text.replace("\x1b[2K", "").translate(_CONTROL).strip()


def go_duration(text: str) -> float:
    """Seconds of a duration as Go prints it, for instance 1m10.43369612s; at most 1e9."""
    found = _GO_DURATION.finditer(text)
    return min(sum(float(one["number"]) * _SECONDS[one["unit"]] for one in found), 1e9)
