"""Which files look encrypted."""

from __future__ import annotations

import base64
import gzip
import io
import os
import zipfile
from pathlib import Path

import pytest

from secvault.backup.randomness import BLOCK, BLOCKS, Sample, looks_random, sample

TEXT = "Lương tháng 11, phòng kế toán; 1.234.567 đồng\n".encode() * 1_000


def zipped(content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inner", content)
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (os.urandom(50_000), True),
        (os.urandom(2_000), True),
        (TEXT, False),
        (gzip.compress(os.urandom(50_000)), False),
        (zipped(os.urandom(50_000)), False),
        (b"PGDMP" + os.urandom(50_000), False),
        # Encrypted in part: what is left in clear compresses.
        (os.urandom(BLOCK) + TEXT, False),
        (base64.b64encode(os.urandom(50_000)), False),
        (bytes(50_000), False),
    ],
)
def test_what_does_not_compress_and_has_no_known_beginning_looks_encrypted(
    tmp_path: Path, content: bytes, expected: bool
) -> None:
    file = tmp_path / "file"
    file.write_bytes(content)
    assert sample([file], 10) == Sample(1, int(expected))


def test_the_beginning_counts_for_all_of_the_file() -> None:
    assert looks_random([os.urandom(5_000), os.urandom(5_000)])
    assert not looks_random([b"\x89PNG\r\n\x1a\n" + os.urandom(5_000), os.urandom(5_000)])


def test_links_pipes_small_and_missing_files_are_passed_over(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "small").write_bytes(os.urandom(500))
    (tmp_path / "real").write_bytes(os.urandom(5_000))
    (tmp_path / "link").symlink_to("real")
    names = ("pipe", "small", "link", "missing", ".")
    assert sample([tmp_path / name for name in names], 100) == Sample(0, 0)


def test_no_more_is_read_than_was_said_however_many_and_large_the_files_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = 0
    real = os.pread

    def counted(file: int, length: int, at: int) -> bytes:
        nonlocal read
        block = real(file, length, at)
        read += len(block)
        return block

    paths = []
    for number in range(300):
        file = tmp_path / str(number)
        with file.open("wb") as target:
            target.truncate(10 << 20)
        paths.append(file)
    monkeypatch.setattr(os, "pread", counted)
    assert sample(paths, 64).files == 64
    assert read <= 64 * BLOCKS * BLOCK
    assert sample(paths, 0) == sample([], 64) == Sample(0, 0)
