"""Cosignatures: what a witness says of a checkpoint, and when (c2sp.org/tlog-cosignature, v1).

A cosignature is a signature line of the checkpoint's note. Its blob is the time as u64be, in
seconds since the epoch, and an Ed25519 signature (RFC 8032) over

    cosignature/v1
    time <time, decimal>
    <the text of the checkpoint>

It says that, at that time, this was the largest tree of the log that the witness had seen, and
that it continued all those before. The algorithm byte of the key is 0x04.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from secvault.crypto.note import (
    PUBLIC_KEY_BYTES,
    SEED_BYTES,
    SignatureLine,
    check_name,
    format_vkey,
    key_id,
    parse_vkey,
    take_apart,
    wrong_signature,
)
from secvault.crypto.secret import Secret
from secvault.errors import InvalidInput

LATEST_TIME = 2**63 - 1

_ED25519_V1 = b"\x04"
_TIME_BYTES = 8
_SIGNATURE_BYTES = 64
_PRIVATE = "PRIVATE+KEY+"


@dataclass(frozen=True, slots=True)
class WitnessVerifier:
    """The public key of a witness and the name it signs under.

    name: as of any key of a note. public_key: 32 bytes. Raises InvalidInput.
    """

    name: str
    public_key: bytes

    def __post_init__(self) -> None:
        check_name(self.name)
        if len(self.public_key) != PUBLIC_KEY_BYTES:
            raise InvalidInput.at("public_key", f"must be {PUBLIC_KEY_BYTES} bytes long")

    @property
    def key_id(self) -> bytes:
        """The 4 bytes that, with the name, stand for this key in a note."""
        return key_id(self.name, _ED25519_V1 + self.public_key)

    @property
    def vkey(self) -> str:
        """The key as one line of text."""
        return format_vkey(self.name, _ED25519_V1 + self.public_key)

    @classmethod
    def from_vkey(cls, text: str) -> WitnessVerifier:
        """The verifier written as `vkey`.

        Raises InvalidInput for another algorithm, a key id that does not fit, or any other text.
        """
        name, key = parse_vkey(text)
        if len(key) == 1 + PUBLIC_KEY_BYTES and key[:1] == _ED25519_V1:
            return cls(name, key[1:])
        raise InvalidInput.at(
            "vkey",
            "must be the key of a witness, <name>+<key id>+<key> with an Ed25519 key for "
            "cosignature/v1; that of a log is another",
        )

    def time_of(self, blob: bytes) -> int | None:
        """What a signature of this kind states as its time; None if it cannot be one."""
        time = int.from_bytes(blob[:_TIME_BYTES], "big")
        fits = len(blob) == _TIME_BYTES + _SIGNATURE_BYTES and time <= LATEST_TIME
        return time if fits else None

    def verify(self, text: str, signature: bytes) -> bool:
        """Whether `signature` (time, then Ed25519) is this witness's over the checkpoint's text."""
        time = self.time_of(signature)
        if time is None:
            return False
        try:
            Ed25519PublicKey.from_public_bytes(self.public_key).verify(
                signature[_TIME_BYTES:], _message(text, time)
            )
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True)
class WitnessSigner:
    """The private key of a witness. seed: 32 bytes. Raises InvalidInput."""

    name: str
    seed: Secret

    def __post_init__(self) -> None:
        check_name(self.name)
        if len(self.seed.expose()) != SEED_BYTES:
            raise InvalidInput.at("seed", f"must be {SEED_BYTES} bytes long")

    @classmethod
    def from_text(cls, text: str) -> WitnessSigner:
        """The key that `to_text` wrote. Raises InvalidInput, which shows nothing of the text."""
        if text.startswith(_PRIVATE):
            parts = text.removeprefix(_PRIVATE).split("+", 2)
            try:
                key = base64.b64decode(parts[-1], validate=True)
                signer = cls(parts[0], Secret(key[1:]))
            except (ValueError, InvalidInput):
                raise _no_key() from None
            if signer.to_text() == text:
                return signer
        raise _no_key()

    def to_text(self) -> str:
        """The key as one line to keep in a file: PRIVATE+KEY+<name>+<key id>+<base64>."""
        key = base64.b64encode(_ED25519_V1 + self.seed.expose()).decode()
        return f"{_PRIVATE}{self.name}+{self.verifier().key_id.hex()}+{key}"

    def verifier(self) -> WitnessVerifier:
        """The public half."""
        return WitnessVerifier(self.name, self._private_key().public_key().public_bytes_raw())

    def cosign(self, text: str, time: int) -> SignatureLine:
        """The cosignature of a checkpoint's text.

        time: seconds since the epoch, above 0. The caller has seen that the checkpoint continues
        whatever it cosigned before.
        """
        if not 0 < time <= LATEST_TIME:
            raise InvalidInput.at("time", "must be seconds since the epoch, above 0")
        signature = self._private_key().sign(_message(text, time))
        blob = time.to_bytes(_TIME_BYTES, "big") + signature
        return SignatureLine(self.name, self.verifier().key_id, blob)

    def _private_key(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self.seed.expose())


@dataclass(frozen=True, slots=True)
class Cosignature:
    """A cosignature that was verified. time: when, in seconds since the epoch."""

    witness: WitnessVerifier
    time: int
    line: SignatureLine


def cosignatures(note: bytes, witnesses: Iterable[WitnessVerifier]) -> tuple[Cosignature, ...]:
    """Those of the witnesses that stand in the note, in its order.

    Lines of other keys are ignored. Raises Damaged if the note is malformed or a known witness's
    line is wrong.
    """
    known = {(one.name, one.key_id): one for one in witnesses}
    text, lines = take_apart(note)
    found = []
    for line in lines:
        witness = known.get((line.name, line.key_id))
        if witness is None:
            continue
        time = witness.time_of(line.blob)
        if time is None or not witness.verify(text, line.blob):
            raise wrong_signature(line.name)
        found.append(Cosignature(witness, time, line))
    return tuple(found)


def _message(text: str, time: int) -> bytes:
    return f"cosignature/v1\ntime {time}\n{text}".encode()


def _no_key() -> InvalidInput:
    return InvalidInput.at("key", "is not the private key of a witness")
