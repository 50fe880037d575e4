"""Evidence packages: what they show, and that whatever is done to one is noticed and named."""

from __future__ import annotations

import base64
import json
import random
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from secvault.audit import Actor, AuditLog, Event, query, verify_export
from secvault.audit.checkpoints import StoredCheckpoint, sign_head
from secvault.audit.leaf import StoredEvent
from secvault.audit.package import Contents, Package
from secvault.audit.pseudonyms import Pseudonyms
from secvault.audit.question import EVERYTHING, Question
from secvault.audit.range_file import span_of
from secvault.clock import Clock
from secvault.crypto.checkpoint import Checkpoint, sign_checkpoint
from secvault.crypto.evidence import sign_evidence
from secvault.crypto.note import NoteSigner
from secvault.crypto.secret import Secret
from secvault.errors import Damaged
from secvault.store import Store
from tests.audit.conftest import ORIGIN, STARTED
from tests.audit.tampering import change, intrusion

EVENTS = 600
EVIDENCE = NoteSigner("vault.example.com/evidence", Secret(bytes(range(1, 33))))
KINDS = ("record.read", "record.list", "record.update")
Files = dict[str, bytes]


def happening(number: int) -> Event:
    """One of some sorts of events, by one of some people."""
    return Event(
        kind=KINDS[number % 3],
        outcome="denied" if number % 5 == 0 else "ok",
        actor=Actor("user", f"u-{number % 7}", f"s-{number % 11}"),
        resource=("hr/payroll", "accounting/payments/pay-1")[number % 2] + f"/x-{number % 13}",
        department=("hr", "accounting")[number % 2],
        detail={"collection": f"c-{number % 4}"},
        request=f"r-{number % 3}",
    )


@dataclass
class House:
    """A log with checkpoints of 200, 400 and all, and the moments of its events."""

    store: Store
    signer: NoteSigner
    scratch: Path
    checkpoints: dict[int, StoredCheckpoint]
    moments: list[int]

    @property
    def vkey(self) -> str:
        """The log's public key."""
        return self.signer.verifier().vkey

    def package(
        self,
        question: Question = EVERYTHING,
        size: int = EVENTS,
        *,
        pseudonyms: Pseudonyms | None = None,
        tables: dict[str, Any] | None = None,
    ) -> bytes:
        """A whole package."""
        signed = self.checkpoints[size]
        with self.store.read() as connection:
            span = span_of(connection, question, size)
        contents = Contents(
            "e-1",
            STARTED,
            question,
            span,
            Checkpoint(ORIGIN, size, signed.root),
            signed.note,
            (self.vkey, EVIDENCE.verifier().vkey),
            tables or {"events.txt": as_text},
            {"organisation": "Example"},
            self.scratch,
            pseudonyms,
        )
        made = Package(
            self.store,
            contents,
            lambda: query.events(self.store, question),
            (EVIDENCE, self.signer),
            lambda: STARTED,
        )
        return b"".join(made.parts())

    def verdict(self, pack: bytes, *earlier: int, key: str = "") -> dict[str, Any]:
        """What the verifier says of a package."""
        file = self.scratch / "pack.zip"
        file.write_bytes(pack)
        notes = [self.checkpoints[size].note for size in earlier]
        return verify_export.verify(file, key or self.vkey, notes)


def as_text(events: Iterable[StoredEvent], file: Path) -> int:
    """A table such as the formats are."""
    rows = [f"{stored.seq} {stored.event.actor.subject}\n" for stored in events]
    file.write_text("".join(rows))
    return len(rows)


@pytest.fixture
def house(sqlite_store: Store, stepping: Clock, signer: NoteSigner, tmp_path: Path) -> House:
    """A log of 600 events."""
    return furnished(sqlite_store, stepping, signer, tmp_path)


@pytest.fixture
def any_house(any_store: Store, stepping: Clock, signer: NoteSigner, tmp_path: Path) -> House:
    """The same on each engine."""
    return furnished(any_store, stepping, signer, tmp_path)


def furnished(any_store: Store, stepping: Clock, signer: NoteSigner, tmp_path: Path) -> House:
    """A log of 600 events in this store."""
    log = AuditLog(any_store, stepping, node="node-1")
    checkpoints = {}
    for size in (200, 400, EVENTS):
        log.record_many(map(happening, range(size - 200, size)))
        checkpoints[size] = sign_head(any_store, stepping, signer, origin=ORIGIN)
    log.close()
    moments = [stored.t for stored in query.events(any_store, EVERYTHING)]
    return House(any_store, signer, tmp_path, checkpoints, moments)


def files_of(pack: bytes) -> Files:
    """The files of a package by name."""
    with zipfile.ZipFile(BytesIO(pack)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(files: Files) -> bytes:
    """A package of these files."""
    out = BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


def signed_anew(files: Files, *signers: NoteSigner, **members: Any) -> Files:
    """The files with a manifest that fits them, as somebody with the keys could make it."""
    manifest = json.loads(files["manifest.json"]) | members
    manifest["files"] = {
        name: {"bytes": len(content), "sha256": sha256(content).hexdigest()}
        for name, content in files.items()
        if not name.startswith("manifest.")
    }
    evidence = sign_evidence(manifest, *signers)
    return files | {"manifest.json": evidence.document, "manifest.note": evidence.note}


def some_question(chosen: random.Random, moments: list[int]) -> Question:
    """A random period and filter."""
    times = sorted(chosen.sample([*moments, moments[0] - 5, moments[-1] + 5], 2))
    bounds = [at + chosen.choice((0, 0, 1)) if chosen.random() < 0.8 else None for at in times]
    return Question(
        kind=chosen.choice(("", "", "record.", *KINDS)),
        kinds=chosen.choice(((), (), KINDS[:2])),
        outcomes=chosen.choice(((), (), ("denied", "error"))),
        facts=chosen.choice(((), (), (("collection", "c-2"),))),
        request=chosen.choice(("", "", "", "r-1")),
        first=chosen.choice((None, None, None, 0, 31, 250)),
        end=chosen.choice((None, None, None, 390, 10_000)),
        outcome=chosen.choice((None, None, "ok", "denied")),
        actor=chosen.choice(("", "", "user:", "svc:", "user:u-3")),
        resource=chosen.choice(("", "", "hr", "hr/payroll/x-4", "accounting/payments")),
        department=chosen.choice(("", "", "hr", "accounting")),
        since=bounds[0],
        until=bounds[1],
    )


def test_a_package_of_everything_is_whole_by_the_log_s_key_alone(house: House) -> None:
    pack = house.package()
    assert house.verdict(pack, 200, 400, EVENTS) == {
        "intact": True,
        "complete": True,
        "entries": EVENTS,
        "first_bad": None,
        "problems": [],
        "notes": [],
    }
    files = files_of(pack)
    assert files["events.jsonl"].count(b"\n") == files["events.txt"].count(b"\n") == EVENTS
    assert not files["bounds.jsonl"]
    assert "Cách kiểm tra" in files["README.vi.txt"].decode()
    assert json.loads(files["manifest.json"])["organisation"] == "Example"


def test_packages_of_any_period_and_filter_are_whole(any_house: House) -> None:
    house = any_house
    chosen = random.Random(3)
    for _ in range(60):
        question = some_question(chosen, house.moments)
        pack = house.package(question, chosen.choice((200, 400, EVENTS)))
        found = house.verdict(pack)
        assert not found["problems"], question
        shown = [json.loads(line) for line in files_of(pack)["events.jsonl"].splitlines()]
        wanted = [
            stored
            for stored in query.events(house.store, question)
            if stored.seq < found["entries"]
        ]
        assert [event["id"] for event in shown] == [stored.id for stored in wanted]
        hidden = json.loads(files_of(pack)["manifest.json"])["hidden"]
        assert bool(found["notes"]) == bool(hidden)


def left_out(chosen: random.Random, files: Files) -> Files:
    """Without an entry, in the file or in the proof or in both, also the first or the last."""
    events, proof = files["events.jsonl"].splitlines(True), files["range.proof"].splitlines(True)
    at = chosen.choice((0, len(events) - 1, chosen.randrange(len(events))))
    places = [n for n, line in enumerate(proof) if line.startswith(b"+")]
    way = chosen.choice(("file", "both", "hidden", "line", "end"))
    if way in ("file", "both", "hidden"):
        del events[at]
    if way in ("both", "line"):
        del proof[places[at]]
    if way == "hidden":
        proof[places[at]] = b"-" + proof[places[at]][1:]
    if way == "end":
        del events[at:]
    return files | {"events.jsonl": b"".join(events), "range.proof": b"".join(proof)}


def put_in(chosen: random.Random, files: Files) -> Files:
    """With an entry more, in the file or in the proof as well."""
    events, proof = files["events.jsonl"].splitlines(True), files["range.proof"].splitlines(True)
    at = chosen.randrange(len(events) + 1)
    entry = chosen.choice((b'{"a":1}\n', chosen.choice(events)))
    if chosen.random() < 0.5:
        leaf = sha256(b"\0" + entry[:-1]).digest()
        places = [n for n, line in enumerate(proof) if line.startswith(b"+")]
        place = places[at] if at < len(places) else places[-1] + 1
        proof.insert(place, b"+" + base64.b64encode(leaf) + b"\n")
    events.insert(at, entry)
    return files | {"events.jsonl": b"".join(events), "range.proof": b"".join(proof)}


def altered(chosen: random.Random, files: Files) -> Files:
    """With a bit of any file changed, two entries swapped, or an entry exchanged with its hash."""
    way = chosen.choice(("bit", "swap", "exchange"))
    events = files["events.jsonl"].splitlines(True)
    if way == "bit" or len(events) < 2:
        # A signature by a key that nobody asks about may be anything.
        names = [name for name, content in files.items() if content and name != "manifest.note"]
        name = chosen.choice(names)
        content = bytearray(files[name])
        content[chosen.randrange(len(content))] ^= 1 << chosen.randrange(8)
        return files | {name: bytes(content)}
    if way == "swap":
        one, two = chosen.sample(range(len(events)), 2)
        events[one], events[two] = events[two], events[one]
        return files | {"events.jsonl": b"".join(events)}
    at = chosen.randrange(len(events))
    was = base64.b64encode(sha256(b"\0" + events[at][:-1]).digest())
    events[at] = events[at].replace(b'"user"', b'"svc"', 1)
    now = base64.b64encode(sha256(b"\0" + events[at][:-1]).digest())
    proof = files["range.proof"].replace(was, now)
    return files | {"events.jsonl": b"".join(events), "range.proof": proof}


def test_a_thousand_omissions_insertions_and_alterations_are_all_noticed(house: House) -> None:
    chosen = random.Random(7)
    tries = 0
    while tries < 1_000:
        files = files_of(house.package(some_question(chosen, house.moments)))
        if not files["events.jsonl"]:
            continue
        for do in chosen.choices((left_out, put_in, altered), k=40):
            made = do(chosen, files)
            if made == files:
                continue
            tries += 1
            found = house.verdict(packed(made))
            assert not (found["intact"] and found["complete"]), do
            assert found["problems"]


def test_what_the_proof_alone_tells_needs_no_manifest(house: House) -> None:
    """Somebody who has the keys of the evidence, and not the log's, cannot hide what is missing."""
    chosen = random.Random(9)
    for _ in range(60):
        files = files_of(
            house.package(Question(since=house.moments[250], until=house.moments[320]))
        )
        made = chosen.choice((left_out, put_in))(chosen, files)
        shown = made["range.proof"].count(b"\n+")
        hidden = made["range.proof"].count(b"\n-")
        if hidden:
            continue  # That an entry is hidden is for the question and its challenge.
        again = packed(signed_anew(made, EVIDENCE, events=shown, hidden=hidden))
        found = house.verdict(again, key=f"{house.vkey} {EVIDENCE.verifier().vkey}")
        assert not (found["intact"] and found["complete"])


@pytest.mark.parametrize(
    ("name", "change_lines", "says", "verdict"),
    [
        ("missing", lambda lines: lines[:7] + lines[8:], "entry 7 is missing", "complete"),
        ("truncated", lambda lines: lines[:7], "entry 7 and those after", "complete"),
        (
            "inserted",
            lambda lines: [*lines[:7], b'{"x":1}', *lines[7:]],
            "before entry 7, an entry was inserted",
            "intact",
        ),
        (
            "reordered",
            lambda lines: [*lines[:7], lines[8], lines[7], *lines[9:]],
            "entry 7 and others were reordered",
            "intact",
        ),
        (
            "altered",
            lambda lines: [*lines[:7], lines[7].replace(b"u-0", b"u-9"), *lines[8:]],
            "entry 7 was altered",
            "intact",
        ),
    ],
)
def test_the_first_entry_at_fault_is_named_with_what_was_done(
    house: House,
    name: str,
    change_lines: Callable[[list[bytes]], list[bytes]],
    says: str,
    verdict: str,
) -> None:
    files = files_of(house.package())
    lines = change_lines(files["events.jsonl"].splitlines())
    found = house.verdict(packed(files | {"events.jsonl": b"\n".join([*lines, b""])}))
    assert says in found["problems"][0], name
    assert found["first_bad"] == 7
    assert not found[verdict]
    assert any("events.jsonl is not the file" in problem for problem in found["problems"])


def test_a_package_whose_bounds_were_moved_is_noticed_though_it_was_signed_anew(
    house: House,
) -> None:
    moments = house.moments
    files = files_of(house.package(Question(since=moments[100], until=moments[110])))
    for since, until in ((moments[90], moments[110]), (moments[100], moments[130])):
        question = {"since": since, "until": until}
        again = packed(signed_anew(files, EVIDENCE, house.signer, question=question))
        found = house.verdict(again)
        assert not found["complete"], question
    for question in ({"since": moments[100]}, {"until": moments[110]}, {}):
        again = packed(signed_anew(files, EVIDENCE, house.signer, question=question))
        assert not house.verdict(again)["complete"], question


def test_an_entry_that_does_not_answer_the_question_is_noticed_though_it_was_signed_anew(
    house: House,
) -> None:
    files = files_of(house.package(Question(kind="record.read")))
    question = {"kind": "record.read", "outcome": "ok"}
    found = house.verdict(packed(signed_anew(files, EVIDENCE, house.signer, question=question)))
    assert not found["intact"]
    assert found["first_bad"] == 0
    assert "does not answer the question" in found["problems"][0]


def test_a_log_that_was_rolled_back_or_rewritten_is_told_by_an_earlier_checkpoint(
    house: House, stepping: Clock
) -> None:
    old = house.package(size=200)
    assert house.verdict(old)["intact"]
    found = house.verdict(old, 400)
    assert not found["intact"]
    assert "rolled back" in found["problems"][0]
    assert found["first_bad"] == 200
    other = Checkpoint(ORIGIN, 300, bytes(32))
    house.checkpoints[300] = StoredCheckpoint(
        300, bytes(32), sign_checkpoint(other, house.signer), 0
    )
    found = house.verdict(house.package(), 300)
    assert not found["intact"]
    assert "rewritten" in found["problems"][0]
    part = house.package(Question(since=house.moments[500]))
    assert "consistency 300 600" in house.verdict(part, 300)["notes"][-1]


def test_a_manifest_by_another_key_is_none(house: House) -> None:
    files = files_of(house.package())
    text, _, signatures = files["manifest.note"].decode().rpartition("\n\n")
    of_evidence, of_log = signatures.splitlines(True)
    for changed in (text + "x\n\n" + signatures, f"{text}\n\n{of_evidence}{of_log[:-9]}AAAAAAA=\n"):
        assert not house.verdict(packed(files | {"manifest.note": changed.encode()}))["intact"]
    other = NoteSigner("vault.example.com/audit", Secret(bytes(32)))
    found = house.verdict(packed(signed_anew(files, other)))
    assert not found["intact"]
    assert "not signed with this key" in found["problems"][0]
    assert house.verdict(house.package(), key=EVIDENCE.verifier().vkey)["intact"] is False
    assert house.verdict(house.package(), key="nonsense")["intact"] is False


def test_a_log_that_was_changed_gives_no_package(house: House) -> None:
    with intrusion(house.store) as connection:
        change(connection, 40, body=b'{"v":1}')
    with pytest.raises(Damaged):
        house.package(Question(since=house.moments[30], until=house.moments[50]))
    with pytest.raises(Damaged):
        house.package()


def test_a_pseudonymised_package_names_nobody_and_says_what_is_left_of_the_proof(
    house: House,
) -> None:
    names = Pseudonyms(bytes(32), {f"u-{number}" for number in range(7)})
    pack = house.package(replace(EVERYTHING, kind="record.read"), pseudonyms=names)
    found = house.verdict(pack)
    assert found["problems"] == []
    assert any("pseudonymised" in note for note in found["notes"])
    files = files_of(pack)
    assert not {"events.jsonl", "bounds.jsonl"} & {*files}
    everything = b"".join(content for name, content in files.items() if name.startswith("events"))
    assert b"person-" in everything
    assert not any(b"u-%d" % number in everything for number in range(7))
    rows = [line.split() for line in files["events.txt"].splitlines()]
    assert len(rows) == 200
    assert len({row[1] for row in rows}) == 7
    files["range.proof"] = files["range.proof"].replace(b"\n+", b"\n-", 1)
    assert not house.verdict(packed(files))["complete"]


def test_garbage_gets_a_verdict_and_never_a_traceback(house: House) -> None:
    files = files_of(house.package(Question(since=house.moments[10], until=house.moments[20])))
    pack = packed(files)
    for content in (b"", b"PK", pack[:-30], pack[: len(pack) // 2]):
        assert not house.verdict(content)["intact"]
    for name in files:
        for content in (b"", b"\xff\xfe", b"[]", b"{}", b"0 0 0 0\n", b"x " + b"9" * 5_000):
            if content != files[name]:
                found = house.verdict(packed(files | {name: content}))
                assert not (found["intact"] and found["complete"])
        without = {other: content for other, content in files.items() if other != name}
        found = house.verdict(packed(without))
        assert not (found["intact"] and found["complete"])


def test_the_verifier_in_the_package_needs_nothing_but_python(house: House, tmp_path: Path) -> None:
    pack, script, note = (tmp_path / name for name in ("a.zip", "verify.py", "early.note"))
    pack.write_bytes(house.package(Question(department="hr")))
    script.write_bytes(files_of(pack.read_bytes())["verify.py"])
    note.write_bytes(house.checkpoints[200].note)
    command = [sys.executable, "-I", "-S", str(script), str(pack), "--key", house.vkey]
    command += ["--earlier", str(note)]
    said = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert (said.returncode, said.stderr) == (0, "")
    assert "nothing missing: yes" in said.stdout
    assert "Challenge any of them" in said.stdout
    files = files_of(pack.read_bytes())
    pack.write_bytes(packed(files | {"events.jsonl": files["events.jsonl"][:-40]}))
    said = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert said.returncode == 5
    assert "first bad entry: " in said.stdout
