"""Authenticated encryption of data at rest: AES-256-GCM in a versioned envelope.

Envelope: `0x01 || nonce[12] || ciphertext || tag[16]`.

Limits: a nonce must never repeat under one key. Nonces are random, so one key may seal at most
2**32 times (NIST SP 800-38D, section 8.3); a data key belongs to one subject, which keeps far
below that. One plaintext is at most 2**31 - 1 bytes.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from threading import Lock

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from secvault.crypto.secret import Secret
from secvault.errors import Damaged, InvalidInput, Unavailable

KEY_BYTES = 32
NONCE_BYTES = 12
TAG_BYTES = 16
ENVELOPE_VERSION = 1

Random = Callable[[int], bytes]
"""A source of that many unpredictable bytes, such as `os.urandom`."""

_HEADER = bytes([ENVELOPE_VERSION])


def draw(count: int, random: Random) -> bytes:
    """Exactly `count` bytes of `random`.

    Raises Unavailable if the source gives another number: a short nonce or key must never be used.
    """
    drawn = random(count)
    if len(drawn) != count:
        raise Unavailable("The source of randomness gave too few bytes; check the device it reads.")
    return drawn


def buffered(random: Random, size: int = 4096) -> Random:
    """The same randomness, drawn `size` bytes at a time, for nonces and identifiers.

    Each draw of the system's own source lets other threads take over the interpreter, which costs
    a busy program more than the bytes. Not for keys: what is buffered lies in memory before it is
    used. A forked process must make its own. Raises Unavailable as `draw` does.
    """
    lock = Lock()
    drawn = memoryview(b"")

    def give(count: int) -> bytes:
        nonlocal drawn
        with lock:
            if len(drawn) < count:
                drawn = memoryview(draw(max(size, count), random))
            given, drawn = drawn[:count], drawn[count:]
        return bytes(given)

    return give


def bind(*parts: str) -> bytes:
    """Associated data that names a place: for each part, `u32be length || utf-8 bytes`.

    The lengths keep ("ab", "c") apart from ("a", "bc"). Raises InvalidInput if a part is not
    Unicode text (a lone surrogate).
    """
    bound = bytearray()
    for part in parts:
        try:
            encoded = part.encode()
        except UnicodeEncodeError:
            raise InvalidInput(
                "A name contains a lone surrogate, which is not Unicode text; send valid UTF-8."
            ) from None
        bound += len(encoded).to_bytes(4, "big") + encoded
    return bytes(bound)


def seal(plaintext: bytes, key: Secret, aad: bytes, random: Random = os.urandom) -> bytes:
    """The envelope of `plaintext`, 29 bytes longer than it.

    key: 32 bytes. aad: what the envelope is tied to, usually made by `bind`; not stored in it.
    Raises InvalidInput for a key of another length.
    """
    return seal_by(cipher_of(key), plaintext, aad, random)


def cipher_of(key: Secret) -> AESGCM:
    """The cipher under a key, for those who seal many things by it: making it costs as much as
    using it. Raises InvalidInput for a key that is not 32 bytes long.
    """
    return AESGCM(aes_256_key(key))


def seal_by(cipher: AESGCM, plaintext: bytes, aad: bytes, random: Random = os.urandom) -> bytes:
    """The envelope as `seal` makes it, under the key of the cipher."""
    nonce = draw(NONCE_BYTES, random)
    return _HEADER + nonce + cipher.encrypt(nonce, plaintext, aad)


def open_sealed(envelope: bytes, key: Secret, aad: bytes, what: str = "The sealed value") -> bytes:
    """The plaintext that was sealed under exactly this key and associated data.

    what: names the thing in the error, such as "field hr/payroll/pay-1/salary"; never a value.
    Raises Damaged if a byte was changed or cut off, or the envelope belongs to another place or
    key; the cases cannot be told apart, on purpose. Raises InvalidInput for a key that is not 32
    bytes long.
    """
    cipher = AESGCM(aes_256_key(key))
    if len(envelope) < 1 + NONCE_BYTES + TAG_BYTES or envelope[0] != ENVELOPE_VERSION:
        raise damaged(what)
    try:
        return cipher.decrypt(envelope[1 : 1 + NONCE_BYTES], envelope[1 + NONCE_BYTES :], aad)
    except InvalidTag:
        raise damaged(what) from None


def aes_256_key(key: Secret) -> bytes:
    """The bytes of a 256-bit key. Raises InvalidInput for another length.

    AESGCM would take 16 bytes too, and quietly be AES-128.
    """
    exposed = key.expose()
    if len(exposed) != KEY_BYTES:
        raise InvalidInput.at("key", f"must be {KEY_BYTES} bytes long, not {len(exposed)}")
    return exposed


def damaged(what: str) -> Damaged:
    """The one error for anything that does not open, whatever the reason."""
    return Damaged(
        f"{what} cannot be opened: it was changed, cut off or moved, or sealed under another key. "
        "Restore it from a backup."
    )
