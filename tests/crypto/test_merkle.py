from __future__ import annotations

from collections.abc import Callable
from functools import cache
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from secvault.crypto.merkle import (
    EMPTY_ROOT,
    Frontier,
    consistency_proof,
    consistency_ranges,
    fold,
    inclusion_proof,
    inclusion_ranges,
    leaf_hash,
    node_hash,
    perfect_subtrees,
    root_of,
    verify_consistency,
    verify_inclusion,
)
from secvault.errors import Damaged, InvalidInput

LARGEST = 130
LEAVES = [leaf_hash(bytes([at])) for at in range(LARGEST)]
ROOTS = [root_of(LEAVES[:size]) for size in range(LARGEST + 1)]


@cache
def restated_hash(start: int, end: int) -> bytes:
    """MTH of RFC 6962, section 2.1, as it is written there."""
    if end - start == 1:
        return sha256(b"\x00" + bytes([start])).digest()
    split = start + 1
    while (split - start) * 2 < end - start:
        split = start + (split - start) * 2
    return sha256(b"\x01" + restated_hash(start, split) + restated_hash(split, end)).digest()


def restated_consistency(start: int, end: int, low: int, high: int, known: bool) -> list[bytes]:
    """SUBPROOF of RFC 6962, section 2.1.2, for a subtree [start, end) within [low, high)."""
    if (start, end) == (low, high):
        return [] if known else [restated_hash(low, high)]
    split = low + 1
    while (split - low) * 2 < high - low:
        split = low + (split - low) * 2
    if end <= split:
        return [*restated_consistency(start, end, low, split, known), restated_hash(split, high)]
    if split <= start:
        return [*restated_consistency(start, end, split, high, known), restated_hash(low, split)]
    return [*restated_consistency(split, end, split, high, False), restated_hash(low, split)]


def is_subtree(start: int, end: int) -> bool:
    return start % (1 << (end - start - 1).bit_length()) == 0


def line(prefix: str, proof: list[bytes]) -> bytes:
    return " ".join([prefix, *(one.hex() for one in proof)]).encode() + b"\n"


def test_roots_and_proofs_are_those_of_the_published_tree(vectors: Callable[[str], Any]) -> None:
    published = vectors("merkle_transparency_dev")
    leaves = [leaf_hash(bytes.fromhex(data)) for data in published["leaves"]]
    roots = [bytes.fromhex(root) for root in published["roots"]]

    assert [root_of(leaves[:size]) for size in range(9)] == roots
    assert roots[0] == EMPTY_ROOT
    for case in published["inclusion"]:
        proof = [bytes.fromhex(one) for one in case["proof"]]
        assert inclusion_proof(leaves[: case["size"]], case["index"]) == proof
        verify_inclusion(
            leaves[case["index"]], case["index"], case["size"], proof, roots[case["size"]]
        )
    for case in published["consistency"]:
        proof = [bytes.fromhex(one) for one in case["proof"]]
        old, new = case["old"], case["new"]
        assert consistency_proof(leaves[:new], old) == proof
        verify_consistency(old, roots[old], new, roots[new], proof)


def test_all_hashes_and_inclusion_proofs_up_to_130_leaves_fold_to_the_published_digests(
    vectors: Callable[[str], Any],
) -> None:
    published = vectors("merkle_transparency_dev")["folded"]
    hashes, proofs, count = sha256(), sha256(), 0
    for end in range(1, LARGEST + 1):
        for start in (start for start in range(end) if is_subtree(start, end)):
            leaves = LEAVES[start:end]
            root = root_of(leaves)
            hashes.update(f"[{start}, {end}) {root.hex()}\n".encode())
            for index in range(end - start):
                proof = inclusion_proof(leaves, index)
                verify_inclusion(leaves[index], index, end - start, proof, root)
                proofs.update(line(f"{start + index} [{start}, {end})", proof))
                count += 1

    assert hashes.hexdigest() == published["hash"]
    assert proofs.hexdigest() == published["inclusion"]
    assert count == 12807


def test_all_consistency_proofs_up_to_130_leaves_fold_to_the_published_digest(
    vectors: Callable[[str], Any],
) -> None:
    folded = sha256()
    for size in range(LARGEST + 1):
        for end in range(1, size + 1):
            for start in (start for start in range(end) if is_subtree(start, end)):
                proof = restated_consistency(start, end, 0, size, True)
                folded.update(line(f"[{start}, {end}) {size}", proof))
                if start == 0:
                    ours = [hash_of(at) for at in consistency_ranges(end, size)]
                    assert ours == proof
                    verify_consistency(end, ROOTS[end], size, ROOTS[size], ours)

    assert folded.hexdigest() == vectors("merkle_transparency_dev")["folded"]["consistency"]


@cache
def hash_of(at: tuple[int, int]) -> bytes:
    """The hash of a range, from perfect subtrees as a store of inner hashes would keep them."""
    return fold([restated_hash(*subtree) for subtree in perfect_subtrees(*at)])


def test_ranges_read_from_stored_subtrees_give_the_same_proofs_as_reading_every_leaf() -> None:
    for size in (1, 2, 3, 64, 65, 100, 127, 128, 129, 130):
        for index in range(size):
            named = [hash_of(at) for at in inclusion_ranges(index, size)]
            assert named == inclusion_proof(LEAVES[:size], index)
        for old in range(1, size + 1):
            assert [hash_of(at) for at in consistency_ranges(old, size)] == consistency_proof(
                LEAVES[:size], old
            )


@given(start=st.integers(0, 2**40), length=st.integers(0, 2**20))
def test_a_range_is_cut_into_aligned_powers_of_two_without_gap(start: int, length: int) -> None:
    cut = perfect_subtrees(start, start + length)
    at = start
    for low, high in cut:
        size = high - low
        assert low == at
        assert size & (size - 1) == 0
        assert low % size == 0
        at = high
    assert at == start + length
    assert len(cut) <= 42


@given(batches=st.lists(st.integers(0, 20), max_size=8))
def test_a_frontier_grows_the_same_in_any_batches_and_through_storage(batches: list[int]) -> None:
    frontier = Frontier()
    for batch in batches:
        grown = LEAVES[frontier.size : frontier.size + batch]
        frontier = Frontier.from_bytes(frontier.size, frontier.to_bytes()).extend(grown)

    total = min(sum(batches), LARGEST)
    assert frontier.size == total
    assert frontier.root() == (EMPTY_ROOT if total == 0 else restated_hash(0, total))
    assert len(frontier.to_bytes()) == 32 * total.bit_count()


def test_a_frontier_pushed_is_a_new_one_and_the_old_one_stays() -> None:
    empty = Frontier()
    one = empty.push(LEAVES[0])
    three = one.push(LEAVES[1]).push(LEAVES[2])

    assert (empty.size, empty.root()) == (0, EMPTY_ROOT)
    assert one.stack == (LEAVES[0],)
    assert three.stack == (node_hash(LEAVES[0], LEAVES[1]), LEAVES[2])


def test_a_stored_frontier_has_its_golden_bytes() -> None:
    assert Frontier().extend(LEAVES[:3]).to_bytes().hex() == (
        "a20bf9a7cc2dc8a08f5f415a71b19f6ac427bab54d24eec868b5d3103449953a"
        "fcf0a6c700dd13e274b6fba8deea8dd9b26e4eedde3495717cac8408c9c5177f"
    )


@example(size=-3, stack=bytes(64))
@given(size=st.integers(-3, 2**20), stack=st.binary(max_size=200))
def test_a_stored_frontier_that_does_not_fit_its_size_is_damaged(size: int, stack: bytes) -> None:
    if size >= 0 and len(stack) == 32 * size.bit_count():
        assert Frontier.from_bytes(size, stack).to_bytes() == stack
        return
    with pytest.raises(Damaged):
        Frontier.from_bytes(size, stack)


@given(data=st.data(), size=st.integers(1, LARGEST))
def test_an_inclusion_proof_holds_for_nothing_else(data: st.DataObject, size: int) -> None:
    index = data.draw(st.integers(0, size - 1))
    proof, root, leaf = inclusion_proof(LEAVES[:size], index), ROOTS[size], LEAVES[index]
    verify_inclusion(leaf, index, size, proof, root)

    at = data.draw(
        st.integers(0, size - 1).filter(lambda other: other != index) if size > 1 else st.just(-1)
    )
    wrong = [
        (flip(leaf), index, size, proof, root),
        (leaf, index, size, proof, flip(root)),
        (leaf, index, size, proof, b""),
        (leaf, index, size, [*proof, root], root),
        (leaf, index, size, [root, *proof], root),
        (leaf, at, size, proof, root),
        (leaf, size, size, proof, root),
        (leaf, -1, size, proof, root),
        (leaf, index, 0, proof, root),
        (leaf[:-1], index, size, proof, root),
    ]
    if proof:
        hit = data.draw(st.integers(0, len(proof) - 1))
        wrong += [
            (leaf, index, size, proof[:-1], root),
            (leaf, index, size, proof[1:], root),
            (
                leaf,
                index,
                size,
                [flip(one) if at == hit else one for at, one in enumerate(proof)],
                root,
            ),
            (
                leaf,
                index,
                size,
                [one + b"\0" if at == hit else one for at, one in enumerate(proof)],
                root,
            ),
        ]
    for case in wrong:
        with pytest.raises(Damaged, match="inclusion proof does not hold"):
            verify_inclusion(*case)


@given(data=st.data(), new=st.integers(1, LARGEST))
def test_a_consistency_proof_holds_for_nothing_else(data: st.DataObject, new: int) -> None:
    old = data.draw(st.integers(1, new))
    proof = consistency_proof(LEAVES[:new], old)
    verify_consistency(old, ROOTS[old], new, ROOTS[new], proof)

    wrong = [
        (old, flip(ROOTS[old]), new, ROOTS[new], proof),
        (old, ROOTS[old], new, flip(ROOTS[new]), proof),
        (old, ROOTS[old], new, ROOTS[new], [*proof, ROOTS[old]]),
        (old, ROOTS[old], new, ROOTS[new], [ROOTS[old], *proof]),
        (0, EMPTY_ROOT, new, ROOTS[new], proof),
        (0, EMPTY_ROOT, new, ROOTS[new], []),
        (-1, ROOTS[old], new, ROOTS[new], proof),
        (new + 1, ROOTS[old], new, ROOTS[new], proof),
        (old, ROOTS[old] + b"\0", new, ROOTS[new], proof),
        (old, b"", new, b"", []),
    ]
    if proof:
        hit = data.draw(st.integers(0, len(proof) - 1))
        wrong += [
            (old, ROOTS[old], new, ROOTS[new], proof[:-1]),
            (old, ROOTS[old], new, ROOTS[new], proof[1:]),
            (
                old,
                ROOTS[old],
                new,
                ROOTS[new],
                [flip(one) if at == hit else one for at, one in enumerate(proof)],
            ),
        ]
    for case in wrong:
        with pytest.raises(Damaged, match="consistency proof does not hold"):
            verify_consistency(*case)


def flip(value: bytes) -> bytes:
    return bytes([value[0] ^ 1]) + value[1:]


def test_bytes_shifted_between_a_hash_and_its_neighbour_are_seen() -> None:
    proof = inclusion_proof(LEAVES[:2], 0)
    with pytest.raises(Damaged):
        verify_inclusion(LEAVES[0] + proof[0][:1], 0, 2, [proof[0][1:]], ROOTS[2])
    proof = consistency_proof(LEAVES[:2], 1)
    with pytest.raises(Damaged):
        verify_consistency(1, ROOTS[1] + proof[0][:1], 2, ROOTS[2], [proof[0][1:]])


def test_the_last_leaf_of_a_tree_cannot_pass_for_the_last_of_a_larger_one() -> None:
    proof = inclusion_proof(LEAVES[:3], 2)
    verify_inclusion(LEAVES[2], 2, 3, proof, ROOTS[3])
    with pytest.raises(Damaged):
        verify_inclusion(LEAVES[2], 6, 7, proof, ROOTS[3])


def test_a_rewritten_old_entry_has_no_consistency_proof() -> None:
    rewritten = [LEAVES[50], *LEAVES[1:100]]
    for old in (1, 2, 63, 64, 65, 99):
        with pytest.raises(Damaged):
            verify_consistency(
                old, ROOTS[old], 100, root_of(rewritten), consistency_proof(rewritten, old)
            )


@given(
    index=st.integers(-2, 2**70),
    size=st.integers(-2, 2**70),
    proof=st.lists(st.binary(min_size=32, max_size=32), max_size=80),
)
def test_proofs_of_any_size_and_shape_raise_nothing_but_damaged(
    index: int, size: int, proof: list[bytes]
) -> None:
    with pytest.raises(Damaged):
        verify_inclusion(LEAVES[0], index, size, proof, ROOTS[7])
    with pytest.raises(Damaged):
        verify_consistency(index, ROOTS[3], size, ROOTS[7], proof)


@pytest.mark.parametrize(("index", "size"), [(0, 0), (-1, 5), (5, 5)])
def test_there_is_no_inclusion_proof_of_a_leaf_that_is_not_there(index: int, size: int) -> None:
    with pytest.raises(InvalidInput, match="index"):
        inclusion_proof(LEAVES[:size], index)


@pytest.mark.parametrize(("old", "size"), [(0, 0), (0, 5), (-1, 5), (6, 5)])
def test_there_is_no_consistency_proof_from_nothing_or_from_the_future(old: int, size: int) -> None:
    with pytest.raises(InvalidInput, match="old_size"):
        consistency_proof(LEAVES[:size], old)


def test_a_proof_reads_each_leaf_at_most_once() -> None:
    class Counted(list[bytes]):
        reads = 0

        def __getitem__(self, at: Any) -> Any:
            self.reads += 1
            return super().__getitem__(at)

    leaves = Counted(LEAVES * 40)
    inclusion_proof(leaves, 777)
    assert leaves.reads <= len(leaves)
