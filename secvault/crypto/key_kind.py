"""The kinds of named keys: what each can do, and what the bytes of its private material are.

Material is the raw key for ciphers and HMAC, the 32-byte seed for Ed25519 (RFC 8032) and ML-DSA
(FIPS 204), and PKCS #8 DER (RFC 5958) for RSA and ECDSA. Names and abilities are the transit
engine's.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, rsa

from secvault.crypto.aead import Random, draw
from secvault.crypto.secret import Secret
from secvault.crypto.transit import Cipher
from secvault.errors import InvalidInput

Family = Literal[
    "aes-gcm", "chacha20-poly1305", "xchacha20-poly1305", "ed25519", "ecdsa", "rsa", "mldsa", "hmac"
]

AES256_GCM96 = "aes256-gcm96"
HMAC = "hmac"
SMALLEST_HMAC_KEY, LARGEST_HMAC_KEY = 32, 512

MLDSAPrivateKey = mldsa.MLDSA44PrivateKey | mldsa.MLDSA65PrivateKey | mldsa.MLDSA87PrivateKey
MLDSAPublicKey = mldsa.MLDSA44PublicKey | mldsa.MLDSA65PublicKey | mldsa.MLDSA87PublicKey
# Whose private half is a seed, and whose public half is shown as raw bytes.
SeededPrivateKey = ed25519.Ed25519PrivateKey | MLDSAPrivateKey
SeededPublicKey = ed25519.Ed25519PublicKey | MLDSAPublicKey
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | SeededPrivateKey
PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | SeededPublicKey

_CIPHERS: Mapping[str, Cipher] = MappingProxyType(
    {
        "aes-gcm": "aes-gcm",
        "chacha20-poly1305": "chacha20-poly1305",
        "xchacha20-poly1305": "xchacha20-poly1305",
    }
)
_SEED_BYTES = 32
_SEEDED_PRIVATE: Mapping[str, type[SeededPrivateKey]] = MappingProxyType(
    {
        "ed25519": ed25519.Ed25519PrivateKey,
        "mldsa-44": mldsa.MLDSA44PrivateKey,
        "mldsa-65": mldsa.MLDSA65PrivateKey,
        "mldsa-87": mldsa.MLDSA87PrivateKey,
    }
)
_SEEDED_PUBLIC: Mapping[str, type[SeededPublicKey]] = MappingProxyType(
    {
        "ed25519": ed25519.Ed25519PublicKey,
        "mldsa-44": mldsa.MLDSA44PublicKey,
        "mldsa-65": mldsa.MLDSA65PublicKey,
        "mldsa-87": mldsa.MLDSA87PublicKey,
    }
)


@dataclass(frozen=True)
class KeyKind:
    """One kind. size: bytes of a cipher's key, bits of an RSA modulus, else 0."""

    name: str
    family: Family
    size: int = 0
    curve: type[ec.EllipticCurve] | None = None

    @property
    def symmetric(self) -> bool:
        """Whether it is an authenticated cipher."""
        return self.family in _CIPHERS

    @property
    def cipher(self) -> Cipher:
        """The cipher of a symmetric kind."""
        return _CIPHERS[self.family]

    @property
    def encrypts(self) -> bool:
        """Whether it encrypts and decrypts."""
        return self.symmetric or self.family == "rsa"

    @property
    def signs(self) -> bool:
        """Whether it signs and verifies; it then has a public half."""
        return self.family in ("ed25519", "ecdsa", "rsa", "mldsa")

    @property
    def seeded(self) -> bool:
        """Whether its private half is a seed of 32 bytes."""
        return self.name in _SEEDED_PRIVATE

    @property
    def agrees(self) -> bool:
        """Whether a key can be agreed on with another's public half."""
        return self.family == "ecdsa"

    @property
    def derives(self) -> bool:
        """Whether keys for contexts can be derived from it."""
        return self.symmetric or self.family == "ed25519"


def _by_name(*kinds: KeyKind) -> MappingProxyType[str, KeyKind]:
    return MappingProxyType({kind.name: kind for kind in kinds})


KINDS = _by_name(
    KeyKind("aes128-gcm96", "aes-gcm", 16),
    KeyKind(AES256_GCM96, "aes-gcm", 32),
    KeyKind("chacha20-poly1305", "chacha20-poly1305", 32),
    KeyKind("xchacha20-poly1305", "xchacha20-poly1305", 32),
    KeyKind("ed25519", "ed25519"),
    KeyKind("ecdsa-p256", "ecdsa", curve=ec.SECP256R1),
    KeyKind("ecdsa-p384", "ecdsa", curve=ec.SECP384R1),
    KeyKind("ecdsa-p521", "ecdsa", curve=ec.SECP521R1),
    KeyKind("rsa-2048", "rsa", 2048),
    KeyKind("rsa-3072", "rsa", 3072),
    KeyKind("rsa-4096", "rsa", 4096),
    KeyKind("mldsa-44", "mldsa"),
    KeyKind("mldsa-65", "mldsa"),
    KeyKind("mldsa-87", "mldsa"),
    KeyKind(HMAC, "hmac"),
)


def kind_of(name: str) -> KeyKind:
    """The kind of this name. Raises InvalidInput."""
    found = KINDS.get(name)
    if found is None:
        raise InvalidInput(f"unknown key type {name[:40]}")
    return found


def generate(kind: KeyKind, random: Random, size: int = 0) -> Secret:
    """Fresh private material. size: bytes of an HMAC key, 32 to 512; 0 for 32."""
    if kind.symmetric:
        return Secret(draw(kind.size, random))
    if kind.family == "hmac":
        return Secret(draw(check_hmac_size(size or SMALLEST_HMAC_KEY), random))
    if kind.seeded:
        return Secret(draw(_SEED_BYTES, random))
    if kind.curve is not None:
        return _pkcs8(ec.generate_private_key(kind.curve()))
    return _pkcs8(rsa.generate_private_key(public_exponent=65537, key_size=kind.size))


def check_hmac_size(size: int) -> int:
    """Return the size of an HMAC key in bytes when it may be used. Raises InvalidInput."""
    if not SMALLEST_HMAC_KEY <= size <= LARGEST_HMAC_KEY:
        raise InvalidInput(
            f"invalid key_size {size}; use {SMALLEST_HMAC_KEY} to {LARGEST_HMAC_KEY} bytes"
        )
    return size


def private_key(kind: KeyKind, material: Secret) -> PrivateKey:
    """The private key of a kind that signs. Raises InvalidInput for material of another kind."""
    if kind.seeded:
        return _from_seed(kind, material)
    return _checked(kind, _load(material.expose()))


def import_private(kind: KeyKind, given: bytes) -> Secret:
    """Material from bytes that somebody brings: a raw key, or PKCS #8 DER for kinds that sign.

    Raises InvalidInput when they are not of this kind.
    """
    if kind.symmetric:
        if len(given) != kind.size:
            raise InvalidInput.at("ciphertext", f"the imported key must have {kind.size} bytes")
        return Secret(given)
    if kind.family == "hmac":
        check_hmac_size(len(given))
        return Secret(given)
    loaded = _load(given)
    if kind.seeded:
        if not isinstance(loaded, _SEEDED_PRIVATE[kind.name]):
            raise _another_kind(kind)
        return Secret(loaded.private_bytes_raw())
    return _pkcs8(_checked(kind, loaded))


def import_public(kind: KeyKind, pem: str) -> PublicKey:
    """The public key in this PEM. Raises InvalidInput when it is not one of this kind."""
    if not kind.signs:
        raise InvalidInput(f"{kind.name} keys have no public half")
    try:
        loaded = serialization.load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise InvalidInput.at("public_key", "must be a public key in PEM") from None
    if kind.seeded and isinstance(loaded, _SEEDED_PUBLIC[kind.name]):
        return loaded
    if isinstance(loaded, rsa.RSAPublicKey | ec.EllipticCurvePublicKey) and _fits(kind, loaded):
        return loaded
    raise _another_kind(kind)


def public_text(public: PublicKey) -> str:
    """The public half as the engine shows it: PEM (SPKI), or base64 where the key is seeded."""
    if isinstance(public, SeededPublicKey):
        return base64.b64encode(public.public_bytes_raw()).decode()
    pem = public.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return pem.decode()


def public_key(kind: KeyKind, text: str) -> PublicKey:
    """What `public_text` wrote. Raises InvalidInput."""
    if not kind.seeded:
        return import_public(kind, text)
    try:
        return _SEEDED_PUBLIC[kind.name].from_public_bytes(base64.b64decode(text, validate=True))
    except ValueError:
        raise InvalidInput.at("public_key", f"is not of the type {kind.name} in base64") from None


def private_text(kind: KeyKind, material: Secret) -> str:
    """Private material as the engine exports it.

    Base64 of the raw key, or of an ML-DSA seed; for Ed25519 of seed and public key (64 bytes); for
    RSA PKCS #1 PEM; for ECDSA SEC 1 PEM.
    """
    if not kind.signs or kind.family == "mldsa":
        return base64.b64encode(material.expose()).decode()
    key = private_key(kind, material)
    if isinstance(key, ed25519.Ed25519PrivateKey):
        both = key.private_bytes_raw() + key.public_key().public_bytes_raw()
        return base64.b64encode(both).decode()
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    return pem.decode().rstrip("\n")


def exchange_form(kind: KeyKind, material: Secret) -> Secret:
    """Private material as `import_private` takes it, here or in the engine."""
    if not kind.seeded:
        return material
    return _pkcs8(private_key(kind, material))


def seed(given: bytes) -> Secret:
    """Material that is a seed. Raises InvalidInput."""
    if len(given) != _SEED_BYTES:
        raise InvalidInput.at("key", f"a seed has {_SEED_BYTES} bytes, not {len(given)}")
    return Secret(given)


def is_pair(kind: KeyKind, material: Secret, public: PublicKey) -> bool:
    """Whether this is the private half of the public key."""
    return private_key(kind, material).public_key() == public


def _from_seed(kind: KeyKind, seed: Secret) -> PrivateKey:
    made = _SEEDED_PRIVATE[kind.name]
    if issubclass(made, ed25519.Ed25519PrivateKey):
        return made.from_private_bytes(seed.expose())
    return made.from_seed_bytes(seed.expose())


def _load(der: bytes) -> object:
    try:
        return serialization.load_der_private_key(der, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise InvalidInput.at("ciphertext", "the imported key is not PKCS #8") from None


def _checked(kind: KeyKind, loaded: object) -> rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey:
    if isinstance(loaded, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) and _fits(kind, loaded):
        return loaded
    raise _another_kind(kind)


def _fits(
    kind: KeyKind,
    key: rsa.RSAPrivateKey
    | rsa.RSAPublicKey
    | ec.EllipticCurvePrivateKey
    | ec.EllipticCurvePublicKey,
) -> bool:
    if isinstance(key, rsa.RSAPrivateKey | rsa.RSAPublicKey):
        return kind.family == "rsa" and key.key_size == kind.size
    return kind.curve is not None and isinstance(key.curve, kind.curve)


def _another_kind(kind: KeyKind) -> InvalidInput:
    return InvalidInput(f"the imported key is not of the type {kind.name}")


def _pkcs8(key: PrivateKey) -> Secret:
    return Secret(
        key.private_bytes(
            serialization.Encoding.DER,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
