"""The log of an incident: who has done what, and when; lines that are only ever added.

Each line is canonical JSON with the SHA-256 of the line before, so that none can be changed, taken
out or put in without a trace. It lies in the recovery's folder while there is no vault, and its
head's digest goes into the audit log of the vault that came back: what was done before the log was
there again is bound to it. No secret is ever written here.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from secvault.clock import Clock, timestamp
from secvault.crypto.canonical import JsonValue, canonical_json, parse_canonical
from secvault.errors import BackupFailed, Damaged

FORMAT = "secvault incident v1"
FIRST = "0" * 64
"""What the first line has for the digest of the one before."""
LONGEST_WORDS = 2000
_MEMBERS = {"at", "before", "facts", "format", "number", "what", "who", "words"}


@dataclass(frozen=True)
class Entry:
    """One line. at: RFC 3339, UTC. what: a code. words: for a person. facts: for programs."""

    number: int
    at: str
    who: str
    what: str
    words: str
    facts: dict[str, JsonValue]


@dataclass
class Incident:
    """The log, open for one process. who: on whose behalf lines are added from now on."""

    file: Path
    clock: Clock
    who: str
    _number: int = 0
    _head: str = FIRST

    def add(self, what: str, words: str, **facts: JsonValue) -> Entry:
        """Add a line; it is on disk when this returns. Raises BackupFailed."""
        entry = Entry(
            self._number + 1,
            timestamp(self.clock.micros()),
            self.who,
            what,
            words[:LONGEST_WORDS],
            dict(facts),
        )
        line = _line(entry, self._head)
        try:
            handle = os.open(
                self.file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600
            )
            try:
                os.write(handle, line + b"\n")
                os.fsync(handle)
            finally:
                os.close(handle)
        except OSError as error:
            raise BackupFailed(f"{self.file} cannot be written: {error.strerror}") from None
        self._number, self._head = entry.number, sha256(line).hexdigest()
        return entry

    @property
    def head(self) -> str:
        """SHA-256 of the last line, in hexadecimal; it stands for all of them."""
        return self._head


def opened(file: Path, clock: Clock, who: str) -> Incident:
    """The log at this file, new or gone on with. Raises Damaged when a line was changed.

    A last line that a killed process did not finish is cut off.
    """
    number, head = 0, FIRST
    if file.exists():
        _cut(file)
        for entry, digest in _verified(file):
            number, head = entry.number, digest
    return Incident(file, clock, who, number, head)


def read(file: Path) -> tuple[Entry, ...]:
    """Every line, verified. Raises Damaged, naming the first that does not fit."""
    return tuple(entry for entry, _ in _verified(file))


def head_of(file: Path) -> str:
    """SHA-256 of the last line, after all were verified. Raises Damaged."""
    digests = [digest for _, digest in _verified(file)]
    return digests[-1] if digests else FIRST


def _verified(file: Path) -> Iterator[tuple[Entry, str]]:
    before, number = FIRST, 0
    for line in _content(file).split(b"\n"):
        if not line:
            continue
        number += 1
        where = f"line {number} of {file}"
        value = parse_canonical(line, where)
        if (
            not isinstance(value, dict)
            or set(value) != _MEMBERS
            or value["format"] != FORMAT
            or value["number"] != number
            or value["before"] != before
        ):
            raise Damaged(f"{where} does not follow from the one before: the log was changed")
        facts = value["facts"]
        before = sha256(line).hexdigest()
        yield (
            Entry(
                number,
                str(value["at"]),
                str(value["who"]),
                str(value["what"]),
                str(value["words"]),
                facts if isinstance(facts, dict) else {},
            ),
            before,
        )


def _line(entry: Entry, before: str) -> bytes:
    return canonical_json(
        {
            "at": entry.at,
            "before": before,
            "facts": entry.facts,
            "format": FORMAT,
            "number": entry.number,
            "what": entry.what,
            "who": entry.who,
            "words": entry.words,
        }
    )


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise BackupFailed(f"{file} cannot be read: {error.strerror}") from None


def _cut(file: Path) -> None:
    content = _content(file)
    if content and not content.endswith(b"\n"):
        whole = content.rpartition(b"\n")
        os.truncate(file, len(whole[0]) + len(whole[1]))
