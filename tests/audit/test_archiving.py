"""Old entries move to sealed archives, nobody sees a difference, and nothing is lost or doubled."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, func, select, text
from sqlalchemy.exc import SQLAlchemyError

from secvault.audit import (
    AuditLog,
    Event,
    archive_file,
    archive_rows,
    archiving,
    query,
    search,
)
from secvault.audit import reaching as reaching_module
from secvault.audit.archives import Archives
from secvault.audit.archiving import Archiving, Due
from secvault.audit.checkpoints import StoredCheckpoint, newest_checkpoint, sign_head
from secvault.audit.entries import reaching
from secvault.audit.export import export, tile_bytes
from secvault.audit.leaf import StoredEvent
from secvault.audit.nodes import keep_nodes
from secvault.audit.places import FolderPlace
from secvault.audit.proofs import Inclusion, checkpoint_of_size, prove_consistency, prove_inclusion
from secvault.audit.query import AfterHours, Question, event_at, events, first_since, page
from secvault.audit.streams import place
from secvault.audit.verify import AuditReport, verify
from secvault.audit.verify_export import verify as verify_export
from secvault.clock import Clock
from secvault.crypto.note import NoteSigner
from secvault.crypto.secret import Secret
from secvault.crypto.tiles import Tile
from secvault.errors import Damaged, SecvaultError, Unavailable
from secvault.store import Store, open_store
from secvault.store.tables import audit_event
from tests.audit.conftest import ORIGIN, STARTED
from tests.audit.tampering import intrusion

Reading = Callable[[int], Event]

EVENTS = 1_100
FOREVER = 2**60


@dataclass
class House:
    """A log of 1,100 events with checkpoints, and a folder for its archives."""

    store: Store
    folder: Path
    archives: Archives
    signer: NoteSigner
    clock: Clock

    def sign(self) -> StoredCheckpoint:
        return sign_head(self.store, self.clock, self.signer, origin=ORIGIN)

    def making(self) -> Archiving:
        return Archiving(
            archives=self.archives,
            signed=self.sign(),
            verifiers=(self.signer.verifier(),),
            keep_until=FOREVER,
            now=STARTED,
            random=os.urandom,
        )

    def write(self, due: Due) -> archiving.Written | None:
        return archiving.write_next(self.store, due, self.making())

    def enter(self, written: archiving.Written) -> bool:
        with self.store.write() as connection:
            return archiving.keep(connection, written)

    def archive(self, due: Due) -> int:
        """Archive all that is due; how many archives that makes."""
        made = 0
        while (written := self.write(due)) is not None:
            assert self.enter(written)
            made += 1
        archiving.remove_archived(self.store)
        return made

    def verify(self, *published: bytes) -> AuditReport:
        return verify(self.store, [self.signer.verifier()], origin=ORIGIN, published=published)

    def rows(self) -> int:
        with self.store.read() as connection:
            return connection.scalar(select(func.count()).select_from(audit_event)) or 0

    def files(self) -> list[Path]:
        return sorted(self.folder.iterdir())


@pytest.fixture
def house(
    log: AuditLog,
    any_store: Store,
    reading: Reading,
    signer: NoteSigner,
    stepping: Clock,
    tmp_path: Path,
) -> House:
    folder = tmp_path / "archives"
    folder.mkdir()
    archives = Archives(FolderPlace(folder), lambda: Secret(bytes(32)))
    made = House(reaching(any_store, archives), folder, archives, signer, stepping)
    log.record_many(map(reading, range(300)))
    made.sign()
    log.record_many(map(reading, range(300, EVENTS)))
    made.sign()
    keep_nodes(made.store)
    return made


@pytest.fixture
def small_archives(monkeypatch: pytest.MonkeyPatch) -> None:
    """Archives of two bundles each."""
    monkeypatch.setattr(archiving, "BUNDLES", 2)
    # Read by indexes, as longer logs are.
    monkeypatch.setattr(reaching_module, "NARROW", 0)


ALL = Due(before=FOREVER)
on_sqlite = pytest.mark.parametrize("any_url", ["sqlite"], indirect=True)


def test_only_whole_bundles_of_the_oldest_entries_go_and_the_newest_entry_stays(
    house: House,
) -> None:
    third = event_at(house.store, 600)
    assert third is not None
    assert house.archive(Due(before=third.t)) == 1
    assert house.rows() == EVENTS - 512
    assert house.archive(Due(before=third.t)) == 0
    assert house.archive(ALL) == 1
    assert house.rows() == EVENTS - 1024
    assert house.verify().ok


@on_sqlite
def test_what_is_held_or_not_read_yet_stays(house: House) -> None:
    held = event_at(house.store, 300)
    assert held is not None
    assert house.archive(Due(before=FOREVER, held_from=held.t)) == 1
    assert house.rows() == EVENTS - 256
    assert house.archive(Due(before=FOREVER, unread=767)) == 1
    assert house.rows() == EVENTS - 512


def answers(store: Store) -> list[object]:
    """What an auditor may ask."""
    found: list[object] = []
    questions = (
        Question(),
        Question(kind="record.read"),
        Question(outcome="denied"),
        Question(actor="user:u-7", until=STARTED + 900_000),
        Question(resource="accounting/payments/pay-77"),
        Question(resource="accounting/payments/pay-77/bank_account", below=False),
        Question(since=STARTED + 200_000, until=STARTED + 700_000, department="accounting"),
    )
    for question in questions:
        for newest_first in (True, False):
            after: int | None = None
            pages = []
            for _ in range(40):
                one = page(store, question, after=after, limit=700, newest_first=newest_first)
                pages.append(one)
                after = one.next
                if after is None:
                    break
            found.append(pages)
    with store.read() as connection:
        kinds = [("record.read", "ok")]
        found.append(search.newest(connection, kinds, until=STARTED + 300_000))
        found.append(list(search.every(connection, ["record.read"], until=STARTED + 400_000)))
        paths = ("tile/entries/001", "tile/0/002", "tile/0/004.p/76", "tile/1/000.p/4")
        found += [tile_bytes(connection, Tile.parse(path)) for path in paths]
    return found


@pytest.mark.usefixtures("small_archives")
def test_an_auditor_sees_no_difference(house: House, tmp_path: Path) -> None:
    before = answers(house.store)
    signed = newest_checkpoint(house.store)
    assert signed is not None
    with house.store.read() as connection:
        proven = proofs_of(connection, signed)
    assert house.archive(ALL) == 2
    assert answers(house.store) == before
    with house.store.read() as connection:
        assert proofs_of(connection, signed) == proven
    out = tmp_path / "tiles"
    export(house.store, signed, out, house.signer.verifier())
    found = verify_export(out, house.signer.verifier().vkey, [])
    assert (found["intact"], found["complete"], found["entries"]) == (True, True, EVENTS)
    report = house.verify(signed.note)
    assert report.ok
    assert (report.size, report.archived, report.hashes_only) == (EVENTS, 1024, 0)


def everything(store: Store) -> list[StoredEvent]:
    found: list[StoredEvent] = []
    after: int | None = None
    while not found or after is not None:
        one = page(store, after=after, limit=600, newest_first=False)
        found += one.events
        after = one.next
    return found


def proofs_of(connection: Connection, signed: StoredCheckpoint) -> list[Inclusion]:
    return [prove_inclusion(connection, signed, seq) for seq in (0, 255, 256, 700, 1_050)]


def test_checkpoints_go_on_and_still_prove_that_they_only_added(
    house: House, log: AuditLog, reading: Reading
) -> None:
    with house.store.read() as connection:
        old = checkpoint_of_size(connection, 300)
    house.archive(ALL)
    log.record(reading(EVENTS))
    new = house.sign()
    assert new.size == EVENTS + 1
    with house.store.read() as connection:
        proof = prove_consistency(connection, old, new)
    proof.check([house.signer.verifier()], ORIGIN)
    # Nothing is trusted but the signature: the frontier of the last checkpoint can be made anew.
    with intrusion(house.store) as connection:
        connection.execute(text("DELETE FROM audit_head WHERE log = 'main/checkpoint'"))
    log.record(reading(EVENTS + 1))
    assert house.sign().size == EVENTS + 2


@on_sqlite
def test_an_archive_alone_tells_nothing_and_with_its_key_proves_itself(house: House) -> None:
    house.archive(ALL)
    (file,) = house.files()
    content = file.read_bytes()
    assert file.stat().st_mode & 0o222 == 0
    for word in (b"record.read", b"u-7", b"accounting", b"bank_account"):
        assert word not in content
    leaves = archiving.check(content, house.making(), 0, 1024)
    assert len(leaves) == 1024
    header = archive_file.read_header(content)
    with pytest.raises(Damaged):
        archive_file.open_key(header, Secret(bytes([1]) * 32))


REFUSED = (
    "DELETE FROM audit_event WHERE seq = 1099",
    "DELETE FROM audit_event",
    "DELETE FROM audit_archive",
    "UPDATE audit_archive SET stop = 2048",
    (
        "INSERT INTO audit_archive SELECT 256, 1280, name, digest, bytes, first_t, last_t, made_at,"
        " keep_until FROM audit_archive"
    ),
    "DELETE FROM audit_leaves WHERE n = 1",
    "UPDATE audit_leaves SET n = 9 WHERE n = 1",
)


@pytest.mark.parametrize("statement", REFUSED)
def test_the_store_forbids_every_other_deletion(house: House, statement: str) -> None:
    house.archive(ALL)
    with pytest.raises((SecvaultError, SQLAlchemyError)), house.store.write() as connection:
        connection.execute(text(statement))
    assert house.rows() == EVENTS - 1024
    assert house.verify().ok


def test_an_entry_that_is_not_the_one_in_the_archive_does_not_go(house: House) -> None:
    written = house.write(ALL)
    assert written is not None
    guard = (
        "DROP TRIGGER audit_event_append_only ON audit_event"
        if house.store.dialect == "postgresql"
        else "DROP TRIGGER audit_event_no_update"
    )
    with house.store.write() as connection:
        connection.execute(text(guard))
        connection.execute(
            audit_event.update().where(audit_event.c.seq == 5).values(leaf_hash=bytes(32))
        )
    assert house.enter(written)
    with pytest.raises((SecvaultError, SQLAlchemyError)):
        archiving.remove_archived(house.store)
    assert [one.seq for one in house.verify().problems] == [5]


def test_entries_whose_bytes_were_changed_are_not_archived(house: House) -> None:
    with intrusion(house.store) as connection:
        row = connection.execute(select(audit_event).where(audit_event.c.seq == 9)).one()
        body = bytes(row.body).replace(b"u-7", b"u-8")
        connection.execute(audit_event.update().where(audit_event.c.seq == 10).values(body=body))
    with pytest.raises(Damaged):
        house.write(ALL)
    assert house.files() == []
    assert house.rows() == EVENTS


class Cut(Exception):
    """The process ends here."""


@dataclass
class CuttingPlace:
    """A folder at which the process is killed before or after something is put there."""

    folder: FolderPlace
    where: str

    def put_once(self, name: str, content: bytes, retain_until: int) -> None:
        if self.where == "before it is put":
            raise Cut
        self.folder.put_once(name, content, retain_until)
        if self.where == "after it is put":
            raise Cut

    def check(self) -> None:
        self.folder.check()

    def get(self, name: str) -> bytes | None:
        found = self.folder.get(name)
        if self.where == "after it is read back":
            raise Cut
        return found


@on_sqlite
@pytest.mark.usefixtures("small_archives")
@pytest.mark.parametrize(
    "where", ["before it is put", "after it is put", "after it is read back", "before it is kept"]
)
def test_a_run_that_was_killed_is_taken_up_and_leaves_one_archive_of_each_entry(
    house: House, where: str
) -> None:
    before = everything(house.store)
    place = house.archives.place
    assert isinstance(place, FolderPlace)
    house.archives.place = CuttingPlace(place, where)
    half = event_at(house.store, 600)
    assert half is not None
    if where == "before it is kept":
        assert house.write(Due(before=half.t)) is not None
    else:
        with pytest.raises(Cut):
            house.write(Due(before=half.t))
    assert house.rows() == EVENTS
    assert everything(house.store) == before
    house.archives.place = place
    # More is due by now, and still the archive that was begun is finished first.
    assert house.archive(ALL) == 2
    assert len(house.files()) == 2
    assert everything(house.store) == before
    assert house.verify().ok


def test_a_run_that_was_killed_while_it_removed_is_finished_and_doubles_nothing(
    house: House,
) -> None:
    before = everything(house.store)
    written = house.write(ALL)
    assert written is not None
    assert house.enter(written)
    assert everything(house.store) == before
    with house.store.write() as connection:
        connection.execute(text("DELETE FROM audit_event WHERE seq < 300"))
    assert everything(house.store) == before
    assert house.verify().ok
    assert archiving.remove_archived(house.store) == 1024 - 300
    assert archiving.remove_archived(house.store) == 0
    assert everything(house.store) == before
    assert house.verify().ok


@pytest.mark.slow
def test_whenever_a_run_is_killed_nothing_is_lost_or_doubled(house: House, any_url: str) -> None:
    before = everything(house.store)
    program = Path(__file__).with_name("archiving_process.py")
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, str(program), any_url, str(house.folder)]
    random = Random(7)
    # The last one is let alone.
    for moment in (*(random.uniform(0.0, 0.3) for _ in range(6)), None):
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
            assert process.stdout is not None
            try:
                assert process.stdout.readline() == b"working\n"
                # One that is not killed may take its time, but not for ever.
                process.wait(300 if moment is None else moment)
            except subprocess.TimeoutExpired:
                process.kill()
        house.archives.forget()
        assert everything(house.store) == before
    assert process.returncode == 0
    assert house.rows() == EVENTS - 1024
    assert len([file for file in house.files() if not file.name.startswith(".")]) == 4
    assert house.verify().ok


@on_sqlite
def test_a_database_put_back_to_before_the_run_works_and_takes_the_same_archive(
    log: AuditLog, house: House, tmp_path: Path
) -> None:
    copy = tmp_path / "copy.db"
    with (
        closing(sqlite3.connect(str(house.store.writer.url.database))) as live,
        closing(sqlite3.connect(copy)) as other,
    ):
        live.backup(other)
    before = everything(house.store)
    assert house.archive(ALL) == 1
    (file,) = house.files()
    restored = open_store(f"sqlite:///{copy}")
    house.archives.forget()
    again = replace(house, store=reaching(restored, house.archives))
    assert again.verify().ok
    assert everything(again.store) == before
    assert again.archive(ALL) == 1
    assert again.files() == [file]
    assert everything(again.store) == before
    assert again.verify().ok
    restored.close()


@on_sqlite
def test_of_two_runs_at_once_one_enters_the_archive(house: House) -> None:
    one, other = house.write(ALL), house.write(ALL)
    assert one is not None
    assert other is not None
    assert house.enter(one)
    assert not house.enter(other)
    assert len(house.files()) == 1
    assert house.verify().ok


@on_sqlite
@pytest.mark.usefixtures("small_archives")
def test_a_damaged_archive_is_named_with_its_entries_and_hides_nothing_else(house: House) -> None:
    house.archive(ALL)
    file = house.files()[1]
    content = bytearray(file.read_bytes())
    frame = archive_file.read_header(bytes(content)).frames[1]
    content[frame.start + 40] ^= 1
    file.chmod(0o600)
    file.write_bytes(content)
    with intrusion(house.store) as connection:
        connection.execute(audit_event.update().where(audit_event.c.seq == 1_050).values(kind="x"))
    report = house.verify()
    assert (report.intact, report.complete) == (False, True)
    assert report.first_bad_seq == 512
    said = [(one.seq, one.what) for one in report.problems]
    assert said[0] == (512, f"the archive {file.name} was changed")
    assert said[1][0] == 768
    assert file.name in said[1][1]
    assert "entries 768 to 1023" in said[1][1]
    assert [seq for seq, _ in said[2:]] == [1_050]
    assert report.hashes_only == 256
    with pytest.raises(Damaged, match="entries 768 to 1023"):
        event_at(house.store, 800)
    assert event_at(house.store, 700) is not None


@on_sqlite
@pytest.mark.usefixtures("small_archives")
def test_a_missing_archive_is_a_matter_of_completeness(house: House) -> None:
    house.archive(ALL)
    gone = house.files()[0]
    gone.unlink()
    report = house.verify()
    assert (report.intact, report.complete) == (True, False)
    (problem,) = report.problems
    assert (problem.seq, problem.verdict) == (0, "completeness")
    assert problem.what == f"the archive {gone.name} of entries 0 to 511 is missing"
    with pytest.raises(Damaged, match="is missing"):
        page(house.store, newest_first=False)
    # What is newer can be read and proven all the same.
    signed = newest_checkpoint(house.store)
    assert signed is not None
    with house.store.read() as connection:
        prove_inclusion(connection, signed, 700).check([house.signer.verifier()], ORIGIN)


def test_leaf_hashes_that_were_changed_are_found(house: House) -> None:
    house.archive(ALL)
    with house.store.write() as connection:
        guards = {
            "postgresql": "DROP TRIGGER audit_leaves_append_only ON audit_leaves",
            "sqlite": "DROP TRIGGER audit_leaves_no_update",
        }
        connection.execute(text(guards[house.store.dialect]))
        hashes = connection.scalar(text("SELECT hashes FROM audit_leaves WHERE n = 2"))
        assert hashes is not None
        changed = bytes(32) + bytes(hashes)[32:]
        connection.execute(
            text("UPDATE audit_leaves SET hashes = :changed WHERE n = 2"), {"changed": changed}
        )
    report = house.verify()
    assert not report.intact
    assert report.first_bad_seq == 512


@on_sqlite
def test_a_folder_that_is_not_there_is_no_missing_archive(house: House) -> None:
    house.archive(ALL)
    house.folder.rename(house.folder.with_name("elsewhere"))
    house.archives.forget()
    with pytest.raises(Unavailable):
        event_at(house.store, 3)
    with pytest.raises(Unavailable):
        house.verify()


@on_sqlite
def test_a_copy_without_its_archives_is_verified_by_the_hashes_that_it_kept(
    house: House, any_store: Store
) -> None:
    house.archive(ALL)
    report = verify(any_store, [house.signer.verifier()], origin=ORIGIN)
    assert report.ok
    assert (report.size, report.archived, report.hashes_only) == (EVENTS, 1024, 1024)
    with pytest.raises(Unavailable, match=r"audit\.retention\.place"):
        event_at(any_store, 3)


@on_sqlite
def test_leaf_hashes_take_32_bytes_an_entry(house: House) -> None:
    house.archive(ALL)
    with house.store.read() as connection:
        total = sum(len(hashes) for _, hashes in archive_rows.leaves(connection, 0, 4))
    assert total == 32 * 1024


@pytest.mark.parametrize("oldest_first", [True, False])
@pytest.mark.parametrize("question", [Question(), Question(kinds=("record.",), outcomes=("ok",))])
def test_reading_everything_loses_nothing_to_a_run_that_archives_meanwhile(
    house: House, monkeypatch: pytest.MonkeyPatch, question: Question, *, oldest_first: bool
) -> None:
    monkeypatch.setattr(query, "_CHUNK", 100)
    half = event_at(house.store, 300)
    assert half is not None
    assert house.archive(Due(before=half.t)) == 1
    read = []
    for stored in events(house.store, question, oldest_first=oldest_first):
        read.append(stored.seq)
        if len(read) == 400:
            assert house.archive(ALL) == 1
    assert read == (list(range(EVENTS)) if oldest_first else list(range(EVENTS))[::-1])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(
    after=st.none() | st.sampled_from((-1, 0, 255, 256, 511, 512, 513, 1023, 1024, 1099, 5000)),
    bounds=st.tuples(*[st.none() | st.sampled_from((0, 255, 256, 512, 600, 1024, 1100))] * 4),
    kind=st.sampled_from(("", "record.read", "record.", "key.rotate")),
    shut=st.none() | st.sampled_from((0, 300, 512, 1100)),
    newest_first=st.booleans(),
    back=st.booleans(),
    limit=st.sampled_from((1, 200, 1000)),
)
def test_a_page_across_store_and_archives_is_what_a_plain_filter_gives(
    mixed: tuple[House, list[StoredEvent]],
    after: int | None,
    bounds: tuple[int | None, ...],
    kind: str,
    shut: int | None,
    limit: int,
    *,
    newest_first: bool,
    back: bool,
) -> None:
    house, every = mixed
    first, end, since_at, until_at = bounds
    moments = [*(each.t for each in every), FOREVER]
    since = None if since_at is None else moments[since_at]
    until = None if until_at is None else moments[until_at]
    hours = None if shut is None else AfterHours(lambda t: t < moments[shut], "late", "UTC")
    question = Question(
        kind=kind, since=since, until=until, first=first, end=end, after_hours=hours
    )
    wanted = [
        each
        for each in every
        if kind != "key.rotate"
        and each.seq >= (first or 0)
        and (end is None or each.seq < end)
        and (since is None or each.t >= since)
        and (until is None or each.t < until)
        and (shut is None or each.t >= moments[shut])
    ]
    assert [*events(house.store, question)] == wanted
    wanted = wanted[::-1] if newest_first else wanted
    assert [*events(house.store, question, oldest_first=not newest_first)] == wanted
    sign = -1 if newest_first else 1
    if back and after is not None:
        found = page(house.store, question, before=after, limit=limit, newest_first=newest_first)
        wanted = [each for each in wanted if sign * each.seq < sign * after][-limit:]
    else:
        found = page(house.store, question, after=after, limit=limit, newest_first=newest_first)
        if after is not None:
            wanted = [each for each in wanted if sign * each.seq > sign * after]
        wanted = wanted[:limit]
    assert [*found.events] == wanted


def test_what_was_begun_is_not_written_on_when_it_is_held_by_now(house: House) -> None:
    # A run that was killed before it entered its archive.
    assert house.write(ALL) is not None
    held = event_at(house.store, 700)
    assert held is not None
    assert house.archive(Due(before=FOREVER, held_from=held.t)) == 1
    assert house.rows() == EVENTS - 512
    assert house.verify().ok


@pytest.fixture
def mixed(house: House, small_archives: None) -> tuple[House, list[StoredEvent]]:
    """A log of which the first 1,024 entries lie in two archives, and all that it held before."""
    every = [*events(house.store)]
    assert house.archive(ALL) == 2
    return house, every


def test_the_first_event_since_a_moment_is_found_wherever_it_lies(
    mixed: tuple[House, list[StoredEvent]],
) -> None:
    house, every = mixed
    with house.store.read() as connection:
        for seq in (0, 255, 256, 511, 512, 1023, 1024, 1099):
            assert first_since(connection, every[seq].t) == seq
            assert first_since(connection, every[seq].t - 1) == seq
        assert first_since(connection, every[-1].t + 1) is None


def test_a_stream_that_goes_back_sends_from_archives(
    mixed: tuple[House, list[StoredEvent]],
) -> None:
    house, every = mixed
    at, sent = place.Place("siem", 0, 1090, 500), []
    with house.store.read() as connection:
        while batch := place.next_batch(connection, at, at_once=300, form="jsonl"):
            sent += batch.events
            at = replace(at, next_seq=batch.last + 1)
    assert sent == every[500:]
