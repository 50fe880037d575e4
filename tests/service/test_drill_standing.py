"""How plans stand with their drills: proven, missed, overdue, failed; and who is told of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import insert, update

from secvault.audit.query import Question, page
from secvault.config import PlanSettings
from secvault.config.drills import DrillSettings
from secvault.errors import Cancelled
from secvault.jobs import calendar
from secvault.service import Service, backup_status, drill_endings, drill_standing, drill_watch
from secvault.service.drill_standing import DAY, LATE, Standing
from secvault.service.metrics import gather
from secvault.store import tables
from tests.running_service import House

PLAN = "nightly"
HOUR = 3600 * 10**6
WEEKLY = PlanSettings(drill_schedule="0 4 * * 0", time_zone="UTC")


@pytest.fixture
def service(house: House) -> Iterator[Service]:
    with house.open() as opened:
        yield opened


def drilled(service: Service, ago: int, drill_id: str = "", **more: Any) -> None:
    """A drill that ended so many micros ago."""
    now = service.clock.micros()
    row = {
        "id": drill_id or f"drill-{ago}",
        "plan": PLAN,
        "state": "done",
        "phase": "done",
        "requested_by": "schedule",
        "started_at": now - ago - HOUR,
        "finished_at": now - ago,
        "passed": True,
        "complete": True,
        "node": "test:1",
        "beat_at": now - ago,
        **more,
    }
    with service.store.write() as connection:
        connection.execute(insert(tables.drill).values(row))


def due(service: Service, next_due: int, *jobs: tuple[int, str]) -> None:
    """The calendar's row, and jobs of it: how many micros ago they were due, in which state."""
    now = service.clock.micros()
    with service.store.write() as connection:
        connection.execute(
            insert(tables.schedule).values(
                id=f"drill:{PLAN}",
                cron=WEEKLY.drill_schedule,
                time_zone="UTC",
                missed="latest",
                next_due=now + next_due,
                windows="",
                jitter_minutes=0,
                priority=0,
            )
        )
        for ago, state in jobs:
            connection.execute(
                insert(tables.job).values(
                    id=f"drill:{PLAN}:{ago}",
                    kind="drill",
                    plan=PLAN,
                    requested_by=calendar.REQUESTED_BY,
                    requested_at=now - ago,
                    due_at=now - ago,
                    state=state,
                    priority=0,
                )
            )


def seen(service: Service, ago: int) -> None:
    now = service.clock.micros()
    with service.store.write() as connection:
        row = {"plan": PLAN, "first_seen_at": now - ago}
        connection.execute(insert(tables.backup_watch).values(row))


def stands(service: Service, plan: PlanSettings = WEEKLY) -> Standing:
    with service.store.read() as connection:
        return drill_standing.standing_of(connection, PLAN, plan, service.clock.micros())


def told(service: Service) -> Counter[str]:
    service.audit.drain()
    found: Counter[str] = Counter()
    for kind in ("drill.failed", "drill.missed", "drill.overdue"):
        found[kind] = len(page(service.store, Question(kind=kind), limit=50).events)
    return +found


def test_a_plan_is_new_until_twice_its_distance_then_overdue(service: Service) -> None:
    seen(service, 13 * DAY)
    assert (stands(service).word, stands(service).allowed) == ("new", 14 * DAY)
    with service.store.write() as connection:
        at = service.clock.micros() - 15 * DAY
        connection.execute(update(tables.backup_watch).values(first_seen_at=at))

    assert stands(service).word == "overdue"
    drilled(service, DAY)
    assert stands(service).word == "proven"


def test_the_days_of_the_settings_come_before_the_schedules_distance(service: Service) -> None:
    monthly = PlanSettings(drill_schedule="", drill=DrillSettings(overdue_days=30))
    drilled(service, 29 * DAY)
    assert stands(service, monthly).word == "proven"
    assert stands(service, PlanSettings(drill_schedule="")).allowed == 0

    drilled(service, 31 * DAY, "older")
    with service.store.write() as connection:
        connection.execute(tables.drill.delete().where(tables.drill.c.id != "older"))
    assert stands(service, monthly).word == "overdue"
    assert stands(service, PlanSettings(drill_schedule="")).word == "proven"


@pytest.mark.parametrize(
    "more", [{"complete": False}, {"passed": False}, {"state": "failed", "passed": None}]
)
def test_a_drill_of_less_or_without_success_proves_nothing(
    service: Service, more: dict[str, Any]
) -> None:
    drilled(service, 20 * DAY)
    drilled(service, DAY, **more)

    standing = stands(service)
    assert standing.overdue
    assert standing.word == ("overdue" if more == {"complete": False} else "failed")


def test_a_failure_counts_until_all_has_passed_again(service: Service) -> None:
    drilled(service, 3 * DAY, passed=False)
    drilled(service, 2 * DAY, complete=False)
    assert stands(service).word == "failed"

    drilled(service, DAY)
    assert (stands(service).word, stands(service).failing) == ("proven", None)


def test_a_proof_of_a_time_that_has_not_come_proves_nothing(service: Service) -> None:
    seen(service, 20 * DAY)
    drilled(service, -DAY)

    assert stands(service).word == "overdue"


def test_a_drill_that_was_due_and_did_not_begin_is_missed(service: Service) -> None:
    drilled(service, 8 * DAY)
    due(service, 6 * DAY, (DAY, "missed"))
    assert stands(service).missed_at == service.clock.micros() - DAY
    assert stands(service).word == "missed"

    drilled(service, DAY // 2)
    assert stands(service).missed_at is None


def test_one_that_waits_is_missed_when_it_is_late(service: Service) -> None:
    due(service, 6 * DAY, (LATE // 2, "requested"))
    assert stands(service).missed_at is None
    with service.store.write() as connection:
        at = service.clock.micros() - 2 * LATE
        connection.execute(update(tables.job).values(due_at=at))
    assert stands(service).missed_at == at


def test_a_calendar_that_nobody_looks_at_is_known_by_its_rows(service: Service) -> None:
    due(service, -2 * LATE)

    assert stands(service).word == "missed"


def test_each_is_told_once_and_overdue_ones_once_a_day(house: House, service: Service) -> None:
    seen(service, 20 * DAY)
    due(service, 6 * DAY, (HOUR // 2, "missed"))
    drilled(service, HOUR, "found", passed=False)
    drilled(service, HOUR, "died", state="failed", passed=None)
    for _ in range(2):
        drill_watch.look_after(service)
    assert told(service) == {"drill.failed": 2, "drill.missed": 1, "drill.overdue": 1}

    house.hands.seconds += 24 * 3600
    drill_watch.look_after(service)
    assert told(service)["drill.overdue"] == 2


def test_the_status_of_backups_and_the_metrics_say_so_too(service: Service) -> None:
    seen(service, 20 * DAY)
    (status,) = backup_status.statuses(service)
    points = {one.name: one.points for one in gather(service)}

    assert status.drills.word == "overdue"
    assert replace(status, state=replace(status.state, behind=False)).word == "unproven"
    assert points["secvault_restore_drill_overdue"] == {(PLAN,): 1.0}
    assert points["secvault_restore_drill_failing"] == {(PLAN,): 0.0}
    due_by = (service.clock.micros() - 20 * DAY + 14 * DAY) / 10**6
    assert points["secvault_restore_drill_due_timestamp_seconds"] == {(PLAN,): due_by}


def test_a_scenario_whose_process_was_killed_over_its_finding_is_told_once(
    service: Service,
) -> None:
    now = service.clock.micros()
    row = {
        "id": "scenario-1",
        "scenario": "ransomware",
        "plan": PLAN,
        "state": "done",
        "phase": "done",
        "requested_by": "user:thu",
        "started_at": now - HOUR,
        "finished_at": now,
        "passed": False,
        "node": "test:1",
        "beat_at": now,
    }
    with service.store.write() as connection:
        connection.execute(insert(tables.drill_scenario).values(row))
    assert drill_watch.tell_failures(service) == 1
    assert drill_watch.tell_failures(service) == 0
    assert told(service) == {"drill.failed": 1}


def test_whoever_stops_a_scenario_knows_it(service: Service) -> None:
    drill_endings.scenario_failed(service, PLAN, "scenario-1", Cancelled("stopped"))
    assert told(service) == {}
