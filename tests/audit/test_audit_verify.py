from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from secvault.audit import AuditLog, Event
from secvault.audit.checkpoints import newest_checkpoint, sign_head
from secvault.audit.leaf import decode
from secvault.audit.verify import AuditReport, verify
from secvault.clock import Clock
from secvault.crypto.checkpoint import Checkpoint, sign_checkpoint
from secvault.crypto.merkle import EMPTY_ROOT, leaf_hash, root_of
from secvault.crypto.note import NoteSigner
from secvault.crypto.secret import Secret
from secvault.store import Store, open_store
from secvault.store.tables import audit_checkpoint
from tests.audit.conftest import ORIGIN
from tests.audit.tampering import (
    body_of,
    change,
    cut,
    fit_head,
    flipped,
    forge,
    intrusion,
    renamed,
    swap,
)

Reading = Callable[[int], Event]
Intrusion = Callable[[Connection], object]

_DELETE = "DELETE FROM audit_event WHERE seq "

EVENTS = 40
SIGNED = (20, 40)


@pytest.fixture
def published() -> list[bytes]:
    """The checkpoints that left the house."""
    return []


@pytest.fixture
def store(
    log: AuditLog,
    any_store: Store,
    stepping: Clock,
    signer: NoteSigner,
    reading: Reading,
    published: list[bytes],
) -> Store:
    """A store with 40 events by one process and checkpoints at 20 and 40."""
    for start, end in zip((0, *SIGNED), SIGNED, strict=False):
        log.record_many(reading(number) for number in range(start, end))
        published.append(sign_head(any_store, stepping, signer, origin=ORIGIN).note)
    log.close()
    return any_store


def _verify(store: Store, signer: NoteSigner, *published: bytes) -> AuditReport:
    return verify(store, [signer.verifier()], origin=ORIGIN, published=published)


def test_an_untouched_log_is_intact_and_complete(
    store: Store, signer: NoteSigner, published: list[bytes]
) -> None:
    report = _verify(store, signer, *published)
    assert report.ok
    assert report.problems == ()
    assert report.first_bad_seq is None
    assert (report.size, report.checkpoints, report.pending) == (40, 4, 0)
    newest = newest_checkpoint(store)
    assert newest is not None
    assert report.root == newest.root
    with store.read() as connection:
        assert report.root == root_of(leaf_hash(body_of(connection, seq)) for seq in range(40))


def test_an_empty_log_is_intact(any_store: Store) -> None:
    report = verify(any_store, (), origin=ORIGIN)
    assert report.ok
    assert (report.size, report.root) == (0, EMPTY_ROOT)


def test_events_that_wait_in_the_outbox_are_counted(
    store: Store, stepping: Clock, signer: NoteSigner, reading: Reading
) -> None:
    log = AuditLog(store, stepping, node="node-2")
    log.close()
    with store.write() as connection:
        log.enqueue(connection, reading(1))
    assert _verify(store, signer).pending == 1


# Each: what is done, and the first event that the report must name.
IN_PLACE: dict[str, tuple[Intrusion, int]] = {
    "the id is changed": (lambda c: change(c, 13, id="x"), 13),
    "the time is changed": (lambda c: change(c, 13, t=1), 13),
    "the kind is changed": (lambda c: change(c, 13, kind="record.list"), 13),
    "the outcome is changed": (lambda c: change(c, 13, outcome="denied"), 13),
    "the actor is changed": (lambda c: change(c, 13, actor="user:u-8"), 13),
    "the resource is changed": (lambda c: change(c, 13, resource="hr"), 13),
    "the department is changed": (lambda c: change(c, 13, department="hr"), 13),
    "a bit of the bytes is changed": (lambda c: change(c, 13, body=flipped(body_of(c, 13))), 13),
    "the bytes are emptied": (lambda c: change(c, 13, body=b""), 13),
    "the bytes are other JSON": (lambda c: forge(c, 13, b"{}"), 13),
    "the hash is changed": (lambda c: change(c, 13, leaf_hash=bytes(32)), 13),
    "the hash is too short": (lambda c: change(c, 13, leaf_hash=b"x"), 13),
    "the event is moved to the end": (lambda c: change(c, 13, seq=1_000), 13),
    "the event is moved before the first": (lambda c: change(c, 0, seq=-1), -1),
    "the event is removed": (lambda c: c.execute(text(_DELETE + "= 13")), 13),
    "the first event is removed": (lambda c: c.execute(text(_DELETE + "= 0")), 0),
    "the last event is removed": (lambda c: c.execute(text(_DELETE + "= 39")), 39),
    "the newest ten are removed": (lambda c: c.execute(text(_DELETE + ">= 30")), 30),
    "all are removed": (lambda c: c.execute(text("DELETE FROM audit_event")), 0),
    "two events are swapped": (lambda c: swap(c, 13, 27), 13),
    "two neighbours are swapped": (lambda c: swap(c, 13, 14), 13),
    "an event is replaced by a copy of another": (
        lambda c: change(c, 13, body=body_of(c, 12), leaf_hash=leaf_hash(body_of(c, 12))),
        13,
    ),
}


@pytest.mark.parametrize("what", IN_PLACE)
@pytest.mark.parametrize("hidden", [False, True], ids=["as it is", "with the head made to fit"])
def test_tampering_is_found_where_it_is(
    store: Store, signer: NoteSigner, what: str, hidden: bool
) -> None:
    intrude, first_bad = IN_PLACE[what]
    with intrusion(store) as connection:
        intrude(connection)
        if hidden:
            fit_head(connection)
    report = _verify(store, signer)
    assert not report.intact
    assert report.first_bad_seq == first_bad


@pytest.mark.parametrize(("seq", "first_possible"), [(13, 0), (33, 20)])
def test_a_forgery_with_every_hash_recomputed_contradicts_the_next_checkpoint(
    store: Store, signer: NoteSigner, seq: int, first_possible: int
) -> None:
    with intrusion(store) as connection:
        forged = renamed(decode(body_of(connection, seq), seq=seq))
        forge(connection, seq, forged)
        change(connection, seq, actor="user:u-8")
        fit_head(connection)
    report = _verify(store, signer)
    assert not report.intact
    assert report.first_bad_seq == first_possible
    assert report.problem_count == 1


def test_a_replaced_row_is_found(store: Store, signer: NoteSigner) -> None:
    replace = {
        "sqlite": "INSERT OR REPLACE INTO audit_event SELECT 13, 'other', t, kind, outcome, actor,"
        " resource, department, body, leaf_hash FROM audit_event WHERE seq = 12",
        "postgresql": "INSERT INTO audit_event SELECT 13, 'other', t, kind, outcome, actor,"
        " resource, department, body, leaf_hash FROM audit_event WHERE seq = 12"
        " ON CONFLICT (seq) DO UPDATE SET id = excluded.id, body = excluded.body,"
        " leaf_hash = excluded.leaf_hash",
    }
    with intrusion(store) as connection:
        connection.execute(text(replace[store.dialect]))
    report = _verify(store, signer)
    assert not report.intact
    assert report.first_bad_seq == 13


def test_an_event_removed_and_the_rest_renumbered_is_found(
    store: Store, signer: NoteSigner
) -> None:
    """Without any checkpoint, the process's own numbers are what is left to show it."""
    with intrusion(store) as connection:
        connection.execute(text(_DELETE + "= 13"))
        for seq in range(14, EVENTS):
            change(connection, seq, seq=seq - 1)
        connection.execute(audit_checkpoint.delete())
        fit_head(connection)
    report = _verify(store, signer)
    assert report.intact
    assert not report.complete
    assert report.first_bad_seq == 13


def test_a_cut_tail_contradicts_the_checkpoint(store: Store, signer: NoteSigner) -> None:
    with intrusion(store) as connection:
        cut(connection, 30)
    report = _verify(store, signer)
    assert not report.intact
    assert (report.size, report.first_bad_seq, report.problem_count) == (30, 30, 1)


def test_a_cut_tail_with_its_checkpoint_contradicts_the_published_one(
    store: Store, signer: NoteSigner, published: list[bytes]
) -> None:
    with intrusion(store) as connection:
        cut(connection, 30)
        connection.execute(audit_checkpoint.delete().where(audit_checkpoint.c.size > 20))
    assert _verify(store, signer).ok
    report = _verify(store, signer, *published)
    assert not report.intact
    assert report.first_bad_seq == 30


def test_an_old_copy_put_back_contradicts_the_published_checkpoint(
    sqlite_store: Store,
    stepping: Clock,
    signer: NoteSigner,
    reading: Reading,
    tmp_path: Path,
) -> None:
    log = AuditLog(sqlite_store, stepping, node="node-1")
    log.record_many(map(reading, range(20)))
    sign_head(sqlite_store, stepping, signer, origin=ORIGIN)
    copy = tmp_path / "copy.db"
    with (
        closing(sqlite3.connect(str(sqlite_store.writer.url.database))) as source,
        closing(sqlite3.connect(copy)) as target,
    ):
        source.backup(target)
    log.record_many(map(reading, range(20, 40)))
    outside = sign_head(sqlite_store, stepping, signer, origin=ORIGIN).note
    log.close()
    restored = open_store(f"sqlite:///{copy}")
    assert _verify(restored, signer).ok
    report = _verify(restored, signer, outside)
    restored.close()
    assert not report.intact
    assert (report.size, report.first_bad_seq) == (20, 20)


def test_a_history_rewritten_and_signed_anew_contradicts_the_published_checkpoint(
    store: Store, signer: NoteSigner, published: list[bytes]
) -> None:
    """Somebody with both the database and the log's key."""
    with intrusion(store) as connection:
        forge(connection, 33, renamed(decode(body_of(connection, 33), seq=33)))
        change(connection, 33, actor="user:u-8")
        fit_head(connection)
        root = root_of(leaf_hash(body_of(connection, seq)) for seq in range(EVENTS))
        note = sign_checkpoint(Checkpoint(ORIGIN, EVENTS, root), signer)
        where = audit_checkpoint.c.size == EVENTS
        connection.execute(audit_checkpoint.update().where(where).values(root=root, note=note))
    assert _verify(store, signer).ok
    report = _verify(store, signer, *published)
    assert not report.intact
    assert report.first_bad_seq == 20


def test_checkpoints_signed_by_a_stolen_key_do_not_hide_where_the_forgery_may_be(
    store: Store, signer: NoteSigner, published: list[bytes]
) -> None:
    with intrusion(store) as connection:
        forge(connection, 33, renamed(decode(body_of(connection, 33), seq=33)))
        change(connection, 33, actor="user:u-8")
        fit_head(connection)
        connection.execute(audit_checkpoint.delete().where(audit_checkpoint.c.size > 20))
        hashes = [leaf_hash(body_of(connection, seq)) for seq in range(36)]
        forged = Checkpoint(ORIGIN, 36, root_of(hashes))
        connection.execute(
            audit_checkpoint.insert().values(
                size=36, root=forged.root, note=sign_checkpoint(forged, signer), t=1
            )
        )
    report = _verify(store, signer, *published)
    assert not report.intact
    assert report.first_bad_seq == 20


def test_a_checkpoint_signed_by_another_key_is_found(store: Store, signer: NoteSigner) -> None:
    newest = newest_checkpoint(store)
    assert newest is not None
    stranger = NoteSigner(ORIGIN, Secret(bytes(32)))
    forged = sign_checkpoint(Checkpoint(ORIGIN, newest.size, newest.root), stranger)
    with intrusion(store) as connection:
        where = audit_checkpoint.c.size == newest.size
        connection.execute(audit_checkpoint.update().where(where).values(note=forged))
    report = _verify(store, signer)
    assert not report.intact
    assert report.first_bad_seq is None
    assert "checkpoint of size 40" in report.problems[0].what


CHECKPOINTS: dict[str, str] = {
    "the root": "UPDATE audit_checkpoint SET root = leaf_hash FROM audit_event WHERE seq = 1",
    "the size": "UPDATE audit_checkpoint SET size = 39 WHERE size = 40",
    "the note": "UPDATE audit_checkpoint SET note = leaf_hash FROM audit_event WHERE seq = 1",
}


@pytest.mark.parametrize("what", CHECKPOINTS)
def test_a_changed_checkpoint_is_found(store: Store, signer: NoteSigner, what: str) -> None:
    with intrusion(store) as connection:
        connection.execute(text(CHECKPOINTS[what]))
    assert not _verify(store, signer).intact


def test_the_checkpoint_of_another_log_is_not_taken_for_ours(
    store: Store, signer: NoteSigner, published: list[bytes]
) -> None:
    other = verify(store, [signer.verifier()], origin="elsewhere", published=published)
    assert not other.intact
    assert other.problem_count == 4


HEADS: dict[str, str] = {
    "removed": "DELETE FROM audit_head WHERE log = 'main'",
    "too small": "UPDATE audit_head SET size = 32, frontier = leaf_hash"
    " FROM audit_event WHERE seq = 1 AND log = 'main'",
    "not a frontier": "UPDATE audit_head SET frontier = leaf_hash"
    " FROM audit_event WHERE seq = 1 AND log = 'main'",
    "of another time": "UPDATE audit_head SET last_t = 1 WHERE log = 'main'",
    "too large": "UPDATE audit_head SET size = 48 WHERE log = 'main'",
}


@pytest.mark.parametrize("what", HEADS)
def test_a_changed_head_is_found(store: Store, signer: NoteSigner, what: str) -> None:
    with intrusion(store) as connection:
        connection.execute(text(HEADS[what]))
    assert not _verify(store, signer).intact


@pytest.mark.parametrize("column", ["id", "t", "kind", "actor", "body", "leaf_hash"])
def test_values_of_the_wrong_type_are_reported_not_stumbled_over(
    sqlite_store: Store, stepping: Clock, reading: Reading, column: str
) -> None:
    """SQLite keeps a text where a number or bytes should be, if it is told to."""
    log = AuditLog(sqlite_store, stepping, node="node-1")
    log.record_many(map(reading, range(3)))
    log.close()
    wrong = {"id": "x'00'", "kind": "7", "actor": "x'ff'"}.get(column, "'text'")
    with intrusion(sqlite_store) as connection:
        connection.execute(text(f"UPDATE audit_event SET {column} = {wrong} WHERE seq = 1"))
    report = verify(sqlite_store, (), origin=ORIGIN)
    assert not report.intact
    assert report.first_bad_seq == 1


def test_a_report_of_a_wholly_ruined_log_stays_short(
    sqlite_store: Store, stepping: Clock, reading: Reading
) -> None:
    log = AuditLog(sqlite_store, stepping, node="node-1")
    log.record_many(map(reading, range(2_500)))
    log.close()
    with intrusion(sqlite_store) as connection:
        connection.execute(text("UPDATE audit_event SET actor = 'user:nobody'"))
    report = verify(sqlite_store, (), origin=ORIGIN)
    assert (len(report.problems), report.problem_count) == (1_000, 2_500)


def test_a_copy_of_the_database_file_can_be_verified_on_its_own(
    sqlite_store: Store, stepping: Clock, signer: NoteSigner, reading: Reading, tmp_path: Path
) -> None:
    log = AuditLog(sqlite_store, stepping, node="node-1")
    log.record_many(map(reading, range(20)))
    log.close()
    sign_head(sqlite_store, stepping, signer, origin=ORIGIN)
    original = Path(str(sqlite_store.writer.url.database))
    sqlite_store.close()
    copy = tmp_path / "copy.db"
    shutil.copy(original, copy)
    before = copy.read_bytes()
    opened = open_store(f"sqlite:///{copy}")
    report = _verify(opened, signer)
    opened.close()
    assert (report.ok, report.size, report.checkpoints) == (True, 20, 1)
    assert copy.read_bytes() == before
