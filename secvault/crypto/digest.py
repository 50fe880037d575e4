"""Hash functions and HMAC under the names of the transit engine (`sha2-256`, `sha3-512`, ...)."""

from __future__ import annotations

import hashlib
import hmac

from cryptography.hazmat.primitives import hashes

from secvault.crypto.secret import Secret
from secvault.errors import InvalidInput

HASHES: dict[str, type[hashes.HashAlgorithm]] = {
    "sha1": hashes.SHA1,
    "sha2-224": hashes.SHA224,
    "sha2-256": hashes.SHA256,
    "sha2-384": hashes.SHA384,
    "sha2-512": hashes.SHA512,
    "sha3-224": hashes.SHA3_224,
    "sha3-256": hashes.SHA3_256,
    "sha3-384": hashes.SHA3_384,
    "sha3-512": hashes.SHA3_512,
}
DEFAULT_HASH = "sha2-256"


def hash_function(name: str) -> hashes.HashAlgorithm:
    """The hash function of this name. Raises InvalidInput."""
    found = HASHES.get(name)
    if found is None:
        raise InvalidInput(f"unsupported algorithm {name[:32]}; use one of {', '.join(HASHES)}")
    return found()


def hmac_function(name: str) -> hashes.HashAlgorithm:
    """The hash function of this name, to make HMACs with. Raises InvalidInput."""
    if name in ("none", "mldsa-mu"):
        raise InvalidInput("algorithm cannot be none")
    return hash_function(name)


def digest(name: str, data: bytes) -> bytes:
    """The hash of `data`. Raises InvalidInput for an unknown function or SHA-1, which is broken."""
    if name == "sha1":
        raise InvalidInput("unsupported algorithm sha1")
    return hashlib.new(_hashlib_name(name), data).digest()


def authenticate(name: str, key: Secret, data: bytes) -> bytes:
    """HMAC (RFC 2104) of `data`. Raises InvalidInput for an unknown function."""
    return hmac.digest(key.expose(), data, _hashlib_name(name))


def is_authentic(name: str, key: Secret, data: bytes, code: bytes) -> bool:
    """Whether `code` is the whole HMAC of `data`, compared in constant time."""
    return hmac.compare_digest(authenticate(name, key, data), code)


def _hashlib_name(name: str) -> str:
    return hash_function(name).name.replace("-", "_")
