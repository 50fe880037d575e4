"""Bring your own key: key material travels under an RSA wrapping key.

The format of the transit engine's import: RSA-OAEP (SHA-256 unless stated) of a fresh AES-256
key, followed by the target key under that key by AES key wrap with padding (RFC 5649).
"""

from __future__ import annotations

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap_with_padding

from secvault.crypto.secret import Secret
from secvault.errors import InvalidInput
from secvault.keyring.keyring import Keyring

RSA_BITS = 4096
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
    if hash_function not in HASHES:
        raise InvalidInput(
            f"unknown hash function: {hash_function[:16]}; use one of {', '.join(HASHES)}"
        )
    size = key.key_size // 8
    if len(wrapped) <= size:
        raise InvalidInput("provided ciphertext is too short: it has no wrapped key")
    try:
        ephemeral = key.decrypt(wrapped[:size], _oaep(hash_function))
        return Secret(aes_key_unwrap_with_padding(ephemeral, wrapped[size:]))
    except (ValueError, InvalidUnwrap):
        raise InvalidInput.at(
            "ciphertext", "it does not open with the wrapping key; wrap for this vault's key"
        ) from None


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
    algorithm = HASHES[hash_function]
    return padding.OAEP(padding.MGF1(algorithm()), algorithm(), None)
