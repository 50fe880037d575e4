"""Tiles: the layout in which any reader of transparency logs finds this one (c2sp.org/tlog-tiles).

    checkpoint                        the newest signed checkpoint
    tile/<L>/<N>[.p/<W>]              W hashes of level L, from hash N * 256 on
    tile/entries/<N>[.p/<W>]          W entries, each behind its u16be length

A hash of level L is that of 256**L entries. A full tile has 256 of them and no `.p/<W>`. N is
written in groups of three digits, all but the last behind an `x`: 1234067 is `x001/x234/067`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from secvault.errors import Damaged, InvalidInput

WIDTH = 256
"""Hashes in a full tile, and entries in a full bundle; the format's tile height of 8."""
CHECKPOINT = "checkpoint"
LARGEST_ENTRY = 65_535

_TOP_LEVEL = 63
_PATH = re.compile(
    r"tile/(?P<level>entries|0|[1-9][0-9]?)/(?P<n>(?:x[0-9]{3}/)*[0-9]{3})"
    r"(?:\.p/(?P<width>[1-9][0-9]{0,2}))?"
)


@dataclass(frozen=True, slots=True)
class Tile:
    """One tile, or a bundle of entries. level: None for a bundle. width: 1 to 256."""

    level: int | None
    n: int
    width: int = WIDTH

    @property
    def path(self) -> str:
        """Where it lies below the log's address."""
        digits = str(self.n)
        digits = digits.rjust(-(-len(digits) // 3) * 3, "0")
        groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
        place = "/".join([*(f"x{group}" for group in groups[:-1]), groups[-1]])
        level = "entries" if self.level is None else self.level
        partial = "" if self.width == WIDTH else f".p/{self.width}"
        return f"tile/{level}/{place}{partial}"

    @classmethod
    def parse(cls, path: str) -> Tile:
        """The tile that lies at `path`. Raises InvalidInput for any other text."""
        found = _PATH.fullmatch(path)
        if found is not None:
            level = None if found["level"] == "entries" else int(found["level"])
            n = int(found["n"].replace("x", "").replace("/", ""))
            tile = cls(level, n, int(found["width"] or WIDTH))
            if tile.path == path and (level or 0) <= _TOP_LEVEL:
                return tile
        raise InvalidInput.at("path", "is no tile; write such as tile/0/x001/067 or tile/1/000.p/7")

    def fits(self, size: int) -> bool:
        """Whether a log of so many entries has it."""
        return bool(self.n * WIDTH + self.width <= size // WIDTH ** (self.level or 0))


def tiles_of(size: int, *, beyond: int = 0) -> Iterator[Tile]:
    """Every tile and bundle of a log of `size`, but those that one of `beyond` had in full.

    beyond: a smaller size, whose full tiles are there already.
    """
    for level in (None, *range(_TOP_LEVEL + 1)):
        hashes, had = size // WIDTH ** (level or 0), beyond // WIDTH ** (level or 0)
        if hashes == 0:
            return
        for n in range(had // WIDTH, hashes // WIDTH):
            yield Tile(level, n)
        if hashes % WIDTH:
            yield Tile(level, hashes // WIDTH, hashes % WIDTH)


def bundle(entries: Iterable[bytes]) -> bytes:
    """Entries as a bundle holds them, each of 65,535 bytes at most. Raises InvalidInput."""
    parts: list[bytes] = []
    for entry in entries:
        if len(entry) > LARGEST_ENTRY:
            raise InvalidInput.at("entry", f"is longer than {LARGEST_ENTRY} bytes")
        parts += [len(entry).to_bytes(2, "big"), entry]
    return b"".join(parts)


def entries_of(content: bytes) -> list[bytes]:
    """The entries of a bundle. Raises Damaged when it is cut off."""
    found: list[bytes] = []
    at = 0
    while at < len(content):
        start = at + 2
        at = start + int.from_bytes(content[at:start], "big")
        if at > len(content) or start > len(content):
            raise Damaged("the bundle of entries is cut off")
        found.append(content[start:at])
    return found
