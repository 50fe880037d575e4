"""A key that two parties agree on: ECDH (SP 800-56A) of one's own key and another's public half."""

from __future__ import annotations

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from secvault.crypto.derivation import derive
from secvault.crypto.key_kind import KINDS
from secvault.crypto.secret import Secret
from secvault.errors import InvalidInput


def agree(own: ec.EllipticCurvePrivateKey, peer: str, size: int) -> Secret:
    """`size` bytes of HKDF-SHA-256 (no salt, no info) of the shared secret, as the transit engine.

    peer: the other party's public half, PEM. Raises InvalidInput when it is none, or is on another
    curve.
    """
    try:
        public = load_pem_public_key(peer.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise InvalidInput(
            "failed to parse supplied peer public key PEM: data does not contain any valid public "
            "keys"
        ) from None
    if not isinstance(public, ec.EllipticCurvePublicKey):
        raise InvalidInput("supplied peer public key is not an ECDSA key")
    if public.curve.name != own.curve.name:
        raise InvalidInput(
            f"base private key type {_kind(own)} does not match peer public key curve"
        )
    return derive(Secret(own.exchange(ec.ECDH(), public)), b"", size)


def _kind(own: ec.EllipticCurvePrivateKey) -> str:
    return next(
        kind.name
        for kind in KINDS.values()
        if kind.curve is not None and isinstance(own.curve, kind.curve)
    )
