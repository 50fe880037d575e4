"""The Merkle tree of RFC 6962, section 2.1: hashes, roots, and proofs that anybody can check.

A leaf is SHA-256(0x00 || data), a node SHA-256(0x01 || left || right), the root of nothing
SHA-256(""). Positions count from 0 and ranges exclude their end. Functions that make something
take leaf hashes, not data. Functions that verify return if all is well and raise Damaged
otherwise; what they are given may come from anyone.

A store that keeps inner hashes need not read every leaf: `inclusion_ranges` and
`consistency_ranges` name the ranges whose hashes make a proof, `perfect_subtrees` cuts a range
into aligned powers of two, and `fold` joins their hashes again.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256

from secvault.errors import Damaged, InvalidInput

HASH_BYTES = 32
EMPTY_ROOT = sha256(b"").digest()

Range = tuple[int, int]


def leaf_hash(data: bytes) -> bytes:
    """The 32-byte hash of one entry."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The 32-byte hash over two subtrees."""
    return sha256(b"\x01" + left + right).digest()


def fold(hashes: Sequence[bytes]) -> bytes:
    """The root over subtrees of falling size, left to right; `EMPTY_ROOT` for none."""
    if not hashes:
        return EMPTY_ROOT
    root = hashes[-1]
    for left in reversed(hashes[:-1]):
        root = node_hash(left, root)
    return root


@dataclass(frozen=True, slots=True)
class Frontier:
    """All that is needed to append to a tree: the roots of its perfect subtrees, largest first.

    Holds one 32-byte hash per one-bit of `size`. Appending costs two hashes per leaf on average.
    """

    size: int = 0
    stack: tuple[bytes, ...] = ()

    def push(self, leaf: bytes) -> Frontier:
        """The frontier after one more leaf hash."""
        return self.extend((leaf,))

    def extend(self, leaves: Iterable[bytes]) -> Frontier:
        """The frontier after these leaf hashes, in order."""
        size, stack = self.size, list(self.stack)
        for leaf in leaves:
            top, carry = leaf, size
            while carry & 1:
                top = node_hash(stack.pop(), top)
                carry >>= 1
            stack.append(top)
            size += 1
        return Frontier(size, tuple(stack))

    def join(self, subtree: bytes, leaves: int) -> Frontier:
        """The frontier after a whole subtree, given by its root.

        leaves: of the subtree; a power of two, of which `size` is a multiple.
        """
        if leaves.bit_count() != 1 or self.size % leaves:
            raise InvalidInput.at("leaves", "must be a power of two that divides the size")
        stack, top, carry = list(self.stack), subtree, self.size // leaves
        while carry & 1:
            top = node_hash(stack.pop(), top)
            carry >>= 1
        return Frontier(self.size + leaves, (*stack, top))

    def root(self) -> bytes:
        """The root of the tree of `size` leaves."""
        return fold(self.stack)

    def to_bytes(self) -> bytes:
        """The hashes one after the other; the size is kept beside them."""
        return b"".join(self.stack)

    @classmethod
    def from_bytes(cls, size: int, stack: bytes) -> Frontier:
        """The frontier of a tree of `size` leaves, as `to_bytes` wrote it.

        Raises Damaged unless `stack` has 32 bytes for each one-bit of `size`.
        """
        if size < 0 or len(stack) != size.bit_count() * HASH_BYTES:
            raise Damaged(f"The frontier does not fit a tree of {size} leaves; rebuild it.")
        return cls(
            size,
            tuple(stack[at : at + HASH_BYTES] for at in range(0, len(stack), HASH_BYTES)),
        )


def root_of(leaf_hashes: Iterable[bytes]) -> bytes:
    """The root over all these leaf hashes."""
    levels = tree_over([*leaf_hashes])
    return fold([level[-1] for level in reversed(levels) if len(level) & 1])


def tree_over(leaf_hashes: Sequence[bytes]) -> list[list[bytes]]:
    """The hashes of all perfect subtrees that begin at a multiple of their size, smallest first.

    Element `n` of list `k` is over leaves `n * 2**k` to below `(n + 1) * 2**k`.
    """
    levels = [list(leaf_hashes)]
    while len(levels[-1]) > 1:
        below = iter(levels[-1])
        levels.append(
            [sha256(b"\x01" + one + two).digest() for one, two in zip(below, below, strict=False)]
        )
    return levels


def perfect_subtrees(start: int, end: int) -> list[Range]:
    """The range cut into the fewest aligned subtrees whose sizes are powers of two.

    For a range that is a subtree of the tree (all ranges named in this module), sizes fall from
    left to right, and `fold` over their hashes is the range's hash.
    """
    cut = []
    while start < end:
        size = 1 << ((end - start).bit_length() - 1)
        if start:
            size = min(size, start & -start)
        cut.append((start, start + size))
        start += size
    return cut


def inclusion_ranges(index: int, size: int) -> list[Range]:
    """The ranges whose hashes are the inclusion proof of leaf `index` in a tree of `size` leaves.

    In the order of RFC 6962, section 2.1.1: from the leaf up. Raises InvalidInput if there is no
    such leaf.
    """
    if not 0 <= index < size:
        raise InvalidInput.at("index", f"must be from 0 to below the tree's size of {size}")
    path = []
    start, end = 0, size
    while end - start > 1:
        split = start + largest_power_below(end - start)
        if index < split:
            path.append((split, end))
            end = split
        else:
            path.append((start, split))
            start = split
    return path[::-1]


def consistency_ranges(old_size: int, new_size: int) -> list[Range]:
    """The ranges whose hashes prove that the first `old_size` leaves were only appended to.

    In the order of RFC 6962, section 2.1.2. Raises InvalidInput unless
    0 < old_size <= new_size: that a tree grew out of nothing needs no proof.
    """
    if not 0 < old_size <= new_size:
        raise InvalidInput.at("old_size", f"must be from 1 to the tree's size of {new_size}")
    path = []
    start, end = 0, new_size
    while end != old_size:
        split = start + largest_power_below(end - start)
        if old_size <= split:
            path.append((split, end))
            end = split
        else:
            path.append((start, split))
            start = split
    if start:
        path.append((start, end))
    return path[::-1]


def inclusion_proof(leaf_hashes: Sequence[bytes], index: int) -> list[bytes]:
    """The proof that leaf `index` is in the tree over all these leaf hashes.

    Reads every leaf once. Raises InvalidInput if there is no such leaf.
    """
    return [_range_hash(leaf_hashes, at) for at in inclusion_ranges(index, len(leaf_hashes))]


def consistency_proof(leaf_hashes: Sequence[bytes], old_size: int) -> list[bytes]:
    """The proof that the tree over all these leaf hashes extends its first `old_size` leaves.

    Raises InvalidInput unless 0 < old_size <= number of leaves.
    """
    return [_range_hash(leaf_hashes, at) for at in consistency_ranges(old_size, len(leaf_hashes))]


def verify_inclusion(
    leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes
) -> None:
    """Return if the proof shows leaf hash `leaf` at `index` of the tree of `size` with `root`.

    Raises Damaged otherwise. RFC 9162, section 2.1.3.2.
    """
    inner = (index ^ (size - 1)).bit_length() if 0 <= index < size else 0
    border = (index >> inner).bit_count()
    if not 0 <= index < size or len(proof) != inner + border or not _are_hashes(leaf, *proof):
        raise _broken("inclusion")
    reached = leaf
    for level, sibling in enumerate(proof):
        if level >= inner or index >> level & 1:
            reached = node_hash(sibling, reached)
        else:
            reached = node_hash(reached, sibling)
    if not hmac.compare_digest(reached, root):
        raise _broken("inclusion")


def verify_consistency(
    old_size: int, old_root: bytes, new_size: int, new_root: bytes, proof: Sequence[bytes]
) -> None:
    """Return if the proof shows that the new tree is the old one with leaves appended.

    Raises Damaged otherwise, also for an empty old tree, from which nothing follows. RFC 9162,
    section 2.1.4.2.
    """
    if not 0 < old_size <= new_size or not _are_hashes(old_root, *proof):
        raise _broken("consistency")
    if old_size == new_size:
        if proof or not hmac.compare_digest(old_root, new_root):
            raise _broken("consistency")
        return
    # An old tree that is a perfect subtree of the new one starts the walk itself; any other
    # starts at its last perfect subtree, whose root leads the proof.
    last = old_size - 1
    level_of_last = (old_size & -old_size).bit_length() - 1
    hashes = [old_root, *proof] if old_size == 1 << level_of_last else [*proof]
    inner = (last ^ (new_size - 1)).bit_length() - level_of_last
    border = (last >> (level_of_last + inner)).bit_count()
    if len(hashes) != 1 + inner + border:
        raise _broken("consistency")
    reached_old = reached_new = hashes[0]
    for level, sibling in enumerate(hashes[1:]):
        if level >= inner or last >> (level_of_last + level) & 1:
            reached_old = node_hash(sibling, reached_old)
            reached_new = node_hash(sibling, reached_new)
        else:
            reached_new = node_hash(reached_new, sibling)
    holds_for_old = hmac.compare_digest(reached_old, old_root)
    if not holds_for_old or not hmac.compare_digest(reached_new, new_root):
        raise _broken("consistency")


def largest_power_below(size: int) -> int:
    """The largest power of two below `size`, which is 2 or more: where a tree is split."""
    return 1 << ((size - 1).bit_length() - 1)


def _range_hash(leaf_hashes: Sequence[bytes], at: Range) -> bytes:
    return root_of(leaf_hashes[position] for position in range(*at))


def _are_hashes(*values: bytes) -> bool:
    return all(len(value) == HASH_BYTES for value in values)


def _broken(proof: str) -> Damaged:
    return Damaged(
        f"The {proof} proof does not hold: the log is not the one that the root was made of. "
        "Keep both as evidence and find out who changed it."
    )
