"""The evidence package: a period of the log in one zip, with all that proves it and its verifier.

It holds the exact bytes of the entries that answer a question, the hashes of the others, tables for
people, and a signed manifest with the question itself; docs/reference/formats.md lists the files.
Bytes come as they are made and memory stays flat; the manifest comes last, so that a package that
was broken off has no end and opens nowhere.
"""

from __future__ import annotations

import importlib.resources
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from itertools import dropwhile, takewhile
from pathlib import Path

from secvault.audit.leaf import StoredEvent
from secvault.audit.package_readme import readme
from secvault.audit.pseudonyms import Pseudonyms
from secvault.audit.question import Question, path
from secvault.audit.range_file import Shown, Span, bodies, proof_lines
from secvault.clock import moment, timestamp
from secvault.crypto.canonical import JsonValue
from secvault.crypto.checkpoint import Checkpoint
from secvault.crypto.evidence import SignedEvidence, sign_evidence
from secvault.crypto.merkle import leaf_hash
from secvault.crypto.note import NoteSigner
from secvault.errors import Damaged
from secvault.store.engine import Store
from secvault.tabular.outflow import Outflow

KIND, VERSION = "audit-export", 1
MANIFEST, NOTE = "manifest.json", "manifest.note"

_MODE = 0o600 << 16
_PART = 1 << 18

Events = Callable[[], Iterator[StoredEvent]]
"""The events that answer the question, the oldest first, as often as it is called."""
Table = Callable[[Iterable[StoredEvent], Path], int]
"""Writes events as a file for people or programs; how many rows."""


@dataclass(frozen=True)
class Contents:
    """What a package is of.

    checkpoint, note: the signed state of the log. span: the entries of the period. keys: verifier
    keys of the log and of evidence, for `keys.txt`. tables: by the names of their files.
    pseudonyms: people are called by these, and no bytes of an entry are handed out. facts: further
    members of the manifest, such as who exported it. scratch: a folder for tables as they are made.
    """

    id: str
    at: int
    question: Question
    span: Span
    checkpoint: Checkpoint
    note: bytes
    keys: tuple[str, ...]
    tables: Mapping[str, Table]
    facts: Mapping[str, JsonValue]
    scratch: Path
    pseudonyms: Pseudonyms | None = None


class Package:
    """A package as it is made. Take `parts` to its end; then the counts and the manifest stand."""

    def __init__(
        self,
        store: Store,
        contents: Contents,
        events: Events,
        signers: tuple[NoteSigner, ...],
        now: Callable[[], int],
    ) -> None:
        """signers: of the manifest. now: microseconds UTC."""
        self.contents = contents
        self.shown = Shown(contents.span)
        self._store, self._events, self._signers, self._now = store, events, signers, now
        self._files: dict[str, JsonValue] = {}
        self.done = 0
        self.manifest: SignedEvidence | None = None

    @property
    def hidden(self) -> int:
        """How many entries of the period are there by their hashes alone."""
        return self.contents.span.after - self.contents.span.first - self.shown.count

    def parts(self) -> Iterator[bytes]:
        """The bytes of the zip. Raises Damaged when the log does not bear them out."""
        out = Outflow()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in self._members():
                digest, size = sha256(), 0
                with archive.open(self._entry(name), "w", force_zip64=True) as written:
                    for part in _gathered(content):
                        written.write(part)
                        digest.update(part)
                        size += len(part)
                        if taken := out.take():
                            yield taken
                self._files[name] = {"bytes": size, "sha256": digest.hexdigest()}
            self.manifest = sign_evidence(self._document(), *self._signers)
            archive.writestr(self._entry(MANIFEST), self.manifest.document)
            archive.writestr(self._entry(NOTE), self.manifest.note)
        yield out.take()

    def _members(self) -> Iterator[tuple[str, Iterable[bytes]]]:
        contents, span = self.contents, self.contents.span
        for language, name in (("en", "README.txt"), ("vi", "README.vi.txt")):
            yield name, [readme(language, pseudonymised=bool(contents.pseudonyms)).encode()]
        yield (
            "verify.py",
            [(importlib.resources.files(__package__) / "verify_export.py").read_bytes()],
        )
        yield "keys.txt", ["".join(f"{key}\n" for key in contents.keys).encode()]
        yield "checkpoint", [contents.note]
        if contents.pseudonyms is None:
            yield "events.jsonl", _lines(self._entries())
            with self._store.read() as connection:
                outside = bodies(connection, span.neighbours())
            yield "bounds.jsonl", _lines(outside)
        else:
            for _ in self._entries():
                pass
        signed = contents.checkpoint
        lines = proof_lines(self._store, span, signed.size, signed.root, self.shown)
        yield "range.proof", self._counted(lines)
        for name, write in contents.tables.items():
            with tempfile.TemporaryDirectory(dir=contents.scratch) as folder:
                file = Path(folder) / name
                if write(self._for_tables(), file) != self.shown.count:
                    raise Damaged("the log answers differently than a moment ago; verify the log")
                yield name, _content(file)

    def _entries(self) -> Iterator[bytes]:
        for stored in self._answers():
            self.shown.add(stored.seq, leaf_hash(stored.body))
            yield stored.body

    def _answers(self) -> Iterator[StoredEvent]:
        span = self.contents.span
        begun = dropwhile(lambda stored: stored.seq < span.first, self._events())
        for stored in takewhile(lambda stored: stored.seq < span.after, begun):
            self.done += 1
            yield stored

    def _counted(self, lines: Iterable[bytes]) -> Iterator[bytes]:
        for part in lines:
            self.done += part.count(b"\n")
            yield part

    def _for_tables(self) -> Iterator[StoredEvent]:
        names = self.contents.pseudonyms
        return map(names.event, self._answers()) if names else self._answers()

    def _document(self) -> dict[str, JsonValue]:
        contents, span = self.contents, self.contents.span
        question = contents.question
        return {
            **contents.facts,
            "kind": KIND,
            "version": VERSION,
            "id": contents.id,
            "origin": contents.checkpoint.origin,
            "size": contents.checkpoint.size,
            "started_at": timestamp(contents.at),
            "finished_at": timestamp(self._now()),
            "since": None if question.since is None else timestamp(question.since),
            "until": None if question.until is None else timestamp(question.until),
            "question": _asked(question),
            "range": {"start": span.start, "end": span.end},
            "events": self.shown.count,
            "hidden": self.hidden,
            "pseudonymised": contents.pseudonyms is not None,
            "files": dict(self._files),
        }

    def _entry(self, name: str) -> zipfile.ZipInfo:
        entry = zipfile.ZipInfo(name, moment(self.contents.at).timetuple()[:6])
        entry.compress_type = zipfile.ZIP_DEFLATED
        entry.external_attr = _MODE
        return entry


def _asked(question: Question) -> dict[str, JsonValue]:
    told = question.told()
    return told | {"resource": path(question.resource)} if question.resource else told


def _lines(entries: Iterable[bytes]) -> Iterator[bytes]:
    return (entry + b"\n" for entry in entries)


def _gathered(content: Iterable[bytes]) -> Iterator[bytes]:
    """The same in large pieces: to hash, compress and send each line by itself takes longer."""
    waiting: list[bytes] = []
    length = 0
    for part in content:
        waiting.append(part)
        length += len(part)
        if length >= _PART:
            yield b"".join(waiting)
            waiting, length = [], 0
    yield b"".join(waiting)


def _content(file: Path) -> Iterator[bytes]:
    with file.open("rb") as opened:
        while part := opened.read(_PART):
            yield part
