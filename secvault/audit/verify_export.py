#!/usr/bin/env python3
"""Verify an evidence package, an exported audit log or signed evidence with a public key alone.

    python3 verify.py PACK.zip|FOLDER|FILE.json --key 'NAME+ID+KEY' [--earlier NOTE ...]

PACK.zip is from `secvault audit export`, FOLDER from `secvault audit tiles` (c2sp.org/tlog-tiles).
FILE.json is the evidence of a drill, a review or the like, with FILE.note beside it; its key is
the vault's key of evidence.
Needs Python 3.9 or newer and nothing else. Keep this file with the key, apart from the log. A
log whose key was rotated has several: give `--key` for each that you trust.

Checked are the signatures, every entry against its hash, the root over all hashes (RFC 6962), the
ends of the period by the entries just outside of it, the question against what is shown, and the
numbers of each process that wrote. An earlier checkpoint (NOTE) of the same log, kept anywhere
else, shows whether the log was rewritten, cut or rolled back since.

Integrity (nothing was changed) and completeness (nothing is missing) are two verdicts. Exit code:
0 both are good, 5 something is wrong, 2 wrong usage.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import sys
import zipfile
import zlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

WIDTH = 256
LOST = "audit.lost"
OUTCOMES = ("unknown", "ok", "denied", "error", "intent")
KNOWN = {"kind", "kinds", "outcome", "outcomes", "actor", "resource", "below", "department"}
KNOWN |= {"since", "until", "first", "end", "request", "decisions", "facts"}

# Ed25519 (RFC 8032, 5.1): it holds no secret here, so that it may be slow and open to timing.
P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT_OF_MINUS_ONE = pow(2, (P - 1) // 4, P)

Key = tuple[str, bytes, bytes]
Found = dict[str, Any]
Point = tuple[int, int, int, int]


class Wrong(Exception):
    """What makes it impossible to look further, as a sentence."""


# With what reading a damaged file can raise.
DAMAGE: tuple[type[Exception], ...] = (Wrong, OSError, ValueError, TypeError, LookupError)
DAMAGE += (AttributeError, EOFError, StopIteration)
DAMAGE += (zipfile.BadZipFile, zlib.error, RuntimeError, MemoryError)


def verify(path: Path, vkey: str, earlier: list[bytes]) -> Found:
    """The verdicts on a package or a folder. Never raises for what is in it.

    vkey: one public key; of a log whose key was changed, several with spaces between.
    """
    found: Found = {"intact": True, "complete": True, "entries": 0, "first_bad": None}
    found.update(problems=[], notes=[])
    try:
        keys = [read_vkey(text) for text in vkey.split()]
        if path.is_dir():
            check_folder(path, keys, earlier, found)
        elif path.suffix == ".json":
            check_evidence(path, keys, found)
        else:
            check_package(path, keys, earlier, found)
    except DAMAGE as error:
        tell(found, "intact", f"it cannot be checked to its end: {error}")
    return found


def tell(found: Found, verdict: str, what: str, at: int | None = None) -> None:
    """Note what is wrong, which verdict is bad by it, and the number of the entry at fault."""
    found[verdict] = False
    found["problems"].append(what)
    if at is not None and (found["first_bad"] is None or at < found["first_bad"]):
        found["first_bad"] = at


class Walk:
    """Goes along hashes and entries in their order. dense: the bytes of all entries are there.

    pinned: what the root must be at which size, by checkpoints.
    """

    def __init__(self, pinned: dict[int, bytes], found: Found, start: int, *, dense: bool) -> None:
        self.pinned, self.found, self.start, self.dense = pinned, found, start, dense
        self.size, self.good, self.newest = start, 0, 0
        self.stack: list[bytes] = []
        self.writers: dict[tuple[str, str], int] = {}

    def take(self, leaf: bytes) -> None:
        """The next leaf hash."""
        self.pin(self.size, [])
        carry = self.size
        while carry & 1:
            leaf = node(self.stack.pop(), leaf)
            carry >>= 1
        self.stack.append(leaf)
        self.size += 1

    def pin(self, size: int, right: list[bytes]) -> None:
        """Compare the root of a tree of `size` with a checkpoint. right: hashes of its rest."""
        if size not in self.pinned:
            return
        if root_of(self.stack, self.size, size, right) == self.pinned[size]:
            self.good = self.size
        else:
            what = f"the entries are not those that the checkpoint of size {size} was signed for"
            good = max(self.good, self.start)
            # An entry that is named already says it more closely.
            at = good if self.found["first_bad"] is None else None
            tell(self.found, "intact", f"{what}: rewritten, at or after entry {good}", at)
            self.pinned = {}

    def read(self, at: int, entry: bytes) -> Any:
        """The event of an entry, held against those before it; None when it is none."""
        try:
            event = json.loads(entry)
            time, (host, run, number) = int(event["t"]), (event["n"][key] for key in "dsc")
            last = self.writers.get((host, run), number - 1 if self.start else -1)
            gap, told = number - last - 1, event["k"] == LOST and event["x"].get("n")
        except DAMAGE:
            tell(self.found, "intact", f"entry {at} is not an event", at)
            return None
        if time < self.newest:
            tell(self.found, "intact", f"entry {at} was recorded before its predecessor", at)
        if gap < 0:
            tell(self.found, "intact", f"entry {at} is out of the order of its process", at)
        elif self.dense and gap not in (0, told):
            what = f"before entry {at}, {gap} events of its process are missing"
            tell(self.found, "complete", what, at)
        self.writers[host, run] = max(number, last)
        self.newest = max(time, self.newest)
        return event


class Shown:
    """Entries as they come, held against the hashes that they must have."""

    def __init__(self, entries: Iterator[bytes]) -> None:
        self.entries = entries
        self.wanted: list[tuple[int, bytes]] = []
        self.got: list[bytes] = []

    def next(self, at: int, leaf: bytes) -> bytes | None:
        """The entry, if its hash is this; nothing more after the first that differs."""
        if len(self.wanted) < WIDTH:
            entry = next(self.entries, None)
            if not self.wanted and entry is not None and leaf_hash(entry) == leaf:
                return entry
            self.wanted.append((at, leaf))
            self.got += [] if entry is None else [leaf_hash(entry)]
        return None

    def end(self, end: int, found: Found) -> None:
        """Name what was done where entries first differ from their hashes, if they do."""
        got = [*self.got, *map(leaf_hash, islice(self.entries, 1))]
        hashes = [leaf for _, leaf in self.wanted]
        at = self.wanted[0][0] if hashes else end
        if hashes and not got:
            tell(found, "complete", f"entry {at} and those after it are missing: truncated", at)
        elif got and (not hashes or (hashes[0] in got and got[0] not in hashes)):
            tell(found, "intact", f"before entry {at}, an entry was inserted", at)
        elif hashes and hashes[0] in got:
            tell(found, "intact", f"entry {at} and others were reordered", at)
        elif hashes and got[0] in hashes:
            tell(found, "complete", f"entry {at} is missing", at)
        elif hashes:
            tell(found, "intact", f"entry {at} was altered", at)


def marks_of(note: bytes, keys: list[Key], earlier: list[bytes], found: Found) -> dict[int, bytes]:
    """What the root must be at which size, by this checkpoint and earlier ones."""
    size, root = open_checkpoint(note, keys)
    found["entries"], pinned = size, {size: root}
    for old in earlier:
        old_size, old_root = open_checkpoint(old, keys)
        if old_size > size:
            what = f"entries {size} to {old_size - 1} were removed, or the log was rolled back"
            tell(found, "intact", f"{what}: an earlier checkpoint has them", size)
        elif pinned.setdefault(old_size, old_root) != old_root:
            tell(found, "intact", f"rewritten: another checkpoint of size {old_size} differs")
    return pinned


def check_folder(folder: Path, keys: list[Key], earlier: list[bytes], found: Found) -> None:
    """Read all entries in order, then the tiles above them."""
    pinned = marks_of((folder / "checkpoint").read_bytes(), keys, earlier, found)
    size: int = found["entries"]
    walk, shown = Walk(pinned, found, 0, dense=True), Shown(bundles(folder, size))
    for n in range(-(-size // WIDTH)):
        for at, leaf in enumerate(tile(folder, 0, n, size), n * WIDTH):
            walk.take(leaf)
            entry = shown.next(at, leaf)
            if entry is not None:
                walk.read(at, entry)
    shown.end(size, found)
    walk.pin(size, [])
    for level in range(1, size.bit_length() // 8 + 1):
        for at in range(size // WIDTH**level):
            high = tile(folder, level, at // WIDTH, size)[at % WIDTH]
            if high != perfect_root(tile(folder, level - 1, at, size)):
                what = f"tile {at // WIDTH} of level {level} does not fit the entries"
                tell(found, "intact", what, at * WIDTH**level)


def check_evidence(file: Path, keys: list[Key], found: Found) -> None:
    """Check that a document is the one that the note beside it was signed for."""
    document = file.read_bytes()
    text, signer = open_note(file.with_suffix(".note").read_bytes(), keys)
    said = json.loads(document)
    kind, digest = said["kind"], hashlib.sha256(document).hexdigest()
    if text != f"secvault evidence v1\n{kind}\nsha256 {digest}\n":
        tell(found, "intact", f"{file.name} is not the document that was signed")
        return
    ended = {True: ", passed", False: ", DID NOT PASS"}.get(said.get("passed"), "")
    found["evidence"] = f"{kind} {said.get('id', '')}{ended}"
    found["notes"].append(f"signed by {signer}")


def check_package(file: Path, keys: list[Key], earlier: list[bytes], found: Found) -> None:
    """Check what a package shows, that it is all of it, and that it is what was signed."""
    with zipfile.ZipFile(file) as pack:
        document = pack.read("manifest.json")
        manifest = json.loads(document)
        try:
            pinned = marks_of(pack.read("checkpoint"), keys, earlier, found)
            check_range(pack, manifest, pinned, found)
        except DAMAGE as error:
            tell(found, "intact", f"the range cannot be checked: {error}")
        digest = hashlib.sha256(document).hexdigest()
        text = f"secvault evidence v1\naudit-export\nsha256 {digest}\n"
        if open_note(pack.read("manifest.note"), keys)[0] != text:
            tell(found, "intact", "manifest.json is not the manifest that was signed")
        signed = {name: told["sha256"] for name, told in manifest["files"].items()}
        there = sorted(pack.namelist())
        if there != sorted([*signed, "manifest.json", "manifest.note"]):
            tell(found, "intact", f"the package has other files than were signed: {there}")
        for name in sorted(signed.keys() & {*there}):
            whole = hashlib.sha256()
            for line in pack.open(name):
                whole.update(line)
            if whole.hexdigest() != signed[name]:
                tell(found, "intact", f"{name} is not the file that the manifest was signed for")


def check_range(
    pack: zipfile.ZipFile, manifest: Found, pinned: dict[int, bytes], found: Found
) -> None:
    """Walk along range.proof. A line is a hash behind `<` or `>` (left or right of the range), `+`
    (an entry that answers the question), `-` (one that does not), or `|` (a neighbour of the
    period, just outside of it, so that nothing can have been taken from its ends).
    """
    question, sealed = manifest["question"], manifest["pseudonymised"]
    proof = lines(pack, "range.proof")
    size, start, end = (int(word) for word in next(proof).split()[1:])
    walk = Walk(pinned, found, start, dense=not manifest["hidden"])
    walk.stack = [hash_in(next(proof)) for _ in range(bin(start).count("1"))]
    shown = {"+": Shown(lines(pack, "events.jsonl")), "|": Shown(lines(pack, "bounds.jsonl"))}
    right: list[bytes] = []
    counts = {"+": 0, "-": 0, "|": 0}
    first, stop = question.get("first", 0), question.get("end", size)
    begins, ends = start in (0, first), end in (size, stop)
    for line in proof:
        mark, leaf, at = line[:1].decode(), hash_in(line), walk.size
        if mark == ">":
            right.append(leaf)
            continue
        walk.take(leaf)
        counts[mark] += 1
        entry = shown[mark].next(at, leaf) if mark != "-" and not sealed else None
        event = walk.read(at, entry) if entry is not None else None
        if mark == "+" and event and not answers(event, question):
            tell(found, "intact", f"entry {at} does not answer the question: inserted", at)
        elif mark == "|" and (event or sealed):
            before = at == start and (sealed or at < first or side(event, question) < 0)
            after = at == end - 1 and (sealed or at >= stop or side(event, question) > 0)
            begins, ends = begins or before, ends or after
            if not (before or after):
                tell(found, "intact", f"entry {at} is no neighbour of the period", at)
    if walk.size != end or size != found["entries"]:
        raise Wrong(f"range.proof is cut off or of another log; it ends at entry {walk.size}")
    shown["+"].end(end, found)
    shown["|"].end(end, found)
    told, signed = [counts["+"], counts["-"]], [manifest["events"], manifest["hidden"]]
    for holds, what, entry_at in (
        (begins, f"nothing shows that the period begins at entry {start}", start),
        (ends, f"nothing shows that the period ends at entry {end - 1}", end),
        (told == signed, f"entries shown and hidden are {told}, where {signed} were signed", None),
    ):
        if not holds:
            tell(found, "complete", what, entry_at)
    walk.pin(end, [] if end < size else right)
    walk.pin(size, right)
    add_notes(manifest, [old for old in pinned if old < start or end < old < size], found)


def add_notes(manifest: Found, beyond: list[int], found: Found) -> None:
    """What the verdicts rest on, and what could not be looked at."""
    notes: list[str] = found["notes"]
    if manifest["hidden"]:
        notes.append(
            f"{manifest['hidden']} entries of the period are shown by their hashes alone: that they"
            " do not answer the question, the vault has signed. Challenge any of them: `secvault"
            " audit prove SEQ` shows it, and its hash must be the one in range.proof."
        )
    if manifest["pseudonymised"]:
        notes.append(
            "It is pseudonymised: how many entries there are, the hashes prove; that the tables say"
            " what the entries say, and of which period, the vault has signed."
        )
    notes.extend(
        f"The filter {member} is unknown to this program and was not applied again."
        for member in sorted({*manifest["question"]} - KNOWN)
    )
    notes.extend(
        f"The checkpoint of size {old} is outside of the range: ask for `secvault audit consistency"
        f" {old} {found['entries']}`."
        for old in sorted(beyond)
    )


def answers(event: Any, question: Found) -> bool:
    """Whether an event is one that was asked for, as far as the filters are known."""
    thing, asked = event.get("x", {}), question.get
    actor, path = "{t}:{i}".format(**event["a"]), thing.get("i", "")
    said = thing.get("e", {}).items()
    facts = {key: json.dumps(fact) if isinstance(fact, bool) else str(fact) for key, fact in said}
    below = asked("below") is not False and path.startswith(asked("resource", "") + "/")
    outcome = OUTCOMES[event["o"]]
    return (
        is_of(event["k"], asked("kind", ""), ".")
        and any(is_of(event["k"], kind, ".") for kind in asked("kinds", [""]))
        and asked("outcome", outcome) == outcome
        and outcome in asked("outcomes", [outcome])
        and is_of(actor, asked("actor", ""), ":")
        and (asked("resource", path) == path or below)
        and asked("department") in (None, thing.get("d", ""))
        and asked("request") in (None, event.get("c", {}).get("r", ""))
        and ("decisions" not in question or event["p"].get("i") in question["decisions"])
        and all(facts.get(key) == value for key, value in asked("facts", {}).items())
        and not side(event, question)
    )


def side(event: Any, question: Found) -> int:
    """Where an event is by its time: -1 before the period, 1 after it, 0 within."""
    time: int = event["t"]
    return int(time >= question.get("until", 2**63)) - int(time < question.get("since", 0))


def is_of(name: str, asked: str, sign: str) -> bool:
    """Whether a name is the one that was asked for, or begins with it where that ends so."""
    asked = asked.rstrip("*")
    return not asked or name == asked or (asked.endswith(sign) and name.startswith(asked))


def lines(pack: zipfile.ZipFile, name: str) -> Iterator[bytes]:
    """The lines of a file in the package, without their ends; none where it is missing."""
    if name in pack.namelist():
        with pack.open(name) as file:
            yield from (line.rstrip(b"\n") for line in file)


def hash_in(line: bytes) -> bytes:
    """The hash in a line of range.proof, behind its mark."""
    found = base64.b64decode(line[1:], validate=True)
    if len(found) != 32:
        raise Wrong("range.proof has a line that is no hash")
    return found


def bundles(folder: Path, size: int) -> Iterator[bytes]:
    """The entries of all bundles."""
    for n in range(-(-size // WIDTH)):
        content = read_tile(folder, "entries", n, size)
        while content:
            length = 2 + int.from_bytes(content[:2], "big")
            yield content[2:length]
            content = content[length:]


def tile(folder: Path, level: int, n: int, size: int) -> list[bytes]:
    """The hashes of a tile."""
    content = read_tile(folder, str(level), n, size // WIDTH**level)
    if len(content) != 32 * min(WIDTH, size // WIDTH**level - n * WIDTH):
        raise Wrong(f"tile {n} of level {level} is cut off")
    return [content[at : at + 32] for at in range(0, len(content), 32)]


def read_tile(folder: Path, level: str, n: int, size: int) -> bytes:
    """What lies at the place of a tile of a level that has so many entries or hashes."""
    digits = str(n)
    digits = digits.rjust(-(-len(digits) // 3) * 3, "0")
    groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    place = "/".join([*("x" + group for group in groups[:-1]), groups[-1]])
    partial = "" if size - n * WIDTH >= WIDTH else f".p/{size - n * WIDTH}"
    return (folder / f"tile/{level}/{place}{partial}").read_bytes()


def root_of(stack: list[bytes], end: int, size: int, right: list[bytes]) -> bytes:
    """The root of a tree of `size`: perfect subtrees up to `end`, and the hashes right of them."""
    if not size:
        return hashlib.sha256(b"").digest()
    low, high, sides = 0, size, []
    while high > end:
        split = low + (1 << ((high - low - 1).bit_length() - 1))
        sides.append(end > split)
        low, high = (split, high) if end > split else (low, split)
    lefts, rest, rights = stack[: sum(sides)], stack[sum(sides) :], right[::-1]
    root = rest.pop()
    while rest:
        root = node(rest.pop(), root)
    for is_right in reversed(sides):
        root = node(lefts.pop(), root) if is_right else node(root, rights.pop())
    return root if not rights else b""


def perfect_root(hashes: list[bytes]) -> bytes:
    """The root over a full tile."""
    while len(hashes) > 1:
        hashes = [node(hashes[at], hashes[at + 1]) for at in range(0, len(hashes), 2)]
    return hashes[0]


def leaf_hash(entry: bytes) -> bytes:
    """The hash of an entry."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node(left: bytes, right: bytes) -> bytes:
    """The hash over two subtrees."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def open_checkpoint(note: bytes, keys: list[Key]) -> tuple[int, bytes]:
    """Size and root of a signed checkpoint (c2sp.org/tlog-checkpoint)."""
    text, signer = open_note(note, keys)
    origin, size, root, rest = text.split("\n")
    if rest or origin != signer or str(int(size)) != size:
        raise Wrong("the checkpoint is of another log or another form")
    return int(size), base64.b64decode(root, validate=True)


def open_note(note: bytes, keys: list[Key]) -> tuple[str, str]:
    """The text of a signed note (c2sp.org/signed-note), and the name of a key that signed it."""
    text, _, signatures = note.decode().rpartition("\n\n")
    *lines_of_it, rest = signatures.split("\n")
    by = ""
    for line in lines_of_it:
        signer, _, blob = line.removeprefix("\u2014 ").rpartition(" ")
        raw = base64.b64decode(blob, validate=True)
        # One spelling alone, so that no byte can be changed unnoticed.
        if rest or line != f"\u2014 {signer} {base64.b64encode(raw).decode()}":
            raise Wrong("the note of the checkpoint or the evidence is malformed")
        for name, key_id, key in keys:
            if (signer, raw[:4]) == (name, key_id):
                if not verify_ed25519(key, text.encode() + b"\n", raw[4:]):
                    raise Wrong(f"the signature by {name} is wrong")
                by = name
    if not by:
        raise Wrong("the checkpoint, manifest or evidence is not signed with this key")
    return text + "\n", by


def read_vkey(text: str) -> Key:
    """Name, key id and Ed25519 public key of a verifier key."""
    name, key_id, blob = [*text.split("+", 2), "", ""][:3]
    raw = base64.b64decode(blob)
    found = hashlib.sha256(name.encode() + b"\n" + raw).digest()[:4]
    if len(raw) != 33 or raw[0] != 1 or found.hex() != key_id:
        raise Wrong("the key is none; copy the whole line, NAME+ID+KEY")
    return name, found, raw[1:]


def verify_ed25519(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether the signature is right (RFC 8032, section 5.1.7)."""
    s = int.from_bytes(signature[32:], "little")
    if len(public) != 32 or len(signature) != 64 or s >= ORDER:
        return False
    # The point that all keys are multiples of: y = 4/5, x even.
    base = decompress((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))
    a, r = decompress(public), decompress(signature[:32])
    if a is None or r is None or base is None:
        return False
    digest = hashlib.sha512(signature[:32] + public + message).digest()
    one, two = multiply(s, base), add(r, multiply(int.from_bytes(digest, "little") % ORDER, a))
    # Compare x / z and y / z without dividing.
    return all((one[at] * two[2] - two[at] * one[2]) % P == 0 for at in (0, 1))


def decompress(raw: bytes) -> Point | None:
    """The point that 32 bytes stand for; None when they stand for none."""
    y = int.from_bytes(raw, "little")
    sign, y = y >> 255, y & (2**255 - 1)
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT_OF_MINUS_ONE % P
    if y >= P or (x * x - square) % P or (x == 0 and sign):
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
        total = add(total, point) if times & 1 else total
        point, times = add(point, point), times >> 1
    return total


def main(arguments: list[str] | None = None) -> int:
    """Print the verdicts; the exit code."""
    parser = argparse.ArgumentParser(description="Verify evidence, or an exported log.")
    parser.add_argument("export", type=Path, help="PACK.zip, a folder of tiles, or FILE.json")
    parser.add_argument("--key", required=True, action="append", help="public key: NAME+ID+KEY")
    parser.add_argument("--earlier", type=Path, nargs="*", default=[], help="earlier checkpoints")
    given = parser.parse_args(arguments)
    try:
        earlier = [file.read_bytes() for file in given.earlier]
    except OSError as error:
        parser.error(f"{error.filename} cannot be read: {error.strerror}")
    found = verify(given.export, " ".join(given.key), earlier)
    if given.export.suffix == ".json":
        print(f"evidence: {found.get('evidence', 'NOT GENUINE')}")
    else:
        print(f"entries: {found['entries']}")
    print(f"unchanged: {'yes' if found['intact'] else 'NO'}")
    if given.export.suffix != ".json":
        print(f"nothing missing: {'yes' if found['complete'] else 'NO'}")
    if found["first_bad"] is not None:
        print(f"first bad entry: {found['first_bad']}")
    for line in (*found["problems"], *found["notes"]):
        print(line)
    return 0 if found["intact"] and found["complete"] else 5


if __name__ == "__main__":
    sys.exit(main())
