"""Answers of authenticators: a change in one is noticed, what is broken is refused."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secvault.identity.relying_party import (
    InvalidAnswer,
    RelyingParty,
    User,
    check_assertion,
    check_registration,
    creation_options,
    read_assertion,
    read_registration,
    request_options,
)
from tests.software_authenticator import ORIGIN, SoftwareAuthenticator, decoded, encoded

PARTY = RelyingParty("localhost", "secvault", (ORIGIN,))
USER = User(b"handle", "lan", "Nguyễn Thị Lan")
KEY = SoftwareAuthenticator()
MADE = KEY.create(creation_options(PARTY, USER, b"c" * 32, ()))
REGISTERED = check_registration(PARTY, read_registration(MADE))
SHOWN = KEY.get(request_options(PARTY, b"d" * 32))

PLACES = st.sampled_from(["clientDataJSON", "authenticatorData", "signature"])


def checked(given_: dict[str, Any]) -> bytes:
    answer = read_assertion(given_)
    check_assertion(PARTY, answer, REGISTERED.public_key)
    return answer.challenge


def test_an_honest_answer_is_taken_and_says_what_it_answers() -> None:
    assert checked(SHOWN) == b"d" * 32
    assert REGISTERED.credential_id == KEY.credential_id
    assert REGISTERED.transports == ("internal", "usb")
    assert (REGISTERED.backup_eligible, REGISTERED.backed_up) == (False, False)


@given(PLACES, st.data())
def test_no_byte_of_an_answer_can_be_changed(place: str, data: st.DataObject) -> None:
    content = bytearray(decoded(SHOWN["response"][place]))
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= data.draw(st.integers(1, 255))
    changed = copy.deepcopy(SHOWN)
    changed["response"][place] = encoded(bytes(content))
    with pytest.raises(InvalidAnswer):
        checked(changed)


@given(PLACES, st.binary(max_size=200))
def test_other_bytes_in_a_sign_in_are_refused_and_nothing_worse(place: str, other: bytes) -> None:
    changed = copy.deepcopy(SHOWN)
    changed["response"][place] = encoded(other)
    with pytest.raises(InvalidAnswer):
        checked(changed)


@given(st.sampled_from(["clientDataJSON", "attestationObject"]), st.binary(max_size=300))
def test_other_bytes_in_a_registration_are_refused_and_nothing_worse(
    place: str, other: bytes
) -> None:
    changed = copy.deepcopy(MADE)
    changed["response"][place] = encoded(other)
    with pytest.raises(InvalidAnswer):
        check_registration(PARTY, read_registration(changed))


@given(st.integers(0, 300))
def test_a_registration_cut_short_is_refused(length: int) -> None:
    content = decoded(MADE["response"]["attestationObject"])
    changed = copy.deepcopy(MADE)
    changed["response"]["attestationObject"] = encoded(content[: min(length, len(content) - 1)])
    with pytest.raises(InvalidAnswer):
        check_registration(PARTY, read_registration(changed))


def test_an_answer_of_the_other_kind_is_refused() -> None:
    with pytest.raises(InvalidAnswer):
        read_registration(SHOWN)
    with pytest.raises(InvalidAnswer):
        read_assertion(MADE)
    with pytest.raises(InvalidAnswer):
        check_registration(PARTY, read_assertion(SHOWN))
    with pytest.raises(InvalidAnswer):
        check_assertion(PARTY, read_registration(MADE), REGISTERED.public_key)
