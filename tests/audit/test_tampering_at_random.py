"""Whatever is done to a long log by direct SQL is found, and called what it is.

SVTEST_TAMPERINGS: how many random instances of each kind, on a log of 100,000 events from 1,000
on; 40 on a shorter log otherwise.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random

import pytest
from sqlalchemy import Connection, text

from secvault.audit.append import append, lock_head
from secvault.audit.checkpoints import sign_head
from secvault.audit.chunks import CHUNK, RANGE, Chunk, look_over
from secvault.audit.event import Actor, Event
from secvault.audit.leaf import Number, draft, event_id, outline
from secvault.audit.looking import Piece
from secvault.audit.nodes import keep_nodes
from secvault.audit.verify import AuditReport, verify
from secvault.audit.walk import Kind
from secvault.clock import Clock
from secvault.crypto.canonical import canonical_json
from secvault.crypto.merkle import Frontier, leaf_hash
from secvault.crypto.note import NoteSigner
from secvault.crypto.secret import Secret
from secvault.store import Store, open_store
from secvault.store.straight import straight
from secvault.store.tables import audit_event
from tests.audit.conftest import ORIGIN, STARTED
from tests.audit.tampering import GUARDS, body_of, change, swap

INSTANCES = int(os.environ.get("SVTEST_TAMPERINGS", "40"))
EVENTS = 100_000 if INSTANCES >= 1_000 else 9_000
SIGNED_EVERY = 1_000
PUBLISHED_EVERY = 5_000
TAIL = 500
"""How many events are newer than the newest checkpoint."""

PROCESSES = ("a", "b", "c")
SERVED = ("id", "t", "kind", "outcome", "actor", "resource", "department")
FAR = 300
"""How far from the end events are moved in numbers, which takes the database its time."""


_TOUCHES = {"INSERT": "(NEW.seq)", "DELETE": "(OLD.seq)", "UPDATE": "(OLD.seq), (NEW.seq)"}
TOUCHED = (
    "CREATE TEMP TABLE touched (seq INTEGER)",
    *(
        f"CREATE TEMP TRIGGER touched_by_{verb} AFTER {verb} ON audit_event"
        f" BEGIN INSERT INTO touched VALUES {rows}; END"
        for verb, rows in _TOUCHES.items()
    ),
)
"""Have the database itself note which events are touched."""


@dataclass(frozen=True)
class Long:
    """A long log. hashes: of its leaves. looked: what is known of its pieces, unharmed."""

    store: Store
    signer: NoteSigner
    published: list[bytes]
    hashes: list[bytes]
    looked: dict[tuple[int, int], Chunk] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """How many events it has."""
        return len(self.hashes)

    def looking(
        self, _store: Store, connection: Connection, pieces: Iterable[Piece]
    ) -> Iterator[tuple[Piece, Chunk | None]]:
        """As verification looks; what is known of rows that nobody touched is not found out anew.

        Looking over rows depends on nothing but them, so that this changes no answer.
        """
        touched = {seq // CHUNK for (seq,) in straight(connection, "SELECT seq FROM touched")}
        for piece in pieces:
            key = (piece.start, piece.end)
            is_touched = piece.start // CHUNK in touched
            seen = None if is_touched else self.looked.get(key)
            if seen is None:
                rows = straight(connection, RANGE, key)
                seen = look_over(rows, piece.start, piece.end, self.sizes(piece))
                if not is_touched and seen is not None:
                    self.looked[key] = seen
            yield piece, seen

    def sizes(self, piece: Piece) -> list[int]:
        """All sizes at which a root may be asked for, so that what is known of a chunk has them."""
        every = range(SIGNED_EVERY, self.size, SIGNED_EVERY)
        return sorted({*piece.sizes, *(s for s in every if piece.start < s <= piece.end)})

    def verified(self, connection: Connection, *, quickly: bool = True) -> AuditReport:
        """The report of what `connection` sees, its own changes included."""
        return verify(
            _Seen(self.store, connection),
            [self.signer.verifier()],
            origin=ORIGIN,
            published=self.published,
            looking=self.looking if quickly else _looked_over_here,
        )

    @contextmanager
    def harmed(self) -> Iterator[Connection]:
        """A transaction without guards, undone when the block ends."""
        with self.store.writer.connect() as connection:
            transaction = connection.begin()
            for statement in (*GUARDS["sqlite"], *TOUCHED):
                connection.execute(text(statement))
            yield connection
            transaction.rollback()


def _looked_over_here(
    _store: Store, connection: Connection, pieces: Iterable[Piece]
) -> Iterator[tuple[Piece, Chunk | None]]:
    """As `looked_over` does it for a short log: its processes would see no open transaction."""
    for piece in pieces:
        rows = straight(connection, RANGE, (piece.start, piece.end))
        yield piece, look_over(rows, piece.start, piece.end, piece.sizes)


class _Seen(Store):
    """A store whose readers see what one open transaction does."""

    def __init__(self, store: Store, connection: Connection) -> None:
        super().__init__(store.reader, store.writer)
        object.__setattr__(self, "_connection", connection)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        yield self._connection  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def long(migrated_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Long]:
    """A log by three processes, with checkpoints, some of them published."""
    file = tmp_path_factory.mktemp("long") / "secvault.db"
    file.write_bytes(migrated_file.read_bytes())
    store = open_store(f"sqlite:///{file}")
    signer = NoteSigner(ORIGIN, Secret(bytes(range(32))))
    clock = Clock(wall=lambda: STARTED, monotonic=lambda: 0.0, sleep=lambda _: None)
    random, counters = Random(5), dict.fromkeys(PROCESSES, 0)
    published: list[bytes] = []
    for end in [*range(SIGNED_EVERY, EVENTS - TAIL + 1, SIGNED_EVERY), EVENTS]:
        with store.write() as connection:
            while (head := lock_head(connection)).frontier.size < end:
                start = head.frontier.size
                count = min(random.randint(1, 40), end - start)
                made = [
                    draft(_event(random), id=event_id(_t(seq)), t=_t(seq))
                    for seq in range(start, start + count)
                ]
                process = random.choice(PROCESSES)
                append(connection, head, made, Number("node", process, counters[process]))
                counters[process] += count
        if end <= EVENTS - TAIL:
            note = sign_head(store, clock, signer, origin=ORIGIN).note
            if end % PUBLISHED_EVERY == 0:
                published.append(note)
    keep_nodes(store)
    with store.read() as connection:
        hashes = [row[9] for row in straight(connection, RANGE, (0, EVENTS))]
    yield Long(store, signer, published, hashes)
    store.close()


def _t(seq: int) -> int:
    return STARTED + 1_000 * seq


def _event(random: Random) -> Event:
    kind, actor = random.choice(("record.read", "data.decrypt")), f"u-{random.randrange(50)}"
    return Event(kind, "ok", Actor("user", actor), f"hr/employees/{random.randrange(999)}", "hr")


# Each does its harm and returns what the report must say: a kind, and the event that it names; a
# range where only a root tells; None where it is not an event that was harmed.
Harm = Callable[[Connection, Random, Long], tuple[Kind, int | range | None]]


def _covered(random: Random, long: Long) -> int:
    """An event that a checkpoint covers."""
    return random.randrange(long.size // SIGNED_EVERY * SIGNED_EVERY - SIGNED_EVERY)


def _served(connection: Connection, random: Random, long: Long) -> tuple[Kind, int]:
    seq, column = random.randrange(long.size), random.choice(SERVED)
    change(connection, seq, **{column: 7 if column == "t" else f"{column}-{random.random()}"})
    return "altered", seq


def _bit(connection: Connection, random: Random, long: Long) -> tuple[Kind, int]:
    seq = random.randrange(long.size)
    body = bytearray(body_of(connection, seq))
    body[random.randrange(len(body))] ^= 1 << random.randrange(8)
    change(connection, seq, body=bytes(body))
    return "altered", seq


def _hash(connection: Connection, random: Random, long: Long) -> tuple[Kind, int]:
    seq = random.randrange(long.size)
    change(connection, seq, leaf_hash=random.choice((random.randbytes(32), b"", b"x" * 31)))
    return "altered", seq


def _replaced(connection: Connection, random: Random, long: Long) -> tuple[Kind, int]:
    seq, other = random.sample(range(long.size), 2)
    change(connection, seq, body=body_of(connection, other))
    return "altered", seq


def _forged(connection: Connection, random: Random, long: Long) -> tuple[Kind, range]:
    """Bytes, hash, column and the head itself made to fit; nodes too, now and then."""
    seq = _covered(random, long)
    body = body_of(connection, seq)
    at = body.index(b'"i":"u-') + 7
    forged = body[:at] + b"999" + body[at:]
    actor = "user:u-999" + body[at : body.index(b'"', at)].decode()
    hashes = [*long.hashes]
    hashes[seq] = leaf_hash(forged)
    change(connection, seq, body=forged, leaf_hash=hashes[seq], actor=actor)
    _fit_head(connection, hashes)
    if random.random() < 0.5:
        connection.execute(text("DELETE FROM audit_node"))
    start = seq // SIGNED_EVERY * SIGNED_EVERY
    return "altered", range(start, start + SIGNED_EVERY)


def _node(connection: Connection, random: Random, long: Long) -> tuple[Kind, None]:
    connection.execute(
        text("UPDATE audit_node SET hash = :hash WHERE level = 1 AND n = :n"),
        {"hash": random.randbytes(32), "n": random.randrange(long.size // 256)},
    )
    return "altered", None


def _checkpoint(connection: Connection, random: Random, long: Long) -> tuple[Kind, None]:
    size = random.randrange(SIGNED_EVERY, long.size - TAIL + 1, SIGNED_EVERY)
    change_ = random.choice(("root = zeroblob(32)", "note = substr(note, 2)", "size = size + 1"))
    connection.execute(
        text(f"UPDATE audit_checkpoint SET {change_} WHERE size = :size"), {"size": size}
    )
    return "altered", None


def _head(connection: Connection, random: Random, long: Long) -> tuple[Kind, range | None]:
    when = random.random() < 0.5
    change_ = "last_t = last_t - 1" if when else "frontier = zeroblob(length(frontier))"
    connection.execute(text(f"UPDATE audit_head SET {change_} WHERE log = 'main'"))
    # A root that does not fit may be the head's fault or that of any event since the checkpoint.
    newest = (long.size - TAIL) // SIGNED_EVERY * SIGNED_EVERY
    return "altered", None if when else range(newest, long.size)


def _removed(connection: Connection, random: Random, long: Long) -> tuple[Kind, int]:
    count = random.choice((1, 1, random.randint(2, 60)))
    seq = random.randrange(long.size - count)
    where = "seq >= :start AND seq < :end"
    connection.execute(
        text(f"DELETE FROM audit_event WHERE {where}"), {"start": seq, "end": seq + count}
    )
    return "missing", seq


def _closed_up(connection: Connection, random: Random, long: Long) -> tuple[Kind, int]:
    """The others moved up, and the head made to fit: their process's numbers are what is left."""
    seq = long.size - TAIL - random.randint(1, FAR)
    writers = _processes(connection, seq)
    connection.execute(text("DELETE FROM audit_event WHERE seq = :seq"), {"seq": seq})
    connection.execute(text("UPDATE audit_event SET seq = seq - 1 WHERE seq > :seq"), {"seq": seq})
    _fit_head(connection, [*long.hashes[:seq], *long.hashes[seq + 1 :]])
    # The next event of the same process is the first that tells.
    return "missing", seq + writers[1:].index(writers[0])


def _processes(connection: Connection, seq: int) -> list[bytes]:
    """The process that wrote each event from `seq` on."""
    rows = straight(connection, "SELECT body FROM audit_event WHERE seq >= ? ORDER BY seq", (seq,))
    return [row[0].split(b'"s":"')[-1][:1] for row in rows]


def _appended(connection: Connection, random: Random, long: Long) -> tuple[Kind, int]:
    _copy(connection, random.randrange(long.size), long.size, random)
    return "inserted", long.size


def _before(connection: Connection, random: Random, long: Long) -> tuple[Kind, int]:
    seq = -random.randint(1, 9)
    _copy(connection, random.randrange(long.size), seq, random)
    return "inserted", seq


def _between(connection: Connection, random: Random, long: Long) -> tuple[Kind, int]:
    """The others moved down, and the head made to fit: its number is one that another has."""
    seq = long.size - random.randint(1, FAR + TAIL)
    for start, by in ((seq, 1_000_000), (seq + 1_000_000, -999_999)):
        connection.execute(
            text("UPDATE audit_event SET seq = seq + :by WHERE seq >= :start"),
            {"start": start, "by": by},
        )
    # Of long ago, so that its number is taken; at the time of the place where it is put.
    leaf = json.loads(body_of(connection, random.randrange(long.size - 2 * (FAR + TAIL))))
    leaf |= {"id": event_id(_t(seq)), "t": _t(seq)}
    body = canonical_json(leaf)
    served = dict(zip(SERVED, outline(body).served, strict=True))
    connection.execute(
        audit_event.insert().values(seq=seq, body=body, leaf_hash=leaf_hash(body), **served)
    )
    _fit_head(connection, [*long.hashes[:seq], leaf_hash(body), *long.hashes[seq:]])
    return "inserted", seq


def _swapped(connection: Connection, random: Random, long: Long) -> tuple[Kind, int]:
    one, other = random.sample(range(long.size), 2)
    swap(connection, one, other)
    return "reordered", min(one, other)


def _neighbours(connection: Connection, random: Random, long: Long) -> tuple[Kind, int]:
    seq = random.randrange(long.size - 1)
    swap(connection, seq, seq + 1)
    return "reordered", seq


def _swapped_and_fitted(connection: Connection, random: Random, long: Long) -> tuple[Kind, int]:
    one, other = sorted(random.sample(range(long.size), 2))
    swap(connection, one, other)
    hashes = [*long.hashes]
    hashes[one], hashes[other] = hashes[other], hashes[one]
    _fit_head(connection, hashes)
    return "reordered", one


def _cut(connection: Connection, random: Random, long: Long) -> tuple[Kind, int]:
    seq = long.size - random.randint(1, FAR + TAIL)
    connection.execute(text("DELETE FROM audit_event WHERE seq >= :seq"), {"seq": seq})
    return "truncated", seq


def _cut_and_fitted(connection: Connection, random: Random, long: Long) -> tuple[Kind, int]:
    """Short of a checkpoint that the store still has."""
    newest = (long.size - TAIL) // SIGNED_EVERY * SIGNED_EVERY
    seq = newest - random.randint(1, FAR)
    connection.execute(text("DELETE FROM audit_event WHERE seq >= :seq"), {"seq": seq})
    _fit_head(connection, long.hashes[:seq])
    return "truncated", seq


def _put_back(connection: Connection, random: Random, long: Long) -> tuple[Kind, int]:
    """All that knew of the newest events is as it was, as in a copy from before them."""
    newest = (long.size - TAIL) // PUBLISHED_EVERY * PUBLISHED_EVERY
    seq = newest - random.randint(1, FAR)
    for table, column in (("event", "seq"), ("checkpoint", "size - 1")):
        connection.execute(text(f"DELETE FROM audit_{table} WHERE {column} >= :seq"), {"seq": seq})
    for level in (1, 2):
        connection.execute(
            text("DELETE FROM audit_node WHERE level = :level AND (n + 1) * :width > :seq"),
            {"level": level, "width": 256**level, "seq": seq},
        )
    _fit_head(connection, long.hashes[:seq])
    return "rolled back", seq


def _copy(connection: Connection, of: int, seq: int, random: Random) -> None:
    connection.execute(
        text(
            "INSERT INTO audit_event SELECT :seq, :id, t, kind, outcome, actor, resource,"
            " department, body, leaf_hash FROM audit_event WHERE seq = :of"
        ),
        {"seq": seq, "id": f"copy-{random.random()}", "of": of},
    )


def _fit_head(connection: Connection, hashes: list[bytes]) -> None:
    frontier = Frontier().extend(hashes)
    connection.execute(
        text(
            "UPDATE audit_head SET size = :size, frontier = :stack, last_t ="
            " (SELECT t FROM audit_event WHERE seq = :size - 1) WHERE log = 'main'"
        ),
        {"size": frontier.size, "stack": frontier.to_bytes()},
    )


HARMS: Mapping[Kind, tuple[Harm, ...]] = {
    "altered": (_served, _bit, _hash, _replaced, _forged, _node, _checkpoint, _head),
    "missing": (_removed, _removed, _closed_up),
    "inserted": (_appended, _before, _between),
    "reordered": (_swapped, _neighbours, _swapped_and_fitted),
    "truncated": (_cut, _cut_and_fitted),
    "rolled back": (_put_back,),
}


def test_an_unharmed_log_is_whole_however_it_is_looked_over(long: Long) -> None:
    with long.harmed() as connection:
        quick, slow = long.verified(connection), long.verified(connection, quickly=False)
    assert quick == slow
    assert quick.ok, quick.problems
    assert quick.size == long.size


@pytest.mark.slow
@pytest.mark.timeout(300 + 10 * INSTANCES)
@pytest.mark.parametrize("kind", HARMS)
def test_every_random_tampering_is_found_and_called_what_it_is(long: Long, kind: Kind) -> None:
    random = Random(f"{kind} {os.environ.get('SVTEST_SEED', '1')}")
    with long.harmed() as connection:
        long.verified(connection)
    failed = []
    for number in range(INSTANCES):
        harm = random.choice(HARMS[kind])
        with long.harmed() as connection:
            said, at = harm(connection, random, long)
            report = long.verified(connection, quickly=number % 40 != 0)
        fault = _fault(report, said, at)
        if fault:
            name = harm.func.__name__ if isinstance(harm, partial) else harm.__name__
            failed.append((number, name, at, fault, report.problems[:4]))
    assert failed == []


def _fault(report: AuditReport, kind: Kind, at: int | range | None) -> str:
    """What is wrong with the report; nothing if it names the tampering rightly."""
    if report.ok:
        return "not found"
    named = [problem.seq for problem in report.problems if problem.kind == kind]
    if not named:
        return "not called so"
    if isinstance(at, range):
        return "" if report.first_bad_seq == at.start else "not at its place"
    if at not in named:
        return "not at its place"
    return ""
