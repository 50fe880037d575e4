"""Authenticated encryption of a long content in segments, each of which opens by itself.

The construction and the bytes are those of Tink's streaming AEAD `AES256_GCM_HKDF_1MB` (Tink's wire
format, "AES-GCM-HKDF Streaming AEAD"; Hoang, Reyhanitabar, Rogaway, Vizár: "Online Authenticated-
Encryption and its Nonce-Reuse Misuse-Resistance", CRYPTO 2015, for what it promises, nOAE):

    header   u8 40 || salt[32] || nonce prefix[7]
    key      HKDF-SHA-256(content key, salt, info = associated data), 32 bytes
    segment  AES-256-GCM(key, nonce = prefix || u32be number || u8 last, no associated data)

Every segment with its tag has `segment_bytes`, the first one together with the header; the last
one may be shorter, and has 1 in its nonce where the others have 0. So a segment that was changed,
moved, left out, repeated, or taken from another content does not open, and no content that was cut
off at a border of segments ends as it should. At most 2**32 segments; one key for one content.

Start at `Sealer` (what comes in, bit by bit) and `Opener` (any part of it, without the rest).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from secvault.crypto.aead import KEY_BYTES, TAG_BYTES, Random, aes_256_key, damaged, draw
from secvault.crypto.secret import Secret
from secvault.errors import Damaged, InvalidInput

SEGMENT_BYTES = 2**20
SALT_BYTES = KEY_BYTES
PREFIX_BYTES = 7
HEADER_BYTES = 1 + SALT_BYTES + PREFIX_BYTES
MOST_SEGMENTS = 2**32


@dataclass(frozen=True)
class Span:
    """A segment of which something is wanted. start, stop: where it lies among the sealed bytes.

    cut: which of its opened bytes are wanted.
    """

    number: int
    start: int
    stop: int
    cut: slice


@dataclass(frozen=True)
class Layout:
    """How a content of `size` bytes is cut. Raises InvalidInput for one that has no form."""

    size: int
    segment_bytes: int = SEGMENT_BYTES

    def __post_init__(self) -> None:
        if self.segment_bytes <= HEADER_BYTES + TAG_BYTES:
            raise InvalidInput.at("segment_bytes", f"must be more than {HEADER_BYTES + TAG_BYTES}")
        if self.size < 0 or self.segments > MOST_SEGMENTS:
            raise InvalidInput.at("size", f"must fit into {MOST_SEGMENTS} segments")

    @property
    def segments(self) -> int:
        """How many there are; one for an empty content."""
        # The header takes its place in the first.
        return max(1, -(-(self.size + HEADER_BYTES) // self._each))

    @property
    def sealed_size(self) -> int:
        """How many bytes the sealed content has, its header included."""
        return HEADER_BYTES + self.size + self.segments * TAG_BYTES

    def spans(self, start: int, stop: int) -> Iterator[Span]:
        """The segments that hold the bytes from `start` to before `stop`, in order.

        An empty part is proven by the segment that it lies in or, at the end, behind.
        """
        for number in self._numbers(start, stop):
            yield self._span(number, start, stop)

    def sealed_part(self, start: int, stop: int) -> tuple[int, int]:
        """Where the segments of this part begin and end among the sealed bytes."""
        numbers = self._numbers(start, stop)
        return (
            self._span(numbers[0], start, stop).start,
            self._span(numbers[-1], start, stop).stop,
        )

    def _numbers(self, start: int, stop: int) -> range:
        if not 0 <= start <= stop <= self.size:
            raise InvalidInput.at("range", "must lie within the content")
        first = min((start + HEADER_BYTES) // self._each, self.segments - 1)
        return range(first, max(first, (stop + HEADER_BYTES - 1) // self._each) + 1)

    def _span(self, number: int, start: int, stop: int) -> Span:
        before = max(0, number * self._each - HEADER_BYTES)
        sealed = number * self.segment_bytes
        return Span(
            number,
            max(sealed, HEADER_BYTES),
            min(sealed + self.segment_bytes, self.sealed_size),
            slice(max(0, start - before), max(0, stop - before)),
        )

    @property
    def _each(self) -> int:
        return self.segment_bytes - TAG_BYTES


class Sealer:
    """Seals a content as it comes in. Holds no more than two segments of it."""

    def __init__(
        self,
        key: Secret,
        aad: bytes,
        *,
        segment_bytes: int = SEGMENT_BYTES,
        random: Random = os.urandom,
    ) -> None:
        """key: 32 bytes, used for no other content. aad: what it is tied to, usually by `bind`."""
        Layout(0, segment_bytes)
        header = bytes([HEADER_BYTES]) + draw(SALT_BYTES + PREFIX_BYTES, random)
        self._cipher = _Cipher(key, aad, header)
        self._room = segment_bytes - TAG_BYTES
        self._free = self._room - HEADER_BYTES
        self._number = 0
        self._waiting = bytearray()
        self._ready = header

    def update(self, content: bytes) -> bytes:
        """More of the content; gives what of the sealed bytes is ready, which may be nothing."""
        self._waiting += content
        ready = bytearray(self._ready)
        self._ready = b""
        # What fills a segment exactly may be the last: that shows when more comes or nothing does.
        while len(self._waiting) > self._free:
            ready += self._cipher.seal(self._number, bytes(self._waiting[: self._free]), last=False)
            del self._waiting[: self._free]
            self._number += 1
            self._free = self._room
            if self._number >= MOST_SEGMENTS:
                raise InvalidInput.at("content", "is too long to be sealed")
        return bytes(ready)

    def finish(self) -> bytes:
        """The rest of the sealed bytes. Nothing may come after it."""
        last = self._cipher.seal(self._number, bytes(self._waiting), last=True)
        self._waiting.clear()
        return self._ready + last


class Opener:
    """Opens any segment of a sealed content of a known size."""

    def __init__(
        self,
        key: Secret,
        aad: bytes,
        header: bytes,
        layout: Layout,
        what: str = "The content",
    ) -> None:
        """header: the first `HEADER_BYTES` of what was sealed. what: names it in errors.

        Raises Damaged for a header of another form; one that was changed shows when a segment is
        opened.
        """
        if len(header) != HEADER_BYTES or header[0] != HEADER_BYTES:
            raise damaged(what)
        self._cipher = _Cipher(key, aad, header)
        self._layout = layout
        self._what = what

    def open(self, span: Span, sealed: bytes) -> bytes:
        """What is wanted of the segment. sealed: the bytes from `span.start` to `span.stop`.

        Raises Damaged if a byte of them was changed or cut off, or they are those of another
        segment, place, size or key; the cases cannot be told apart, on purpose.
        """
        if len(sealed) != span.stop - span.start:
            raise damaged(self._what)
        last = span.number == self._layout.segments - 1
        try:
            return self._cipher.open(span.number, sealed, last=last)[span.cut]
        except InvalidTag:
            raise damaged(self._what) from None


def size_within(sealed_size: int, segment_bytes: int = SEGMENT_BYTES) -> int:
    """The size of the content that has so many sealed bytes. Raises Damaged when none has."""
    segments = max(1, -(-sealed_size // segment_bytes))
    size = sealed_size - HEADER_BYTES - segments * TAG_BYTES
    if size < 0 or Layout(size, segment_bytes).sealed_size != sealed_size:
        raise Damaged(f"no content has {sealed_size} bytes when it is sealed; it was cut off")
    return size


class _Cipher:
    """The key of one content, and the nonces of its segments."""

    def __init__(self, key: Secret, aad: bytes, header: bytes) -> None:
        salt, self._prefix = header[1 : 1 + SALT_BYTES], header[1 + SALT_BYTES :]
        derived = HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=salt, info=aad)
        self._gcm = AESGCM(derived.derive(aes_256_key(key)))

    def seal(self, number: int, content: bytes, *, last: bool) -> bytes:
        return self._gcm.encrypt(self._nonce(number, last=last), content, None)

    def open(self, number: int, sealed: bytes, *, last: bool) -> bytes:
        return self._gcm.decrypt(self._nonce(number, last=last), sealed, None)

    def _nonce(self, number: int, *, last: bool) -> bytes:
        return self._prefix + number.to_bytes(4, "big") + bytes([last])
