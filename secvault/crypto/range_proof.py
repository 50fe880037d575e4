"""Proofs that a stretch of a log is whole: all entries of a range, and nothing else.

A range proof for `start` to below `end` holds the hashes of the largest subtrees on either side.
Whoever has the leaf hashes of the range itself computes the root with them, and compares it with a
signed one: an entry that was left out, added, or moved gives another root. The tree is that of
RFC 6962; the proof is ours, and is the inclusion proof where the range is one leaf.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence

from secvault.crypto.merkle import (
    HASH_BYTES,
    Frontier,
    Range,
    fold,
    largest_power_below,
    node_hash,
    root_of,
)
from secvault.errors import Damaged, InvalidInput


def range_ranges(start: int, end: int, size: int) -> list[Range]:
    """The ranges whose hashes prove `start` to below `end` of a tree of `size`, left to right.

    Raises InvalidInput unless 0 <= start < end <= size.
    """
    if not 0 <= start < end <= size:
        raise InvalidInput.at("start", f"the range must not be empty, and within 0 to {size}")
    outside: list[Range] = []

    def walk(low: int, high: int) -> None:
        if high <= start or end <= low:
            outside.append((low, high))
        elif not (start <= low and high <= end):
            split = low + largest_power_below(high - low)
            walk(low, split)
            walk(split, high)

    walk(0, size)
    return outside


def verify_range(
    leaves: Sequence[bytes], start: int, size: int, proof: Sequence[bytes], root: bytes
) -> None:
    """Return if `leaves` are all the leaf hashes from `start` on of the tree of `size` with `root`.

    leaves: of `start` to below `start + len(leaves)`. Raises Damaged otherwise.
    """
    end = start + len(leaves)
    if not 0 <= start < end <= size or any(len(each) != HASH_BYTES for each in (*leaves, *proof)):
        raise _broken()
    if len(proof) != len(range_ranges(start, end, size)):
        raise _broken()
    outside = iter(proof)

    def hash_of(low: int, high: int) -> bytes:
        if high <= start or end <= low:
            return next(outside)
        if start <= low and high <= end:
            return root_of(leaves[low - start : high - start])
        split = low + largest_power_below(high - low)
        left = hash_of(low, split)
        return node_hash(left, hash_of(split, high))

    if not hmac.compare_digest(hash_of(0, size), root):
        raise _broken()


def root_beyond(frontier: Frontier, size: int, after: Sequence[bytes]) -> bytes:
    """The root of the tree of `size` that begins as `frontier` does, without holding its leaves.

    after: the hashes of a range proof that lie right of the frontier, left to right. Raises Damaged
    unless they are as many as that takes.
    """
    if not 0 < frontier.size <= size or any(len(each) != HASH_BYTES for each in after):
        raise _broken()
    low, high = 0, size
    goes_right: list[bool] = []
    while frontier.size < high:
        split = low + largest_power_below(high - low)
        goes_right.append(frontier.size > split)
        low, high = (split, high) if frontier.size > split else (low, split)
    depth = sum(goes_right)
    left, waiting = list(frontier.stack[:depth]), list(reversed(after))
    if len(waiting) != len(goes_right) - depth:
        raise _broken()
    root = fold(frontier.stack[depth:])
    for is_right in reversed(goes_right):
        root = node_hash(left.pop(), root) if is_right else node_hash(root, waiting.pop())
    return root


def _broken() -> Damaged:
    return Damaged(
        "The range proof does not hold: entries were left out, added or changed, or the root is of "
        "another log. Keep both as evidence and find out who changed it."
    )
