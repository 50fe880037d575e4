"""The manifest of an export: what was taken away, by whom, and what the file must be.

Canonical JSON of kind `record-export`, signed as all evidence is (see `crypto.evidence`). It holds
the names of fields and no value of one; docs/reference/formats.md has its keys.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from secvault.crypto.canonical import JsonValue
from secvault.crypto.evidence import verify_evidence
from secvault.crypto.note import NoteVerifier
from secvault.errors import Damaged, InvalidInput

KIND, VERSION = "record-export", 1
MANIFEST, NOTE = "manifest.json", "manifest.note"
LARGEST_BYTES = 4 * 1024 * 1024
_PART = 1 << 20


class Digest:
    """What the manifest says of a file: its bytes and their SHA-256, added as they come."""

    def __init__(self) -> None:
        self._sha256 = hashlib.sha256()
        self.size = 0

    def add(self, part: bytes) -> None:
        """Take the next bytes."""
        self._sha256.update(part)
        self.size += len(part)

    @property
    def text(self) -> str:
        """SHA-256 of all so far, hexadecimal."""
        return self._sha256.hexdigest()


def verify_export(
    file: Path, manifest: bytes, note: bytes, *verifiers: NoteVerifier
) -> dict[str, JsonValue]:
    """The manifest, when it is genuine and the file is the one that it is about.

    Raises Damaged; InvalidInput when it is evidence of something else; OSError.
    """
    document = verify_evidence(manifest, note, *verifiers)
    if document.get("kind") != KIND:
        raise InvalidInput.at("manifest", "is evidence, but not of an export of records")
    told = document.get("file")
    if not isinstance(told, dict):
        raise Damaged("the manifest does not say which file it is about")
    found = Digest()
    with file.open("rb") as content:
        while part := content.read(_PART):
            found.add(part)
    if (found.size, found.text) != (told.get("bytes"), told.get("sha256")):
        raise Damaged(
            "the file is not the one that was exported: its bytes are not those of the manifest"
        )
    return document
