"""What is personal in the log: bound by the leaf, readable until erased, and gone after that."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from sqlalchemy import delete, func, select, update

from secvault.audit import Actor, AuditLog, Event, archive_file, archiving
from secvault.audit.archives import Archives
from secvault.audit.archiving import Archiving, Due
from secvault.audit.checkpoints import sign_head
from secvault.audit.entries import archives_of, reaching
from secvault.audit.event import MAX_PERSONAL, Personal, check, plain
from secvault.audit.journals import Journals
from secvault.audit.leaf import StoredEvent, draft_of
from secvault.audit.personal import LOG_SUBJECTS, Kept, erase_personal, read_personal
from secvault.audit.personal_check import check_personal
from secvault.audit.personal_keys import SubjectKeys
from secvault.audit.personal_part import commitment, open_part, seal_part
from secvault.audit.places import FolderPlace
from secvault.audit.query import page
from secvault.audit.verify import verify
from secvault.clock import Clock
from secvault.crypto.note import NoteSigner
from secvault.crypto.secret import Secret
from secvault.errors import Damaged, InvalidInput
from secvault.store import Store
from secvault.store.tables import (
    audit_event,
    audit_personal,
    audit_subject_key,
    erased_subject,
)
from tests.audit.conftest import ORIGIN, STARTED

WRAPPING = Secret(bytes(range(32)))
LAN = Personal("192.0.2.7", "Mozilla/5.0 (tay-mẫu)", "kiều.oanh", "vì khách hàng hỏi")


@pytest.fixture
def keys(any_store: Store, stepping: Clock) -> SubjectKeys:
    return SubjectKeys(any_store, stepping, WRAPPING)


@pytest.fixture
def log(any_store: Store, stepping: Clock, keys: SubjectKeys) -> Iterator[AuditLog]:
    opened = AuditLog(any_store, stepping, node="node-1", keys=keys)
    yield opened
    opened.close()


def event(who: str = "u-7", personal: Personal | None = LAN, number: int = 0) -> Event:
    return Event(
        "record.read", "ok", Actor("user", who), "hr/p", request=f"r-{number}", personal=personal
    )


def every(store: Store) -> tuple[StoredEvent, ...]:
    return page(store, limit=1_000, newest_first=False).events


def read(store: Store, keys: SubjectKeys) -> list[Kept | None]:
    events = every(store)
    found = read_personal(store, keys, events)
    return [found.get(each.id) for each in events]


def erase(store: Store, subject: str) -> None:
    """As an erasure does: with a row that says until when."""
    with store.write() as connection:
        done = erase_personal(connection, subject)
        connection.execute(
            erased_subject.insert().values(
                collection=LOG_SUBJECTS,
                subject=subject,
                erasure=os.urandom(4).hex(),
                reference=done.reference,
                created_at=done.until,
                erased_at=done.until,
            )
        )


def rows(store: Store) -> int:
    with store.read() as connection:
        count = select(func.count()).select_from(audit_personal)
        return connection.execute(count).scalar_one()


def test_a_commitment_is_these_bytes_for_ever() -> None:
    content = '{"address":"192.0.2.7","name":"kiều"}'.encode()
    salt = bytes(range(32))
    expected = hashlib.sha256(b"secvault/pii/v1\x00" + salt + content).digest()
    assert commitment(salt, content) == expected
    assert expected.hex() == "059328b4666ff83d3e606de9dc4ea49f1f985369eea6ad8b658437d68b863926"


@pytest.mark.parametrize("way", ["record", "outbox", "submit", "journal"])
def test_it_is_read_back_whichever_way_the_event_came(
    any_store: Store, stepping: Clock, keys: SubjectKeys, tmp_path: Path, way: str
) -> None:
    journals = Journals(tmp_path / "journals", stepping) if way == "journal" else None
    log = AuditLog(any_store, stepping, node="node-1", keys=keys, journals=journals)
    match way:
        case "record":
            log.record(event())
        case "outbox":
            with any_store.write() as connection:
                log.enqueue(connection, event())
        case "submit":
            log.submit([log.draft(event())]).result(30)
        case _:
            while not log.keep([log.draft(event())]):
                log.drain()
    log.close()
    assert read(any_store, keys) == [Kept("here", LAN)]
    ((stored),) = every(any_store)
    assert stored.event.personal is None
    assert [*stored.commitments] == ["who", "what"]
    assert all(len(each) == 32 for each in stored.commitments.values())
    assert not any(text.encode() in stored.body for text in vars_of(LAN).values())


def vars_of(personal: Personal) -> Mapping[str, str]:
    return {name: getattr(personal, name) for name in MAX_PERSONAL}


def test_nothing_of_it_is_readable_where_it_is_kept(
    any_store: Store, log: AuditLog, keys: SubjectKeys
) -> None:
    made = log.draft(event())
    log.record(event())
    with any_store.read() as connection:
        kept = [bytes(row.envelope) for row in connection.execute(select(audit_personal))]
        wrapped = [bytes(row.wrapped) for row in connection.execute(select(audit_subject_key))]
    assert len(kept) == 2
    for text in vars_of(LAN).values():
        assert not any(text.encode() in each for each in (*kept, *wrapped, made.kept))
    assert draft_of(made.kept) == made
    assert "192.0.2.7" not in repr(draft_of(made.kept))


def test_whoever_has_nothing_personal_has_no_key_and_no_commitment(
    any_store: Store, log: AuditLog, keys: SubjectKeys
) -> None:
    log.record(event(personal=None))
    log.record(event(personal=Personal()))
    log.record(Event("data.encrypt", "ok", Actor("svc", "pay"), "it/k", network="192.0.2.9"))
    assert [stored.commitments for stored in every(any_store)] == [{}, {}, {}]
    assert read(any_store, keys) == [None, None, None]
    with any_store.read() as connection:
        assert connection.execute(select(audit_subject_key)).all() == []
    assert every(any_store)[2].event.network == "192.0.2.9"


def test_erasing_somebody_leaves_every_leaf_and_the_others(
    any_store: Store, log: AuditLog, keys: SubjectKeys
) -> None:
    for number in range(6):
        log.record(event(f"u-{number % 2}", number=number))
    before = [stored.body for stored in every(any_store)]
    root = verify(any_store, (), origin="any").root
    erase(any_store, "user:u-1")
    assert [kept.state for kept in read(any_store, keys) if kept] == ["here", "erased"] * 3
    assert [kept.personal for kept in read(any_store, keys) if kept][1] == Personal()
    assert [stored.body for stored in every(any_store)] == before
    report = verify(any_store, (), origin="any")
    assert (report.ok, report.root) == (True, root)
    checked = check_personal(any_store, keys)
    assert (checked.here, checked.erased, checked.altered) == (3, 3, 0)
    assert rows(any_store) == 6


def test_who_acts_again_after_an_erasure_gets_another_key_and_the_old_text_stays_gone(
    any_store: Store, log: AuditLog, keys: SubjectKeys
) -> None:
    log.record(event())
    with any_store.read() as connection:
        (first,) = connection.execute(select(audit_subject_key.c.id)).scalars()
    erase(any_store, "user:u-7")
    # The process still has the key in memory; what it seals under it is of somebody erased.
    log.record(event())
    log.record(event())
    assert [kept.state for kept in read(any_store, keys) if kept] == ["erased", "erased", "here"]
    with any_store.read() as connection:
        (second,) = connection.execute(select(audit_subject_key.c.id)).scalars()
    assert second != first
    assert check_personal(any_store, keys).altered == 0


def test_what_waits_in_the_outbox_of_somebody_erased_does_not_come_back(
    any_store: Store, stepping: Clock, keys: SubjectKeys
) -> None:
    log = AuditLog(any_store, stepping, node="node-1", keys=keys)
    with any_store.write() as connection:
        log.enqueue(connection, event())
        erase_personal(connection, "user:u-7")
    log.close()
    assert [kept.state for kept in read(any_store, keys) if kept] == ["erased"]
    with any_store.read() as connection:
        assert {bytes(row.envelope) for row in connection.execute(select(audit_personal))} == {b""}


def test_a_key_made_in_a_transaction_that_is_undone_is_not_sealed_under(
    any_store: Store, log: AuditLog, keys: SubjectKeys
) -> None:
    def enqueue_and_fail() -> None:
        with any_store.write() as connection:
            log.enqueue(connection, event())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        enqueue_and_fail()
    log.record(event())
    assert read(any_store, keys) == [Kept("here", LAN)]


def test_many_threads_and_two_processes_keys_make_one_key_for_a_subject(
    any_store: Store, log: AuditLog, stepping: Clock, keys: SubjectKeys
) -> None:
    other = SubjectKeys(any_store, stepping, WRAPPING)
    second = AuditLog(any_store, stepping, node="node-2", keys=other)
    with ThreadPoolExecutor(8) as threads:
        list(
            threads.map(
                lambda number: (log, second)[number % 2].record(event(number=number)), range(40)
            )
        )
    second.close()
    with any_store.read() as connection:
        assert len(connection.execute(select(audit_subject_key)).all()) == 1
    assert read(any_store, keys) == [Kept("here", LAN)] * 40


def swap(store: Store) -> None:
    """Put the text of the first event beside the second."""
    first, second = (stored.id for stored in every(store)[:2])
    column = audit_personal.c
    with store.write() as connection:
        envelope = connection.execute(
            select(column.envelope).where(column.event == first, column.slot == "who")
        ).scalar_one()
        connection.execute(
            update(audit_personal)
            .where(column.event == second, column.slot == "who")
            .values(envelope=envelope)
        )


def change_text(store: Store) -> None:
    with store.write() as connection:
        row = connection.execute(select(audit_personal)).first()
        assert row is not None
        changed = bytes(row.envelope[:-1]) + bytes([row.envelope[-1] ^ 1])
        connection.execute(
            update(audit_personal)
            .where(audit_personal.c.event == row.event, audit_personal.c.slot == row.slot)
            .values(envelope=changed)
        )


def change_type(store: Store) -> None:
    """SQLite stores a value of any type."""
    if store.dialect == "sqlite":
        event_id = every(store)[0].id
        with store.write() as connection:
            connection.exec_driver_sql(
                "UPDATE audit_personal SET envelope = 'text' WHERE event = ?", (event_id,)
            )
    else:
        change_text(store)


def remove_text(store: Store, seq: int = -1) -> None:
    last = every(store)[seq].id
    with store.write() as connection:
        connection.execute(delete(audit_personal).where(audit_personal.c.event == last))


def change_key(store: Store) -> None:
    with store.write() as connection:
        connection.execute(update(audit_subject_key).values(wrapped=bytes(61)))


@pytest.mark.parametrize(
    ("tamper", "bad"),
    [
        (change_text, 1),
        (swap, 1),
        (change_type, 1),
        (remove_text, 1),
        (change_key, 3),
    ],
)
def test_altered_or_removed_personal_text_is_named(
    any_store: Store, log: AuditLog, stepping: Clock, tamper: object, bad: int
) -> None:
    for number in range(3):
        log.record(event(number=number))
    fresh = SubjectKeys(any_store, stepping, WRAPPING)
    assert check_personal(any_store, fresh).altered == 0
    assert callable(tamper)
    tamper(any_store)
    found = check_personal(any_store, fresh)
    assert (found.altered, len(found.problems)) == (bad, bad)
    assert all("personal text" in problem.what for problem in found.problems)
    log_alone = verify(any_store, (), origin="any")
    assert log_alone.ok
    together = found.added_to(log_alone)
    assert (together.intact, together.complete, together.problem_count) == (False, True, bad)
    assert together.first_bad_seq == found.problems[0].seq


def test_a_text_that_was_never_recorded_is_not_taken_for_one_that_was(
    any_store: Store, log: AuditLog, keys: SubjectKeys
) -> None:
    """Whoever has the keys can seal another text, but the leaf binds the first."""
    log.record(event())
    (stored,) = every(any_store)
    with any_store.read() as connection:
        (key,) = connection.execute(select(audit_subject_key.c.id)).scalars()
        secret = keys.opened(connection, [key])[key]
    forged, _ = seal_part(
        {"address": "198.51.100.1"},
        event=stored.id,
        slot="who",
        subject="user:u-7",
        key=key,
        secret=secret,
        random=os.urandom,
    )
    with pytest.raises(Damaged, match="not what was recorded"):
        open_part(forged, stored.id, secret, stored.commitments["who"])


texts = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=60)


@given(texts, texts, texts, texts)
def test_whatever_people_write_is_sealed_and_opened(
    address: str, agent: str, name: str, reason: str
) -> None:
    said = {"address": address, "agent": agent, "name": name}
    secret = Secret(bytes(32))
    part, bound = seal_part(
        {**said, "reason": reason},
        event="e",
        slot="who",
        subject="user:u",
        key="k",
        secret=secret,
        random=os.urandom,
    )
    assert open_part(part, "e", secret, bound) == {**said, "reason": reason}
    for wrong in (bytes(32), None):
        with pytest.raises(Damaged):
            open_part(part, "e", secret, wrong)
    with pytest.raises(Damaged):
        open_part(part, "f", secret, bound)


@given(st.text(), st.integers(1, 300))
def test_any_text_becomes_one_that_an_event_may_have(text: str, most: int) -> None:
    kept = plain(text, most)
    assert len(kept) <= most
    check(event(personal=Personal(reason=kept)))


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        (event(personal=Personal(agent="a\nb")), "personal.agent"),
        (event(personal=Personal(address="1" * 65)), "personal.address"),
        (replace(event(), actor=Actor("svc", "pay")), "personal"),
        (replace(event(personal=None), network="192.0.2.1"), "network"),
        (
            Event("data.encrypt", "ok", Actor("svc", "p"), "it/k", network="not an address"),
            "network",
        ),
    ],
)
def test_what_is_personal_is_said_of_people_alone_and_is_text(wrong: Event, where: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        check(wrong)
    assert refused.value.fields[0].field == where


def test_the_columns_and_bytes_of_the_log_hold_none_of_it(
    any_store: Store, log: AuditLog, keys: SubjectKeys
) -> None:
    log.record(event())
    with any_store.read() as connection:
        (row,) = connection.execute(select(audit_event)).all()
    whole = b" ".join(v if isinstance(v, bytes) else str(v).encode() for v in row)
    assert not any(text.encode() in whole for text in vars_of(LAN).values())


@pytest.fixture
def aged(
    any_store: Store, log: AuditLog, signer: NoteSigner, stepping: Clock, tmp_path: Path
) -> Store:
    """Of 700 events, the first of which is of u-7 and has something personal, as has every 50th of
    u-8, those before 512 lie in an archive.
    """
    folder = tmp_path / "archives"
    folder.mkdir()
    archives = Archives(FolderPlace(folder), lambda: Secret(bytes(32)))
    store = reaching(any_store, archives)
    said = {2: "u-7", 300: "u-7"}
    log.record_many(
        event(said.get(n, "u-8"), LAN if n in said or n % 50 == 0 else None, n) for n in range(700)
    )
    signed = sign_head(store, stepping, signer, origin=ORIGIN)
    making = Archiving(archives, signed, (signer.verifier(),), 2**60, STARTED, os.urandom)
    written = archiving.write_next(store, Due(before=2**60), making)
    assert written is not None
    with store.write() as connection:
        assert archiving.keep(connection, written)
    assert archiving.remove_archived(store) == 512
    return store


def test_what_is_personal_in_archives_is_checked_and_erased_and_stays_erased(
    aged: Store, keys: SubjectKeys, signer: NoteSigner
) -> None:
    found = check_personal(aged, keys)
    assert (found.here, found.erased, found.altered) == (15, 0, 0)
    erase(aged, "user:u-7")
    found = check_personal(aged, keys)
    assert (found.here, found.erased, found.altered) == (13, 2, 0)
    assert verify(aged, [signer.verifier()], origin=ORIGIN).ok


def test_archives_that_cannot_be_read_hide_nothing_else_that_is_personal(
    aged: Store, any_store: Store, keys: SubjectKeys, tmp_path: Path
) -> None:
    remove_text(aged, 300)
    (file,) = (tmp_path / "archives").iterdir()
    content = bytearray(file.read_bytes())
    content[archive_file.read_header(bytes(content)).frames[0].start + 40] ^= 1
    file.chmod(0o600)
    file.write_bytes(content)
    with aged.read() as connection:
        # What was read before is in memory.
        archives_of(connection).forget()
    found = check_personal(aged, keys)
    assert [problem.seq for problem in found.problems] == [300]
    # Of the bundle 0 to 255, which is damaged, nothing; of all others, what is there.
    assert (found.here, found.altered) == (7, 1)
    # Without the place of the archives, only what is in the store.
    assert check_personal(any_store, keys).here == 3


def test_what_is_personal_is_kept_in_the_reserve_as_well(
    sqlite_store: Store, stepping: Clock, tmp_path: Path
) -> None:
    own = SubjectKeys(sqlite_store, stepping, WRAPPING)
    journals = Journals(tmp_path / "audit", stepping, reserve=True)
    log = AuditLog(sqlite_store, stepping, node="node-1", journals=journals, keys=own)
    log.record(event())
    with sqlite_store.aside() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 1")
        (allowed,) = connection.exec_driver_sql("PRAGMA max_page_count").one()
    assert any(log.record(event(number=number), reserve=True) == -1 for number in range(200))
    with sqlite_store.aside() as connection:
        connection.exec_driver_sql(f"PRAGMA max_page_count = {allowed * 100}")
    log.drain()
    log.close()
    assert {kept.state for kept in read(sqlite_store, own) if kept} == {"here"}
    assert check_personal(sqlite_store, own).altered == 0
