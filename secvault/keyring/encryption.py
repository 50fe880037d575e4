"""Encrypting and decrypting with an open key, as the transit engine does. No I/O.

A failure that the caller's input causes is an InvalidInput in the engine's own words.
"""

from __future__ import annotations

from dataclasses import dataclass

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from secvault.crypto import transit
from secvault.crypto.aead import NONCE_BYTES, Random
from secvault.crypto.derivation import convergent_keys, convergent_nonce, derive
from secvault.crypto.secret import Secret
from secvault.errors import Damaged, InvalidInput
from secvault.keyring.open_key import KeyVersion, OpenKey

MISSING_CONTEXT = (
    "missing 'context' for key derivation; the key was created using a derived key, which means "
    "additional, per-request information must be included in order to perform operations with the "
    "key"
)


@dataclass(frozen=True)
class ToEncrypt:
    """One plaintext. context: of derived keys. key_version 0 means the latest."""

    plaintext: bytes
    associated_data: bytes = b""
    key_version: int = 0
    context: bytes = b""


@dataclass(frozen=True)
class ToDecrypt:
    """One ciphertext in the form `vault:v<version>:<base64>`. key_version: of a rewrap."""

    ciphertext: str
    associated_data: bytes = b""
    key_version: int = 0
    context: bytes = b""


@dataclass(frozen=True)
class Encrypted:
    """A ciphertext and the key version that it is under."""

    ciphertext: str
    key_version: int


def encrypt(key: OpenKey, item: ToEncrypt, random: Random) -> Encrypted:
    """Encrypt one item. Raises InvalidInput."""
    kind = key.kind
    if not kind.encrypts:
        raise InvalidInput(f"message encryption not supported for key type {kind.name}")
    version = key.for_encryption(item.key_version)
    if kind.family == "rsa":
        return Encrypted(_encrypt_rsa(version, item), version.number)
    secret, nonces = _cipher_key(key, version, item.context)
    if nonces is not None:
        nonce = convergent_nonce(nonces, item.plaintext, NONCE_BYTES)
        random = _always(nonce)
    sealed = transit.seal_named(
        item.plaintext,
        secret,
        version.number,
        item.associated_data,
        random,
        cipher=_cipher(key),
    )
    return Encrypted(sealed, version.number)


def decrypt(key: OpenKey, item: ToDecrypt) -> bytes:
    """The plaintext of one item. Raises InvalidInput."""
    kind = key.kind
    if not kind.encrypts:
        raise InvalidInput(f"message decryption not supported for key type {kind.name}")
    ciphertext = transit.parse_named(item.ciphertext)
    version = key.for_decryption(ciphertext.version)
    if kind.family == "rsa":
        return _decrypt_rsa(version, ciphertext.body, item)
    transit.require_length(ciphertext)
    secret, _ = _cipher_key(key, version, item.context)
    try:
        return transit.open_named(ciphertext, secret, item.associated_data, cipher=_cipher(key))
    except Damaged as error:
        # The caller's text is at fault; a stored key that is damaged remains our failure.
        raise InvalidInput(error.detail) from None


def rewrap(key: OpenKey, item: ToDecrypt, random: Random) -> Encrypted:
    """Move one ciphertext to `key_version`, or to the latest. Raises InvalidInput."""
    plaintext = decrypt(key, item)
    again = ToEncrypt(plaintext, item.associated_data, item.key_version, item.context)
    return encrypt(key, again, random)


def _cipher(key: OpenKey) -> transit.Cipher:
    return "aes-gcm" if key.kind.family == "aes-gcm" else "chacha20-poly1305"


def _cipher_key(key: OpenKey, version: KeyVersion, context: bytes) -> tuple[Secret, Secret | None]:
    """The cipher's key, and what makes its nonces when it is convergent."""
    if not key.key.derived:
        return version.secret(), None
    if not context:
        raise InvalidInput(MISSING_CONTEXT)
    size = key.kind.size
    if key.key.convergent:
        return convergent_keys(version.secret(), context, size)
    return derive(version.secret(), context, size), None


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
