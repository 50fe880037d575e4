from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from secvault.crypto.aead import Random
from secvault.crypto.datakey import (
    MAX_KEY_VERSION,
    new_data_key,
    record_tag,
    unwrap_data_key,
    verify_record_tag,
    wrap_data_key,
    wrapping_version,
)
from secvault.crypto.secret import Secret
from secvault.errors import Damaged, InvalidInput

HEADER = 5


def test_a_wrapped_key_has_its_golden_bytes(key: Secret, counting: Random) -> None:
    wrapped = wrap_data_key(new_data_key(counting), key, 7, "hr/payroll", "emp-19", counting)

    assert wrapped.hex() == (
        "0100000007202122232425262728292a2b"
        "58a9c03c53e5da37e57c6d6bd7b79ab45c8f05ff14a64ca347f3ca7ad54a0125"
        "3418288a80250f18da938720c0d076c9"
    )
    assert unwrap_data_key(wrapped, key, "hr/payroll", "emp-19") == Secret(bytes(range(32)))


def test_a_wrapped_key_is_put_together_as_the_design_says(
    key: Secret, other_key: Secret, counting: Random
) -> None:
    place = b"\0\0\0\x11secvault/data-key\0\0\0\x0ahr/payroll\0\0\0\x06emp-19"
    nonce = bytes(range(12))
    sealed = AESGCM(key.expose()).encrypt(nonce, other_key.expose(), place)

    wrapped = wrap_data_key(other_key, key, 300, "hr/payroll", "emp-19", counting)

    assert wrapped == b"\x01" + b"\0\0\x01\x2c" + nonce + sealed


@given(
    version=st.integers(1, MAX_KEY_VERSION),
    data_key=st.binary(min_size=32, max_size=32).map(Secret),
    collection=st.text(st.characters(exclude_categories=["Cs"])),
    subject=st.text(st.characters(exclude_categories=["Cs"])),
)
def test_a_data_key_comes_back_with_its_version(
    version: int, data_key: Secret, collection: str, subject: str
) -> None:
    wrapping_key = Secret(bytes(32))
    wrapped = wrap_data_key(data_key, wrapping_key, version, collection, subject)

    assert len(wrapped) == 65
    assert wrapping_version(wrapped) == version
    assert unwrap_data_key(wrapped, wrapping_key, collection, subject) == data_key
    with pytest.raises(Damaged):
        unwrap_data_key(wrapped, wrapping_key, collection + "x", subject)
    with pytest.raises(Damaged):
        unwrap_data_key(wrapped, wrapping_key, collection, subject + "x")


def test_a_wrapped_key_with_any_bit_flipped_does_not_open_with_the_key_it_then_names(
    every_bit_flip: Callable[[bytes], list[bytes]],
) -> None:
    def named_key(version: int) -> Secret:
        return Secret(hashlib.sha256(version.to_bytes(4, "big")).digest())

    wrapped = wrap_data_key(new_data_key(), named_key(3), 3, "hr/payroll", "emp-19")
    for changed in every_bit_flip(wrapped):
        with pytest.raises(Damaged):
            unwrap_data_key(changed, named_key(wrapping_version(changed)), "hr/payroll", "emp-19")


@given(envelope=st.binary(max_size=80) | st.binary(min_size=65, max_size=65))
def test_arbitrary_bytes_are_damaged_and_nothing_else(envelope: bytes) -> None:
    with pytest.raises(Damaged):
        unwrap_data_key(envelope, Secret(bytes(32)), "c", "s")


@pytest.mark.parametrize(
    "envelope", [b"", bytes(64), bytes(66), b"\x02" + bytes(64), b"\x01" + bytes(64)]
)
def test_a_malformed_envelope_has_no_version(envelope: bytes) -> None:
    with pytest.raises(Damaged):
        wrapping_version(envelope)


@pytest.mark.parametrize("version", [0, -1, MAX_KEY_VERSION + 1])
def test_a_version_that_the_format_cannot_hold_is_refused(version: int, key: Secret) -> None:
    with pytest.raises(InvalidInput, match="key_version"):
        wrap_data_key(key, key, version, "c", "s")


def test_keys_of_another_length_are_refused(key: Secret) -> None:
    short = Secret(bytes(16))
    for data_key, wrapping_key in ((short, key), (key, short)):
        with pytest.raises(InvalidInput, match="32 bytes"):
            wrap_data_key(data_key, wrapping_key, 1, "c", "s")
    with pytest.raises(InvalidInput, match="32 bytes"):
        record_tag(short, b"")


def test_data_keys_are_fresh() -> None:
    assert len({new_data_key().expose() for _ in range(100)}) == 100


@given(data_key=st.binary(min_size=32, max_size=32), message=st.binary())
def test_the_record_tag_is_hmac_under_a_key_derived_by_rfc_5869(
    data_key: bytes, message: bytes
) -> None:
    extracted = hmac.digest(bytes(32), data_key, "sha256")
    derived = hmac.digest(extracted, b"secvault/record-tag\x01", "sha256")

    assert record_tag(Secret(data_key), message) == hmac.digest(derived, message, "sha256")


def test_the_record_tag_has_its_golden_bytes(key: Secret) -> None:
    assert (
        record_tag(key, b"record").hex()
        == "7241cf915940380e1ae8445ee169f8a6d2f6cc4378913acef4a5fd4c12cab865"
    )


def test_a_record_tag_holds_for_exactly_one_message_and_key(
    key: Secret, other_key: Secret, every_bit_flip: Callable[[bytes], list[bytes]]
) -> None:
    tag = record_tag(key, b"record")
    verify_record_tag(key, b"record", tag)

    wrong = [(key, b"recorded", tag), (other_key, b"record", tag), (key, b"record", b"")]
    wrong += [(key, b"record", changed) for changed in every_bit_flip(tag)]
    wrong += [(key, changed, tag) for changed in every_bit_flip(b"record")]
    for attempt in wrong:
        with pytest.raises(Damaged, match="Record hr/payroll/pay-1 is not what was written"):
            verify_record_tag(*attempt, what="Record hr/payroll/pay-1")
