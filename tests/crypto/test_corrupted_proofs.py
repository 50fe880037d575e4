"""Every way in which transparency-dev/merkle corrupts a proof, and that none of them passes.

Source: proof/verify_test.go there (Apache-2.0), whose cases are its testdata/inclusion and
testdata/consistency, written out for the same tree of eight leaves. Here they are made for every
proof of that tree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from secvault.crypto.merkle import (
    EMPTY_ROOT,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    verify_consistency,
    verify_inclusion,
)
from secvault.errors import Damaged

Proof = Sequence[bytes]
Inclusion = tuple[bytes, int, int, Proof, bytes]
Consistency = tuple[int, bytes, int, bytes, Proof]
SOME = bytes.fromhex("abacaba000000000000000000000000000000000000000000060061e00123456")


@pytest.fixture(scope="session")
def leaves(vectors: Callable[[str], Any]) -> list[bytes]:
    published = vectors("merkle_transparency_dev")
    return [leaf_hash(bytes.fromhex(data)) for data in published["leaves"]]


@pytest.fixture(scope="session")
def roots(vectors: Callable[[str], Any]) -> list[bytes]:
    return [bytes.fromhex(root) for root in vectors("merkle_transparency_dev")["roots"]]


def with_a_bit_flipped(proof: Proof, bit: int) -> Iterator[Proof]:
    for at, one in enumerate(proof):
        yield [*proof[:at], bytes([one[0] ^ bit, *one[1:]]), *proof[at + 1 :]]


def corrupted_inclusions(
    leaf: bytes, index: int, size: int, proof: Proof, root: bytes
) -> Iterator[Inclusion]:
    for other in (index - 1, index + 1, index ^ 2):
        yield leaf, other, size, proof, root
    for other in (size * 2, size // 2):
        yield leaf, index, other, proof, root
    yield b"WrongLeaf", index, size, proof, root
    for wrong in (EMPTY_ROOT, SOME):
        yield leaf, index, size, proof, wrong
    for more in (b"", root):
        yield leaf, index, size, [*proof, more], root
        yield leaf, index, size, [more, *proof], root
    for flipped in with_a_bit_flipped(proof, 8):
        yield leaf, index, size, flipped, root
    if proof:
        yield leaf, index, size, proof[:-1], root
    if len(proof) > 1:
        yield leaf, index, size, [proof[0], SOME, *proof[1:]], root


def corrupted_consistencies(
    old: int, old_root: bytes, new: int, new_root: bytes, proof: Proof
) -> Iterator[Consistency]:
    for other in (old - 1, old + 1, old ^ 2):
        yield other, old_root, new, new_root, proof
    for other in (new * 2, new // 2):
        yield old, old_root, other, new_root, proof
    yield old, b"WrongRoot", new, new_root, proof
    yield old, old_root, new, b"WrongRoot", proof
    yield old, new_root, new, old_root, proof
    for wrong in ([], *([*proof, more] for more in (b"", old_root, new_root))):
        yield old, old_root, new, new_root, wrong
    for more in (b"", old_root, new_root, proof[0]):
        yield old, old_root, new, new_root, [more, *proof]
    yield old, old_root, new, new_root, proof[:-1]
    for flipped in with_a_bit_flipped(proof, 16):
        yield old, old_root, new, new_root, flipped


def test_no_corrupted_inclusion_proof_passes(leaves: list[bytes], roots: list[bytes]) -> None:
    tried = 0
    for size in range(1, 9):
        for index in range(size):
            proof = inclusion_proof(leaves[:size], index)
            verify_inclusion(leaves[index], index, size, proof, roots[size])
            for case in corrupted_inclusions(leaves[index], index, size, proof, roots[size]):
                with pytest.raises(Damaged):
                    verify_inclusion(*case)
                tried += 1
    assert tried > 500


def test_no_corrupted_consistency_proof_passes(leaves: list[bytes], roots: list[bytes]) -> None:
    tried = 0
    for new in range(2, 9):
        for old in range(1, new):
            proof = consistency_proof(leaves[:new], old)
            verify_consistency(old, roots[old], new, roots[new], proof)
            for case in corrupted_consistencies(old, roots[old], new, roots[new], proof):
                with pytest.raises(Damaged):
                    verify_consistency(*case)
                tried += 1
    assert tried > 500


@pytest.mark.parametrize(("index", "size"), [(0, 0), (0, 1), (1, 0), (2, 1)])
def test_an_empty_proof_proves_nothing_of_what_is_not_there(index: int, size: int) -> None:
    for leaf, root in ((SOME, b""), (b"", EMPTY_ROOT), (SOME, EMPTY_ROOT), (b"", b"")):
        with pytest.raises(Damaged):
            verify_inclusion(leaf, index, size, [], root)


@pytest.mark.parametrize(
    ("old", "new", "old_root", "new_root", "proof"),
    [
        (1, 1, SOME, EMPTY_ROOT, []),
        (1, 0, SOME, EMPTY_ROOT, []),
        (2, 1, SOME, EMPTY_ROOT, []),
        (1, 2, SOME, EMPTY_ROOT, []),
        (0, 0, EMPTY_ROOT, SOME, []),
        (0, 0, EMPTY_ROOT, EMPTY_ROOT, [EMPTY_ROOT]),
        (0, 1, EMPTY_ROOT, EMPTY_ROOT, [EMPTY_ROOT]),
        (1, 1, EMPTY_ROOT, EMPTY_ROOT, [EMPTY_ROOT]),
    ],
)
def test_sizes_and_roots_that_do_not_fit_are_not_consistent(
    old: int, new: int, old_root: bytes, new_root: bytes, proof: Proof
) -> None:
    with pytest.raises(Damaged):
        verify_consistency(old, old_root, new, new_root, proof)
