"""Signed notes: short texts with Ed25519 signatures (c2sp.org/signed-note).

    <text, ending in a newline>
    <blank line>
    — <key name> <base64(key id[4] || signature[64])>

Key id: the first 4 bytes of SHA-256(name || 0x0A || 0x01 || public key). Any tool that reads the
format verifies our notes, given the verifier key text (`vkey`):
`<name>+<key id, 8 hex digits>+<base64(0x01 || public key[32])>`.

Reading is stricter than the format where it leaves room: base64 has one spelling, every signature
of a known key must be right, and notes are at most 1 MB with 100 signatures.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from secvault.crypto.secret import Secret
from secvault.errors import Damaged, InvalidInput

SEED_BYTES = 32
PUBLIC_KEY_BYTES = 32
MAX_NOTE_BYTES = 1_000_000
MAX_SIGNATURES = 100

KEY_ID_BYTES = 4

_ED25519 = b"\x01"
_LEAD = "\u2014 "


class Verifier(Protocol):
    """A key that a note can be opened with, whatever it says by its signature."""

    @property
    def name(self) -> str:
        """The name it signs under."""

    @property
    def key_id(self) -> bytes:
        """The 4 bytes that, with the name, stand for the key in a note."""

    def verify(self, text: str, signature: bytes) -> bool:
        """Whether `signature` is this key's over `text`."""


@dataclass(frozen=True, slots=True)
class SignatureLine:
    """One signature of a note, not verified. blob: what follows the key id."""

    name: str
    key_id: bytes
    blob: bytes

    def format(self) -> str:
        """The line as it stands in the note, with its newline."""
        return f"{_LEAD}{self.name} {base64.b64encode(self.key_id + self.blob).decode()}\n"


@dataclass(frozen=True, slots=True)
class NoteVerifier:
    """A public key and the name it signs under.

    name: not empty, without spaces, plus signs and control characters; by custom a URL without
    scheme, such as "vault.example.com/audit". public_key: 32 bytes. Raises InvalidInput.
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
        return key_id(self.name, _ED25519 + self.public_key)

    @property
    def vkey(self) -> str:
        """The key as one line of text, to hand to an auditor."""
        return format_vkey(self.name, _ED25519 + self.public_key)

    @classmethod
    def from_vkey(cls, text: str) -> NoteVerifier:
        """The verifier written as `vkey`.

        Raises InvalidInput for another algorithm, a key id that does not fit, or any other text.
        """
        name, key = parse_vkey(text)
        if len(key) == 1 + PUBLIC_KEY_BYTES and key[:1] == _ED25519:
            return cls(name, key[1:])
        raise InvalidInput.at(
            "vkey", "must be <name>+<key id>+<key> with an Ed25519 key; copy the whole line"
        )

    def verify(self, text: str, signature: bytes) -> bool:
        """Whether `signature` is this key's over `text`."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public_key).verify(signature, text.encode())
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True)
class NoteSigner:
    """A private key and the name it signs under.

    name: as in NoteVerifier. seed: the 32-byte Ed25519 private key (RFC 8032). Raises
    InvalidInput.
    """

    name: str
    seed: Secret

    def __post_init__(self) -> None:
        check_name(self.name)
        if len(self.seed.expose()) != SEED_BYTES:
            raise InvalidInput.at("seed", f"must be {SEED_BYTES} bytes long")

    def verifier(self) -> NoteVerifier:
        """The public half."""
        return NoteVerifier(self.name, self._private_key().public_key().public_bytes_raw())

    def sign(self, text: str) -> bytes:
        """The 64-byte signature over the UTF-8 bytes of `text`."""
        return self._private_key().sign(text.encode())

    def _private_key(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self.seed.expose())


def sign_note(text: str, *signers: NoteSigner) -> bytes:
    """The note of `text` with one signature line per signer, in their order.

    Raises InvalidInput if there is no signer or more than 100, or the text does not end in a
    newline, holds another control character or a lone surrogate, or is too long.
    """
    if not 1 <= len(signers) <= MAX_SIGNATURES:
        raise InvalidInput.at("signers", f"must be from 1 to {MAX_SIGNATURES}")
    if not text.endswith("\n") or not _is_note_text(text):
        raise InvalidInput.at(
            "text", "must be Unicode that ends in a newline, with no other control character"
        )
    lines = []
    for signer in signers:
        signature = base64.b64encode(signer.verifier().key_id + signer.sign(text)).decode()
        lines.append(f"{_LEAD}{signer.name} {signature}\n")
    note = f"{text}\n{''.join(lines)}".encode()
    if len(note) > MAX_NOTE_BYTES:
        raise InvalidInput.at("text", f"a note is at most {MAX_NOTE_BYTES} bytes")
    return note


def open_note(note: bytes, verifiers: Iterable[Verifier]) -> str:
    """The text of the note, signed by at least one of the verifiers.

    Signatures of other keys are ignored, also when they share the name or the key id of a known
    one. Raises Damaged if the note is malformed, a known key's signature is wrong, or no known
    key signed. Raises InvalidInput if two different verifiers have the same name and key id.
    """
    known = _by_name_and_id(verifiers)
    text, lines = take_apart(note)
    signed = False
    for line in lines:
        verifier = known.get((line.name, line.key_id))
        if verifier is None:
            continue
        if not verifier.verify(text, line.blob):
            raise wrong_signature(line.name)
        signed = True
    if not signed:
        raise Damaged("The note is not signed by a known key; check the verifier keys given.")
    return text


def take_apart(note: bytes) -> tuple[str, list[SignatureLine]]:
    """The text of a note and its signature lines, none of them verified. Raises Damaged."""
    if len(note) > MAX_NOTE_BYTES:
        raise _malformed()
    try:
        whole = note.decode()
    except UnicodeDecodeError:
        raise _malformed() from None
    blank = whole.rfind("\n\n")
    if blank < 0 or not whole.endswith("\n") or not _is_note_text(whole):
        raise _malformed()
    lines = whole[blank + 2 : -1].split("\n")
    if len(lines) > MAX_SIGNATURES:
        raise _malformed()
    return whole[: blank + 1], [_signature(line) for line in lines]


def _signature(line: str) -> SignatureLine:
    name, _, encoded = line.removeprefix(_LEAD).partition(" ")
    blob = strict_base64(encoded)
    if not line.startswith(_LEAD) or not _is_name(name) or len(blob) <= KEY_ID_BYTES:
        raise _malformed()
    return SignatureLine(name, blob[:KEY_ID_BYTES], blob[KEY_ID_BYTES:])


def key_id(name: str, key: bytes) -> bytes:
    """The key id of a key. key: the byte that names the algorithm, then the public key."""
    return sha256(name.encode() + b"\n" + key).digest()[:KEY_ID_BYTES]


def format_vkey(name: str, key: bytes) -> str:
    """The verifier key text. key: as in `key_id`."""
    return f"{name}+{key_id(name, key).hex()}+{base64.b64encode(key).decode()}"


def parse_vkey(text: str) -> tuple[str, bytes]:
    """Name and key, as `format_vkey` takes them, of any algorithm. Raises InvalidInput."""
    parts = text.split("+", 2)
    key = strict_base64(parts[-1])
    if len(parts) == 3 and key and _is_name(parts[0]) and format_vkey(parts[0], key) == text:
        return parts[0], key
    raise InvalidInput.at("vkey", "must be <name>+<key id>+<key>; copy the whole line")


def wrong_signature(name: str) -> Damaged:
    """The error for a known key's signature that does not verify."""
    return Damaged(f"The note's signature by {name} is wrong: the note was changed after signing.")


def _by_name_and_id(verifiers: Iterable[Verifier]) -> dict[tuple[str, bytes], Verifier]:
    known: dict[tuple[str, bytes], Verifier] = {}
    for verifier in verifiers:
        if known.setdefault((verifier.name, verifier.key_id), verifier) != verifier:
            raise InvalidInput.at(
                "verifiers", f"two keys named {verifier.name} share a key id; remove one"
            )
    return known


def strict_base64(text: str) -> bytes:
    """The bytes, or none for text that is not the one spelling of any."""
    try:
        decoded = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""
    return decoded if base64.b64encode(decoded).decode() == text else b""


def _is_note_text(text: str) -> bool:
    return not any(
        (character < " " and character != "\n") or "\ud800" <= character <= "\udfff"
        for character in text
    )


def _is_name(name: str) -> bool:
    return (
        name != ""
        and "+" not in name
        and _is_note_text(name)
        and not any(character.isspace() for character in name)
    )


def check_name(name: str) -> None:
    """Raise InvalidInput for a name that no key of a note can have."""
    if not _is_name(name):
        raise InvalidInput.at(
            "name", "must not be empty or contain spaces, plus signs or control characters"
        )


def _malformed() -> Damaged:
    return Damaged("The note is malformed: it is not text, a blank line, and signature lines.")
