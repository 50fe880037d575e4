"""Signing, verifying and HMAC with an open key, as the transit engine does. No I/O.

Texts are `vault:v<version>:<signature>`. A failure that the caller's input causes is an
InvalidInput in the engine's own words.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import ed25519

from secvault.crypto import digest, key_kind, signature
from secvault.crypto.derivation import derive_by
from secvault.crypto.secret import Secret
from secvault.crypto.signature import Manner
from secvault.crypto.transit import PREFIX
from secvault.errors import InvalidInput
from secvault.keyring.encryption import MISSING_CONTEXT
from secvault.keyring.open_key import KeyVersion, OpenKey

_VERSION = re.compile(r"[1-9][0-9]{0,8}")


@dataclass(frozen=True)
class ToSign:
    """One input. context: of a derived key."""

    data: bytes
    context: bytes = b""


@dataclass(frozen=True)
class ToVerify:
    """One input with the signature or the HMAC that is said to be its own."""

    data: bytes
    code: str
    context: bytes = b""


@dataclass(frozen=True)
class Signed:
    """A signature, the key version that made it, and the derived public key where it was one."""

    signature: str
    key_version: int
    public_key: str | None = None


def check_signing(key: OpenKey, manner: Manner) -> None:
    """Raise InvalidInput unless the key signs, and so."""
    if not key.kind.signs:
        raise InvalidInput(f"key type {key.kind.name} does not support signing")
    manner.check_signing(key.kind)


def check_verifying(key: OpenKey, manner: Manner) -> None:
    """Raise InvalidInput unless signatures of the key can be verified so."""
    if not key.kind.signs:
        raise InvalidInput(f"key type {key.kind.name} does not support verification")
    manner.check_verifying(key.kind)


def sign(key: OpenKey, item: ToSign, manner: Manner, wanted: int) -> Signed:
    """Sign one input with the version `wanted`, 0 for the latest. Raises InvalidInput."""
    check_signing(key, manner)
    version = key.for_encryption(wanted, "signing")
    if not key.key.derived:
        made = signature.sign(version.private, item.data, manner)
        return Signed(f"{PREFIX}{version.number}:{made}", version.number)
    private = _derived(key, version, item.context)
    made = signature.sign(private, item.data, manner)
    public = key_kind.public_text(private.public_key())
    return Signed(f"{PREFIX}{version.number}:{made}", version.number, public)


def verify(key: OpenKey, item: ToVerify, manner: Manner) -> bool:
    """Whether the signature is the key's over this input. Raises InvalidInput."""
    check_verifying(key, manner)
    number, text = _parse(item.code, "invalid signature")
    version = key.for_decryption(number, "signature")
    public = version.public
    if key.key.derived:
        public = _derived(key, version, item.context).public_key()
    return signature.verify(public, item.data, text, manner)


def authenticate(key: OpenKey, data: bytes, algorithm: str, wanted: int) -> str:
    """The HMAC of one input under the version `wanted`, 0 for the latest. Raises InvalidInput."""
    latest = key.key.latest_version
    if not 0 <= wanted <= latest:
        raise InvalidInput(f"key version does not exist; latest key version is {latest}")
    version = key.for_encryption(wanted, "HMAC generation")
    code = digest.authenticate(algorithm, version.hmac_key, data)
    return f"{PREFIX}{version.number}:{base64.b64encode(code).decode()}"


def is_authentic(key: OpenKey, item: ToVerify, algorithm: str) -> bool:
    """Whether the HMAC is the key's over this input. Raises InvalidInput."""
    number, text = _parse(item.code, "invalid HMAC to verify")
    if number > key.key.latest_version:
        raise InvalidInput("invalid HMAC: version is too new")
    version = key.for_decryption(number, "HMAC")
    try:
        code = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidInput("unable to decode verification HMAC as base64") from None
    return digest.is_authentic(algorithm, version.hmac_key, item.data, code)


def public_of_context(key: OpenKey, version: KeyVersion, context: bytes) -> str:
    """The public half of a derived key in one context. Raises InvalidInput."""
    return key_kind.public_text(_derived(key, version, context).public_key())


def _derived(key: OpenKey, version: KeyVersion, context: bytes) -> ed25519.Ed25519PrivateKey:
    """The Ed25519 key of a context. The engine derives from seed and public key together."""
    if not context:
        raise InvalidInput(MISSING_CONTEXT)
    private = version.private
    assert isinstance(private, ed25519.Ed25519PrivateKey)  # noqa: S101 - the only derived kind
    both = private.private_bytes_raw() + private.public_key().public_bytes_raw()
    seed = derive_by(key.key.kdf, Secret(both), context, 32)
    return ed25519.Ed25519PrivateKey.from_private_bytes(seed.expose())


def _parse(text: str, fault: str) -> tuple[int, str]:
    if not text.startswith(PREFIX):
        raise InvalidInput(f"{fault}: no prefix")
    number, colon, rest = text[len(PREFIX) :].partition(":")
    if not colon:
        raise InvalidInput(f"{fault}: wrong number of fields")
    if not _VERSION.fullmatch(number):
        raise InvalidInput(f"{fault}: version number could not be decoded")
    return int(number), rest
