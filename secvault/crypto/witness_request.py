"""What a log sends a witness (c2sp.org/tlog-witness, the body of add-checkpoint).

old <size, decimal>
<base64 hash>            the consistency proof of RFC 6962 from that size; none from 0
<blank line>
<the signed checkpoint>
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass

from secvault.crypto.checkpoint import MAX_SIZE
from secvault.crypto.merkle import HASH_BYTES
from secvault.crypto.note import strict_base64
from secvault.errors import InvalidInput

MAX_PROOF = 63
SIZE_TYPE = "text/x.tlog.size"
"""The content type of a refusal that states which size the witness has."""

_OLD = re.compile(r"old (0|[1-9][0-9]{0,18})")
_SIZE = re.compile(rb"(0|[1-9][0-9]{0,18})\n")


@dataclass(frozen=True, slots=True)
class AddCheckpoint:
    """A checkpoint to cosign. old_size: of the last one that the witness cosigned; 0 for none."""

    old_size: int
    proof: tuple[bytes, ...]
    note: bytes

    def format(self) -> bytes:
        """The body of the request."""
        proof = "".join(f"{base64.b64encode(each).decode()}\n" for each in self.proof)
        return f"old {self.old_size}\n{proof}\n".encode() + self.note

    @classmethod
    def parse(cls, body: bytes) -> AddCheckpoint:
        """The request that a body holds; its note is not looked at. Raises InvalidInput."""
        head, blank, note = body.partition(b"\n\n")
        try:
            first, *lines = head.decode("ascii").split("\n")
        except UnicodeDecodeError:
            raise _malformed() from None
        old = _OLD.fullmatch(first)
        proof = tuple(strict_base64(line) for line in lines)
        if not blank or old is None or int(old[1]) > MAX_SIZE or len(proof) > MAX_PROOF:
            raise _malformed()
        if any(len(each) != HASH_BYTES for each in proof):
            raise _malformed()
        return cls(int(old[1]), proof, note)


def parse_size(body: bytes) -> int | None:
    """The size that a witness states as its own; None for any other text."""
    found = _SIZE.fullmatch(body)
    size = int(found[1]) if found else MAX_SIZE + 1
    return size if size <= MAX_SIZE else None


def _malformed() -> InvalidInput:
    return InvalidInput.at("body", "must be `old <size>`, proof lines, a blank line, a checkpoint")
