"""Who is told of drills that failed, are missed or overdue, and of a stale recovery kit."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from secvault.audit.event import Actor, Event
from secvault.audit.facts import Fact
from tests.notices.conftest import Office, office_of, told_by
from tests.notices.receivers import Hook, Mailbox
from tests.notices.test_backups_told import everybody, now
from tests.notices.test_following import noted, person
from tests.running_service import House, join

DAY_SECONDS = 86_400
BY = Actor("system", "jobs")


@pytest.fixture
def office(house: House, mailbox: Mailbox, hook: Hook) -> Iterator[Office]:
    """With an approver, who watches; no news is left."""
    with office_of(house, told_by(mailbox, hook)) as made:
        join(made.service, made.house, "duyet", ("role:it.approver", "it"))
        made.contact("head", "head@example.com", "vi")
        made.tell()
        yield made


def happened(office: Office, kind: str, **facts: Fact) -> list[tuple[str, str]]:
    """What an event brings to whom."""
    before = noted(office)
    owner = {"person": person(office, "head")} if kind != "kit.stale" else {}
    detail: dict[str, Fact] = {**owner, **facts}
    office.service.audit.record(Event(kind, "error", BY, "it/backups", detail=detail))
    office.tell()
    return sorted(set(noted(office)) - set(before))


def test_a_drill_that_found_damage_alarms_and_one_that_did_not_end_says_that(
    office: Office, mailbox: Mailbox
) -> None:
    facts: dict[str, Fact] = {"plan": "nightly", "run": "drill-1", "reason": "pack-damaged"}
    told = happened(office, "drill.failed", **facts, passed=False)
    assert told == everybody(office, "drill_failed", "admin", "auditor", "duyet", "head")
    assert happened(office, "drill.failed", **facts, passed=False) == []
    facts |= {"run": "drill-2", "reason": "storage-full"}
    told = happened(office, "drill.failed", **facts)
    assert told == everybody(office, "drill_unfinished", "admin", "auditor", "duyet", "head")
    office.deliver()
    # What is delivered together arrives in any order.
    damage, unfinished = sorted(mailbox.to("head@example.com")[-2:], key=lambda it: "drill-2" in it)
    assert "phát hiện hư hỏng (pack-damaged)" in damage
    assert "secvault drill report drill-1 --format pdf --language vi" in damage
    assert "không thực hiện được đến cùng (storage-full)" in unfinished


def test_a_scenario_that_did_not_pass_alarms_by_its_name(office: Office, mailbox: Mailbox) -> None:
    told = happened(
        office,
        "drill.failed",
        plan="nightly",
        run="scenario-1",
        rule="ransomware",
        passed=False,
        reason="repository-not-protected",
    )
    assert told == everybody(office, "scenario_failed", "admin", "auditor", "duyet", "head")
    office.deliver()
    assert "(ransomware)" in mailbox.to("head@example.com")[-1]


def test_missed_drills_are_told_once_each_and_overdue_ones_once_a_day(office: Office) -> None:
    missed = {"plan": "nightly", "run": "drill:nightly:2026-11-24T04:00:00Z"}
    assert happened(office, "drill.missed", **missed) == everybody(
        office, "drill_missed", "admin", "auditor", "duyet", "head"
    )
    assert happened(office, "drill.missed", **missed) == []
    late: dict[str, Fact] = {
        "plan": "nightly",
        "seconds": 40 * DAY_SECONDS,
        "threshold": 14 * DAY_SECONDS,
    }
    overdue = everybody(office, "drill_overdue", "admin", "auditor", "duyet", "head")
    assert happened(office, "drill.overdue", **late) == overdue
    assert happened(office, "drill.overdue", **late) == []
    before = now(office)
    office.house.hands.seconds += DAY_SECONDS
    assert now(office) > before
    office.service.audit.record(
        Event(
            "drill.overdue",
            "error",
            BY,
            "it/backups",
            detail={**late, "person": person(office, "head")},
        )
    )
    office.tell()
    assert len([one for one in noted(office) if one[0] == "drill_overdue"]) == 2 * len(overdue)


def test_a_plan_that_was_never_drilled_is_told_in_other_words(
    office: Office, mailbox: Mailbox
) -> None:
    told = happened(office, "drill.overdue", plan="nightly", seconds=0, threshold=14 * DAY_SECONDS)
    assert told == everybody(office, "drill_never", "admin", "auditor", "duyet", "head")
    office.deliver()
    assert "chưa từng có lần diễn tập khôi phục nào đạt" in mailbox.to("head@example.com")[-1]


def test_a_stale_kit_is_told_to_administrators_and_who_watches(office: Office) -> None:
    told = happened(office, "kit.stale", run="kit-7", seconds=3, reason="password-rotated")
    assert told == everybody(office, "kit_stale", "admin", "auditor", "duyet")
    stuck = everybody(office, "kit_stuck", "admin", "auditor", "duyet")
    for days, reason in enumerate(("behind", "unwritten", "unknown"), 1):
        office.house.hands.seconds += DAY_SECONDS
        happened(office, "kit.stale", reason=reason)
        told = [one for one in noted(office) if one[0] == "kit_stuck"]
        assert sorted(told) == sorted(stuck * days)
