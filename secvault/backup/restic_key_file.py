"""A file of restic's that opens a repository with a password which was drawn, not thought up.

restic derives the key of such a file from the password by scrypt. When it makes the file itself, it
chooses a cost of half a second of a processor and some 32 MiB, which every command pays that opens
the repository, and which keeps others from trying passwords that people think up. Nobody finds 256
random bits by trying, whatever a try costs. So these files have the cost of RFC 7914's examples.

Source: restic's "Repository Format" (Keys, Encryption and MAC): AES-256 in counter mode, then
Poly1305-AES of the ciphertext; all versions since repository version 1 read it.
"""

from __future__ import annotations

import hashlib
from datetime import datetime

import msgspec
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.poly1305 import Poly1305

from secvault.crypto import aead
from secvault.crypto.secret import Secret
from secvault.errors import Damaged

COST, BLOCKS, LANES = 1024, 8, 1
"""scrypt's N, r and p: 1 MiB, a few milliseconds."""

_SALT_BYTES = 64
_NONCE_BYTES = 16
_ENCRYPTION, _MAC, _MAC_POINT = slice(0, 32), slice(32, 48), slice(48, 64)


class _Mac(msgspec.Struct, frozen=True):
    k: bytes
    r: bytes

    def __repr__(self) -> str:
        return "***"


class _MasterKey(msgspec.Struct, frozen=True):
    mac: _Mac
    encrypt: bytes

    def __repr__(self) -> str:
        return "***"


class _KeyFile(msgspec.Struct, frozen=True):
    created: datetime
    username: str
    hostname: str
    N: int
    r: int
    p: int
    salt: bytes
    data: bytes
    kdf: str = "scrypt"


def key_file(
    password: Secret, master: Secret, host: str, created: datetime, random: aead.Random
) -> bytes:
    """The content of a key file by which the password opens the master key.

    password: drawn at random, at least 256 bits; no other is safe with this cost. master: as
    `restic cat masterkey` prints it. The file's name is the SHA-256 of its content, in hexadecimal.
    Raises Damaged when the master key is none.
    """
    salt = aead.draw(_SALT_BYTES, random)
    opener = hashlib.scrypt(password.expose(), salt=salt, n=COST, r=BLOCKS, p=LANES, dklen=64)
    file = _KeyFile(
        created=created,
        username="secvault",
        hostname=host,
        N=COST,
        r=BLOCKS,
        p=LANES,
        salt=salt,
        data=sealed(_normal(master), opener, random),
    )
    return msgspec.json.encode(file)


def sealed(plain: bytes, key: bytes, random: aead.Random) -> bytes:
    """`nonce[16] || ciphertext || tag[16]`, as restic encrypts.

    key: 64 bytes: of AES-256, of the AES-128 that masks the nonce, Poly1305's point.
    """
    nonce = aead.draw(_NONCE_BYTES, random)
    counter = Cipher(algorithms.AES(key[_ENCRYPTION]), modes.CTR(nonce)).encryptor()
    ciphertext = counter.update(plain) + counter.finalize()
    return nonce + ciphertext + poly1305_aes(ciphertext, nonce, key[_MAC], key[_MAC_POINT])


def poly1305_aes(message: bytes, nonce: bytes, key: bytes, point: bytes) -> bytes:
    """The tag of a message, 16 bytes (Bernstein, "The Poly1305-AES message-authentication code").

    key: of AES-128. point: r, whose bits that must be 0 are cleared.
    """
    # A single block is what is encrypted: there is nothing that a mode could chain.
    block = Cipher(algorithms.AES(key), modes.ECB()).encryptor()  # noqa: S305
    return Poly1305.generate_tag(point + block.update(nonce) + block.finalize(), message)


def _normal(master: Secret) -> bytes:
    try:
        key = msgspec.json.decode(master.expose(), type=_MasterKey)
    except msgspec.DecodeError:
        raise Damaged("restic did not show the repository's master key as JSON") from None
    if (len(key.encrypt), len(key.mac.k), len(key.mac.r)) != (32, 16, 16):
        raise Damaged("the repository's master key has another length than restic's have")
    return msgspec.json.encode(key)
