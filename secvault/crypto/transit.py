"""The named-key ciphertext: `vault:v<version>:<base64(nonce[12] || ciphertext || tag[16])>`.

As the transit engine of Vault and OpenBao writes it for the key types `aes256-gcm96`,
`aes128-gcm96` (a 16-byte key), `chacha20-poly1305` and `xchacha20-poly1305` (a 24-byte nonce), so
that data opens on either side with an exported key. Decoding is strict: one ciphertext has one
text. (The engine's reading of version 0 as version 1, kept there for its own first release, is
therefore not taken over.)
"""

from __future__ import annotations

import base64
import binascii
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

from secvault.crypto.aead import NONCE_BYTES, TAG_BYTES, Random, draw
from secvault.crypto.secret import Secret
from secvault.crypto.xchacha import XCHACHA_NONCE_BYTES, XChaCha20Poly1305
from secvault.errors import Damaged, InvalidInput

PREFIX = "vault:v"

Cipher = Literal["aes-gcm", "chacha20-poly1305", "xchacha20-poly1305"]

_KEY_SIZES: dict[Cipher, tuple[int, ...]] = {
    "aes-gcm": (16, 32),
    "chacha20-poly1305": (32,),
    "xchacha20-poly1305": (32,),
}
_AEADS: dict[Cipher, type[AESGCM | ChaCha20Poly1305 | XChaCha20Poly1305]] = {
    "aes-gcm": AESGCM,
    "chacha20-poly1305": ChaCha20Poly1305,
    "xchacha20-poly1305": XChaCha20Poly1305,
}
_VERSION = re.compile(r"[1-9][0-9]{0,9}")


@dataclass(frozen=True, slots=True)
class NamedCiphertext:
    """A parsed ciphertext. version: of the named key, from 1. body: nonce, ciphertext, tag."""

    version: int
    body: bytes

    def __str__(self) -> str:
        return f"{PREFIX}{self.version}:{base64.b64encode(self.body).decode()}"


@dataclass(frozen=True, slots=True)
class NamedCipher:
    """One version of a named key, ready to seal and open. Made by `named_cipher`."""

    version: int
    prefix: str
    aead: AESGCM | ChaCha20Poly1305 | XChaCha20Poly1305
    nonce_bytes: int = NONCE_BYTES

    def seal(
        self, plaintext: bytes, associated_data: bytes = b"", random: Random = os.urandom
    ) -> str:
        """The text form of `plaintext`.

        random: gives the nonce of `nonce_bytes`; convergent encryption passes a function that
        returns the derived one.
        """
        nonce = draw(self.nonce_bytes, random)
        body = nonce + self.aead.encrypt(nonce, plaintext, associated_data)
        return self.prefix + binascii.b2a_base64(body, newline=False).decode()

    def open(self, ciphertext: NamedCiphertext, associated_data: bytes = b"") -> bytes:
        """The plaintext that was sealed under exactly this key and associated data.

        Raises Damaged if a byte was changed, or key or associated data are others; the cases
        cannot be told apart, on purpose.
        """
        nonce, sealed = ciphertext.body[: self.nonce_bytes], ciphertext.body[self.nonce_bytes :]
        if len(sealed) < TAG_BYTES:
            raise _unopened()
        try:
            return self.aead.decrypt(nonce, sealed, associated_data)
        except InvalidTag:
            raise _unopened() from None


def named_cipher(key: Secret, version: int, cipher: Cipher = "aes-gcm") -> NamedCipher:
    """The cipher of this version.

    key: 32 bytes, or 16 for AES-128-GCM. Raises InvalidInput for a key of another length or a
    version below 1.
    """
    if version < 1:
        raise InvalidInput.at("version", "key versions start at 1")
    exposed = key.expose()
    sizes = _KEY_SIZES[cipher]
    if len(exposed) not in sizes:
        expected = " or ".join(map(str, sizes))
        raise InvalidInput.at("key", f"must be {expected} bytes long, not {len(exposed)}")
    nonce_bytes = XCHACHA_NONCE_BYTES if cipher == "xchacha20-poly1305" else NONCE_BYTES
    return NamedCipher(version, f"{PREFIX}{version}:", _AEADS[cipher](exposed), nonce_bytes)


class Sealable(Protocol):
    """What can be sealed: a plaintext with its associated data."""

    @property
    def plaintext(self) -> bytes: ...

    @property
    def associated_data(self) -> bytes: ...


class Openable(Protocol):
    """What can be opened: the text form of a ciphertext, with its associated data."""

    @property
    def ciphertext(self) -> str: ...

    @property
    def associated_data(self) -> bytes: ...


def seal_each(
    cipher: NamedCipher, items: Sequence[Sealable], random: Random = os.urandom
) -> list[str]:
    """The text form of each plaintext, as `NamedCipher.seal` makes it, in less time together."""
    size = cipher.nonce_bytes
    nonces = draw(size * len(items), random)
    prefix, encrypt, encoded = cipher.prefix, cipher.aead.encrypt, binascii.b2a_base64
    texts = []
    end = 0
    for item in items:
        start, end = end, end + size
        nonce = nonces[start:end]
        body = nonce + encrypt(nonce, item.plaintext, item.associated_data)
        texts.append(prefix + encoded(body, newline=False).decode())
    return texts


def open_each(cipher: NamedCipher, items: Sequence[Openable]) -> list[bytes] | None:
    """The plaintext of each text, as `parse_named` and `NamedCipher.open` give it.

    None if any is of another version or does not open: one by one shows which, and why.
    """
    prefix, decrypt, encoded = cipher.prefix, cipher.aead.decrypt, binascii.b2a_base64
    decoded, size = binascii.a2b_base64, cipher.nonce_bytes
    plaintexts = []
    try:
        for item in items:
            given = item.ciphertext.removeprefix(prefix)
            body = decoded(given, strict_mode=True)
            if encoded(body, newline=False).decode() != given:
                return None
            plaintexts.append(decrypt(body[:size], body[size:], item.associated_data))
    except (InvalidTag, ValueError):
        return None
    return plaintexts


def parse_named(text: str) -> NamedCiphertext:
    """The parts of a named-key ciphertext, in the words of the transit engine where it fails.

    Raises InvalidInput for any text that `NamedCipher.seal` does not write.
    """
    if not text.startswith(PREFIX):
        raise _fault("invalid ciphertext: no prefix")
    version, colon, encoded = text[len(PREFIX) :].partition(":")
    if not colon:
        raise _fault("invalid ciphertext: wrong number of fields")
    if not _VERSION.fullmatch(version):
        raise _fault("invalid ciphertext: version number could not be decoded")
    try:
        body = binascii.a2b_base64(encoded, strict_mode=True)
    except (binascii.Error, ValueError):
        raise _fault("invalid ciphertext: could not decode base64") from None
    if binascii.b2a_base64(body, newline=False).decode() != encoded:
        raise _fault("invalid ciphertext: could not decode base64")
    return NamedCiphertext(int(version), body)


def version_in(text: str) -> int:
    """The version that a well-formed ciphertext, signature or HMAC names."""
    return int(text[len(PREFIX) : text.index(":", len(PREFIX))])


def require_length(ciphertext: NamedCiphertext, cipher: NamedCipher) -> None:
    """Raise InvalidInput when the body is too short for the cipher's nonce and tag."""
    if len(ciphertext.body) < cipher.nonce_bytes + TAG_BYTES:
        raise _fault("invalid ciphertext length")


def _fault(detail: str) -> InvalidInput:
    return InvalidInput(detail)


def _unopened() -> Damaged:
    return Damaged(
        "cipher: message authentication failed. The ciphertext was changed, or sealed with another "
        "key or other associated data."
    )
