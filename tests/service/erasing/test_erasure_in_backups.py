"""An erased person is in no backup: not in a restored older one at once, and after the stated delay
not for whoever has every repository and every key. With a real restic.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest
from sqlalchemy import select

from secvault.audit.personal import read_personal
from secvault.audit.query import Question, page
from secvault.backup import key_file, keys_apart, rejoin
from secvault.backup.repository import KEYS
from secvault.clock import timestamp
from secvault.errors import Conflict, Damaged, KeysApart, NotFound
from secvault.records.record import read_record
from secvault.service import (
    Service,
    audit_log,
    authentication,
    backups,
    opening,
    records,
    rejoining,
)
from secvault.service.erasing import erasures
from secvault.service.erasing.target import Kind
from secvault.service.rewrapping import rewrap_all_of, rotate_collection_key
from secvault.service.spine import Caller
from secvault.store import open_store, tables
from tests.running_service import House
from tests.service.erasing.office import BINH, EMPLOYEE, KIEU, NAME, Office, opened_office

pytestmark = [pytest.mark.real, pytest.mark.usefixtures("quick_repositories")]
PLAN = "nightly"
DAY = 86_400


@pytest.fixture
def days() -> int:
    return 7


@pytest.fixture
def kept(house: House, days: int) -> House:
    """The house, with data keys kept for so many days."""
    return replace(house, more={**house.more, "SECVAULT_BACKUP__KEYS_DAYS": str(days)})


@pytest.fixture
def office(kept: House) -> Iterator[Office]:
    with kept.open() as service:
        yield opened_office(service, kept)


def operator(service: Service) -> Caller:
    return Caller(authentication.local_operator(service))


def back_up(service: Service) -> str:
    """A run; the id of its snapshot."""
    done, _ = backups.run_backup(service, operator(service), PLAN, lambda _: None, Event())
    assert done.snapshot
    return done.snapshot


def restored(service: Service, snapshot: str, target: Path) -> backups.Restored:
    return backups.restore(service, operator(service), PLAN, snapshot, target, lambda _: None)


def moved_in(found: backups.Restored, house: House, folder: Path) -> House:
    """A new machine: the copy as its vault, and the seal's key that was kept apart."""
    (folder / "vault").mkdir(parents=True)
    shutil.copy(found.target / "secvault.db", folder / "vault/secvault.db")
    shutil.copy(house.folder / "vault.key", folder / "vault.key")
    return replace(house, folder=folder)


@contextmanager
def opened_apart(house: House) -> Iterator[Service]:
    with opening.opened(
        house.settings, house.hands.clock(), program="test", environment={}, apart=True
    ) as service:
        yield service


def join(house: House, files: tuple[Path, ...], *, without: bool = False) -> rejoin.Rejoined:
    with opened_apart(house) as service:
        return rejoining.rejoin(service, operator(service), files, without_deleted=without)


def name_of(service: Service, record: str) -> object:
    collection = service.collections["employees"]
    with service.store.read() as connection:
        found = read_record(connection, service.keyring, collection, record)
        return found.value("full_name")


def test_an_older_backup_that_is_restored_leaves_out_who_was_erased_since(
    office: Office, tmp_path: Path
) -> None:
    older = back_up(office.service)
    office.erase_person()
    newer = back_up(office.service)
    for number, snapshot in enumerate((older, newer)):
        found = restored(office.service, snapshot, tmp_path / f"target-{number}")
        machine = moved_in(found, office.house, tmp_path / f"machine-{number}")
        with pytest.raises(KeysApart, match="rejoin"), machine.open():
            pass
        done = join(machine, found.key_files)
        assert done.erased == (4 if snapshot == older else 0)
        with machine.open() as service:
            assert name_of(service, BINH) == "Lê Văn Bình"
            with pytest.raises(NotFound):
                name_of(service, KIEU)
            # The evidence came with it.
            ((only, _),) = erasures.list_erasures(service, operator(service), 5)
            assert only.kind == "person"
            drill_of_data_keys(service)


def drill_of_data_keys(service: Service) -> None:
    """Every data key that is there opens, and each is somebody's."""
    with service.store.read() as connection:
        for row in connection.execute(select(tables.record.c.collection, tables.record.c.id)).all():
            collection = service.collections[row.collection]
            record = read_record(connection, service.keyring, collection, row.id)
            assert all(record.value(name) is not None for name in record.sealed)


def test_the_copy_alone_opens_nothing_and_holds_no_data_key(office: Office, tmp_path: Path) -> None:
    snapshot = back_up(office.service)
    key = tables.data_key.c
    with office.service.store.read() as connection:
        wrapped = list(connection.execute(select(key.wrapped)).scalars())
    assert wrapped
    found = restored(office.service, snapshot, tmp_path / "target")
    copy = (found.target / "secvault.db").read_bytes()
    assert not any(one in copy for one in wrapped)
    assert NAME.encode() not in copy
    store = open_store(f"sqlite:///{found.target}/secvault.db")
    keyring = office.service.keyring.over(store)
    with store.read() as connection, pytest.raises(Damaged, match="is gone"):
        read_record(connection, keyring, office.service.collections["employees"], KIEU)
    store.close()


@pytest.mark.parametrize("days", [7, 0], ids=["a week", "the newest only"])
def test_before_the_delay_is_over_the_older_keys_are_there_and_after_it_they_are_in_no_pack(
    office: Office, days: int, tmp_path: Path
) -> None:
    """What somebody finds who has all repositories, all passwords and the seal's key."""
    engine = office.service.backups
    repository = engine.ready_repository(engine.plan(PLAN).repository + KEYS)
    back_up(office.service)
    (first,) = keys_apart.snapshots(engine, PLAN)
    office.erase_person()
    back_up(office.service)
    left = [one.id for one in keys_apart.snapshots(engine, PLAN)]
    assert (first.id in left) is (days > 0)
    if days:
        # As if the first had been made so many days and an hour ago.
        aged(office.service, first.id, days * DAY + 3600, tmp_path)
        back_up(office.service)
    assert first.id not in [one.id for one in keys_apart.snapshots(engine, PLAN)]
    # Not forgotten only: no pack that is left has a key of hers.
    for number, one in enumerate(keys_apart.snapshots(engine, PLAN)):
        place = tmp_path / f"left-{number}"
        engine.restic.restore(repository, one.id, place, verify=True, on_progress=lambda _: None)
        (file,) = place.rglob(key_file.NAME)
        subjects = {line.subject for line in key_file.read(file) if isinstance(line, key_file.Key)}
        assert KIEU not in subjects
        assert BINH in subjects
    status, blobs, _ = engine.restic.command.run(repository, "list", "blobs")
    assert status == 0
    assert first.id.encode() not in blobs


def aged(service: Service, snapshot: str, seconds: int, folder: Path) -> None:
    """The same data keys saved again as of an earlier time, and the snapshot of now forgotten."""
    engine = service.backups
    repository = engine.opened_repository(engine.plan(PLAN).repository + KEYS)
    place = folder / "aged"
    engine.restic.restore(repository, snapshot, place, verify=True, on_progress=lambda _: None)
    (file,) = place.rglob(key_file.NAME)
    then = timestamp(int((_now() - seconds) * 1_000_000))[:19].replace("T", " ")
    words = (f"--time={then}", f"--tag={keys_apart.TAG},plan={PLAN},run=aged", str(file.parent))
    status, _, complaints = engine.restic.command.run(repository, "backup", *words)
    assert status == 0, complaints
    status, _, complaints = engine.restic.command.run(repository, "forget", snapshot)
    assert status == 0, complaints


def _now() -> float:
    import time  # noqa: PLC0415 - restic goes by the machine's clock

    return time.time()


def test_an_older_backup_opens_with_the_newest_keys_also_after_a_rotation(
    office: Office, tmp_path: Path
) -> None:
    service = office.service
    older = back_up(service)
    rotate_collection_key(service, operator(service), "employees")
    rewrap_all_of(service, "employees", lambda _done, _of: None)
    back_up(service)
    found = restored(service, older, tmp_path / "target")
    newest = keys_apart.fetch(service.backups, PLAN, "", tmp_path / "newest", Event())
    machine = moved_in(found, office.house, tmp_path / "machine")
    assert join(machine, newest).left_out == 0
    with machine.open() as opened:
        assert (name_of(opened, KIEU), name_of(opened, BINH)) == (NAME, "Lê Văn Bình")


def test_what_was_only_deleted_comes_back_with_the_keys_of_its_time_and_is_named_without(
    office: Office, tmp_path: Path
) -> None:
    service = office.service
    older = back_up(service)
    records.delete_record(service, office.head, "employees", BINH, 1)
    back_up(service)
    found = restored(service, older, tmp_path / "target")
    newest = keys_apart.fetch(service.backups, PLAN, "", tmp_path / "newest", Event())
    machine = moved_in(found, office.house, tmp_path / "machine")
    with pytest.raises(Conflict, match=f"1 records, first employees/{BINH}"):
        join(machine, newest)
    with pytest.raises(KeysApart), machine.open():
        pass
    assert join(machine, newest, without=True).left_out == 1
    second = moved_in(found, office.house, tmp_path / "second")
    assert join(second, found.key_files).left_out == 0
    with second.open() as opened:
        assert name_of(opened, BINH) == "Lê Văn Bình"


def test_who_was_erased_and_entered_anew_is_not_read_with_the_new_key(
    office: Office, tmp_path: Path
) -> None:
    service = office.service
    older = back_up(service)
    office.erase_person()
    records.create_record(service, office.again("hoa"), "employees", KIEU, EMPLOYEE)
    back_up(service)
    found = restored(service, older, tmp_path / "target")
    machine = moved_in(found, office.house, tmp_path / "machine")
    assert join(machine, found.key_files).erased == 4
    with machine.open() as opened, pytest.raises(NotFound):
        name_of(opened, KIEU)


def test_a_file_of_another_vault_or_a_cut_one_changes_nothing(
    office: Office, tmp_path: Path
) -> None:
    found = restored(office.service, back_up(office.service), tmp_path / "target")
    machine = moved_in(found, office.house, tmp_path / "machine")
    content = found.key_files[0].read_bytes()
    broken = tmp_path / "broken.jsonl"
    for change in (content[:-20], content[: len(content) // 2], b"", b"{}\n", content + content):
        broken.write_bytes(change)
        with pytest.raises(Damaged):
            join(machine, (broken,))
    with pytest.raises(KeysApart), machine.open():
        pass


def test_when_an_erasure_has_reached_the_backups_is_said(office: Office, days: int) -> None:
    service, hands = office.service, office.house.hands
    back_up(service)
    done = office.erase_person()
    assert (done.reach.known, done.reach.gone) == (False, False)
    hands.seconds += 60
    back_up(service)
    ((_, reach),) = erasures.list_erasures(service, operator(service), 5)
    assert (reach.known, reach.gone) == (True, days == 0)
    hands.seconds += days * DAY + 60
    back_up(service)
    ((_, reach),) = erasures.list_erasures(service, operator(service), 5)
    assert reach.gone


def texts_of_the_log(service: Service, subject: str) -> set[tuple[str, str]]:
    """State and address of every event of the subject that says something personal."""
    service.audit.drain()
    assert service.audit.keys is not None
    events = page(service.store, Question(actor=subject), limit=1_000).events
    found = read_personal(service.store, service.audit.keys, events)
    return {(kept.state, kept.personal.address) for kept in found.values()}


def test_a_restored_backup_does_not_bring_back_what_the_log_kept_of_somebody_erased(
    office: Office, tmp_path: Path
) -> None:
    service = office.service
    for name, address in (("hoa", "203.0.113.77"), ("privacy", "203.0.113.99")):
        authentication.whoami(service, replace(office.again(name), address=address))
    hoa, privacy = office.head.principal.subject, office.privacy.principal.subject
    older = back_up(service)
    texts = texts_of_the_log(service, hoa)
    assert ("here", "203.0.113.77") in texts
    assert {state for state, _ in texts} == {"here"}
    office.erase(office.again("privacy"), Kind.LOG, hoa)
    assert texts_of_the_log(service, hoa) == {("erased", "")}
    newer = back_up(service)
    column = tables.audit_subject_key.c
    for number, snapshot in enumerate((older, newer)):
        found = restored(service, snapshot, tmp_path / f"target-{number}")
        copy = open_store(f"sqlite:///{found.target}/secvault.db")
        with copy.read() as connection:
            assert connection.execute(select(column.id)).all() == []
            parts = connection.execute(select(tables.audit_personal.c.subject)).scalars().all()
        copy.close()
        assert (hoa in parts) is (snapshot == older)
        machine = moved_in(found, office.house, tmp_path / f"machine-{number}")
        join(machine, found.key_files)
        with machine.open() as opened:
            assert texts_of_the_log(opened, hoa) == {("erased", "")}
            assert ("here", "203.0.113.99") in texts_of_the_log(opened, privacy)
            assert audit_log.verify_log(opened, operator(opened)).ok
