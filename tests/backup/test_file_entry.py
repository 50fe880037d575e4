"""A file of a manifest is known by its content: BLAKE3, or SHA-256 in older lines."""

from __future__ import annotations

import hashlib
import io
from itertools import cycle, islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secvault.backup.file_entry import FileEntry

# test_vectors.json of the BLAKE3 reference implementation: the first 32 bytes of `hash`.
BLAKE3 = {
    0: "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262",
    1: "2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213",
    1023: "10108970eeda3eb932baac1428c7a2163b0e924c9a9e25b35bba72b28f70bd11",
    1024: "42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7",
    1025: "d00278ae47eb27b34faecf67b4fe263f82d5412916c1ffd97c8cb7fb814b8444",
    2048: "e776b6028c7cd22a4d0ba182a8bf62205d2ef576467e838ed6f2529b85fba24a",
    2049: "5f4d72f40d7a5f82b15ca2b2e44b1de3c2ef86c426c95c1af0b6879522563030",
    3073: "7124b49501012f81cc7f11ca069ec9226cecb8a2c850cfe644e327d22d3e1cd3",
    4097: "9b4052b38f1c5fc8b1f9ff7ac7b27cd242487b3d890d15c96a1c25b8aa0fb995",
    8193: "bab6c09cb8ce8cf459261398d2e7aef35700bf488116ceb94a36d0f5f1b7bc3b",
    16384: "f875d6646de28985646f34ee13be9a576fd515f76b5b0a26bb324735041ddde4",
    31744: "62b6960e1a44bcc1eb1a611a8d6235b6b4b78f32e7abc4fb4c6cdcce94895c47",
    102400: "bc3e3d41a1146b069abffad3c0d44860cf664390afce4d9661f7902e7943e085",
}


def pattern(length: int) -> bytes:
    return bytes(islice(cycle(range(251)), length))


@pytest.mark.parametrize("length", BLAKE3)
def test_the_public_vectors_of_blake3_hold(length: int) -> None:
    entry = FileEntry("/file", length, 0, blake3=BLAKE3[length])

    assert entry.has_content(io.BytesIO(pattern(length)))
    assert not entry.has_content(io.BytesIO(pattern(length + 1)))


@given(content=st.binary(max_size=3000), other=st.binary(max_size=3000))
def test_a_line_of_before_is_compared_by_its_sha_256(content: bytes, other: bytes) -> None:
    entry = FileEntry("/file", len(content), 0, sha256=hashlib.sha256(content).hexdigest())

    assert entry.has_content(io.BytesIO(content))
    assert entry.has_content(io.BytesIO(other)) == (other == content)


@given(content=st.binary(max_size=100))
def test_a_line_without_a_hash_is_no_content_s_line(content: bytes) -> None:
    assert not FileEntry("/file", len(content), 0).has_content(io.BytesIO(content))
