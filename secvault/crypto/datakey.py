"""Data keys: the key of one data subject, wrapped by a collection's named key.

Wrapped form, 65 bytes: `0x01 || u32be key version || nonce[12] || wrapped[32] || tag[16]`,
AES-256-GCM. Associated data: "secvault/data-key", collection, subject. Erasing a subject is
deleting this; rotating the named key re-wraps this and touches no field.

The version tells which version of the named key to unwrap with. It is not bound: changed, it
leads to another key, which does not open the rest.
"""

from __future__ import annotations

import hmac
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from secvault.crypto.aead import (
    KEY_BYTES,
    NONCE_BYTES,
    TAG_BYTES,
    Random,
    aes_256_key,
    bind,
    damaged,
    draw,
)
from secvault.crypto.secret import Secret
from secvault.errors import Damaged, InvalidInput

WRAPPED_VERSION = 1
MAX_KEY_VERSION = 2**32 - 1
RECORD_TAG_BYTES = 32

_HEADER_BYTES = 1 + 4
_WRAPPED_BYTES = _HEADER_BYTES + NONCE_BYTES + KEY_BYTES + TAG_BYTES


def new_data_key(random: Random = os.urandom) -> Secret:
    """A fresh 256-bit data key."""
    return Secret(draw(KEY_BYTES, random))


def wrap_data_key(
    data_key: Secret,
    wrapping_key: Secret,
    key_version: int,
    collection: str,
    subject: str,
    random: Random = os.urandom,
) -> bytes:
    """The 65 bytes that keep `data_key` under version `key_version` of the collection's key.

    Both keys: 32 bytes. Raises InvalidInput for keys of another length, or a version outside
    1 to 2**32 - 1.
    """
    if not 1 <= key_version <= MAX_KEY_VERSION:
        raise InvalidInput.at("key_version", f"must be from 1 to {MAX_KEY_VERSION}")
    plaintext = aes_256_key(data_key)
    cipher = AESGCM(aes_256_key(wrapping_key))
    nonce = draw(NONCE_BYTES, random)
    return (
        wrapped_header(key_version)
        + nonce
        + cipher.encrypt(nonce, plaintext, _place(collection, subject))
    )


def wrapped_header(key_version: int) -> bytes:
    """The five bytes that every data key wrapped under this version begins with."""
    return bytes([WRAPPED_VERSION]) + key_version.to_bytes(4, "big")


def wrapping_version(envelope: bytes) -> int:
    """Which version of the named key `unwrap_data_key` needs.

    Raises Damaged if the envelope does not have the wrapped form.
    """
    version = int.from_bytes(envelope[1:_HEADER_BYTES], "big")
    if len(envelope) != _WRAPPED_BYTES or envelope[0] != WRAPPED_VERSION or version == 0:
        raise damaged("A wrapped data key")
    return version


def unwrap_data_key(envelope: bytes, wrapping_key: Secret, collection: str, subject: str) -> Secret:
    """The data key that was wrapped for exactly this subject of this collection.

    Raises Damaged if a byte was changed or the envelope belongs to another subject, collection or
    key; the cases cannot be told apart, on purpose.
    """
    cipher = AESGCM(aes_256_key(wrapping_key))
    wrapping_version(envelope)
    sealed = envelope[_HEADER_BYTES:]
    try:
        return Secret(
            cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], _place(collection, subject))
        )
    except InvalidTag:
        raise damaged("A wrapped data key") from None


def record_tag(data_key: Secret, message: bytes) -> bytes:
    """A 32-byte tag over all parts of a stored record together.

    HMAC-SHA-256 under HKDF-SHA-256(data key, no salt, info "secvault/record-tag", 32 bytes), so
    that fields which are each genuine cannot be combined into a record that never was. The caller
    makes `message` unambiguous, by `bind` or `canonical_json`.
    """
    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"secvault/record-tag").derive(
        aes_256_key(data_key)
    )
    return hmac.digest(derived, message, "sha256")


def verify_record_tag(
    data_key: Secret, message: bytes, tag: bytes, what: str = "The record"
) -> None:
    """Return if `tag` is the tag of `message`, in constant time.

    what: names the record in the error; never a value. Raises Damaged otherwise.
    """
    if not hmac.compare_digest(record_tag(data_key, message), tag):
        raise Damaged(
            f"{what} is not what was written: a part was changed, removed or put back from an "
            "earlier time. Restore it from a backup."
        )


def _place(collection: str, subject: str) -> bytes:
    return bind("secvault/data-key", collection, subject)
