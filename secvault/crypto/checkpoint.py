"""Checkpoints: the state of a log at one size, as a signed note (c2sp.org/tlog-checkpoint).

Text: `<origin>\\n<size, decimal>\\n<base64(root)>\\n`. No extension lines: nobody could audit them.
By custom the key that signs is named as the origin.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from dataclasses import dataclass

from secvault.crypto.merkle import EMPTY_ROOT, HASH_BYTES
from secvault.crypto.note import NoteSigner, NoteVerifier, open_note, sign_note
from secvault.errors import Damaged, InvalidInput

MAX_SIZE = 2**63 - 1

_TEXT = re.compile(r"(?P<origin>[^\n]+)\n(?P<size>0|[1-9][0-9]{0,18})\n(?P<root>[^\n]+)\n")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A log's tree head. origin: which log. size: number of leaves. root: 32 bytes.

    Raises InvalidInput for an origin that is empty or has control characters, a size outside 0 to
    2**63 - 1, or a root that cannot be one.
    """

    origin: str
    size: int
    root: bytes

    def __post_init__(self) -> None:
        if not self.origin or any(character < " " for character in self.origin):
            raise InvalidInput.at("origin", "must be one line of text, not empty")
        if not 0 <= self.size <= MAX_SIZE:
            raise InvalidInput.at("size", f"must be from 0 to {MAX_SIZE}")
        if len(self.root) != HASH_BYTES:
            raise InvalidInput.at("root", f"must be {HASH_BYTES} bytes long")
        if self.size == 0 and self.root != EMPTY_ROOT:
            raise InvalidInput.at("root", "must be the hash of nothing where the tree is empty")

    def format(self) -> str:
        """The text to sign."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"

    @classmethod
    def parse(cls, text: str) -> Checkpoint:
        """The checkpoint whose `format` is exactly `text`. Raises Damaged for any other text."""
        shape = _TEXT.fullmatch(text)
        try:
            if shape is not None:
                root = base64.b64decode(shape["root"], validate=True)
                checkpoint = cls(shape["origin"], int(shape["size"]), root)
                if checkpoint.format() == text:
                    return checkpoint
        except (ValueError, InvalidInput):
            raise _malformed() from None
        raise _malformed()


def head_of(text: str) -> Checkpoint:
    """The tree head that a checkpoint of any log states, whatever extension lines follow it.

    Raises Damaged for text that is no checkpoint.
    """
    lines = text.split("\n")
    if len(lines) < 4 or lines[-1] or not all(lines[:-1]):
        raise _malformed()
    return Checkpoint.parse("".join(f"{line}\n" for line in lines[:3]))


def sign_checkpoint(checkpoint: Checkpoint, *signers: NoteSigner) -> bytes:
    """The checkpoint as a note, with one signature line per signer.

    The caller sees to it that the log never signs two checkpoints which contradict each other.
    """
    return sign_note(checkpoint.format(), *signers)


def verify_checkpoint(note: bytes, verifiers: Iterable[NoteVerifier], origin: str) -> Checkpoint:
    """The checkpoint of the log `origin`, signed by at least one of the verifiers.

    Raises Damaged if the note does not verify (see `open_note`), is not a checkpoint, or is one
    of another log.
    """
    checkpoint = Checkpoint.parse(open_note(note, verifiers))
    if checkpoint.origin != origin:
        raise Damaged(f"The checkpoint is of another log than {origin}.")
    return checkpoint


def origin_of(note: bytes) -> str:
    """Which log a checkpoint says that it is of; no signature is looked at."""
    return note.partition(b"\n")[0].decode("utf-8", "replace")


def verify_by_name(note: bytes, verifiers: Iterable[NoteVerifier]) -> Checkpoint:
    """The checkpoint, signed by one of the verifiers that is named as its origin.

    For a log that has had several keys, or origins. Raises Damaged as `verify_checkpoint` does.
    """
    known = tuple(verifiers)
    origin = origin_of(note)
    named = [each for each in known if each.name == origin]
    return verify_checkpoint(note, named or known, origin)


def _malformed() -> Damaged:
    return Damaged("The signed text is not a checkpoint: origin, size and base64 root, one a line.")
