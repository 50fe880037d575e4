"""Keys of contents open for their own attachment, under their own data key."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from secvault.crypto.content_key import (
    ContentAddress,
    new_content_key,
    unwrap_content_key,
    wrap_content_key,
)
from secvault.crypto.secret import Secret
from secvault.errors import Damaged

DATA_KEY = Secret(bytes(range(32)))
AT = ContentAddress("contracts", "ct-1", "document", "a" * 32)


def test_a_key_comes_back_from_its_envelope() -> None:
    key = new_content_key()
    assert unwrap_content_key(wrap_content_key(key, DATA_KEY, AT), DATA_KEY, AT) == key
    assert len(key.expose()) == 32
    assert new_content_key() != key


@pytest.mark.parametrize("part", ["collection", "record", "field", "attachment"])
def test_it_opens_nowhere_else(part: str) -> None:
    envelope = wrap_content_key(new_content_key(), DATA_KEY, AT)
    with pytest.raises(Damaged, match="the key of the attachment"):
        unwrap_content_key(envelope, DATA_KEY, replace(AT, **{part: "b" * 32}))


def test_it_opens_under_no_other_data_key_and_with_no_bit_flipped() -> None:
    envelope = wrap_content_key(new_content_key(), DATA_KEY, AT)
    with pytest.raises(Damaged):
        unwrap_content_key(envelope, Secret(bytes(32)), AT)
    for at in range(len(envelope)):
        damaged = bytearray(envelope)
        damaged[at] ^= 1
        with pytest.raises(Damaged):
            unwrap_content_key(bytes(damaged), DATA_KEY, AT)
        with pytest.raises(Damaged):
            unwrap_content_key(envelope[:at], DATA_KEY, AT)


def test_the_bytes_are_those_of_the_documented_format() -> None:
    key = Secret(bytes(range(50, 82)))
    envelope = wrap_content_key(key, DATA_KEY, AT, lambda count: bytes(range(count)))
    parts = ("secvault/content-key", "contracts", "ct-1", "document", "a" * 32)
    bound = b"".join(len(part).to_bytes(4, "big") + part.encode() for part in parts)
    wrapping = HKDF(SHA256(), 32, None, b"secvault/content-key").derive(DATA_KEY.expose())
    sealed = AESGCM(wrapping).encrypt(bytes(range(12)), key.expose(), bound)
    assert envelope == b"\x01" + bytes(range(12)) + sealed
    assert AT.bound() == b"\x00\x00\x00\x10secvault/content" + bound[24:]
