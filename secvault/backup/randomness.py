"""Whether files look like random data, as encrypted ones do: a few blocks of a few files.

What compresses is not encrypted. What does not compress and begins as a compressed format does
(a picture, an archive, a dump in pg_dump's own format) is not taken for encrypted either: whoever
encrypts a file in place overwrites its beginning. So an attacker who leaves the beginnings alone,
or writes text (base64), is not seen by this; the mass of changed files still is.
"""

from __future__ import annotations

import os
import stat
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

BLOCK = 16 << 10
BLOCKS = 3
"""From a file are read its beginning, its middle and its end."""
SMALLEST = 1 << 10
"""Of less, compression tells nothing."""
INCOMPRESSIBLE = 0.97
"""Deflate makes text and tables a half or a fifth; encrypted data grows by a few bytes."""

# Beginnings of formats that are compressed or encrypted by themselves, with their sources: the
# formats' own specifications, as libmagic lists them. (offset, bytes)
_SIGNATURES: tuple[tuple[int, bytes], ...] = (
    (0, b"\x1f\x8b"),  # gzip
    (0, b"BZh"),
    (0, b"\xfd7zXZ\x00"),
    (0, b"\x28\xb5\x2f\xfd"),  # zstd
    (0, b"\x04\x22\x4d\x18"),  # lz4
    (0, b"7z\xbc\xaf\x27\x1c"),
    (0, b"Rar!\x1a\x07"),
    (0, b"PK\x03\x04"),  # zip, and with it docx, xlsx, odt, jar
    (0, b"PK\x05\x06"),
    (0, b"MSCF"),  # cab
    (0, b"%PDF-"),
    (0, b"\xff\xd8\xff"),  # JPEG
    (0, b"\x89PNG\r\n\x1a\n"),
    (0, b"GIF8"),
    (0, b"RIFF"),  # WebP, AVI, WAV
    (4, b"ftyp"),  # MP4, MOV, HEIC, AVIF
    (0, b"\x1a\x45\xdf\xa3"),  # Matroska, WebM
    (0, b"OggS"),
    (0, b"fLaC"),
    (0, b"ID3"),
    (0, b"\xff\xfb"),  # MPEG audio
    (0, b"wOFF"),
    (0, b"wOF2"),
    (0, b"PAR1"),  # Parquet
    (0, b"ARROW1"),
    (0, b"PGDMP"),  # pg_dump --format=custom
    (0, b"LUKS\xba\xbe"),
    (0, b"age-encryption.org/"),
    (0, b"Salted__"),  # openssl enc
    (0, b"\x03\xd9\xa2\x9a"),  # KeePass
    (257, b"ustar"),
)


@dataclass(frozen=True)
class Sample:
    """How many files were looked into, and how many of them look like random data."""

    files: int
    random_looking: int


def sample(paths: Sequence[Path], most: int) -> Sample:
    """Look into at most so many of the files, spread over all of them.

    Reads at most `BLOCKS` times `BLOCK` bytes of each. Links, special files, what is too small and
    what cannot be read is passed over: whether it can be saved is not decided here.
    """
    if not most or not paths:
        return Sample(0, 0)
    step = max(1, len(paths) // most)
    looked = [found for path in paths[::step][:most] if (found := _looks_random(path)) is not None]
    return Sample(len(looked), sum(looked))


def looks_random(blocks: Sequence[bytes]) -> bool:
    """Whether these blocks of a file, its beginning first, are as random data is."""
    if any(blocks[0][at:].startswith(sign) for at, sign in _SIGNATURES):
        return False
    return all(len(zlib.compress(block, 1)) >= INCOMPRESSIBLE * len(block) for block in blocks)


def _looks_random(path: Path) -> bool | None:
    try:
        # A named pipe that took the file's place would keep us waiting.
        opened = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        found = os.fstat(opened)
        if not stat.S_ISREG(found.st_mode) or found.st_size < SMALLEST:
            return None
        last = max(0, found.st_size - BLOCK)
        places = sorted({0, last // 2, last})
        blocks = [block for at in places if len(block := os.pread(opened, BLOCK, at)) >= SMALLEST]
    except OSError:
        return None
    finally:
        os.close(opened)
    return looks_random(blocks) if blocks else None
