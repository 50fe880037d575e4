"""Keys derived from a named key and a context, and the nonces of convergent encryption.

As the transit engine of Vault and OpenBao derives them (`hkdf_sha256`, convergent version 3), so
that what was made there opens here once the key was moved. Keys that were imported there derive by
an older function, `hmac-sha256-counter`; it is kept for them alone.
"""

from __future__ import annotations

import hmac

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from secvault.crypto.secret import Secret

CONVERGENT_VERSION = 3
HMAC_KEY_BYTES = 32

HKDF_SHA256 = "hkdf_sha256"
HMAC_COUNTER = "hmac-sha256-counter"

_COUNTED_BYTES = 32


def derive(key: Secret, context: bytes, size: int) -> Secret:
    """`size` bytes that belong to this key and context: HKDF-SHA-256 without salt (RFC 5869).

    size: 1 to 8160.
    """
    return Secret(HKDF(hashes.SHA256(), size, None, context).derive(key.expose()))


def derive_by(kdf: str, key: Secret, context: bytes, size: int) -> Secret:
    """`size` bytes, 1 to 32, that belong to this key and context.

    kdf: `HKDF_SHA256`, or `HMAC_COUNTER`: the counter mode of NIST SP 800-108 with HMAC-SHA-256 in
    the engine's reading: one block, the counter from 0, and no label.
    """
    if kdf == HKDF_SHA256:
        return derive(key, context, size)
    counted = bytes(4) + context + (8 * _COUNTED_BYTES).to_bytes(4, "big")
    return Secret(hmac.digest(key.expose(), counted, "sha256")[:size])


def convergent_keys(key: Secret, context: bytes, size: int) -> tuple[Secret, Secret]:
    """The cipher's key of `size` bytes, and the key that makes its nonces.

    The engine draws both from one derivation.
    """
    both = derive(key, context, size + HMAC_KEY_BYTES).expose()
    return Secret(both[:size]), Secret(both[size:])


def convergent_nonce(key: Secret, plaintext: bytes, size: int) -> bytes:
    """The nonce that makes equal plaintexts equal ciphertexts: HMAC-SHA-256, cut to `size`."""
    return hmac.digest(key.expose(), plaintext, "sha256")[:size]
