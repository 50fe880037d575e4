"""The kit as lines of text that fit into QR codes, and put together again from what was scanned.

A line: `SVK1 <number>/<count> <digest[8]> <base64>`. The base64 of all lines, in their order, is
the kit's file, compressed by zlib; the digest is the beginning of its SHA-256 in hexadecimal, so
that lines of two kits are not mixed.
"""

from __future__ import annotations

import base64
import binascii
import re
import zlib
from hashlib import sha256
from io import BytesIO

from secvault.errors import InvalidInput
from secvault.recovery.opening import MOST_BYTES

SIGNS = 560
"""Of base64 in one line: a code of 97 squares a side at most, which a camera reads from paper."""

_LINE = re.compile(r"SVK1 (\d{1,3})/(\d{1,3}) ([0-9a-f]{8}) ([A-Za-z0-9+/=]{1,2000})")


def lines(kit: bytes) -> tuple[str, ...]:
    """The kit's file as lines, each for one code."""
    text = base64.b64encode(zlib.compress(kit, 9)).decode()
    parts = [text[at : at + SIGNS] for at in range(0, len(text), SIGNS)]
    digest = sha256(kit).hexdigest()[:8]
    return tuple(
        f"SVK1 {number}/{len(parts)} {digest} {part}" for number, part in enumerate(parts, 1)
    )


def joined(text: str) -> bytes:
    """The kit's file from its lines, in any order; other lines and blanks are passed over.

    Raises InvalidInput at `lines`, saying which are missing, or that they are of two kits.
    """
    found = [match for line in text.splitlines() if (match := _LINE.fullmatch(line.strip()))]
    if not found:
        raise InvalidInput.at("lines", "none of them is a line of a kit; each begins with SVK1")
    kits = {(match[2], match[3]) for match in found}
    if len(kits) > 1:
        raise InvalidInput.at("lines", "they are of more than one kit; use those of the newest")
    [(count, digest)] = kits
    parts = {int(match[1]): match[4] for match in found}
    lacking = [str(number) for number in range(1, int(count) + 1) if number not in parts]
    if lacking:
        raise InvalidInput.at("lines", f"of {count} lines these are missing: {', '.join(lacking)}")
    whole = "".join(parts[number] for number in range(1, int(count) + 1))
    try:
        unpacking = zlib.decompressobj()
        kit = unpacking.decompress(base64.b64decode(whole, validate=True), MOST_BYTES)
    except (binascii.Error, ValueError, zlib.error):
        raise _misread() from None
    if sha256(kit).hexdigest()[:8] != digest:
        raise _misread()
    return kit


def drawn(line: str) -> str:
    """The line as a QR code: SVG, with its quiet zone."""
    import segno  # noqa: PLC0415 - few draw one

    out = BytesIO()
    segno.make_qr(line, error="m").save(out, kind="svg", border=4, xmldecl=False, svgns=True)
    return out.getvalue().decode()


def _misread() -> InvalidInput:
    return InvalidInput.at("lines", "one of them was misread; scan the codes again")
