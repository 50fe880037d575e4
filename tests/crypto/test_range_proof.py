from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secvault.crypto.merkle import Frontier, inclusion_ranges, leaf_hash, root_of
from secvault.crypto.range_proof import range_ranges, root_beyond, verify_range
from secvault.errors import Damaged, InvalidInput

LEAVES = [leaf_hash(number.to_bytes(2, "big")) for number in range(70)]


def proof_of(start: int, end: int, size: int) -> list[bytes]:
    return [root_of(LEAVES[low:high]) for low, high in range_ranges(start, end, size)]


@st.composite
def stretches(draw: st.DrawFn) -> tuple[int, int, int]:
    size = draw(st.integers(1, len(LEAVES)))
    start = draw(st.integers(0, size - 1))
    return start, draw(st.integers(start + 1, size)), size


def test_every_range_of_every_small_tree_is_proven() -> None:
    for size in range(1, 34):
        root = root_of(LEAVES[:size])
        for start in range(size):
            for end in range(start + 1, size + 1):
                proof = proof_of(start, end, size)
                verify_range(LEAVES[start:end], start, size, proof, root)
                assert len(proof) <= 2 * size.bit_length()


@given(stretches(), st.data())
def test_a_root_is_reached_without_holding_the_leaves_and_by_no_other_hashes(
    stretch: tuple[int, int, int], data: st.DataObject
) -> None:
    start, end, size = stretch
    root, ranges = root_of(LEAVES[:size]), range_ranges(start, end, size)
    proof = proof_of(start, end, size)
    before = [each for each, at in zip(proof, ranges, strict=True) if at[1] <= start]
    after = proof[len(before) :]
    reached = Frontier(start, tuple(before)).extend(LEAVES[start:end])
    assert root_beyond(reached, size, after) == root
    for wrong in ([*after, LEAVES[0]], after[1:] if after else [b"short"]):
        with pytest.raises(Damaged):
            root_beyond(reached, size, wrong)
    if after:
        at = data.draw(st.integers(0, len(after) - 1))
        changed = [*after[:at], LEAVES[69], *after[at + 1 :]]
        assert root_beyond(reached, size, changed) != root


@given(stretches(), st.data())
def test_a_leaf_left_out_added_moved_or_changed_is_noticed(
    stretch: tuple[int, int, int], data: st.DataObject
) -> None:
    start, end, size = stretch
    root, proof = root_of(LEAVES[:size]), proof_of(start, end, size)
    leaves = LEAVES[start:end]
    at = data.draw(st.integers(0, len(leaves) - 1))
    other = leaf_hash(b"other")
    wrong = [
        [*leaves[:at], *leaves[at + 1 :]],
        [*leaves[:at], other, *leaves[at:]],
        [*leaves[:at], other, *leaves[at + 1 :]],
    ]
    if len(leaves) > 1:
        wrong.append([*leaves[1:], leaves[0]])
    for given_leaves in wrong:
        with pytest.raises(Damaged):
            verify_range(given_leaves, start, size, proof, root)
    with pytest.raises(Damaged):
        verify_range(leaves, start + 1, size, proof, root)
    with pytest.raises(Damaged):
        verify_range(leaves, start, size, [*proof, other], root)
    if proof:
        with pytest.raises(Damaged):
            verify_range(leaves, start, size, proof[1:], root)


@given(stretches())
def test_the_proof_of_one_leaf_has_the_hashes_of_its_inclusion_proof(
    stretch: tuple[int, int, int],
) -> None:
    start, _, size = stretch
    assert set(range_ranges(start, start + 1, size)) == set(inclusion_ranges(start, size))


@pytest.mark.parametrize(("start", "end", "size"), [(0, 0, 5), (3, 2, 5), (-1, 2, 5), (0, 6, 5)])
def test_an_empty_range_or_one_outside_the_tree_is_refused(start: int, end: int, size: int) -> None:
    with pytest.raises(InvalidInput):
        range_ranges(start, end, size)
