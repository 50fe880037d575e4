"""Encrypting and decrypting with an open key, as the transit engine does. No I/O.

A failure that the caller's input causes is an InvalidInput in the engine's own words.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import NamedTuple

import msgspec
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from secvault.crypto import transit
from secvault.crypto.aead import Random
from secvault.crypto.derivation import convergent_keys, convergent_nonce, derive_by
from secvault.crypto.secret import Secret
from secvault.crypto.transit import NamedCipher, named_cipher
from secvault.errors import Damaged, InvalidInput
from secvault.keyring.open_key import KeyVersion, OpenKey

MISSING_CONTEXT = (
    "missing 'context' for key derivation; the key was created using a derived key, which means "
    "additional, per-request information must be included in order to perform operations with the "
    "key"
)


class ToEncrypt(msgspec.Struct, frozen=True, gc=False):
    """One plaintext. context: of derived keys. key_version 0 means the latest."""

    plaintext: bytes
    associated_data: bytes = b""
    key_version: int = 0
    context: bytes = b""


class ToDecrypt(msgspec.Struct, frozen=True, gc=False):
    """One ciphertext in the form `vault:v<version>:<base64>`. key_version: of a rewrap."""

    ciphertext: str
    associated_data: bytes = b""
    key_version: int = 0
    context: bytes = b""


class Encrypted(msgspec.Struct, frozen=True, gc=False):
    """A ciphertext and the key version that it is under."""

    ciphertext: str
    key_version: int


class Opened(NamedTuple):
    """Plaintexts, and how many of them were under which version."""

    plaintexts: list[bytes]
    versions: Mapping[int, int]


STATED_VERSION = attrgetter("key_version")
"""The key version that an item states; 0 if it states none."""


def encrypt(key: OpenKey, item: ToEncrypt, random: Random) -> Encrypted:
    """Encrypt one item. Raises InvalidInput."""
    kind = key.kind
    if not kind.encrypts:
        raise InvalidInput(f"message encryption not supported for key type {kind.name}")
    version = key.for_encryption(item.key_version)
    if kind.family == "rsa":
        return Encrypted(_encrypt_rsa(version, item), version.number)
    if not key.key.derived:
        sealed = version.cipher.seal(item.plaintext, item.associated_data, random)
        return Encrypted(sealed, version.number)
    cipher, nonces = _derived(key, version, item.context)
    if nonces is not None:
        nonce = convergent_nonce(nonces, item.plaintext, cipher.nonce_bytes)
        random = _always(nonce)
    return Encrypted(cipher.seal(item.plaintext, item.associated_data, random), version.number)


def decrypt(key: OpenKey, item: ToDecrypt) -> bytes:
    """The plaintext of one item. Raises InvalidInput."""
    kind = key.kind
    if not kind.encrypts:
        raise InvalidInput(f"message decryption not supported for key type {kind.name}")
    ciphertext = transit.parse_named(item.ciphertext)
    version = key.for_decryption(ciphertext.version)
    if kind.family == "rsa":
        return _decrypt_rsa(version, ciphertext.body, item)
    cipher = _derived(key, version, item.context)[0] if key.key.derived else version.cipher
    transit.require_length(ciphertext, cipher)
    try:
        return cipher.open(ciphertext, item.associated_data)
    except Damaged as error:
        # The caller's text is at fault; a stored key that is damaged remains our failure.
        raise InvalidInput(error.detail) from None


def rewrap(key: OpenKey, item: ToDecrypt, random: Random) -> Encrypted:
    """Move one ciphertext to `key_version`, or to the latest. Raises InvalidInput."""
    plaintext = decrypt(key, item)
    again = ToEncrypt(plaintext, item.associated_data, item.key_version, item.context)
    return encrypt(key, again, random)


def encrypt_each(key: OpenKey, items: Sequence[ToEncrypt], random: Random) -> list[Encrypted]:
    """Encrypt all items, as `encrypt` does each. Raises InvalidInput when one cannot be."""
    if not _plain(key) or any(map(STATED_VERSION, items)):
        return [encrypt(key, item, random) for item in items]
    version = key.for_encryption(0)
    number = version.number
    return [Encrypted(text, number) for text in transit.seal_each(version.cipher, items, random)]


def decrypt_each(key: OpenKey, items: Sequence[ToDecrypt]) -> Opened:
    """Decrypt all items, as `decrypt` does each. Raises InvalidInput when one cannot be."""
    if _plain(key):
        # Most of what is asked for is under the latest version; what is not shows itself.
        latest = key.for_encryption(0)
        opened = transit.open_each(latest.cipher, items)
        if opened is not None:
            return Opened(opened, {latest.number: len(items)})
    plaintexts = [decrypt(key, item) for item in items]
    return Opened(plaintexts, Counter(transit.version_in(item.ciphertext) for item in items))


def rewrap_each(
    key: OpenKey, items: Sequence[ToDecrypt], random: Random
) -> tuple[list[Encrypted], Mapping[int, int]]:
    """Move all ciphertexts, as `rewrap` does each; and how many were under which version.

    Raises InvalidInput when one cannot be.
    """
    opened = decrypt_each(key, items)
    again = [
        ToEncrypt(plaintext, item.associated_data, item.key_version, item.context)
        for plaintext, item in zip(opened.plaintexts, items, strict=True)
    ]
    return encrypt_each(key, again, random), opened.versions


def _plain(key: OpenKey) -> bool:
    """Whether one cipher a version seals all that the key is given."""
    return key.kind.symmetric and not key.key.derived


def _derived(
    key: OpenKey, version: KeyVersion, context: bytes
) -> tuple[NamedCipher, Secret | None]:
    """The cipher of this context, and what makes its nonces when the key is convergent."""
    if not context:
        raise InvalidInput(MISSING_CONTEXT)
    nonces = None
    if key.key.convergent:
        secret, nonces = convergent_keys(version.secret(), context, key.kind.size)
    else:
        secret = derive_by(key.key.kdf, version.secret(), context, key.kind.size)
    return named_cipher(secret, version.number, version.kind.cipher), nonces


def _always(nonce: bytes) -> Random:
    def given(_count: int) -> bytes:
        return nonce

    return given


def _oaep() -> padding.OAEP:
    return padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)


def _encrypt_rsa(version: KeyVersion, item: ToEncrypt) -> str:
    _no_associated_data(version, item.associated_data)
    public = version.public
    assert isinstance(public, rsa.RSAPublicKey)  # noqa: S101 - narrows the union
    try:
        made = public.encrypt(item.plaintext, _oaep())
    except ValueError:
        raise InvalidInput("the plaintext is too long for this RSA key") from None
    return str(transit.NamedCiphertext(version.number, made))


def _decrypt_rsa(version: KeyVersion, body: bytes, item: ToDecrypt) -> bytes:
    _no_associated_data(version, item.associated_data)
    private = version.private
    assert isinstance(private, rsa.RSAPrivateKey)  # noqa: S101 - narrows the union
    try:
        return private.decrypt(body, _oaep())
    except ValueError:
        raise InvalidInput("failed to RSA decrypt the ciphertext: decryption error") from None


def _no_associated_data(version: KeyVersion, given: bytes) -> None:
    if given:
        raise InvalidInput(
            f"associated_data provided for non-AEAD cipher suite {version.kind.name}"
        )
