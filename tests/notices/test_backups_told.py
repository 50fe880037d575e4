"""Who is told of backups that failed, are late, look strange, or did not pass their check."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlalchemy import insert, select

from secvault.audit.event import Event
from secvault.audit.leaf import decode
from secvault.service import backup_notices, backup_watch
from secvault.store import tables
from tests.backup_rows import HOUR, PLAN, add_job, add_numbers, add_run
from tests.notices.conftest import Office, office_of, told_by
from tests.notices.receivers import Hook, Mailbox
from tests.notices.test_following import noted, person
from tests.running_service import House, join

CHANNEL = "channel:ops"


@pytest.fixture
def office(house: House, mailbox: Mailbox, hook: Hook) -> Iterator[Office]:
    """With a plan that the head of HR answers for, and an approver; no news is left."""
    owned = replace(house, more={"SECVAULT_BACKUP__PLANS__NIGHTLY__OWNER": "head"})
    with office_of(owned, told_by(mailbox, hook)) as made:
        join(made.service, made.house, "duyet", ("role:it.approver", "it"))
        made.tell()
        yield made


def look(office: Office) -> list[tuple[str, str]]:
    """What a minute's look of the worker brings to whom."""
    before = noted(office)
    backup_watch.look_after(office.service)
    office.tell()
    return sorted(set(noted(office)) - set(before))


def everybody(office: Office, kind: str, *names: str) -> list[tuple[str, str]]:
    people = [f"person:{person(office, name)}" for name in names]
    return sorted((kind, who) for who in (CHANNEL, *people))


def now(office: Office) -> int:
    return office.service.clock.micros()


def test_a_run_that_failed_for_good_is_told_once_to_administrators_and_the_owner(
    office: Office, mailbox: Mailbox
) -> None:
    office.contact("head", "head@example.com", "vi")
    office.tell()
    at = now(office) - HOUR
    with office.service.store.write() as connection:
        add_run(connection, "run-0", at - HOUR)
        add_run(connection, "run-1", at, state="failed", snapshot=None, error="/srv/secret/path")
        add_job(connection, "run-1", at, "started")
    # The job may try it again.
    assert look(office) == []
    with office.service.store.write() as connection:
        connection.execute(tables.job.update().values(state="failed"))
    assert look(office) == everybody(office, "backup_failed", "admin", "head")
    assert look(office) == []
    backup_notices.tell_failed(office.service, PLAN, "run-1", "storage-full")
    assert look(office) == []
    office.deliver()
    (mail,) = [one for one in mailbox.to("head@example.com") if "thất bại" in one]
    assert "run-1" in mail
    # Its error may name files of people.
    assert "secret" not in mail


def test_a_backup_by_hand_that_failed_is_known_to_who_took_it(office: Office) -> None:
    at = now(office) - HOUR
    with office.service.store.write() as connection:
        add_run(connection, "run-0", at - HOUR)
        add_run(connection, "by-hand", at, state="failed", snapshot=None)
    assert look(office) == []


def test_a_plan_behind_its_promise_is_told_once_a_day_until_it_has_caught_up(
    office: Office,
) -> None:
    with office.service.store.write() as connection:
        add_run(connection, "run-0", now(office) - 25 * HOUR)
    assert look(office) == []
    office.house.hands.seconds += 2 * 3600
    behind = everybody(office, "backup_behind", "admin", "head")
    assert look(office) == behind
    office.house.hands.seconds += 12 * 3600
    assert look(office) == []
    office.house.hands.seconds += 12 * 3600 + 1
    assert look(office) == []
    (_, again) = events(office, "backup.behind")
    assert int(again.detail["seconds"]) > 50 * 3600
    with office.service.store.write() as connection:
        add_run(connection, "run-1", now(office))
    assert look(office) == []
    office.house.hands.seconds += 27 * 3600
    assert len(events(office, "backup.behind")) == 2
    look(office)
    assert len(events(office, "backup.behind")) == 3


def test_a_plan_that_never_had_a_backup_is_behind_when_its_time_is_over(office: Office) -> None:
    assert look(office) == []
    office.house.hands.seconds += 25 * 3600
    assert look(office) == []
    office.house.hands.seconds += 2 * 3600
    assert look(office) == everybody(office, "backup_behind", "admin", "head")


def test_what_smells_of_ransomware_alarms_those_who_watch_too_and_once(office: Office) -> None:
    at = now(office) - 4 * HOUR
    with office.service.store.write() as connection:
        for number in range(3):
            add_run(connection, f"run-{number}", at + number * HOUR)
            add_numbers(connection, f"run-{number}", at + number * HOUR, sources='{"erp": 9000000}')
    assert look(office) == []
    strange = {
        "bytes": 10 << 20,
        "files_changed": 950,
        "bytes_added": 90 << 20,
        "sampled": 60,
        "random_looking": 58,
        "sources": '{"erp": 0}',
    }
    with office.service.store.write() as connection:
        add_run(connection, "run-3", now(office))
        add_numbers(connection, "run-3", now(office), **strange)
        # Of a run that goes on, nothing is judged.
        add_run(connection, "run-4", now(office) + 1, state="running", finished_at=None)
        add_numbers(connection, "run-4", now(office) + 1, **strange)
    watching = ("admin", "head", "duyet", "auditor")
    expected = [
        each
        for rule in ("size_collapse", "mass_change", "entropy_rise")
        for each in everybody(office, f"backup_{rule}", *watching)
    ]
    assert look(office) == sorted(expected)
    assert look(office) == []
    found = events(office, "backup.anomaly")
    assert {(one.detail["rule"], one.detail["subject"]) for one in found} == {
        ("size_collapse", "*"),
        ("size_collapse", "erp"),
        ("mass_change", "*"),
        ("entropy_rise", "*"),
    }


def test_a_check_that_found_damage_or_could_not_look_is_told(office: Office) -> None:
    at = now(office)
    check = {
        "plan": PLAN,
        "phase": "done",
        "requested_by": "system:jobs",
        "started_at": at,
        "finished_at": at,
        "node": "test:1",
        "beat_at": at,
    }
    with office.service.store.write() as connection:
        add_run(connection, "run-0", at)
        for name, state, passed in (("c-1", "done", False), ("c-2", "failed", None)):
            connection.execute(
                insert(tables.backup_check).values(id=name, state=state, passed=passed, **check)
            )
        connection.execute(
            insert(tables.backup_checked).values(
                check_id="c-1", repository="local", checked_at=at, passed=False, read="1/12"
            )
        )
    told = look(office)
    assert {kind for kind, _ in told} == {"backup_check_failed"}
    assert {who for _, who in told} == {
        who for _, who in everybody(office, "", "admin", "head", "duyet", "auditor")
    }
    reasons = {one.detail["reason"] for one in events(office, "backup.check_failed")}
    assert reasons == {"repository-damaged", "failed"}
    assert look(office) == []


def test_a_reason_that_is_no_code_does_not_get_into_the_log(office: Office) -> None:
    backup_notices.tell_failed(office.service, PLAN, "run-9", "cannot read /home/lan/Lương.xlsx")
    (event,) = events(office, "backup.failed")
    assert event.detail["reason"] == "unexpected"


def test_an_owner_who_is_none_of_the_people_leaves_it_to_the_administrators(
    house: House, hook: Hook
) -> None:
    unknown = replace(house, more={"SECVAULT_BACKUP__PLANS__NIGHTLY__OWNER": "nobody"})
    with office_of(unknown, told_by(None, hook)) as office:
        office.tell()
        backup_notices.tell_failed(office.service, PLAN, "run-1", "storage-full")
        office.tell()
        assert noted(office) == [("backup_failed", CHANNEL)]


def events(office: Office, kind: str) -> list[Event]:
    office.service.audit.drain()
    asked = select(tables.audit_event.c.seq, tables.audit_event.c.body).where(
        tables.audit_event.c.kind == kind
    )
    with office.service.store.read() as connection:
        rows = connection.execute(asked.order_by(tables.audit_event.c.seq)).all()
    return [decode(row.body, seq=row.seq).event for row in rows]
