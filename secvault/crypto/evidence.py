"""Evidence: a document that an auditor can verify with a public key alone.

The document is canonical JSON, an object whose "kind" says what it proves (`restore-drill`,
`access-review`, `privacy.erasure`). Beside it stands a signed note with the text
`secvault evidence v1\\n<kind>\\nsha256 <hex of SHA-256(document)>\\n`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256

from secvault.crypto.canonical import JsonValue, canonical_json, parse_canonical
from secvault.crypto.note import NoteSigner, NoteVerifier, open_note, sign_note
from secvault.errors import Damaged, InvalidInput

TITLE = "secvault evidence v1"

_KIND = re.compile(r"(?=.{1,64}\Z)[a-z0-9]+(?:[._-][a-z0-9]+)*")


@dataclass(frozen=True, slots=True)
class SignedEvidence:
    """Two files to keep together. document: canonical JSON. note: its signature."""

    document: bytes
    note: bytes


def sign_evidence(document: dict[str, JsonValue], *signers: NoteSigner) -> SignedEvidence:
    """The document's bytes and the note over them, signed by each of the keys.

    Raises InvalidInput if "kind" is not 1 to 64 lower-case letters and digits, in words joined by
    one of `._-`, or the document has no canonical form (see `canonical_json`).
    """
    kind = document.get("kind")
    if not isinstance(kind, str) or not _KIND.fullmatch(kind):
        raise InvalidInput.at("kind", "must be lower-case words joined by . _ or -, such as a.b")
    encoded = canonical_json(document)
    return SignedEvidence(encoded, sign_note(_text(kind, encoded), *signers))


def verify_evidence(document: bytes, note: bytes, *verifiers: NoteVerifier) -> dict[str, JsonValue]:
    """The document, signed by at least one of the verifiers.

    Several verifiers are for evidence from both sides of a key rotation. Raises Damaged if the
    note does not verify (see `open_note`), is not of evidence, or is of another document or kind.
    """
    text = open_note(note, verifiers)
    kind = text.partition("\n")[2].partition("\n")[0]
    # The digest comes first: only bytes that were signed reach the JSON parser.
    if text != _text(kind, document):
        raise Damaged("The note is not the signature of this evidence document.")
    value = parse_canonical(document, "The evidence document")
    if not isinstance(value, dict) or value.get("kind") != kind:
        raise Damaged("The evidence document is not of the kind that its note says.")
    return value


def _text(kind: str, document: bytes) -> str:
    return f"{TITLE}\n{kind}\nsha256 {sha256(document).hexdigest()}\n"
