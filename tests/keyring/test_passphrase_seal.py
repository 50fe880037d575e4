"""The passphrase seal: what opens it, whatever keyboard it was typed on, and what does not."""

from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from secvault.crypto.secret import Secret
from secvault.errors import Damaged, InvalidInput
from secvault.keyring.seals.passphrase import PassphraseCost, chosen, derived

ROOT = Secret(bytes(range(32)))
CHEAP = PassphraseCost(memory_mib=1, passes=1, lanes=1)
WORDS = Secret.of("bốn mùa gió thổi qua đồng lúa")


def test_the_same_passphrase_opens_it_and_another_does_not() -> None:
    made = chosen(WORDS, CHEAP)
    wrapped = made.wrap(ROOT, "vault-1")
    again = derived(WORDS, made.parameters)
    assert again.unwrap(wrapped, "vault-1") == ROOT
    other = derived(Secret.of("bốn mùa gió thổi qua đồng ngô"), made.parameters)
    with pytest.raises(Damaged, match="not the right one"):
        other.unwrap(wrapped, "vault-1")


def test_it_does_not_open_for_another_vault_or_with_other_parameters() -> None:
    made = chosen(WORDS, CHEAP)
    wrapped = made.wrap(ROOT, "vault-1")
    with pytest.raises(Damaged):
        made.unwrap(wrapped, "vault-2")
    spaced = json.dumps(json.loads(made.parameters))
    assert spaced != made.parameters
    with pytest.raises(Damaged):
        derived(WORDS, spaced).unwrap(wrapped, "vault-1")


def test_each_flipped_bit_is_damage() -> None:
    made = chosen(WORDS, CHEAP)
    wrapped = made.wrap(ROOT, "v")
    number = int.from_bytes(wrapped, "big")
    for bit in range(8 * len(wrapped)):
        with pytest.raises(Damaged):
            made.unwrap((number ^ 1 << bit).to_bytes(len(wrapped), "big"), "v")


@settings(max_examples=25)
@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=14, max_size=40))
@example("Nguyễn Thị Ánh Tuyết 2026")
@example("ｆｕｌｌ ｗｉｄｔｈ ｌｅｔｔｅｒｓ")
def test_every_way_of_writing_the_same_characters_is_the_same_passphrase(text: str) -> None:
    if len(unicodedata.normalize("NFKC", text)) < 14:
        return
    made = chosen(Secret.of(text), CHEAP)
    wrapped = made.wrap(ROOT, "v")
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        typed = Secret.of(unicodedata.normalize(form, text))
        assert derived(typed, made.parameters).unwrap(wrapped, "v") == ROOT


def test_nothing_else_is_forgiven() -> None:
    made = chosen(WORDS, CHEAP)
    wrapped = made.wrap(ROOT, "v")
    for typed in (WORDS.text() + " ", " " + WORDS.text(), WORDS.text().upper()):
        with pytest.raises(Damaged):
            derived(Secret.of(typed), made.parameters).unwrap(wrapped, "v")


@pytest.mark.parametrize("words", ["short", "a" * 13, "b" * 1025])
def test_a_new_passphrase_must_be_long_enough(words: str) -> None:
    with pytest.raises(InvalidInput, match="passphrase: must have 14 to 1024 characters"):
        chosen(Secret.of(words), CHEAP)


@pytest.mark.parametrize("given", [b"", b"\xff\xfe" * 10, b"x" * 100_000])
def test_what_cannot_be_a_passphrase_is_refused_before_any_work(given: bytes) -> None:
    with pytest.raises(InvalidInput, match="passphrase"):
        derived(Secret(given), chosen(WORDS, CHEAP).parameters)


@pytest.mark.parametrize(
    "change",
    [
        {"memory_mib": 10_000_000},
        {"memory_mib": 0},
        {"passes": 100_000},
        {"lanes": 100_000},
        {"salt": "AAAA"},
        {"salt": "not base64!"},
        {"argon2": "i-19"},
        {"more": 1},
    ],
)
def test_changed_parameters_are_damage_and_take_no_memory(change: dict[str, object]) -> None:
    parameters = {**json.loads(chosen(WORDS, CHEAP).parameters), **change}
    with pytest.raises(Damaged, match="parameters of the passphrase were changed"):
        derived(WORDS, json.dumps(parameters))


def test_the_parameters_are_stored_and_hold_no_secret() -> None:
    made = chosen(WORDS, PassphraseCost(memory_mib=2, passes=3, lanes=1))
    stored = json.loads(made.parameters)
    assert (stored["memory_mib"], stored["passes"], stored["argon2"]) == (2, 3, "id-19")
    assert made.key.expose().hex() not in made.parameters
    assert made.key.expose().hex() not in repr(made)
    assert chosen(WORDS, CHEAP).key != chosen(WORDS, CHEAP).key, "each has a salt of its own"
