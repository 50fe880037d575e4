from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import assume, given
from hypothesis import strategies as st

from secvault.crypto.aead import Random, seal
from secvault.crypto.canonical import JsonValue
from secvault.crypto.field import FieldAddress, open_field, seal_field, seal_fields
from secvault.crypto.secret import Secret
from secvault.errors import Damaged, InvalidInput

SALARY = FieldAddress("hr/payroll", "pay-1", "salary")

names = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
addresses = st.builds(FieldAddress, names, names, names)


def test_a_field_has_its_golden_bytes(key: Secret, counting: Random) -> None:
    envelope = seal_field({"amount": 25000000, "currency": "VND"}, key, SALARY, counting)

    assert envelope.hex() == (
        "01000102030405060708090a0b"
        "e4895921d238af9dbf29acfda6aab882d92711b24e76a257a27c8a7271d663b6fe72eea9"
        "997955bd1e8a66c020a33ec9197d0bb0"
    )
    assert open_field(envelope, key, SALARY) == {"amount": 25000000, "currency": "VND"}


def test_a_field_is_put_together_as_the_design_says(key: Secret, counting: Random) -> None:
    place = b"".join(
        len(part).to_bytes(4, "big") + part for part in (b"hr/payroll", b"pay-1", b"salary")
    )
    nonce = bytes(range(12))
    sealed = AESGCM(key.expose()).encrypt(nonce, b'{"a":1,"b":null}', place)

    assert seal_field({"b": None, "a": 1}, key, SALARY, counting) == b"\x01" + nonce + sealed


@given(at=addresses, value=st.none() | st.booleans() | st.integers(-99, 99) | names)
def test_the_value_comes_back_with_its_type(at: FieldAddress, value: JsonValue) -> None:
    key = Secret(bytes(32))
    back = open_field(seal_field(value, key, at), key, at)

    assert (type(back), back) == (type(value), value)


@given(at=addresses, values=st.dictionaries(names, st.none() | st.integers(-99, 99) | names))
def test_fields_sealed_together_are_sealed_as_each_alone(
    at: FieldAddress, values: dict[str, JsonValue]
) -> None:
    key = Secret(bytes(32))
    sealed = seal_fields(values, key, at.collection, at.record)
    for name, value in values.items():
        assert open_field(sealed[name], key, replace(at, field=name)) == value
    assert list(sealed) == list(values)
    assert len({envelope[1:13] for envelope in sealed.values()}) == len(values)


@given(at=addresses, elsewhere=addresses)
def test_a_field_opens_nowhere_else(at: FieldAddress, elsewhere: FieldAddress) -> None:
    assume(at != elsewhere)
    key = Secret(bytes(32))
    envelope = seal_field(1, key, at)
    with pytest.raises(Damaged):
        open_field(envelope, key, elsewhere)


@pytest.mark.parametrize(
    "elsewhere",
    [
        replace(SALARY, collection="hr/contracts"),
        replace(SALARY, record="pay-2"),
        replace(SALARY, field="bonus"),
        FieldAddress("hr", "payroll/pay-1", "salary"),
        FieldAddress("hr/payroll", "pay-1s", "alary"),
    ],
)
def test_a_field_moved_is_damaged_and_the_error_names_the_field(
    key: Secret, elsewhere: FieldAddress
) -> None:
    with pytest.raises(Damaged, match=f"^Field {elsewhere} cannot be opened"):
        open_field(seal_field(25000000, key, SALARY), key, elsewhere)


def test_a_field_under_another_key_is_damaged(key: Secret, other_key: Secret) -> None:
    with pytest.raises(Damaged):
        open_field(seal_field(25000000, key, SALARY), other_key, SALARY)


def test_a_field_with_any_bit_flipped_is_damaged(
    key: Secret, every_bit_flip: Callable[[bytes], list[bytes]]
) -> None:
    for changed in every_bit_flip(seal_field("25000000", key, SALARY)):
        with pytest.raises(Damaged):
            open_field(changed, key, SALARY)


def test_a_genuine_envelope_whose_content_is_not_canonical_is_damaged(key: Secret) -> None:
    place = b"\0\0\0\x0ahr/payroll\0\0\0\x05pay-1\0\0\0\x06salary"
    with pytest.raises(Damaged, match="Field hr/payroll/pay-1/salary is not canonical"):
        open_field(seal(b'{"a": 1}', key, place), key, SALARY)


def test_a_floating_point_value_is_refused_before_it_is_sealed(key: Secret) -> None:
    with pytest.raises(InvalidInput, match="write it as a string"):
        seal_field({"rate": 0.1}, key, SALARY)  # type: ignore[dict-item]
