"""Key files that are written here: by restic's format, with published vectors of its tag."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given
from hypothesis import strategies as st

from secvault.backup.restic_key_file import key_file, poly1305_aes, sealed
from secvault.crypto.secret import Secret
from secvault.errors import Damaged, Unavailable

NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
# Bernstein, "The Poly1305-AES message-authentication code", appendix B: m, r, k, n, tag.
VECTORS = [
    (
        "f3f6",
        "851fc40c3467ac0be05cc20404f3f700",
        "ec074c835580741701425b623235add6",
        "fb447350c4e868c52ac3275cf9d4327e",
        "f4c633c3044fc145f84f335cb81953de",
    ),
    (
        "",
        "a0f3080000f46400d0c7e9076c834403",
        "75deaa25c09f208e1dc4ce6b5cad3fbf",
        "61ee09218d29b0aaed7e154a2c5509cc",
        "dd3fab2251f11ac759f0887129cc2ee7",
    ),
    (
        "663cea190ffb83d89593f3f476b6bc24d7e679107ea26adb8caf6652d0656136",
        "48443d0bb0d21109c89a100b5ce2c208",
        "6acb5f61a7176dd320c5c1eb2edcdc74",
        "ae212a55399729595dea458bc621ff0e",
        "0ee1c16bb73f0f4fd19881753c01cdbe",
    ),
    (
        (
            "ab0812724a7f1e342742cbed374d94d136c6b8795d45b3819830f2c04491faf0"
            "990c62e48b8018b2c3e4a0fa3134cb67fa83e158c994d961c4cb21095c1bf9"
        ),
        "12976a08c4426d0ce8a82407c4f48207",
        "e1a5668a4d5b66a5f68cc5424ed5982d",
        "9ae831e743978d3a23527c7128149e3a",
        "5154ad0d2cb26e01274fc51148491f1b",
    ),
]


def master_key(encrypt: bytes, k: bytes, r: bytes) -> Secret:
    text = {"mac": {"k": _text(k), "r": _text(r)}, "encrypt": _text(encrypt)}
    return Secret(json.dumps(text, indent=2).encode())


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode()


def opened(file: bytes, password: Secret) -> bytes | None:
    """What a key file wraps, read by its own words alone; None where the tag is wrong."""
    key = json.loads(file)
    salt, data = base64.b64decode(key["salt"]), base64.b64decode(key["data"])
    assert key["kdf"] == "scrypt"
    opener = hashlib.scrypt(
        password.expose(), salt=salt, n=key["N"], r=key["r"], p=key["p"], dklen=64
    )
    nonce, ciphertext, tag = data[:16], data[16:-16], data[-16:]
    if poly1305_aes(ciphertext, nonce, opener[32:48], opener[48:]) != tag:
        return None
    counter = Cipher(algorithms.AES(opener[:32]), modes.CTR(nonce)).decryptor()
    return counter.update(ciphertext) + counter.finalize()


@pytest.mark.parametrize(("message", "point", "key", "nonce", "tag"), VECTORS)
def test_the_tag_is_that_of_the_published_vectors(
    message: str, point: str, key: str, nonce: str, tag: str
) -> None:
    parts = (bytes.fromhex(one) for one in (message, nonce, key, point))
    assert poly1305_aes(*parts).hex() == tag


@given(
    password=st.text(st.characters(codec="ascii", categories=("L", "N")), min_size=1),
    other=st.text(st.characters(codec="ascii", categories=("L", "N")), min_size=1),
    parts=st.tuples(
        st.binary(min_size=32, max_size=32),
        st.binary(min_size=16, max_size=16),
        st.binary(min_size=16, max_size=16),
    ),
    host=st.text(max_size=80),
)
def test_a_key_file_gives_the_master_key_to_its_password_and_to_no_other(
    password: str, other: str, parts: tuple[bytes, bytes, bytes], host: str
) -> None:
    file = key_file(Secret.of(password), master_key(*parts), host, NOW, os.urandom)
    wrapped = opened(file, Secret.of(password))
    assert wrapped is not None
    assert json.loads(wrapped) == json.loads(master_key(*parts).expose())
    if other != password:
        assert opened(file, Secret.of(other)) is None
    assert json.loads(file)["hostname"] == host
    assert datetime.fromisoformat(json.loads(file)["created"]) == NOW


def test_no_two_files_of_one_password_are_alike() -> None:
    master, password = master_key(bytes(32), bytes(16), bytes(16)), Secret.of("drawn")
    files = {key_file(password, master, "host", NOW, os.urandom) for _ in range(3)}
    assert len({json.loads(one)["salt"] for one in files}) == 3
    assert len({json.loads(one)["data"][:16] for one in files}) == 3


@pytest.mark.parametrize(
    "master",
    [
        b"",
        b"null",
        b"\xff",
        b"Fatal: wrong password",
        master_key(bytes(31), bytes(16), bytes(16)).expose(),
        master_key(bytes(32), bytes(15), bytes(16)).expose(),
        master_key(bytes(32), bytes(16), bytes(17)).expose(),
        b'{"mac":{"k":"","r":""},"encrypt":"=="}',
    ],
)
def test_what_is_no_master_key_is_wrapped_by_nothing(master: bytes) -> None:
    with pytest.raises(Damaged, match="master key"):
        key_file(Secret.of("drawn"), Secret(master), "host", NOW, os.urandom)


def test_a_source_of_randomness_that_gives_too_little_makes_no_file() -> None:
    master = master_key(bytes(32), bytes(16), bytes(16))
    with pytest.raises(Unavailable):
        key_file(Secret.of("drawn"), master, "host", NOW, lambda _: b"few")
    with pytest.raises(Unavailable):
        sealed(b"plain", bytes(64), lambda _: b"few")


def test_the_bytes_of_a_file_are_pinned() -> None:
    master = master_key(bytes(range(32)), bytes(range(16)), bytes(range(16)))
    file = key_file(Secret.of("drawn"), master, "vm", NOW, lambda count: bytes(range(count)))
    assert opened(file, Secret.of("drawn")) is not None
    golden = "916b9cdd0df2bf2e9a18d033b91107356a0d828be3f033b635080fefa7057d56"
    assert hashlib.sha256(file).hexdigest() == golden, file
