"""Reading a kit without its shares, opening it with them, and looking at one share by itself.

Needs nothing but the bytes: neither a vault nor a network. With fewer shares than the kit says, or
with others, nothing is learnt but that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from secvault.crypto import aead
from secvault.crypto.canonical import canonical_json
from secvault.crypto.evidence import verify_evidence
from secvault.crypto.note import NoteVerifier, strict_base64
from secvault.crypto.secret import Secret
from secvault.crypto.shares import MOST_SHARES, Gathered, ReadShare, ShareSet, read_share
from secvault.errors import Damaged, InvalidInput
from secvault.recovery.kit import FORMAT, Kit, KitHead, KitSecrets
from secvault.recovery.sealed import head_bytes, kit_key, signed_part

MOST_BYTES = 1024 * 1024
_WHOSE = "this kit's set of shares"
_FAMILY = "secvault recovery kit "


class _Formatted(msgspec.Struct):
    format: str


class _Headed(msgspec.Struct):
    head: _Formatted


@dataclass(frozen=True)
class CheckedShare:
    """What a holder may know of a share. number: from 1, as printed on its sheet.

    of_kit: whether it is the very share that the kit was made with; None without a kit. holder: who
    keeps it, by the kit.
    """

    set_id: int
    number: int
    threshold: int
    of_kit: bool | None
    holder: str = ""


def read_kit(kit: bytes, key: str = "") -> Kit:
    """The kit, its secrets sealed.

    key: the public key (vkey) that must have signed it; without one it must be signed by the key
    that it names itself, which shows that nothing was changed by accident, and not who made it.
    Raises InvalidInput at `kit` for what is no kit, or of another version; Damaged for one that was
    changed, or signed by another key.
    """
    if len(kit) > MOST_BYTES:
        raise InvalidInput.at("kit", "this is no recovery kit: it is too long")
    try:
        wanted = msgspec.json.decode(kit, type=_Headed).head.format
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise InvalidInput.at("kit", "this is no recovery kit; name its file, kit.json") from None
    if wanted != FORMAT:
        if wanted.startswith(_FAMILY):
            raise InvalidInput.at(
                "kit", f"this kit is of another version ({wanted[:64]!r}): use its program"
            )
        raise InvalidInput.at("kit", "this is no recovery kit; name its file, kit.json")
    try:
        read = msgspec.json.decode(kit, type=Kit)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise _changed() from None
    _require_signed(read, key)
    if not _sensible(read.head):
        raise _changed()
    return read


def open_kit(kit: bytes, shares: Sequence[Secret], key: str = "") -> tuple[KitHead, KitSecrets]:
    """The kit's open part and its secrets.

    shares: each the words of one share, at least as many different ones as the kit says. That it
    opens shows that the vault made it, and nobody changed a byte of either part. key: as for
    `read_kit`. Raises what that raises; InvalidInput at `shares` for too few, for one that is
    mistyped or of another set; Damaged where it does not open with these shares.
    """
    read = read_kit(kit, key)
    head = read.head
    gathered = _gathered(head)
    secret: Secret | None = None
    for number, words in enumerate(shares, 1):
        try:
            if not _is_of(read_share(words, "shares"), head):
                raise _foreign()
            # Further ones than are needed are looked at, and not put together with the others.
            secret = secret or gathered.add(words)
        except InvalidInput as error:
            raise InvalidInput.at("shares", f"number {number} given: {_said(error)}") from None
    if secret is None:
        raise InvalidInput.at(
            "shares",
            f"{head.shares.threshold} different shares open this kit, and {gathered.progress} "
            "were given",
        )
    return head, _unsealed(read, secret)


def open_with(kit: bytes, secret: Secret) -> tuple[KitHead, KitSecrets]:
    """The same with the secret itself, which the vault keeps wrapped. Raises as `open_kit` does."""
    read = read_kit(kit)
    return read.head, _unsealed(read, secret)


def check_share(words: Secret, head: KitHead | None = None) -> CheckedShare:
    """Whether these words are a share, and of this kit; nothing secret is told.

    Raises InvalidInput at `share` for what is none.
    """
    found = read_share(words, "share")
    if head is None:
        return CheckedShare(found.identifier, found.index + 1, found.threshold, None)
    fits = _is_of(found, head)
    holders = head.shares.holders
    holder = holders[found.index] if fits and found.index < len(holders) else ""
    return CheckedShare(found.identifier, found.index + 1, found.threshold, fits, holder)


def _is_of(share: ReadShare, head: KitHead) -> bool:
    of = head.shares
    return (
        share.identifier == of.set_id
        and share.threshold == of.threshold
        and share.index < len(of.checks)
        and of.checks[share.index] == share.check
    )


def _gathered(head: KitHead) -> Gathered:
    of = head.shares
    wanted = ShareSet(of.threshold, of.shares, of.set_id)
    return Gathered(wanted, _WHOSE, "shares")


def _unsealed(read: Kit, secret: Secret) -> KitSecrets:
    key = kit_key(secret, read.head.kit)
    try:
        opened = aead.open_sealed(strict_base64(read.sealed), key, head_bytes(read.head))
        return msgspec.json.decode(opened, type=KitSecrets)
    except (Damaged, msgspec.MsgspecError):
        raise Damaged(
            "the kit does not open with these shares: one of them is of another set, or the "
            "vault did not make this kit"
        ) from None


def _require_signed(read: Kit, key: str) -> None:
    wanted = key or read.head.evidence_key
    try:
        verifier = NoteVerifier.from_vkey(wanted)
    except InvalidInput:
        if key:
            raise
        raise _changed() from None
    if read.head.evidence_key != wanted:
        raise Damaged("the kit is signed by another key: it is not one of this vault")
    try:
        document = canonical_json(signed_part(read.head, read.sealed))
        verify_evidence(document, read.note.encode(), verifier)
    except (Damaged, InvalidInput, UnicodeEncodeError):
        raise _changed() from None


def _sensible(head: KitHead) -> bool:
    of = head.shares
    return 1 <= of.threshold <= of.shares <= MOST_SHARES and len(of.checks) == of.shares


def _foreign() -> InvalidInput:
    return InvalidInput.at("shares", f"this share does not belong to {_WHOSE}")


def _said(error: InvalidInput) -> str:
    return error.detail.removeprefix("shares: ")


def _changed() -> Damaged:
    return Damaged("the kit was changed after it was issued; take another copy of it")
