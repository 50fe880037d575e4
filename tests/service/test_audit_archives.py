"""Old entries of a service's log move to archives: who may, when, and what is read afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import func, select

from secvault.audit import Actor, Event
from secvault.audit.query import Question
from secvault.crypto.tiles import Tile, entries_of
from secvault.errors import ConfigurationError, InvalidInput, Refused, Unavailable
from secvault.records import hold as hold_rows
from secvault.records.hold import Held, Hold, HoldKind
from secvault.service import Service, audit_archives, audit_log, audit_proofs, authentication
from secvault.service.audit_archives import months_before
from secvault.service.erasing import holds
from secvault.service.spine import Caller
from secvault.service.workflows import ARCHIVING, schedules
from secvault.store.tables import audit_event, audit_watch
from tests.conftest import S3Server
from tests.running_service import House

YEAR = 366 * 86_400
OLD = 600


@pytest.fixture
def house(house: House, tmp_path: Path) -> House:
    """A vault whose log goes to a folder after two years."""
    folder = tmp_path / "archives"
    folder.mkdir()
    more = {**house.more, "SECVAULT_AUDIT__RETENTION__PLACE": str(folder)}
    return replace(house, more=more)


@pytest.fixture
def auditor(house: House) -> Caller:
    """The auditor, signed in before the years went by."""
    with house.open() as service:
        return Caller(authentication.authenticate(service, house.tokens["auditor"]))


@pytest.fixture
def aged(house: House, auditor: Caller) -> Iterator[Service]:
    """The open service of it, with 600 entries of more than two years ago."""
    with house.open() as service:
        read = Event("record.read", "ok", Actor("user", "u-old"), "hr/payroll/pay-0042", "hr")
        service.audit.record_many([read] * OLD)
    house.hands.seconds += 2 * YEAR + 3_600
    with house.open() as service:
        yield service


@pytest.fixture
def operator(aged: Service) -> Caller:
    return Caller(authentication.local_operator(aged))


def rows(service: Service) -> int:
    with service.store.read() as connection:
        return connection.scalar(select(func.count()).select_from(audit_event)) or 0


def test_what_is_old_enough_moves_is_logged_and_is_still_read_and_proven(
    aged: Service, operator: Caller, auditor: Caller
) -> None:
    before = rows(aged)
    question = Question(actor="user:u-old")
    seen = audit_log.read_events(aged, operator, question, None, 1_000)
    told: list[tuple[int, int]] = []
    done = audit_archives.archive_log(aged, operator, lambda now, of: told.append((now, of)))
    (archive,) = done.archives
    assert archive.first == 0
    assert archive.stop % 256 == 0
    assert done.entries == done.removed == archive.stop >= 512
    assert told == [(archive.stop, archive.stop)]
    assert rows(aged) < before
    assert audit_log.read_events(aged, operator, question, None, 1_000).events == seen.events
    entry = audit_log.read_events(aged, operator, Question(kind="audit.archive"), None, 9).events[0]
    assert dict(entry.event.detail) == {
        "old": 0,
        "size": archive.stop,
        "bytes": archive.bytes,
        "digest": archive.digest.hex(),
        "target": archive.name,
    }
    assert entry.event.count == archive.stop
    proof = audit_proofs.prove_event(aged, auditor, 300)
    verifier = aged.signing.audit.verifier()
    proof.check([verifier], verifier.name)
    tile = audit_proofs.read_tile(aged, auditor, Tile(None, 1).path)
    assert entries_of(tile)[300 - 256] == proof.entry
    report = audit_log.verify_log(aged, auditor)
    assert report.ok
    assert (report.archived, report.hashes_only) == (archive.stop, 0)
    shelf = audit_archives.list_archives(aged, auditor)
    assert (shelf.archives, shelf.live_from) == ((archive,), archive.stop)


def test_a_run_with_nothing_to_do_says_so_in_the_log(aged: Service, operator: Caller) -> None:
    audit_archives.archive_log(aged, operator)
    assert audit_archives.archive_log(aged, operator).archives == ()
    entry = audit_log.read_events(aged, operator, Question(kind="audit.archive"), None, 9).events[0]
    assert (entry.event.outcome, entry.event.count) == ("ok", 0)


def test_an_auditor_sees_archives_and_makes_none(aged: Service, auditor: Caller) -> None:
    assert audit_archives.list_archives(aged, auditor).archives == ()
    with pytest.raises(Refused):
        audit_archives.archive_log(aged, auditor)


def test_a_hold_on_the_log_keeps_entries_in_the_store(aged: Service, operator: Caller) -> None:
    made = Hold("h-1", HoldKind.LOG, "", "2000-01-01T00:00:00.000000Z", "lawsuit", "user:u-1", 1)
    with aged.store.write() as connection:
        hold_rows.place(connection, made)
    assert audit_archives.archive_log(aged, operator).archives == ()
    with aged.store.write() as connection:
        assert not hold_rows.holds_on(connection, [Held("payroll", "pay-0042", "pay-0042", None)])
        hold_rows.lift(connection, "h-1", "user:u-2", 2, "settled")
    assert audit_archives.archive_log(aged, operator).archives != ()


@pytest.mark.parametrize("enabled", [True, False])
def test_entries_wait_for_the_rules_that_have_yet_to_look_at_them_unless_they_are_off(
    aged: Service, operator: Caller, *, enabled: bool
) -> None:
    with aged.store.write() as connection:
        connection.execute(audit_watch.insert().values(name="events", value=255))
    detection = aged.settings.audit.detection.model_copy(update={"enabled": enabled})
    audit = aged.settings.audit.model_copy(update={"detection": detection})
    own = replace(aged, settings=aged.settings.model_copy(update={"audit": audit}))
    done = audit_archives.archive_log(own, operator)
    assert (done.entries == 256) is enabled
    assert done.entries >= 256


def test_a_hold_on_the_log_names_a_moment(aged: Service, operator: Caller) -> None:
    with pytest.raises(InvalidInput, match="date or time"):
        holds.place(aged, operator, HoldKind.LOG, "", "some day", "lawsuit")
    with pytest.raises(InvalidInput, match="held in all collections"):
        holds.place(aged, operator, HoldKind.LOG, "payroll", "2026-01-01", "lawsuit")
    # Placing one is a matter of the privacy officers and takes two of them.
    with pytest.raises(Refused):
        holds.place(aged, operator, HoldKind.LOG, "", "2026-01-01", "lawsuit")


def test_the_worker_archives_by_schedule_where_there_is_a_place(aged: Service) -> None:
    assert [one.cron for one in schedules(aged) if one.kind == ARCHIVING] == ["0 4 2 * *"]
    jobs = Caller(authentication.jobs())
    assert audit_archives.archive_log(aged, jobs).archives != ()


def test_without_a_place_nothing_is_scheduled_and_a_run_says_what_to_set(service: Service) -> None:
    bare = replace(
        service,
        settings=service.settings.model_copy(
            update={
                "audit": service.settings.audit.model_copy(
                    update={
                        "retention": service.settings.audit.retention.model_copy(
                            update={"place": ""}
                        )
                    }
                )
            }
        ),
    )
    assert [one for one in schedules(bare) if one.kind == ARCHIVING] == []
    bare.archives.place = None
    with pytest.raises(ConfigurationError, match=r"audit\.retention\.place"):
        audit_archives.archive_log(bare, Caller(authentication.local_operator(bare)))


def test_a_folder_that_is_not_mounted_stops_the_run_before_anything_is_done(
    aged: Service, operator: Caller, tmp_path: Path
) -> None:
    (tmp_path / "archives").rmdir()
    before = rows(aged)
    with pytest.raises(Unavailable, match="archives"):
        audit_archives.archive_log(aged, operator)
    assert rows(aged) >= before


@pytest.mark.parametrize(
    ("months", "moment"),
    [(24, 1_725_148_800_000_000), (1, 1_785_542_400_000_000), (8_000, 0)],
)
def test_months_are_those_of_the_calendar(months: int, moment: int) -> None:
    first_of_september_2026 = 1_788_220_800_000_000
    assert months_before(first_of_september_2026, months) == moment


def test_the_last_day_of_a_longer_month_is_that_of_a_shorter_one() -> None:
    # From 31 March 2026 back to 28 February.
    assert months_before(1_774_915_200_000_000, 1) == 1_772_236_800_000_000


@pytest.mark.real
def test_archives_in_a_bucket_are_locked_and_outlive_a_deletion(
    house: House, auditor: Caller, s3_server: S3Server
) -> None:
    bucket = s3_server.new_bucket(object_lock_days=1)
    more = {
        **house.more,
        "SECVAULT_AUDIT__RETENTION__PLACE": f"s3:{s3_server.endpoint}/{bucket}/old",
        "SECVAULT_AUDIT__RETENTION__ACCESS_KEY_ID": s3_server.access_key,
        "SECVAULT_AUDIT__RETENTION__SECRET_ACCESS_KEY": s3_server.secret_key,
    }
    house = replace(house, more=more)
    with house.open() as service:
        read = Event("record.read", "ok", Actor("user", "u-old"), "hr/payroll/pay-0042", "hr")
        service.audit.record_many([read] * OLD)
    house.hands.seconds += 2 * YEAR + 3_600
    with house.open() as service:
        done = audit_archives.archive_log(service, Caller(authentication.local_operator(service)))
        (archive,) = done.archives
        client = s3_server.client()
        key = f"old/{archive.name}"
        found = client.head_object(Bucket=bucket, Key=key)
        assert found["ObjectLockMode"] == "COMPLIANCE"
        locked = found["ObjectLockRetainUntilDate"].timestamp()
        assert abs(locked * 1_000_000 - archive.keep_until) < 2_000_000
        # Whoever holds the keys can hide it, but not from who asks for its first version.
        client.delete_object(Bucket=bucket, Key=key)
        service.archives.forget()
        report = audit_log.verify_log(service, auditor)
        assert report.ok
        assert (report.archived, report.hashes_only) == (archive.stop, 0)
