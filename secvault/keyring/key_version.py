"""A new version of a named key: generated here, or of material that was imported."""

from __future__ import annotations

from secvault.crypto import aead, key_kind
from secvault.crypto.aead import Random
from secvault.crypto.derivation import HMAC_KEY_BYTES
from secvault.crypto.secret import Secret
from secvault.keyring.named_key import KeyOptions
from secvault.keyring.open_key import KeyVersion


def make_version(
    number: int,
    options: KeyOptions,
    material: Secret | None,
    public: str | None,
    random: Random,
    at: int,
) -> KeyVersion:
    """Version `number` of a key with these options, not stored yet.

    material, public: what was imported; where there is neither, it is generated. at: micros.
    """
    kind = key_kind.kind_of(options.kind)
    if public is not None:
        public = key_kind.public_text(key_kind.import_public(kind, public))
    elif material is None:
        material = key_kind.generate(kind, random, options.key_size)
    if public is None and kind.signs and material is not None:
        public = key_kind.public_text(key_kind.private_key(kind, material).public_key())
    if kind.family == "hmac" and material is not None:
        hmac_key = material
    else:
        hmac_key = Secret(aead.draw(HMAC_KEY_BYTES, random))
    return KeyVersion(number, kind, material, hmac_key, public, at)
