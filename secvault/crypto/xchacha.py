"""XChaCha20-Poly1305 with a 24-byte nonce, in the shape of the other AEADs.

The construction of draft-irtf-cfrg-xchacha-03, from libsodium: `cryptography` does not have it.
"""

from __future__ import annotations

from cryptography.exceptions import InvalidTag
from nacl.bindings import (
    crypto_aead_xchacha20poly1305_ietf_decrypt,
    crypto_aead_xchacha20poly1305_ietf_encrypt,
)
from nacl.exceptions import CryptoError

XCHACHA_NONCE_BYTES = 24


class XChaCha20Poly1305:
    """One key. Safe to use from many threads."""

    __slots__ = ("_key",)

    def __init__(self, key: bytes) -> None:
        """key: 32 bytes; the caller has checked."""
        self._key = key

    def __repr__(self) -> str:
        """Without the key."""
        return "XChaCha20Poly1305(***)"

    def encrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None) -> bytes:
        """The ciphertext and the 16-byte tag. nonce: 24 bytes, never twice under one key."""
        return crypto_aead_xchacha20poly1305_ietf_encrypt(
            data, associated_data or b"", nonce, self._key
        )

    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None) -> bytes:
        """What `encrypt` was given. data: ciphertext and tag. Raises InvalidTag."""
        try:
            return crypto_aead_xchacha20poly1305_ietf_decrypt(
                data, associated_data or b"", nonce, self._key
            )
        except CryptoError:
            raise InvalidTag from None
