"""Signatures as the transit engine makes and reads them.

Ed25519, ECDSA, RSA-PSS, PKCS #1 v1.5, and ML-DSA (FIPS 204) with an empty context.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils

from secvault.crypto.digest import DEFAULT_HASH, HASHES, hash_function
from secvault.crypto.key_kind import (
    KeyKind,
    MLDSAPrivateKey,
    PrivateKey,
    PublicKey,
    SeededPrivateKey,
    SeededPublicKey,
)
from secvault.errors import InvalidInput

MARSHALING = ("asn1", "jws")
RSA_ALGORITHMS = ("pss", "pkcs1v15")
NO_HASH = "none"
MLDSA_MU = "mldsa-mu"

_MU_BYTES = 64


@dataclass(frozen=True)
class Manner:
    """How to sign.

    hash_name: ignored by Ed25519 and ML-DSA, which sign the input itself; `none` signs a hash of
    any function, without its name; `mldsa-mu` signs the 64-byte mu of FIPS 204. prehashed: the
    input is the hash already. marshaling: of ECDSA: `asn1` (DER) in base64, or `jws` (r and s, each
    as long as the curve's order) in base64url without padding; the others differ in the alphabet
    only. salt_length: of PSS: `auto` (the longest that fits; any when verifying), `hash` or
    `-1` (as long as the hash), or a number.
    """

    hash_name: str = DEFAULT_HASH
    prehashed: bool = False
    marshaling: str = "asn1"
    rsa_algorithm: str = "pss"
    salt_length: str = "auto"

    def check(self) -> None:
        """Raise InvalidInput for a choice that does not exist."""
        known = (*HASHES, NO_HASH, MLDSA_MU)
        if self.hash_name not in known:
            raise InvalidInput(
                f'invalid hash algorithm "{self.hash_name[:32]}"; use one of {", ".join(known)}'
            )
        if self.marshaling not in MARSHALING:
            raise InvalidInput(f'invalid marshaling type "{self.marshaling[:32]}"; use asn1 or jws')
        if self.rsa_algorithm not in RSA_ALGORITHMS:
            raise InvalidInput(f"unsupported rsa signature algorithm {self.rsa_algorithm[:32]}")
        _salt(self.salt_length, self.function)

    def check_signing(self, kind: KeyKind) -> None:
        """Raise InvalidInput where a key of this kind cannot sign so."""
        self._check_unhashed(kind)
        if self.hash_name == MLDSA_MU and not (self.prehashed and kind.family == "mldsa"):
            raise InvalidInput(
                "hash_algorithm=mldsa-mu requires prehashed=true and a ML-DSA compatible key"
            )

    def check_verifying(self, kind: KeyKind) -> None:
        """Raise InvalidInput where a signature of a key of this kind cannot be verified so."""
        self._check_unhashed(kind)
        if self.hash_name == MLDSA_MU:
            raise InvalidInput("hash_algorithm=mldsa-mu does not support verification")

    def _check_unhashed(self, kind: KeyKind) -> None:
        bare = self.prehashed and self.rsa_algorithm == "pkcs1v15"
        if self.hash_name == NO_HASH and not kind.seeded and not bare:
            raise InvalidInput(
                "hash_algorithm=none requires both prehashed=true and signature_algorithm=pkcs1v15"
            )

    @property
    def function(self) -> hashes.HashAlgorithm:
        """The hash function; the default where none is named."""
        unnamed = self.hash_name in (NO_HASH, MLDSA_MU)
        return hash_function(DEFAULT_HASH if unnamed else self.hash_name)


def sign(key: PrivateKey, data: bytes, manner: Manner) -> str:
    """The signature's text, without prefix and version. Raises InvalidInput."""
    manner.check()
    if isinstance(key, SeededPrivateKey):
        return _encoded(_sign_itself(key, data, manner), manner)
    algorithm = _algorithm(data, manner)
    if isinstance(key, rsa.RSAPrivateKey):
        try:
            return _encoded(key.sign(data, _padding(manner), algorithm), manner)
        except ValueError:
            raise InvalidInput("the key is too short for this hash and salt length") from None
    made = key.sign(data, ec.ECDSA(_of_ecdsa(algorithm, data)))
    if manner.marshaling == "jws":
        r, s = utils.decode_dss_signature(made)
        size = _order_bytes(key.curve)
        made = r.to_bytes(size, "big") + s.to_bytes(size, "big")
    return _encoded(made, manner)


def verify(key: PublicKey, data: bytes, text: str, manner: Manner) -> bool:
    """Whether `text`, without prefix and version, is this key's signature of `data`.

    Raises InvalidInput for a text that is not base64 (of DER, where `asn1` says so), or a manner
    that does not exist.
    """
    manner.check()
    made = _decoded(text, manner)
    try:
        if isinstance(key, SeededPublicKey):
            key.verify(made, data)
            return True
        algorithm = _algorithm(data, manner)
        if isinstance(key, rsa.RSAPublicKey):
            if isinstance(algorithm, utils.NoDigestInfo):
                return key.recover_data_from_signature(made, padding.PKCS1v15(), None) == data
            key.verify(made, data, _padding(manner, verifying=True), algorithm)
            return True
        if manner.marshaling == "jws":
            size = _order_bytes(key.curve)
            if len(made) != 2 * size:
                return False
            r, s = (int.from_bytes(half, "big") for half in (made[:size], made[size:]))
            made = utils.encode_dss_signature(r, s)
        elif not _is_der(made):
            raise InvalidInput("supplied signature is invalid")
        key.verify(made, data, ec.ECDSA(_of_ecdsa(algorithm, data)))
    except (InvalidSignature, ValueError):
        return False
    return True


def _sign_itself(key: SeededPrivateKey, data: bytes, manner: Manner) -> bytes:
    if manner.hash_name != MLDSA_MU or not isinstance(key, MLDSAPrivateKey):
        return key.sign(data)
    if len(data) != _MU_BYTES:
        raise InvalidInput(f"external ML-DSA mu must be {_MU_BYTES} bytes, got {len(data)}")
    return key.sign_mu(data)


_Algorithm = hashes.HashAlgorithm | utils.Prehashed | utils.NoDigestInfo


def _of_ecdsa(algorithm: _Algorithm, data: bytes) -> hashes.HashAlgorithm | utils.Prehashed:
    """ECDSA signs any hash, and does not name it: the length alone counts."""
    if not isinstance(algorithm, utils.NoDigestInfo):
        return algorithm
    for function in HASHES.values():
        if function().digest_size == len(data):
            return utils.Prehashed(function())
    raise InvalidInput(f"the input is no hash: it has {len(data)} bytes")


def _algorithm(data: bytes, manner: Manner) -> _Algorithm:
    if manner.hash_name == NO_HASH:
        return utils.NoDigestInfo()
    function = hash_function(manner.hash_name)
    if not manner.prehashed:
        return function
    if len(data) != function.digest_size:
        raise InvalidInput(
            f"the input is not a {manner.hash_name} hash: it has {len(data)} bytes, not "
            f"{function.digest_size}"
        )
    return utils.Prehashed(function)


def _padding(manner: Manner, *, verifying: bool = False) -> padding.AsymmetricPadding:
    if manner.rsa_algorithm == "pkcs1v15":
        return padding.PKCS1v15()
    function = manner.function
    salt = _salt(manner.salt_length, function)
    if salt is None:
        return padding.PSS(
            padding.MGF1(function), padding.PSS.AUTO if verifying else padding.PSS.MAX_LENGTH
        )
    return padding.PSS(padding.MGF1(function), salt)


def _salt(text: str, function: hashes.HashAlgorithm) -> int | None:
    # The engine takes 0 for auto, as the language that it is written in does.
    if text in ("auto", "", "0"):
        return None
    # -1 is the name that the engine's language has for it.
    if text in ("hash", "-1"):
        return function.digest_size
    if text.isascii() and text.isdigit() and int(text[:6]) > 0 and len(text) < 6:
        return int(text)
    if text[:1] == "-" and text[1:].isascii() and text[1:].isdigit():
        raise InvalidInput(f"salt length is invalid: {text[:16]}")
    raise InvalidInput(f"salt length neither 'auto', 'hash', nor an int: {text[:16]}")


def _is_der(made: bytes) -> bool:
    try:
        utils.decode_dss_signature(made)
    except ValueError:
        return False
    return True


def _order_bytes(curve: ec.EllipticCurve) -> int:
    return (curve.key_size + 7) // 8


def _encoded(signature: bytes, manner: Manner) -> str:
    if manner.marshaling == "jws":
        return base64.urlsafe_b64encode(signature).decode().rstrip("=")
    return base64.b64encode(signature).decode()


def _decoded(text: str, manner: Manner) -> bytes:
    try:
        if manner.marshaling == "jws":
            if not text.isascii() or "=" in text:
                raise InvalidInput("invalid base64 signature value")
            padded = text + "=" * (-len(text) % 4)
            return base64.b64decode(padded, altchars=b"-_", validate=True)
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidInput("invalid base64 signature value") from None
