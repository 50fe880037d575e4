"""Keys that somebody brings: made once, wrapped for the wrapping key of either side."""

from __future__ import annotations

import base64
import datetime
import os
from collections.abc import Mapping
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, padding, rsa
from cryptography.hazmat.primitives.keywrap import aes_key_wrap_with_padding
from cryptography.x509.oid import NameOID

HASHES: Mapping[str, type[hashes.HashAlgorithm]] = {
    "SHA1": hashes.SHA1,
    "SHA224": hashes.SHA224,
    "SHA256": hashes.SHA256,
    "SHA384": hashes.SHA384,
    "SHA512": hashes.SHA512,
}
NOON = datetime.datetime(2026, 1, 1, 12, tzinfo=datetime.UTC)

Private = (
    rsa.RSAPrivateKey
    | ec.EllipticCurvePrivateKey
    | ed25519.Ed25519PrivateKey
    | mldsa.MLDSA44PrivateKey
    | mldsa.MLDSA65PrivateKey
    | mldsa.MLDSA87PrivateKey
)


def private_of(kind: str, number: int = 0) -> Private:
    """A private key of this kind, the same at every call with the same number."""
    return _private(kind, number)


@cache
def _private(kind: str, _number: int) -> Private:
    curves = {"ecdsa-p256": ec.SECP256R1, "ecdsa-p384": ec.SECP384R1, "ecdsa-p521": ec.SECP521R1}
    if kind in curves:
        return ec.generate_private_key(curves[kind]())
    if kind.startswith("rsa"):
        return rsa.generate_private_key(65537, int(kind[4:]))
    made = {
        "ed25519": ed25519.Ed25519PrivateKey.generate,
        "mldsa-44": mldsa.MLDSA44PrivateKey.generate,
        "mldsa-65": mldsa.MLDSA65PrivateKey.generate,
        "mldsa-87": mldsa.MLDSA87PrivateKey.generate,
    }
    return made[kind]()


def material_of(kind: str, number: int = 0) -> bytes:
    """What is wrapped of a key of this kind: raw bytes, or PKCS #8."""
    return _material(kind, number)


@cache
def _material(kind: str, number: int) -> bytes:
    if kind.startswith("aes128"):
        return os.urandom(16)
    if kind.startswith("aes") or kind.endswith("poly1305"):
        return os.urandom(32)
    if kind == "hmac":
        return os.urandom(48)
    return private_of(kind, number).private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def public_of(kind: str, number: int = 0) -> str:
    """The public half, PEM."""
    return (
        private_of(kind, number)
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


def wrap(material: bytes, wrapping_key: str, hash_function: str, key_bytes: int = 32) -> str:
    """The `ciphertext` of an import: RSA-OAEP of a fresh AES key, and AES-KWP under it."""
    public = serialization.load_pem_public_key(wrapping_key.encode())
    assert isinstance(public, rsa.RSAPublicKey)
    function = HASHES[hash_function.upper()]
    ephemeral = os.urandom(key_bytes)
    oaep = padding.OAEP(padding.MGF1(function()), function(), None)
    both = public.encrypt(ephemeral, oaep) + aes_key_wrap_with_padding(ephemeral, material)
    return base64.b64encode(both).decode()


def certificate_of(kind: str, number: int = 0, *, authority: bool = False) -> str:
    """A certificate of that key, PEM, by an authority of its own; the same at every call."""
    return _certificate(kind, number, authority)


@cache
def _certificate(kind: str, number: int, authority: bool) -> str:
    issuer = private_of("ecdsa-p256", 99)
    assert isinstance(issuer, ec.EllipticCurvePrivateKey)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "vault.example")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private_of(kind, number).public_key())
        .serial_number(7)
        .not_valid_before(NOON)
        .not_valid_after(NOON + datetime.timedelta(days=3650))
        .add_extension(x509.BasicConstraints(authority, None), critical=True)
        .sign(issuer, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM).decode()


@cache
def request_template() -> str:
    """A certificate request with a subject and extensions, signed by a key of no side."""
    own = private_of("ecdsa-p256", 98)
    assert isinstance(own, ec.EllipticCurvePrivateKey)
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, "Phòng kế toán"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Công ty"),
        ]
    )
    made = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(name)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("a.example")]), critical=False)
        .sign(own, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM).decode()
