"""Time-based one-time passwords (RFC 6238): seeds, codes and time steps. No rows, no clock.

A step is the number of whole periods since 1970-01-01T00:00:00Z, so summer time does not exist
here. Codes are checked as ASCII digits before anything else: the library compares after NFKC, and
full-width digits would be a second spelling of a used code.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import pyotp

from secvault.crypto import aead
from secvault.crypto.secret import Secret
from secvault.errors import InvalidInput

SEED_BYTES = 20
"""RFC 4226, section 4, R6, recommends 160 bits."""

# As long as the hash's output (RFC 6238, errata 2866).
_SEED_BYTES = MappingProxyType({"SHA1": SEED_BYTES, "SHA256": 32, "SHA512": 64})
_SHORTEST_SEED = 16
_LONGEST_SEED = 64
_BASE32 = re.compile(rb"[A-Z2-7]+")
_HASHES: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {"SHA1": hashlib.sha1, "SHA256": hashlib.sha256, "SHA512": hashlib.sha512}
)


DIGITS = (6, 8)
PERIODS = (30, 60)


@dataclass(frozen=True)
class Shape:
    """What a device computes. algorithm: SHA1, SHA256 or SHA512. period: seconds of one step."""

    algorithm: str = "SHA1"
    digits: int = 6
    period: int = 30

    def step(self, seconds: int) -> int:
        """The step of this moment, in seconds since the epoch."""
        return seconds // self.period

    @classmethod
    def of(cls, algorithm: str, digits: int, period: int) -> Shape:
        """From what somebody said. Raises InvalidInput, naming the field."""
        if algorithm not in _HASHES:
            raise InvalidInput.at("algorithm", f"use one of {', '.join(_HASHES)}")
        if digits not in DIGITS:
            raise InvalidInput.at("digits", "must be 6 or 8")
        if period not in PERIODS:
            raise InvalidInput.at("period", "must be 30 or 60 seconds")
        return cls(algorithm, digits, period)


COMMON = Shape()
"""The only one that every authenticator app follows."""


def new_seed(random: aead.Random = os.urandom, shape: Shape = COMMON) -> Secret:
    """A new seed: random bytes, as many as the hash gives; 20 for SHA-1."""
    return Secret(aead.draw(_SEED_BYTES[shape.algorithm], random))


def parse_seed(text: Secret) -> Secret:
    """The bytes of a seed written in base32, as authenticator apps and tokens give it.

    Small letters, spaces, hyphens and padding do not matter. 16 to 64 bytes (RFC 4226 asks for at
    least 16). Raises InvalidInput, without showing any of it.
    """
    plain = re.sub(rb"[ =-]", b"", text.expose()).upper()
    if not _BASE32.fullmatch(plain):
        raise InvalidInput.at("seed", "must be base32: the letters A-Z and the digits 2-7")
    try:
        seed = base64.b32decode(plain + b"=" * (-len(plain) % 8))
    except binascii.Error:
        raise InvalidInput.at("seed", "is not whole base32; copy all of it") from None
    return seed_of(seed)


def seed_of(seed: bytes) -> Secret:
    """These bytes as a seed: 16 to 64 of them. Raises InvalidInput."""
    if not _SHORTEST_SEED <= len(seed) <= _LONGEST_SEED:
        raise InvalidInput.at("seed", f"must be {_SHORTEST_SEED} to {_LONGEST_SEED} bytes long")
    return Secret(seed)


def base32(seed: Secret) -> Secret:
    """The seed as people type it into an app: base32 without padding."""
    return Secret(base64.b32encode(seed.expose()).rstrip(b"="))


def provisioning_uri(seed: Secret, shape: Shape, account: str, issuer: str) -> Secret:
    """The `otpauth://totp/...` address that an app reads from a QR code. It holds the seed.

    account: the sign-in name. issuer: what the app shows above it, such as the company.
    """
    return Secret.of(_library(seed, shape).provisioning_uri(name=account, issuer_name=issuer))


def code_at(seed: Secret, shape: Shape, step: int) -> Secret:
    """The code of one step."""
    return Secret.of(_library(seed, shape).at(step * shape.period))


def matching_step(seed: Secret, shape: Shape, code: Secret, steps: Iterable[int]) -> int | None:
    """The newest of `steps` whose code this is; None when there is none.

    Anything but exactly `shape.digits` ASCII digits matches nothing. All steps are compared,
    whichever matches.
    """
    if not re.fullmatch(rb"[0-9]{%d}" % shape.digits, code.expose()):
        return None
    library, given = _library(seed, shape), code.text()
    found = [
        step for step in steps if step >= 0 and library.verify(given, for_time=step * shape.period)
    ]
    return max(found, default=None)


def seal_seed(
    seed: Secret, key: Secret, person: str, device: str, random: aead.Random = os.urandom
) -> bytes:
    """The seed as it is stored; opens for this person and this device only."""
    return aead.seal(seed.expose(), key, aead.bind("secvault/totp", person, device), random)


def open_seed(sealed: bytes, key: Secret, person: str, device: str) -> Secret:
    """The seed that was sealed for this person and device. Raises Damaged."""
    place = aead.bind("secvault/totp", person, device)
    return Secret(aead.open_sealed(sealed, key, place, f"The seed of TOTP device {device}"))


def _library(seed: Secret, shape: Shape) -> pyotp.TOTP:
    return pyotp.TOTP(
        base32(seed).text(),
        digits=shape.digits,
        digest=_HASHES[shape.algorithm],
        interval=shape.period,
    )
