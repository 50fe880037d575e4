"""Keys derived from a named key and a context, and the nonces of convergent encryption.

As the transit engine of Vault and OpenBao derives them (`hkdf_sha256`, convergent version 3), so
that what was made there opens here once the key was moved.
"""

from __future__ import annotations

import hmac

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from secvault.crypto.secret import Secret

CONVERGENT_VERSION = 3
HMAC_KEY_BYTES = 32


def derive(key: Secret, context: bytes, size: int) -> Secret:
    """`size` bytes that belong to this key and context: HKDF-SHA-256 without salt (RFC 5869).

    size: 1 to 8160.
    """
    return Secret(HKDF(hashes.SHA256(), size, None, context).derive(key.expose()))


def convergent_keys(key: Secret, context: bytes, size: int) -> tuple[Secret, Secret]:
    """The cipher's key of `size` bytes, and the key that makes its nonces.

    The engine draws both from one derivation.
    """
    both = derive(key, context, size + HMAC_KEY_BYTES).expose()
    return Secret(both[:size]), Secret(both[size:])


def convergent_nonce(key: Secret, plaintext: bytes, size: int) -> bytes:
    """The nonce that makes equal plaintexts equal ciphertexts: HMAC-SHA-256, cut to `size`."""
    return hmac.digest(key.expose(), plaintext, "sha256")[:size]
