"""Bring your own key: key material travels under an RSA wrapping key.

The format of the transit engine's import: RSA-OAEP (SHA-256 unless stated) of a fresh AES-256
key, followed by the target key under that key by AES key wrap with padding (RFC 5649).
"""

from __future__ import annotations

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.keywrap import (
    InvalidUnwrap,
    aes_key_unwrap_with_padding,
    aes_key_wrap_with_padding,
)

from secvault.crypto.aead import Random, draw
from secvault.crypto.secret import Secret
from secvault.errors import InvalidInput
from secvault.keyring.keyring import Keyring

RSA_BITS = 4096
_EPHEMERAL_BYTES = 32
HASHES: dict[str, type[hashes.HashAlgorithm]] = {
    "SHA1": hashes.SHA1,
    "SHA224": hashes.SHA224,
    "SHA256": hashes.SHA256,
    "SHA384": hashes.SHA384,
    "SHA512": hashes.SHA512,
}


def wrapping_key(keyring: Keyring) -> rsa.RSAPrivateKey:
    """The vault's RSA-4096 wrapping key, made at first use. Opens transactions of its own."""
    kept = keyring.internal("import-wrapping", f"rsa-{RSA_BITS}", _generate)
    key = serialization.load_der_private_key(kept.expose(), None)
    assert isinstance(key, rsa.RSAPrivateKey)  # noqa: S101 - narrows the loader's union
    return key


def public_pem(key: rsa.RSAPrivateKey) -> str:
    """The public half as PEM (SubjectPublicKeyInfo), for those who wrap."""
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


def unwrap_import(wrapped: bytes, key: rsa.RSAPrivateKey, hash_function: str = "SHA256") -> Secret:
    """Return the target key that `wrapped` carries. Raises InvalidInput, cases not told apart."""
    algorithm = _oaep(hash_function)
    size = key.key_size // 8
    if len(wrapped) <= size:
        raise InvalidInput("provided ciphertext is too short: it has no wrapped key")
    try:
        ephemeral = key.decrypt(wrapped[:size], algorithm)
        # Of another length it is no key of this format, which the next step then refuses.
        whole = ephemeral if len(ephemeral) == _EPHEMERAL_BYTES else b""
        return Secret(aes_key_unwrap_with_padding(whole, wrapped[size:]))
    except (ValueError, InvalidUnwrap):
        raise InvalidInput.at(
            "ciphertext", "it does not open with the wrapping key; wrap for this vault's key"
        ) from None


def wrap_for(
    destination: rsa.RSAPublicKey, target: Secret, hash_function: str, random: Random
) -> bytes:
    """`target` for the holder of the destination's private half, who unwraps it as above.

    Raises InvalidInput, also for a destination that is too small for the hash function.
    """
    algorithm = _oaep(hash_function)
    ephemeral = draw(_EPHEMERAL_BYTES, random)
    try:
        return destination.encrypt(ephemeral, algorithm) + aes_key_wrap_with_padding(
            ephemeral, target.expose()
        )
    except ValueError:
        raise InvalidInput("the destination key is too small for this hash function") from None


def _generate() -> Secret:
    key = rsa.generate_private_key(public_exponent=65537, key_size=RSA_BITS)
    return Secret(
        key.private_bytes(
            serialization.Encoding.DER,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


def _oaep(hash_function: str) -> padding.OAEP:
    algorithm = HASHES.get(hash_function.upper())
    if algorithm is None:
        raise InvalidInput(
            f"unknown hash function: {hash_function[:16]}; use one of {', '.join(HASHES)}"
        )
    return padding.OAEP(padding.MGF1(algorithm()), algorithm(), None)
