"""Which days had backups: by the plan's own midnight, the worst of a day, and since when it is."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import insert

from secvault.clock import moment
from secvault.errors import InvalidInput, NotFound, Refused
from secvault.service import Service, authentication, backup_calendar
from secvault.service.backup_calendar import Day
from secvault.service.spine import Caller
from secvault.store import tables
from tests.backup_rows import add_run
from tests.running_service import House

HOUR = 3600 * 10**6
DAY = 24 * HOUR


@pytest.fixture
def service(house: House) -> Iterator[Service]:
    with house.open() as opened:
        yield opened


def ran(service: Service, *runs: tuple[int, str]) -> None:
    """Runs of the plan: how many micros ago each began, and its state."""
    now = service.clock.micros()
    with service.store.write() as connection:
        for ago, state in runs:
            add_run(connection, f"run-{ago}", now - ago, state=state)


def days(service: Service, days: int = 90) -> tuple[Day, ...]:
    """The plan's days, asked for at the machine."""
    operator = Caller(authentication.local_operator(service))
    (found,) = backup_calendar.read_calendar(service, operator, ["nightly"], days)
    return found.days


def test_each_day_is_told_by_the_worst_of_it_and_by_what_went_well_after_all(
    service: Service,
) -> None:
    ran(
        service,
        (0, "running"),
        (1 * DAY, "done"),
        (2 * DAY, "failed"),
        (3 * DAY, "failed"),
        (3 * DAY - HOUR, "done"),
        (5 * DAY, "cancelled"),
        (5 * DAY - HOUR, "done"),
    )
    words = [day.word for day in days(service)][::-1]
    assert words[:7] == ["running", "good", "failed", "mixed", "none", "cancelled", "before"]
    assert set(words[6:]) == {"before"}
    assert days(service)[-4].counts == {"failed": 1, "good": 1}


def test_what_was_due_and_did_not_begin_is_there_too(service: Service) -> None:
    now = service.clock.micros()
    with service.store.write() as connection:
        connection.execute(
            insert(tables.backup_watch).values(plan="nightly", first_seen_at=now - 3 * DAY)
        )
        connection.execute(
            insert(tables.job).values(
                id="late",
                kind="backup",
                plan="nightly",
                requested_by="schedule",
                requested_at=now - DAY,
                due_at=now - DAY,
                state="missed",
            )
        )
    assert [day.word for day in days(service, 5)] == ["before", "none", "none", "missed", "none"]


def test_a_day_begins_at_the_midnight_of_the_plan(service: Service) -> None:
    # It is afternoon in UTC and evening in Asia/Ho_Chi_Minh, where the plan is.
    midnight = service.clock.micros() % DAY + 7 * HOUR
    ran(service, (midnight - HOUR, "done"), (midnight + HOUR, "failed"))
    today = moment(service.clock.micros()).date()
    found = days(service, 2)
    assert [day.word for day in found] == ["failed", "good"]
    assert found[1].date == today


def test_what_cannot_be_meant_and_who_may_not_are_refused(service: Service, house: House) -> None:
    operator = Caller(authentication.local_operator(service))
    with pytest.raises(NotFound):
        backup_calendar.read_calendar(service, operator, ["other"])
    for wrong in (0, 401):
        with pytest.raises(InvalidInput):
            backup_calendar.read_calendar(service, operator, ["nightly"], wrong)
    with pytest.raises(InvalidInput):
        backup_calendar.read_calendar(service, operator, ["nightly"] * 101)
    clerk = Caller(authentication.authenticate(service, house.tokens["clerk"]))
    with pytest.raises(Refused):
        backup_calendar.read_calendar(service, clerk, ["nightly"])
