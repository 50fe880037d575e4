"""The file of an archive: whole bundles of entries, sealed, with what proves them.

    secvault-audit-archive/1\\n
    u32be length of the header || header
    sealed bundles, one after the other

The header is JSON: `origin` of the log; `first` and `stop`, sequence numbers, multiples of 256;
`checkpoint`, a signed note that covers them; `proof`, the hashes that prove the range to be all
entries from `first` to below `stop` in that checkpoint's tree (see `crypto.range_proof`); `key`,
the archive's own data key sealed under a key of the keyring, with
`bind("secvault/audit-archive/key", origin, first, stop)`; `bundles`, the length and the SHA-256 of
each sealed bundle, so that damage is found without any key.

A bundle is that of c2sp.org/tlog-tiles (256 entries, each behind its u16be length), compressed as
RFC 1950 (zlib), sealed as `crypto.aead` does, with `bind("secvault/audit-archive/bundle", origin,
first, stop, n)`. Without the keyring's key a file tells how many entries it holds, of what size,
and nothing of what they say.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256

import msgspec

from secvault.crypto import aead
from secvault.crypto.aead import Random
from secvault.crypto.secret import Secret
from secvault.crypto.tiles import LARGEST_ENTRY, WIDTH, bundle, entries_of
from secvault.errors import Damaged

MAGIC = b"secvault-audit-archive/1\n"
_LENGTH_BYTES = 4
_LARGEST_BUNDLE = WIDTH * (LARGEST_ENTRY + 2)
_LEVEL = 6


class _Bundle(msgspec.Struct, forbid_unknown_fields=True):
    bytes: int
    sha256: str


class _Header(msgspec.Struct, forbid_unknown_fields=True):
    origin: str
    first: int
    stop: int
    checkpoint: str
    proof: list[str]
    key: str
    bundles: list[_Bundle]


_ENCODER = msgspec.json.Encoder(order="sorted")
_DECODER = msgspec.json.Decoder(_Header)


@dataclass(frozen=True, slots=True)
class Frame:
    """Where a sealed bundle lies in the file. digest: SHA-256 of it, in hexadecimal."""

    start: int
    stop: int
    digest: str


@dataclass(frozen=True, slots=True)
class ArchiveHeader:
    """What stands before the bundles. key: the sealed data key. note: the signed checkpoint."""

    origin: str
    first: int
    stop: int
    note: bytes
    proof: tuple[bytes, ...]
    key: bytes
    frames: tuple[Frame, ...]


@dataclass(slots=True)
class Packing:
    """An archive in the making, under a data key of its own. `add` bundles, then `close`."""

    origin: str
    first: int
    stop: int
    random: Random
    data_key: Secret = field(init=False)
    frames: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.data_key = Secret(aead.draw(aead.KEY_BYTES, self.random))

    def add(self, entries: Sequence[bytes]) -> None:
        """The next 256 entries."""
        n = self.first // WIDTH + len(self.frames)
        place = _bundle_place(self.origin, self.first, self.stop, n)
        packed = zlib.compress(bundle(entries), _LEVEL)
        self.frames.append(aead.seal(packed, self.data_key, place, self.random))

    def close(self, wrapping: Secret, note: bytes, proof: Sequence[bytes]) -> bytes:
        """The whole file. wrapping: the keyring's key, 32 bytes."""
        place = _key_place(self.origin, self.first, self.stop)
        header = _Header(
            origin=self.origin,
            first=self.first,
            stop=self.stop,
            checkpoint=note.decode(),
            proof=[_text(each) for each in proof],
            key=_text(aead.seal(self.data_key.expose(), wrapping, place, self.random)),
            bundles=[_Bundle(len(each), sha256(each).hexdigest()) for each in self.frames],
        )
        head = _ENCODER.encode(header)
        return b"".join((MAGIC, len(head).to_bytes(_LENGTH_BYTES, "big"), head, *self.frames))


def read_header(content: bytes) -> ArchiveHeader:
    """The header of the file. Raises Damaged for anything else."""
    start = len(MAGIC) + _LENGTH_BYTES
    length = int.from_bytes(content[len(MAGIC) : start], "big")
    if not content.startswith(MAGIC) or len(content) < start + length:
        raise Damaged("it is no archive of an audit log, or is cut off")
    try:
        found = _DECODER.decode(content[start : start + length])
        proof = tuple(base64.b64decode(each, validate=True) for each in found.proof)
        key = base64.b64decode(found.key, validate=True)
    except (msgspec.MsgspecError, UnicodeDecodeError, ValueError):
        raise Damaged("its header cannot be read") from None
    frames = []
    at = start + length
    for each in found.bundles:
        frames.append(Frame(at, at + each.bytes, each.sha256))
        at += each.bytes
    return ArchiveHeader(
        found.origin,
        found.first,
        found.stop,
        found.checkpoint.encode(),
        proof,
        key,
        tuple(frames),
    )


def open_key(header: ArchiveHeader, wrapping: Secret) -> Secret:
    """The data key of the archive. Raises Damaged."""
    place = _key_place(header.origin, header.first, header.stop)
    return Secret(aead.open_sealed(header.key, wrapping, place, "the key of the archive"))


def open_bundle(content: bytes, header: ArchiveHeader, data_key: Secret, n: int) -> list[bytes]:
    """The 256 entries of bundle `n` of the log. Raises Damaged."""
    at = n - header.first // WIDTH
    if not 0 <= at < len(header.frames):
        raise Damaged(f"its header names no bundle {n}")
    frame = header.frames[at]
    sealed = content[frame.start : frame.stop]
    place = _bundle_place(header.origin, header.first, header.stop, n)
    packed = aead.open_sealed(sealed, data_key, place, f"bundle {n}")
    inflating = zlib.decompressobj()
    try:
        entries = entries_of(inflating.decompress(packed, _LARGEST_BUNDLE))
    except zlib.error:
        raise Damaged(f"bundle {n} cannot be inflated") from None
    if len(entries) != WIDTH:
        raise Damaged(f"bundle {n} has {len(entries)} entries, not {WIDTH}")
    return entries


def _key_place(origin: str, first: int, stop: int) -> bytes:
    return aead.bind("secvault/audit-archive/key", origin, str(first), str(stop))


def _bundle_place(origin: str, first: int, stop: int, n: int) -> bytes:
    return aead.bind("secvault/audit-archive/bundle", origin, str(first), str(stop), str(n))


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode()
