"""What is personal in an event, as bytes: a commitment in the leaf, and a sealed part beside it.

    commitment = SHA-256("secvault/pii/v1" 0x00 || r || content)
    part       = AES-256-GCM(key of the subject, r || content), in the envelope of `crypto.aead`;
                 associated data: "secvault/audit-personal", subject, id of the event, slot

r: 32 random bytes. content: canonical JSON, an object without empty members. While the part can be
opened, the commitment shows that it is what was recorded. Once r is gone with the key, the
commitment says nothing about the content, however few contents there can be, and the leaf, its
hash and every proof are what they were.

    slot  members
    who   address (network), agent (what the caller's program calls itself), name (at the time)
    what  reason (a text that somebody wrote)
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Literal

import msgspec

from secvault.audit.event import Event, Personal
from secvault.crypto.aead import Random, bind, draw, open_sealed, seal
from secvault.crypto.canonical import JsonValue, canonical_json, parse_canonical
from secvault.crypto.secret import Secret
from secvault.errors import Damaged

Slot = Literal["who", "what"]

MEMBERS: dict[Slot, tuple[str, ...]] = {"who": ("address", "agent", "name"), "what": ("reason",)}
"""The members that each slot can have."""

SALT_BYTES = 32
_DOMAIN = b"secvault/pii/v1\x00"


class Part(msgspec.Struct, frozen=True, array_like=True):
    """A sealed part. subject: whose it is. key: id of the key that it is sealed under."""

    slot: str
    subject: str
    key: str
    envelope: bytes


def contents(event: Event) -> dict[Slot, dict[str, JsonValue]]:
    """What is personal in the event, by slot; slots with nothing in them are left out."""
    personal = event.personal
    if personal is None:
        return {}
    return {
        slot: said
        for slot, names in MEMBERS.items()
        if (said := {name: text for name in names if (text := getattr(personal, name))})
    }


def commitment(salt: bytes, content: bytes) -> bytes:
    """32 bytes that bind the content and hide it. salt: 32 random bytes."""
    return hashlib.sha256(_DOMAIN + salt + content).digest()


def seal_part(
    content: dict[str, JsonValue],
    *,
    event: str,
    slot: Slot,
    subject: str,
    key: str,
    secret: Secret,
    random: Random,
) -> tuple[Part, bytes]:
    """The sealed part and its commitment. event: its id. Raises InvalidInput for no JSON."""
    salt, said = draw(SALT_BYTES, random), canonical_json(content)
    envelope = seal(salt + said, secret, _place(subject, event, slot), random)
    return Part(slot, subject, key, envelope), commitment(salt, said)


def open_part(part: Part, event: str, secret: Secret, committed: bytes | None) -> dict[str, str]:
    """The content of a part of this event.

    committed: what the leaf says of the slot. Raises Damaged when the part was changed, is another
    event's or another slot's, or is not what the leaf binds.
    """
    what = f"The personal part `{part.slot}` of the event {event}"
    opened = open_sealed(part.envelope, secret, _place(part.subject, event, part.slot), what)
    salt, said = opened[:SALT_BYTES], opened[SALT_BYTES:]
    if committed is None or not hmac.compare_digest(commitment(salt, said), committed):
        raise Damaged(f"{what} is not what was recorded; verify the log.")
    content = parse_canonical(said, what)
    if not isinstance(content, dict):
        raise Damaged(f"{what} is not what was recorded; verify the log.")
    return {name: text for name, text in content.items() if isinstance(text, str)}


def joined(*said: dict[str, str]) -> Personal:
    """The personal of an event, from the contents of its slots."""
    every = {name: text for one in said for name, text in one.items()}
    known = {name: every.get(name, "") for names in MEMBERS.values() for name in names}
    return Personal(**known)


def _place(subject: str, event: str, slot: str) -> bytes:
    return bind("secvault/audit-personal", subject, event, slot)
