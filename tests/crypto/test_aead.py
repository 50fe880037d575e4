from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secvault.crypto.aead import KEY_BYTES, Random, bind, draw, open_sealed, seal
from secvault.crypto.secret import Secret
from secvault.errors import Damaged, InvalidInput, Unavailable

keys = st.binary(min_size=KEY_BYTES, max_size=KEY_BYTES).map(Secret)
parts = st.lists(st.text(st.characters(exclude_categories=["Cs"])))


def test_the_envelope_agrees_with_the_vectors_of_nist(
    vectors: Callable[[str], Any], giving: Callable[[bytes], Random]
) -> None:
    published = vectors("aes_256_gcm_nist")["vectors"]
    assert len(published) == 100
    for vector in published:
        key, nonce, aad = (bytes.fromhex(vector[part]) for part in ("key", "nonce", "aad"))
        envelope = b"\x01" + nonce + bytes.fromhex(vector["ciphertext"] + vector["tag"])
        if vector["plaintext"] is None:
            with pytest.raises(Damaged):
                open_sealed(envelope, Secret(key), aad)
        else:
            plaintext = bytes.fromhex(vector["plaintext"])
            assert open_sealed(envelope, Secret(key), aad) == plaintext
            assert seal(plaintext, Secret(key), aad, giving(nonce)) == envelope


def test_the_envelope_has_its_golden_bytes(key: Secret, counting: Random) -> None:
    envelope = seal("lương".encode(), key, bind("hr/payroll", "pay-1", "salary"), counting)

    assert (
        envelope.hex() == "01000102030405060708090a0bf36d888a1c23a629e547e7c31cca099a21e675c5c2532b"
    )


def test_associated_data_has_its_golden_bytes() -> None:
    assert bind("hr", "", "ư").hex() == "0000000268720000000000000002c6b0"
    assert bind() == b""


@given(one=parts, other=parts)
def test_different_places_never_bind_to_the_same_bytes(one: list[str], other: list[str]) -> None:
    assert (bind(*one) == bind(*other)) == (one == other)


@given(plaintext=st.binary(max_size=300), key=keys, aad=st.binary(max_size=60))
def test_what_was_sealed_opens(plaintext: bytes, key: Secret, aad: bytes) -> None:
    envelope = seal(plaintext, key, aad)

    assert open_sealed(envelope, key, aad) == plaintext
    assert len(envelope) == len(plaintext) + 29


def test_no_two_envelopes_of_one_value_are_alike(key: Secret) -> None:
    assert len({seal(b"same", key, b"") for _ in range(200)}) == 200


def test_an_envelope_with_any_bit_flipped_does_not_open(
    key: Secret, every_bit_flip: Callable[[bytes], list[bytes]]
) -> None:
    for changed in every_bit_flip(seal(b"25000000", key, b"here")):
        with pytest.raises(Damaged):
            open_sealed(changed, key, b"here")


@given(plaintext=st.binary(max_size=100), cut=st.integers(1, 129), more=st.binary(min_size=1))
def test_an_envelope_cut_off_or_extended_does_not_open(
    plaintext: bytes, cut: int, more: bytes
) -> None:
    key = Secret(bytes(KEY_BYTES))
    envelope = seal(plaintext, key, b"")
    for changed in (envelope[:-cut], envelope[cut:], envelope + more):
        with pytest.raises(Damaged):
            open_sealed(changed, key, b"")


@given(envelope=st.binary(max_size=200), aad=st.binary(max_size=20))
def test_arbitrary_bytes_are_damaged_and_nothing_else(envelope: bytes, aad: bytes) -> None:
    with pytest.raises(Damaged):
        open_sealed(envelope, Secret(bytes(KEY_BYTES)), aad)


def test_all_reasons_for_not_opening_read_the_same(key: Secret, other_key: Secret) -> None:
    envelope = seal(b"25000000", key, b"here")
    attempts = [
        (envelope, other_key, b"here"),
        (envelope, key, b"there"),
        (envelope[:-1], key, b"here"),
        (envelope[:5], key, b"here"),
        (b"", key, b"here"),
        (b"\x02" + envelope[1:], key, b"here"),
    ]
    said = set()
    for attempt in attempts:
        with pytest.raises(Damaged) as caught:
            open_sealed(*attempt, what="Field hr/payroll/pay-1/salary")
        said.add(str(caught.value))
        assert caught.value.__suppress_context__ or caught.value.__context__ is None

    assert len(said) == 1
    assert said.pop().startswith("Field hr/payroll/pay-1/salary cannot be opened")


@pytest.mark.parametrize("size", [0, 16, 24, 31, 33, 64])
def test_a_key_of_another_length_is_refused_and_not_shown(size: int) -> None:
    short = Secret(b"k" * size)
    for use in (seal, open_sealed):
        with pytest.raises(InvalidInput, match="key: must be 32 bytes long") as caught:
            use(bytes(40), short, b"")
        assert "kkk" not in str(caught.value)


@pytest.mark.parametrize("given_bytes", [0, 11, 13])
def test_a_source_of_randomness_that_gives_another_number_of_bytes_is_not_used(
    key: Secret, given_bytes: int
) -> None:
    with pytest.raises(Unavailable):
        seal(b"", key, b"", lambda _: bytes(given_bytes))
    assert draw(3, lambda count: b"abc"[:count]) == b"abc"


def test_a_name_with_a_lone_surrogate_is_refused() -> None:
    with pytest.raises(InvalidInput, match="surrogate"):
        bind("hr", "\ud800")
