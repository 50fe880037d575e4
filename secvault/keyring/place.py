"""What each wrapped part of a named key is bound to, so that it opens nowhere else."""

from __future__ import annotations

from secvault.crypto import aead


def material_place(mount: str, name: str, version: int) -> bytes:
    """What the wrapped material of a version is bound to."""
    return aead.bind("secvault/named-key", mount, name, str(version))


def hmac_place(mount: str, name: str, version: int) -> bytes:
    """What the wrapped HMAC key of a version is bound to."""
    return aead.bind("secvault/named-key-hmac", mount, name, str(version))
