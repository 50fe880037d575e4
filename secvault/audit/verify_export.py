#!/usr/bin/env python3
"""Verify an exported audit log with its public key alone.

    python3 verify_export.py FOLDER --key 'NAME+ID+KEY' [--key ...] [--earlier NOTE ...]

FOLDER is an export in the layout of c2sp.org/tlog-tiles. Needs Python 3.9 or newer and nothing
else: no service, no database, no other library. Keep this file with the key, apart from the log.
A log whose key was rotated has several; give those that you trust.

It checks the checkpoint's signature, computes the root from the entries themselves (RFC 6962),
compares every tile, and looks for gaps in the numbers of each process that wrote. An earlier
checkpoint of the same log, kept anywhere else, shows whether the log was rewritten or cut since.

Integrity (nothing was changed) and completeness (nothing is missing) are two verdicts. Exit code:
0 both are good, 5 something is wrong, 2 wrong usage.

Ed25519 is verified as in RFC 8032, section 5.1.7, from its formulas; it holds no secret, so that
it may be slow and open to timing.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import hashlib
import json
import sys
from pathlib import Path
from typing import Any

WIDTH = 256
LOST = "audit.lost"
EARLIER = "an earlier checkpoint says so"

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT_OF_MINUS_ONE = pow(2, (P - 1) // 4, P)


class Wrong(Exception):
    """What was found wrong, as a sentence."""


def verify_folder(folder: Path, vkeys: list[str], earlier: list[bytes]) -> dict[str, Any]:
    """The verdicts on an export; see the keys of the answer. Never raises for what is in it."""
    integrity: list[str] = []
    completeness: list[str] = []
    size = 0
    try:
        _, size, root = open_checkpoint((folder / "checkpoint").read_bytes(), vkeys)
        marks = {size: root}
        for note in earlier:
            _, old_size, old_root = open_checkpoint(note, vkeys)
            if old_size > size:
                integrity.append(f"entries {size} to {old_size - 1} were removed: {EARLIER}")
            elif marks.setdefault(old_size, old_root) != old_root:
                integrity.append(f"the log was rewritten: {EARLIER}")
        walk(folder, size, marks, integrity, completeness)
    except (OSError, Wrong) as error:
        integrity.append(str(error))
    return {
        "intact": not integrity,
        "complete": not completeness,
        "entries": size,
        "problems": integrity + completeness,
    }


def walk(
    folder: Path, size: int, marks: dict[int, bytes], integrity: list[str], missing: list[str]
) -> None:
    """Read all entries in order; compare roots, tiles and the numbers of the writers."""
    stack: list[bytes] = []
    levels: list[list[bytes]] = [[]]
    last: dict[tuple[str, str], int] = {}
    newest = 0
    check_root(stack, 0, marks)
    for n in range(-(-size // WIDTH)):
        width = min(WIDTH, size - n * WIDTH)
        for at, entry in enumerate(entries(folder, n, width), n * WIDTH):
            leaf = hashlib.sha256(b"\x00" + entry).digest()
            push(stack, at, leaf)
            levels[0].append(leaf)
            check_root(stack, at + 1, marks)
            newest = check_entry(at, entry, last, newest, integrity, missing)
        check_tiles(folder, levels, n, width, size)


def entries(folder: Path, n: int, width: int) -> list[bytes]:
    """The entries of a bundle."""
    content = (folder / tile_path("entries", n, width)).read_bytes()
    found: list[bytes] = []
    while content:
        length = int.from_bytes(content[:2], "big")
        if len(content) < 2 + length:
            raise Wrong(f"the bundle of entry {n * WIDTH} is cut off")
        found.append(content[2 : 2 + length])
        content = content[2 + length :]
    if len(found) != width:
        raise Wrong(f"the bundle of entry {n * WIDTH} has {len(found)} entries, not {width}")
    return found


def check_entry(
    at: int,
    entry: bytes,
    last: dict[tuple[str, str], int],
    newest: int,
    integrity: list[str],
    missing: list[str],
) -> int:
    """Compare one event with those before it; the time of the newest."""
    try:
        event = json.loads(entry)
        time, (node, start, counter) = event["t"], (event["n"][key] for key in ("d", "s", "c"))
        kind, count = event["k"], event.get("x", {}).get("n")
    except (ValueError, KeyError, TypeError):
        integrity.append(f"entry {at} is not an event")
        return newest
    if time < newest:
        integrity.append(f"entry {at} was recorded before its predecessor")
    gap = counter - last.get((node, start), -1) - 1
    last[node, start] = max(counter, last.get((node, start), -1))
    if gap < 0:
        integrity.append(f"entry {at} is out of the order of its process")
    elif gap and (kind, count) != (LOST, gap):
        missing.append(f"before entry {at}, {gap} events of its process are missing")
    return max(newest, int(time))


def check_root(stack: list[bytes], size: int, marks: dict[int, bytes]) -> None:
    """Compare the tree with the checkpoint of this size, if there is one."""
    if size not in marks:
        return
    root = stack[-1] if stack else hashlib.sha256(b"").digest()
    for left in reversed(stack[:-1]):
        root = node(left, root)
    if root != marks[size]:
        raise Wrong(f"the entries are not those that the checkpoint of size {size} was signed for")


def check_tiles(folder: Path, levels: list[list[bytes]], n: int, width: int, size: int) -> None:
    """Compare the tiles that the bundle has filled, and at the end the partial ones."""
    at_end = n * WIDTH + width == size
    level = 0
    while level < len(levels) and levels[level]:
        here = levels[level]
        full = len(here) == WIDTH
        if not (full or at_end):
            return
        index = (size if at_end and not full else n * WIDTH + width) // WIDTH**level
        number = index // WIDTH if not full else index // WIDTH - 1
        found = (folder / tile_path(str(level), number, len(here))).read_bytes()
        if found != b"".join(here):
            raise Wrong(f"tile {number} of level {level} does not fit the entries")
        if full:
            if level + 1 == len(levels):
                levels.append([])
            levels[level + 1].append(subtree(here))
            levels[level] = []
        level += 1


def subtree(hashes: list[bytes]) -> bytes:
    """The root over a full tile."""
    while len(hashes) > 1:
        hashes = [node(hashes[at], hashes[at + 1]) for at in range(0, len(hashes), 2)]
    return hashes[0]


def push(stack: list[bytes], size: int, leaf: bytes) -> None:
    """Append a leaf to the roots of the perfect subtrees of a tree of `size`."""
    while size & 1:
        leaf = node(stack.pop(), leaf)
        size >>= 1
    stack.append(leaf)


def node(left: bytes, right: bytes) -> bytes:
    """The hash over two subtrees."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def tile_path(level: str, n: int, width: int) -> str:
    """Where a tile lies in the folder."""
    digits = str(n)
    digits = digits.rjust(-(-len(digits) // 3) * 3, "0")
    groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    place = "/".join([*("x" + group for group in groups[:-1]), groups[-1]])
    return f"tile/{level}/{place}" + ("" if width == WIDTH else f".p/{width}")


def open_checkpoint(note: bytes, vkeys: list[str]) -> tuple[str, int, bytes]:
    """Origin, size and root of a signed checkpoint (c2sp.org/signed-note, tlog-checkpoint)."""
    known = {(name, key_id): key for name, key_id, key in map(read_vkey, vkeys)}
    signed_by = set()
    try:
        text, _, signatures = note.decode().rpartition("\n\n")
        text += "\n"
        for line in signatures.splitlines():
            signer, _, blob = line.removeprefix("\u2014 ").rpartition(" ")
            raw = base64.b64decode(blob, validate=True)
            key = known.get((signer, raw[:4]))
            if key is None:
                continue
            if not verify_ed25519(key, text.encode(), raw[4:]):
                raise Wrong("the signature of the checkpoint is wrong")
            signed_by.add(signer)
        if signed_by:
            origin, size, root, rest = text.split("\n")
            if rest or origin not in signed_by or str(int(size)) != size:
                raise Wrong("the checkpoint is of another log or another form")
            return origin, int(size), base64.b64decode(root, validate=True)
    except (ValueError, UnicodeDecodeError) as error:
        raise Wrong("the checkpoint is malformed") from error
    raise Wrong("the checkpoint is not signed with this key")


def read_vkey(text: str) -> tuple[str, bytes, bytes]:
    """Name, key id and Ed25519 public key of a verifier key."""
    try:
        name, key_id, blob = text.strip().split("+", 2)
        raw = base64.b64decode(blob, validate=True)
        found = hashlib.sha256(name.encode() + b"\n" + raw).digest()[:4]
        if len(raw) == 33 and raw[0] == 1 and found.hex() == key_id:
            return name, found, raw[1:]
    except (ValueError, binascii.Error):
        pass
    raise Wrong("the key is none; copy the whole line, NAME+ID+KEY")


def verify_ed25519(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether the signature is right (RFC 8032, section 5.1.7)."""
    if len(public) != 32 or len(signature) != 64:
        return False
    a, r = decompress(public), decompress(signature[:32])
    s = int.from_bytes(signature[32:], "little")
    if a is None or r is None or s >= ORDER:
        return False
    digest = hashlib.sha512(signature[:32] + public + message).digest()
    h = int.from_bytes(digest, "little") % ORDER
    left, right = multiply(s, base_point()), add(r, multiply(h, a))
    # Compare x / z and y / z without dividing.
    return (left[0] * right[2] - right[0] * left[2]) % P == 0 and (
        left[1] * right[2] - right[1] * left[2]
    ) % P == 0


Point = tuple[int, int, int, int]


def base_point() -> Point:
    """The point that all keys are multiples of: y = 4/5, x even."""
    point = decompress((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))
    assert point is not None  # noqa: S101 - narrows: the constant is a point
    return point


def decompress(raw: bytes) -> Point | None:
    """The point that 32 bytes stand for; None when they stand for none."""
    y = int.from_bytes(raw, "little")
    sign, y = y >> 255, y & (2**255 - 1)
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT_OF_MINUS_ONE % P
    if (x * x - square) % P or (x == 0 and sign):
        return None
    if x & 1 != sign:
        x = P - x
    return x, y, 1, x * y % P


def add(one: Point, two: Point) -> Point:
    """The sum of two points, in extended coordinates."""
    a = (one[1] - one[0]) * (two[1] - two[0]) % P
    b = (one[1] + one[0]) * (two[1] + two[0]) % P
    c, d = 2 * one[3] * two[3] * D % P, 2 * one[2] * two[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def multiply(times: int, point: Point) -> Point:
    """The point added to itself so many times."""
    total = (0, 1, 1, 0)
    while times:
        if times & 1:
            total = add(total, point)
        point = add(point, point)
        times >>= 1
    return total


def main(arguments: list[str] | None = None) -> int:
    """Print the verdicts; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--key", required=True, action="append", help="a public key of the log: NAME+ID+KEY"
    )
    parser.add_argument("--earlier", type=Path, nargs="*", default=[], help="earlier checkpoints")
    given = parser.parse_args(arguments)
    try:
        earlier = [file.read_bytes() for file in given.earlier]
    except OSError as error:
        print(f"{error.filename} cannot be read: {error.strerror}", file=sys.stderr)
        return 2
    found = verify_folder(given.folder, given.key, earlier)
    print(f"entries: {found['entries']}")
    print(f"unchanged: {'yes' if found['intact'] else 'NO'}")
    print(f"nothing missing: {'yes' if found['complete'] else 'NO'}")
    for problem in found["problems"]:
        print(problem)
    return 0 if found["intact"] and found["complete"] else 5


if __name__ == "__main__":
    sys.exit(main())
