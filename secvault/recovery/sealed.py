"""Making a kit: its secrets sealed for whoever puts the shares together, all of it signed."""

from __future__ import annotations

import base64
import os
from typing import cast

import msgspec

from secvault.crypto import aead
from secvault.crypto.canonical import JsonValue, canonical_json
from secvault.crypto.derivation import derive
from secvault.crypto.evidence import sign_evidence
from secvault.crypto.note import NoteSigner
from secvault.crypto.secret import Secret
from secvault.recovery.kit import KIND, KitHead, KitSecrets

PURPOSE = "secvault/recovery-kit"


def make_kit(
    head: KitHead,
    secrets: KitSecrets,
    secret: Secret,
    signer: NoteSigner,
    random: aead.Random = os.urandom,
) -> bytes:
    """The kit's file. secret: the 256 bits that its shares give. signer: the vault's evidence key.

    Raises InvalidInput where the head holds text that is not Unicode.
    """
    key = kit_key(secret, head.kit)
    sealed = aead.seal(msgspec.json.encode(secrets), key, head_bytes(head), random)
    text = base64.b64encode(sealed).decode()
    signed = sign_evidence(signed_part(head, text), signer)
    return canonical_json(
        {"head": _plain(head), "sealed": text, "note": signed.note.decode()},
    )


def kit_key(secret: Secret, kit: str) -> Secret:
    """What the sealed part of the kit with this id is under."""
    return derive(secret, aead.bind(PURPOSE, kit), aead.KEY_BYTES)


def head_bytes(head: KitHead) -> bytes:
    """The open part as the sealed one is bound to it."""
    return canonical_json(_plain(head))


def signed_part(head: KitHead, sealed: str) -> dict[str, JsonValue]:
    """What the note of a kit is over."""
    return {"kind": KIND, "head": _plain(head), "sealed": sealed}


def _plain(head: KitHead) -> JsonValue:
    # Strings, integers, and lists and objects of them: JSON as it is.
    return cast("JsonValue", msgspec.json.decode(msgspec.json.encode(head)))
