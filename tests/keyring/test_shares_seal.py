"""The shares seal: any k of n shares open it, fewer and foreign ones do not."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shamir_mnemonic.share import Share

from secvault.crypto.secret import Secret
from secvault.errors import Damaged, InvalidInput
from secvault.keyring.seals.shares import Collected, SharesSeal, split

ROOT = Secret(bytes(range(32)))


def opened(parameters: str, shares: list[Secret]) -> SharesSeal | None:
    """The seal that these shares make, if they are enough."""
    collected = Collected(parameters)
    made = None
    for share in shares:
        made = collected.add(share)
    return made


@st.composite
def sets(draw: st.DrawFn) -> tuple[int, int]:
    """A threshold and a number of shares."""
    count = draw(st.integers(2, 16))
    return draw(st.integers(2, count)), count


@settings(max_examples=25)
@given(sets(), st.data())
def test_any_k_of_n_shares_in_any_order_open_it_and_fewer_do_not(
    wanted: tuple[int, int], data: st.DataObject
) -> None:
    threshold, count = wanted
    seal, shares = split(threshold, count)
    assert len(shares) == count
    wrapped = seal.wrap(ROOT, "v")
    order = data.draw(st.permutations(shares))
    assert opened(seal.parameters, order[: threshold - 1]) is None
    made = opened(seal.parameters, order[:threshold])
    assert made is not None
    assert made.unwrap(wrapped, "v") == ROOT


def test_every_choice_of_two_from_four_gives_the_same_key() -> None:
    seal, shares = split(2, 4)
    for pair in combinations(shares, 2):
        made = opened(seal.parameters, list(pair))
        assert made is not None
        assert made.key == seal.key


def test_one_share_alone_is_possible() -> None:
    seal, [share] = split(1, 1)
    made = opened(seal.parameters, [share])
    assert made is not None
    assert made.key == seal.key


def test_a_share_given_twice_counts_once_however_it_is_written() -> None:
    seal, shares = split(2, 3)
    collected = Collected(seal.parameters)
    text = shares[0].text()
    for typed in (text, text.upper(), f"  {text.replace(' ', chr(10))}  "):
        assert collected.add(Secret.of(typed)) is None
        assert collected.progress == 1


def test_what_does_not_fit_is_refused_and_what_was_given_stays() -> None:
    seal, shares = split(2, 3)
    _, foreign = split(2, 3)
    _, other_threshold = split(3, 3)
    collected = Collected(seal.parameters)
    collected.add(shares[0])
    for share in (*foreign, *other_threshold):
        with pytest.raises(InvalidInput, match="does not belong to this vault's present set"):
            collected.add(share)
    assert collected.progress == 1
    assert collected.add(shares[1]) is not None


def test_a_mistyped_share_is_told_from_a_foreign_one_and_no_word_is_repeated() -> None:
    seal, shares = split(2, 3)
    words = shares[0].text().split()
    swapped = [words[1], words[0], *words[2:]]
    told = set()
    for wrong in (swapped, words[:-1], [*words, words[0]], ["zzzz", *words[1:]], [], ["academic"]):
        with pytest.raises(InvalidInput, match="check their spelling and order") as caught:
            Collected(seal.parameters).add(Secret.of(" ".join(wrong)))
        told.add(str(caught.value))
    # The same for all, so it holds nothing of what was given.
    assert len(told) == 1


@pytest.mark.parametrize("given", ["ừ", "academic " * 1000])
def test_what_cannot_be_a_share_at_all_is_refused(given: str) -> None:
    seal, _ = split(2, 3)
    with pytest.raises(InvalidInput):
        Collected(seal.parameters).add(Secret.of(given))


def test_shares_of_another_set_with_the_same_number_are_found_out_together_and_forgotten() -> None:
    seal, shares = split(2, 3)
    # As if two sets had drawn the same 15 bits: one share of each.
    forged = _with_identifier_of(shares[0])
    collected = Collected(seal.parameters)
    collected.add(shares[0])
    with pytest.raises(InvalidInput, match="do not belong together; all are forgotten"):
        collected.add(forged)
    assert collected.progress == 0


def test_it_does_not_open_for_another_vault_and_each_flipped_bit_is_damage() -> None:
    seal, _ = split(2, 3)
    wrapped = seal.wrap(ROOT, "v")
    with pytest.raises(Damaged):
        seal.unwrap(wrapped, "w")
    number = int.from_bytes(wrapped, "big")
    for bit in range(8 * len(wrapped)):
        with pytest.raises(Damaged):
            seal.unwrap((number ^ 1 << bit).to_bytes(len(wrapped), "big"), "v")


@pytest.mark.parametrize(
    ("threshold", "count", "field"),
    [
        (0, 3, "threshold"),
        (4, 3, "threshold"),
        (1, 3, "threshold"),
        (2, 17, "shares"),
        (1, 0, "shares"),
    ],
)
def test_numbers_that_make_no_sense_are_refused(threshold: int, count: int, field: str) -> None:
    with pytest.raises(InvalidInput, match=field):
        split(threshold, count)


def test_changed_parameters_are_damage() -> None:
    seal, _ = split(2, 3)
    stored = json.loads(seal.parameters)
    for change in ({"threshold": 0}, {"threshold": 5}, {"shares": 17}, {"identifier": "x"}):
        with pytest.raises(Damaged, match="parameters of the shares were changed"):
            Collected(json.dumps({**stored, **change}))


def _with_identifier_of(share: Secret) -> Secret:
    of_this = Share.from_mnemonic(share.text())
    _, others = split(2, 3)
    other = Share.from_mnemonic(others[1].text())
    forged = replace(other, identifier=of_this.identifier)
    return Secret.of(forged.mnemonic())
