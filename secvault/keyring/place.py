"""What each wrapped part of a named key is bound to, so that it opens nowhere else.

In a bound key the parts of a version belong together, and its options are sealed (`binding`): it
opens only while these are what was set here. Keys from before there was such a thing are not
bound; taking a bound key for one of them opens nothing.
"""

from __future__ import annotations

from typing import Any

from secvault.crypto import aead

OPTIONS = (
    *("kind", "latest_version", "min_decryption_version", "min_encryption_version"),
    *("min_available_version", "exportable", "allow_plaintext_backup", "deletion_allowed"),
    *("soft_deleted", "imported", "allow_rotation", "derived", "convergent", "kdf", "key_size"),
)
"""The columns of a key that nobody may change unnoticed."""


def material_place(mount: str, name: str, version: int, *, bound: bool) -> bytes:
    """What the wrapped material of a version is bound to."""
    purpose = "secvault/bound-key" if bound else "secvault/named-key"
    return aead.bind(purpose, mount, name, str(version))


def hmac_place(mount: str, name: str, version: int, public: str | None, *, bound: bool) -> bytes:
    """What the wrapped HMAC key of a version is bound to: of a bound one, its public half too."""
    if not bound:
        return aead.bind("secvault/named-key-hmac", mount, name, str(version))
    return aead.bind("secvault/bound-key-hmac", mount, name, str(version), public or "")


def options_place(key: Any) -> bytes:
    """What the seal of a key's options is bound to. key: a key, or its row."""
    options = (f"{name}={_text(getattr(key, name))}" for name in OPTIONS)
    return aead.bind("secvault/key-options", key.mount, key.name, *options)


def _text(value: str | int) -> str:
    # A flag is a number in some databases.
    return value if isinstance(value, str) else str(int(value))
