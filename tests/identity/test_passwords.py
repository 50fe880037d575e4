"""Passwords: how they are kept, which are accepted, and what a check costs."""

from __future__ import annotations

import hmac
import threading
import unicodedata
from contextlib import nullcontext
from typing import Any

import argon2.low_level
import pytest
from hypothesis import given
from hypothesis import strategies as st

from secvault.crypto.argon2id import argon2id
from secvault.crypto.secret import Secret
from secvault.errors import Damaged, InvalidInput
from secvault.identity import Argon2Cost, PasswordHasher
from secvault.identity.passwords import SIGN_IN_COST, PasswordHash, cost_of, how_stored

CHEAP = Argon2Cost(memory=8, passes=1)
PEPPER = Secret(bytes(range(32)))
HASHER = PasswordHasher(PEPPER, nullcontext(), CHEAP)
GOLDEN = (
    "1$argon2id$v=19$m=8,t=1,p=1$AAECAwQFBgcICQoLDA0ODw$svkSEzGchDPJMwUtVKpFfzZVfcHJhMMkg2OLqlig15Q"
)


def test_the_stored_form_is_argon2id_over_the_peppered_password() -> None:
    """Recomputed with the library's low-level call, so that the order of steps is pinned."""
    hasher = PasswordHasher(PEPPER, nullcontext(), CHEAP, lambda count: bytes(range(count)))
    peppered = hmac.digest(PEPPER.expose(), "mật khẩu rất dài".encode(), "sha256")
    raw = argon2.low_level.hash_secret(
        peppered, bytes(range(16)), 1, 8, 1, 32, argon2.low_level.Type.ID
    )
    stored = hasher.hash(Secret.of("mật khẩu rất dài"))
    assert stored == "1" + raw.decode()
    assert stored == GOLDEN


def test_a_hash_of_long_ago_still_verifies() -> None:
    assert HASHER.verify(PasswordHash(GOLDEN), Secret.of("mật khẩu rất dài"))


@given(st.text(max_size=130), st.text(max_size=130))
def test_exactly_the_same_password_verifies(one: str, other: str) -> None:
    stored = HASHER.hash(Secret.of(one))
    assert HASHER.verify(stored, Secret.of(one))
    same = unicodedata.normalize("NFC", one) == unicodedata.normalize("NFC", other)
    assert HASHER.verify(stored, Secret.of(other)) == same


@pytest.mark.parametrize(
    "near", [" correct horse", "correct horse ", "Correct horse", "correct hors"]
)
def test_nothing_is_trimmed_folded_or_cut(near: str) -> None:
    assert not HASHER.verify(HASHER.hash(Secret.of("correct horse")), Secret.of(near))


def test_the_128th_character_counts() -> None:
    many = "".join(chr(0x1EA0 + (n * 31) % 89) for n in range(127))
    stored = HASHER.hash_new(Secret.of(many + "a"))
    assert HASHER.verify(stored, Secret.of(many + "a"))
    assert not HASHER.verify(stored, Secret.of(many + "b"))


def test_both_ways_to_type_vietnamese_are_one_password() -> None:
    stored = HASHER.hash_new(Secret.of(unicodedata.normalize("NFC", "Đường về nhà xa")))
    assert HASHER.verify(stored, Secret.of(unicodedata.normalize("NFD", "Đường về nhà xa")))


def test_without_the_pepper_a_hash_cannot_be_guessed_at() -> None:
    other = PasswordHasher(Secret(bytes(32)), nullcontext(), CHEAP)
    assert not other.verify(HASHER.hash(Secret.of("correct horse")), Secret.of("correct horse"))


@pytest.mark.parametrize(
    "password",
    ["", "a" * 11, "ế" * 11, unicodedata.normalize("NFD", "ế" * 11), "a" * 129, "a" * 99_999],
)
def test_a_new_password_has_12_to_128_characters(password: str) -> None:
    with pytest.raises(InvalidInput, match="12 to 128"):
        HASHER.hash_new(Secret.of(password))


def test_bytes_that_are_no_text_are_no_password() -> None:
    with pytest.raises(InvalidInput, match="password"):
        HASHER.hash_new(Secret(b"\xff" * 20))
    with pytest.raises(InvalidInput, match="password"):
        HASHER.hash(Secret(b"\xff" * 20))
    assert not HASHER.verify(HASHER.hash(Secret.of("correct horse")), Secret(b"\xff"))


@pytest.mark.parametrize(
    "password", ["my-SecVault-2026", "nguyenlan12345", "backofficeＮＧＵＹＥＮＬＡＮ"]
)
def test_a_password_with_an_expected_word_is_refused(password: str) -> None:
    with pytest.raises(InvalidInput, match="easy to guess") as refused:
        HASHER.hash_new(Secret.of(password), ["nguyenlan", "an"])
    assert password not in str(refused.value)


def test_short_words_forbid_nothing() -> None:
    HASHER.hash_new(Secret.of("banana boat plan"), ["an", ""])


def test_a_higher_cost_is_seen_as_an_upgrade() -> None:
    dearer = PasswordHasher(PEPPER, nullcontext(), Argon2Cost(memory=16, passes=1))
    stored = HASHER.hash(Secret.of("correct horse"))
    assert not HASHER.needs_upgrade(stored)
    assert dearer.needs_upgrade(stored)
    assert dearer.verify(stored, Secret.of("correct horse"))


def test_the_cost_at_sign_in_is_what_the_standard_asks_for() -> None:
    assert Argon2Cost(memory=46 * 1024, passes=2) == SIGN_IN_COST


@pytest.mark.parametrize(
    "stored", ["", "x", "1", "2" + GOLDEN[1:], "1$argon2id$nonsense", GOLDEN[1:]]
)
def test_a_stored_hash_that_is_none_is_damage_and_not_a_wrong_password(stored: str) -> None:
    with pytest.raises(Damaged):
        HASHER.verify(PasswordHash(stored), Secret.of("correct horse"))


@given(memory=st.integers(8, 64), passes=st.integers(1, 3))
def test_the_cost_of_a_stored_hash_is_read_from_it_and_how_it_begins_is_known(
    memory: int, passes: int
) -> None:
    cost = Argon2Cost(memory, passes)
    stored = PasswordHasher(PEPPER, nullcontext(), cost).hash(Secret.of("correct horse"))
    assert cost_of(stored) == cost
    assert stored.startswith(how_stored(cost))


@pytest.mark.parametrize(
    "stored",
    [
        "",
        "x",
        "1$argon2id$",
        GOLDEN[1:],
        GOLDEN.replace("2id", "2i"),
        GOLDEN.replace("m=8", "m=7"),
        GOLDEN.replace("m=8", "m=99999999"),
        GOLDEN.replace("t=1", "t=0"),
        GOLDEN.replace("t=1", "t=99"),
        GOLDEN.replace("p=1", "p=0"),
        GOLDEN.replace("p=1", "p=2"),
    ],
)
def test_what_is_no_hash_of_ours_has_no_cost(stored: str) -> None:
    with pytest.raises(Damaged):
        cost_of(PasswordHash(stored))


@pytest.mark.parametrize("password", ["wrong", "a" * 99_999, "ế" * 700, ""])
def test_nobody_and_somebody_of_before_cost_the_same_whatever_is_typed(password: str) -> None:
    """Also what is too long for a password: anybody may type it."""
    costs = []

    def noting(secret: bytes, salt: bytes, cost: Argon2Cost) -> bytes:
        costs.append(cost)
        return argon2id(secret, salt, cost)

    stored = HASHER.hash(Secret.of("correct horse"))
    dearer = PasswordHasher(PEPPER, nullcontext(), Argon2Cost(16, 1), hashing=noting)
    assert not dearer.verify(stored, Secret.of(password))
    assert not dearer.verify(CHEAP, Secret.of(password))
    assert costs == [CHEAP, CHEAP]


@pytest.mark.parametrize("password", ["correct horse", "wrong", "a" * 99_999, ""])
def test_nobody_costs_one_hash_as_somebody_does(slots: Any, password: str) -> None:
    hasher = PasswordHasher(PEPPER, slots, CHEAP)
    stored = hasher.hash(Secret.of("correct horse"))
    for known in (stored, CHEAP):
        slots.entered = 0
        hasher.verify(known, Secret.of(password))
        assert slots.entered == 1


def test_never_more_hashes_at_once_than_slots() -> None:
    class Watched:
        def __init__(self) -> None:
            self._slots = threading.BoundedSemaphore(2)
            self.now = self.most = 0

        def __enter__(self) -> None:
            self._slots.acquire()
            self.now += 1
            self.most = max(self.most, self.now)

        def __exit__(self, *_: object) -> None:
            self.now -= 1
            self._slots.release()

    slots = Watched()
    hasher = PasswordHasher(PEPPER, slots, Argon2Cost(memory=1024, passes=1))
    threads = [
        threading.Thread(target=hasher.hash, args=(Secret.of("correct horse"),)) for _ in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert 1 <= slots.most <= 2
