from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secvault.crypto.aead import Random
from secvault.crypto.secret import Secret
from secvault.crypto.transit import (
    Cipher,
    NamedCiphertext,
    named_cipher,
    parse_named,
    require_length,
)
from secvault.errors import Damaged, InvalidInput, SecvaultError

ZEROES = base64.b64encode(bytes(28)).decode()


def test_ciphertext_that_openbao_wrote_opens_and_comes_out_the_same(
    vectors: Callable[[str], Any], giving: Callable[[bytes], Random]
) -> None:
    published = vectors("transit_openbao")
    plaintext = published["plaintext"].encode()
    assert len(published["vectors"]) == 6
    for vector in published["vectors"]:
        key = Secret(base64.b64decode(vector["key"]))
        bound = vector["associated_data"].encode()
        parsed = parse_named(vector["ciphertext"])

        cipher: Cipher = vector["cipher"]
        assert named_cipher(key, parsed.version, cipher).open(parsed, bound) == plaintext
        sealing = named_cipher(key, parsed.version, cipher)
        again = sealing.seal(plaintext, bound, giving(parsed.body))
        assert again == vector["ciphertext"]


def test_a_ciphertext_has_its_golden_text(key: Secret, counting: Random) -> None:
    text = named_cipher(key, 12).seal("lương".encode(), b"hr", counting)

    assert text == "vault:v12:AAECAwQFBgcICQoL822IihwjpizJXa641/QbdK0hXpcIPvY="


@given(
    plaintext=st.binary(max_size=200),
    key=(st.binary(min_size=32, max_size=32) | st.binary(min_size=16, max_size=16)).map(Secret),
    version=st.integers(1, 10**9),
    bound=st.binary(max_size=40),
)
def test_what_was_sealed_opens_under_its_version(
    plaintext: bytes, key: Secret, version: int, bound: bytes
) -> None:
    text = named_cipher(key, version).seal(plaintext, bound)
    parsed = parse_named(text)

    assert parsed.version == version
    assert str(parsed) == text
    assert named_cipher(key, version).open(parsed, bound) == plaintext


def test_a_body_with_any_bit_flipped_does_not_open(
    key: Secret, every_bit_flip: Callable[[bytes], list[bytes]]
) -> None:
    sealed = parse_named(named_cipher(key, 1).seal(b"25000000"))
    for changed in every_bit_flip(sealed.body):
        with pytest.raises(Damaged, match="message authentication failed"):
            named_cipher(key, 1).open(NamedCiphertext(1, changed))


def test_a_text_with_any_bit_flipped_opens_under_no_version_s_key(
    every_bit_flip: Callable[[bytes], list[bytes]],
) -> None:
    def named_key(version: int) -> Secret:
        return Secret(version.to_bytes(32, "big"))

    def read(text: str) -> bytes:
        parsed = parse_named(text)
        return named_cipher(named_key(parsed.version), parsed.version).open(parsed)

    text = named_cipher(named_key(1), 1).seal(b"2500")
    for changed in every_bit_flip(text.encode()):
        with pytest.raises((Damaged, InvalidInput)):
            read(changed.decode("latin-1"))


def test_other_keys_associated_data_and_ciphers_do_not_open(key: Secret, other_key: Secret) -> None:
    sealed = parse_named(named_cipher(key, 1).seal(b"25000000", b"here"))
    with pytest.raises(Damaged):
        named_cipher(other_key, 1).open(sealed, b"here")
    with pytest.raises(Damaged):
        named_cipher(key, 1).open(sealed, b"there")
    with pytest.raises(Damaged):
        named_cipher(key, 1, "chacha20-poly1305").open(sealed, b"here")
    with pytest.raises(Damaged):
        named_cipher(key, 1).open(NamedCiphertext(1, b"short"))


# The sentences were read from OpenBao 2.7.2.
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "invalid ciphertext: no prefix"),
        ("vault:1:AAAA", "invalid ciphertext: no prefix"),
        ("Vault:v1:AAAA", "invalid ciphertext: no prefix"),
        ("vault:v1", "invalid ciphertext: wrong number of fields"),
        ("vault:vx:AAAA", "invalid ciphertext: version number could not be decoded"),
        ("vault:v:AAAA", "invalid ciphertext: version number could not be decoded"),
        ("vault:v-1:AAAA", "invalid ciphertext: version number could not be decoded"),
        ("vault:v+1:AAAA", "invalid ciphertext: version number could not be decoded"),
        ("vault:v01:AAAA", "invalid ciphertext: version number could not be decoded"),
        ("vault:v0:AAAA", "invalid ciphertext: version number could not be decoded"),
        ("vault:v٣:AAAA", "invalid ciphertext: version number could not be decoded"),
        ("vault:v99999999999:AAAA", "invalid ciphertext: version number could not be decoded"),
        ("vault:v1:@@", "invalid ciphertext: could not decode base64"),
        ("vault:v1:ư", "invalid ciphertext: could not decode base64"),
        (f"vault:v1:{ZEROES}\n", "invalid ciphertext: could not decode base64"),
        (f"vault:v1:{ZEROES[:-3]}B==", "invalid ciphertext: could not decode base64"),
        (f"vault:v1:{ZEROES}:x", "invalid ciphertext: could not decode base64"),
        ("vault:v1:", "invalid ciphertext length"),
        ("vault:v1:AAAA", "invalid ciphertext length"),
    ],
)
def test_malformed_text_is_refused_in_the_words_of_the_transit_engine(text: str, said: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        require_length(parse_named(text), named_cipher(Secret(bytes(32)), 1))
    assert str(caught.value) == said


def test_the_length_that_is_needed_is_the_cipher_s_own() -> None:
    short = parse_named(f"vault:v1:{ZEROES}")
    require_length(short, named_cipher(Secret(bytes(32)), 1))
    with pytest.raises(InvalidInput, match="invalid ciphertext length"):
        require_length(short, named_cipher(Secret(bytes(32)), 1, "xchacha20-poly1305"))


@given(text=st.text() | st.text("0123456789vault:+/=AB", max_size=80).map("vault:v1:".__add__))
def test_parsing_arbitrary_text_raises_nothing_but_invalid_input(text: str) -> None:
    try:
        parsed = parse_named(text)
    except InvalidInput:
        return
    assert str(parsed) == text
    with pytest.raises(Damaged):
        named_cipher(Secret(bytes(32)), 1).open(parsed)


@pytest.mark.parametrize(
    ("size", "cipher"),
    [(15, "aes-gcm"), (24, "aes-gcm"), (0, "aes-gcm"), (16, "chacha20-poly1305")],
)
def test_a_key_of_another_length_is_refused(size: int, cipher: Cipher) -> None:
    with pytest.raises(InvalidInput, match=f"key: must be .*32 bytes long, not {size}"):
        named_cipher(Secret(bytes(size)), 1, cipher)


def test_versions_start_at_one(key: Secret) -> None:
    with pytest.raises(SecvaultError, match="versions start at 1"):
        named_cipher(key, 0)
