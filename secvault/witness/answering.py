"""What a witness answers, without a network: the rules of c2sp.org/tlog-witness.

| status | when |
| --- | --- |
| 200 | co-signed; the body is the signature line |
| 400 | the body is not of the protocol, or the old size is above the checkpoint's |
| 403 | no key of the log signed the checkpoint, or one of its signatures is wrong |
| 404 | a log that is not listed |
| 409 | another size was co-signed last, which is the body; or another root of the same size |
| 422 | the consistency proof does not hold |
| 503 | it could not be remembered, and so is not co-signed |
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from hashlib import sha256

from secvault.clock import Clock
from secvault.crypto.checkpoint import Checkpoint, head_of
from secvault.crypto.cosignature import WitnessSigner
from secvault.crypto.merkle import verify_consistency
from secvault.crypto.note import open_note, take_apart
from secvault.crypto.witness_request import SIZE_TYPE, AddCheckpoint
from secvault.errors import Damaged, InvalidInput, Unavailable
from secvault.witness.logs import Logs
from secvault.witness.state import Cosigned, WitnessFile

MAX_BODY_BYTES = 256 * 1024

_TEXT = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer over HTTP."""

    status: int
    body: bytes
    media_type: str = _TEXT


@dataclass(frozen=True, slots=True)
class Witness:
    """A witness at work."""

    signer: WitnessSigner
    logs: Logs
    state: WitnessFile
    clock: Clock

    def add_checkpoint(self, body: bytes) -> Reply:
        """Co-sign the checkpoint that the body brings, if it continues the last one."""
        try:
            return self._add(body)
        except _Refusal as refusal:
            return refusal.reply
        except Unavailable:
            return _refused(503, "the witness cannot remember anything now; nothing was co-signed")

    def latest(self, origin_hash: str) -> Reply:
        """The last checkpoint that was co-signed of the log whose origin has this SHA-256, hex."""
        for origin in self.logs:
            if sha256(origin.encode()).hexdigest() == origin_hash:
                try:
                    last = self.state.last(origin)
                except Unavailable:
                    return _refused(503, "the witness cannot read what it remembers")
                if last is not None:
                    return Reply(200, last.note)
        return _refused(404, "no checkpoint of such a log was co-signed")

    def _add(self, body: bytes) -> Reply:
        try:
            request = AddCheckpoint.parse(body)
            text, _ = take_apart(request.note)
            head = head_of(text)
        except (InvalidInput, Damaged) as error:
            raise _Refusal(_refused(400, error.detail)) from None
        keys = self.logs.get(head.origin)
        if keys is None:
            raise _Refusal(_refused(404, "this log is not one that is co-signed here"))
        try:
            open_note(request.note, keys)
        except Damaged as error:
            raise _Refusal(_refused(403, error.detail)) from None
        if request.old_size > head.size:
            raise _Refusal(_refused(400, "the old size is above that of the checkpoint"))

        def following(last: Cosigned | None) -> Cosigned:
            _require_continued(request, head, last)
            # A clock that was put back must not date this before what it follows.
            time = max(self.clock.seconds(), last.time if last else 1)
            line = self.signer.cosign(text, time).format().encode()
            return Cosigned(head, request.note + line, time)

        made = self.state.advance(head.origin, following)
        return Reply(200, made.note.removeprefix(request.note))


class _Refusal(Exception):
    """Nothing is co-signed, and nothing changes."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.status)
        self.reply = reply


def _require_continued(request: AddCheckpoint, head: Checkpoint, last: Cosigned | None) -> None:
    known = last.head.size if last else 0
    if request.old_size != known:
        raise _Refusal(Reply(409, f"{known}\n".encode(), SIZE_TYPE))
    if known == head.size:
        if request.proof:
            raise _Refusal(_refused(422, "a proof from a size to itself is empty"))
        if last is not None and not hmac.compare_digest(last.head.root, head.root):
            raise _Refusal(_refused(409, "another root of this size was co-signed"))
        return
    if last is None or known == 0:
        if request.proof:
            raise _Refusal(_refused(422, "a proof from nothing is empty"))
        return
    try:
        verify_consistency(known, last.head.root, head.size, head.root, request.proof)
    except Damaged:
        raise _Refusal(_refused(422, "the consistency proof does not hold")) from None


def _refused(status: int, why: str) -> Reply:
    return Reply(status, f"{why}\n".encode())
