"""What an index gives away, by hand and against counting it all."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secvault.clock import Clock
from secvault.crypto.secret import Secret
from secvault.keyring import Keyring
from secvault.keyring.root import Root
from secvault.records.blind_index import Kind
from secvault.records.leakage import Leakage, leakage_of, leakages
from secvault.records.record import create_records, ensure_collection_keys
from secvault.records.value import FieldType
from secvault.store import Store
from tests.records.searchable import things

SCHEMA = things({FieldType.TEXT: "index = { exact = 64, prefix = { length = 2, bits = 32 } }"})


def measured(groups: list[int], bits: int = 16) -> Leakage:
    """Of tokens that stand in so many records each."""
    return leakage_of("f", Kind.EXACT, 1, bits, Counter(groups).items())


def test_the_measures_of_a_small_index_by_hand() -> None:
    """One token in four records, one in two, four in one each."""
    found = measured([4, 2, 1, 1, 1, 1], bits=4)
    assert (found.records, found.tokens) == (10, 6)
    assert found.in_vain == 10 / 16
    assert found.commonest == pytest.approx(0.4)
    assert found.alike == pytest.approx((16 + 4 + 4) / 100)
    assert found.alone == pytest.approx(0.4)
    # The four, the two, and one of the four single ones.
    assert found.named == pytest.approx((4 + 2 + 1) / 10)
    assert [(one.least, one.most, one.tokens, one.records) for one in found.bands] == [
        (1, 1, 4, 4),
        (2, 3, 1, 2),
        (4, 7, 1, 4),
    ]


@given(st.lists(st.integers(1, 300), max_size=40))
def test_the_measures_are_those_of_counting_every_record(groups: list[int]) -> None:
    found = measured(groups)
    everybody = [token for token, size in enumerate(groups) for _ in range(size)]
    whole = len(everybody)
    assert found.records == whole
    assert sum(one.records for one in found.bands) == whole
    assert sum(one.tokens for one in found.bands) == found.tokens == len(groups)
    sizes = Counter(everybody)
    if whole:
        assert found.commonest == pytest.approx(max(sizes.values()) / whole)
        pairs = sum(sizes[token] for token in everybody) / whole**2
        assert found.alike == pytest.approx(pairs)
        same = Counter(sizes.values())
        named = sum(1 / same[sizes[token]] for token in everybody) / whole
        assert found.named == pytest.approx(named)
    assert 0 <= found.named <= 1 + 1e-9


@pytest.mark.parametrize(
    ("groups", "bits", "word"),
    [
        ([], 16, "No record"),
        ([1], 16, "One record has"),
        ([1] * 19, 16, "too few"),
        ([1] * 5000, 64, "Good"),
        ([50, 30, 20], 64, "Weak"),
        ([2] * 400 + [5] * 20, 64, "Fair"),
        ([4000] * 16, 4, "Slow"),
    ],
)
def test_the_advice_says_what_to_make_of_it(groups: list[int], bits: int, word: str) -> None:
    assert word in measured(groups, bits).advice


def test_the_report_counts_the_tokens_in_the_store(any_store: Store) -> None:
    clock = Clock(wall=lambda: 0, monotonic=lambda: 0.0, sleep=lambda _: None)
    keyring = Keyring(any_store, clock, Root("vault-1", Secret(bytes(range(32)))))
    names = ["Hoa", "hoa", "Hòa", "Lan", "Lang", "x"]
    with any_store.write() as connection:
        ensure_collection_keys(connection, keyring, (SCHEMA,))
        batch = {f"t-{number}": {"s_text": name} for number, name in enumerate(names)}
        create_records(connection, keyring, SCHEMA, {**batch, "t-9": {}}, 0)
    with any_store.read() as connection:
        exact, prefix = leakages(connection, SCHEMA)
        assert leakages(connection, SCHEMA, "s_text") == (exact, prefix)
        assert leakages(connection, SCHEMA, "s_date") == ()
    assert (exact.kind, exact.bits, exact.records, exact.tokens) == ("exact", 64, 6, 5)
    # A value that is shorter than the part has no token.
    assert (prefix.kind, prefix.bits, prefix.records, prefix.tokens) == ("prefix", 32, 5, 3)
