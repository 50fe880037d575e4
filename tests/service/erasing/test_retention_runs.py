"""Runs of retention: what is due is listed, approved as that list, and erased through any kill."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from threading import Event

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import update

from secvault.crypto.evidence import verify_evidence
from secvault.errors import ApprovalRequired, Cancelled, Conflict, Erased, NotFound, Refused
from secvault.records import retention
from secvault.records.hold import HoldKind
from secvault.records.schema_retention import Retention
from secvault.service import authentication, records
from secvault.service.erasing import erasures, holds, retention_runs
from secvault.service.erasing.retention_runs import RunView
from secvault.service.spine import Caller
from secvault.store import tables
from tests.running_service import join
from tests.service.erasing.office import Office

Visit = Callable[[str, str], None]
REASON = {"en": "x"}


@pytest.fixture
def visit(office: Office) -> Visit:
    """Enters a visitor of some day."""
    desk = join(
        office.service, office.house, "desk", ("role:administration.head", "administration")
    )

    def enter(record: str, day: str) -> None:
        values = {
            "full_name": "Khách Mẫu",
            "host": "nv-0007",
            "purpose": "delivery",
            "badge": "7",
            "arrived_at": f"{day}T08:00:00+07:00",
        }
        records.create_record(office.service, desk, "visitors", record, values)

    return enter


def proposed(office: Office) -> RunView:
    view = retention_runs.propose(office.service, office.again("privacy"), ["visitors"])
    assert view is not None
    return view


def states(office: Office, run: str) -> dict[str, str]:
    _, items = retention_runs.read_run(office.service, office.privacy, run, ("", ""), 500)
    return {one.id: one.state for one in items}


def done(office: Office, run: str) -> RunView:
    who = office.again("privacy")
    retention_runs.begin(office.service, who, run, by_worker=False)
    return retention_runs.work(office.service, who, run, lambda _d, _o: None, Event())


def there(office: Office, *ids: str) -> list[str]:
    with office.service.store.read() as connection:
        column = tables.record.c
        rows = connection.execute(
            tables.record.select().where(column.collection == "visitors", column.id.in_(ids))
        )
        return sorted(row.id for row in rows)


def test_only_what_is_due_and_not_held_goes_and_the_evidence_says_why(
    office: Office, visit: Visit
) -> None:
    # It is 2026-09-21; visitors are kept for six months.
    for record, day in (("v-1", "2026-03-20"), ("v-2", "2026-03-22"), ("v-3", "2025-01-31")):
        visit(record, day)
    place = holds.place
    place(office.service, office.again("privacy"), HoldKind.RECORD, "visitors", "v-3", "theft")
    view = proposed(office)
    assert states(office, view.run.id) == {"v-1": "due", "v-3": "held"}
    ended = done(office, view.run.id)

    assert ended.run.state == "done"
    assert states(office, view.run.id) == {"v-1": "erased", "v-3": "held"}
    assert there(office, "v-1", "v-2", "v-3") == ["v-2", "v-3"]
    assert ended.run.erasure
    told, document, note, _ = erasures.read_evidence(
        office.service, office.privacy, ended.run.erasure
    )
    assert told == verify_evidence(document, note, office.service.signing.evidence.verifier())
    assert told["records"] == [
        {
            "collection": "visitors",
            "id": "v-1",
            "since": "2026-03-20",
            "due": "2026-09-21",
            "period": "6m",
            "state": "erased",
            "key_destroyed": True,
        },
        {
            "collection": "visitors",
            "id": "v-3",
            "since": "2025-01-31",
            "due": "2025-08-01",
            "period": "6m",
            "state": "held",
            "key_destroyed": False,
        },
    ]
    desk = office.again("desk")
    with pytest.raises(Erased):
        records.read_record(office.service, desk, "visitors", "v-1")


def test_a_run_that_is_stopped_goes_on_where_it_was(
    office: Office, visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention_runs, "_AT_ONCE", 2)
    ids = [f"v-{number}" for number in range(5)]
    for record in ids:
        visit(record, "2025-05-05")
    run = proposed(office).run.id
    who = office.again("privacy")
    retention_runs.begin(office.service, who, run, by_worker=True)
    stop = Event()
    with pytest.raises(Cancelled):
        retention_runs.work(office.service, who, run, lambda _d, _o: stop.set(), stop)
    assert there(office, *ids) == ids[2:]
    jobs = Caller(authentication.jobs())
    ended = retention_runs.work(office.service, jobs, run, lambda _d, _o: None, Event())
    assert (there(office, *ids), ended.run.state) == ([], "done")
    again = retention_runs.work(office.service, jobs, run, lambda _d, _o: None, Event())
    assert again.run == ended.run


def test_what_changed_since_it_was_listed_is_looked_at_once_more(
    office: Office, visit: Visit
) -> None:
    for number in range(4):
        visit(f"v-{number}", "2025-05-05")
    run = proposed(office).run.id
    desk = office.again("desk")
    moved = {"arrived_at": "2026-09-01T08:00:00+07:00"}
    records.update_record(office.service, desk, "visitors", "v-0", moved, 1)
    records.delete_record(office.service, desk, "visitors", "v-1", 1)
    holds.place(
        office.service, office.again("privacy"), HoldKind.RECORD, "visitors", "v-2", "theft"
    )
    done(office, run)
    assert states(office, run) == {"v-0": "kept", "v-1": "gone", "v-2": "held", "v-3": "erased"}


def test_a_date_that_was_changed_in_the_database_makes_nothing_due(
    office: Office, visit: Visit
) -> None:
    visit("v-1", "2026-09-01")
    with office.service.store.write() as connection:
        column = tables.record.c
        plain = (
            connection.execute(tables.record.select().where(column.id == "v-1"))
            .one()
            .plain.replace(b"2026-09-01", b"2020-09-01")
        )
        connection.execute(update(tables.record).where(column.id == "v-1").values(plain=plain))
    view = proposed(office)
    assert (view.run.records, view.run.damaged) == (0, 1)


def test_a_second_person_approves_the_list_and_nobody_else_runs_it(
    office: Office, visit: Visit
) -> None:
    visit("v-1", "2025-05-05")
    run = proposed(office).run.id
    with pytest.raises(Refused):
        retention_runs.begin(office.service, office.again("hoa"), run, by_worker=False)
    office.hire("binh", "chi")
    asking = office.asking(office.again("privacy"))
    with pytest.raises(ApprovalRequired) as asked:
        retention_runs.begin(office.service, asking, run, by_worker=False)
    with pytest.raises(Conflict, match="was not begun"):
        retention_runs.work(
            office.service, office.again("privacy"), run, lambda _d, _o: None, Event()
        )
    office.approved(asked.value, "chi")
    ended = done(office, run)
    assert len(ended.run.approvers) == 1
    with pytest.raises(Conflict):
        retention_runs.drop(office.service, office.privacy, run)


def test_one_list_waits_at_a_time_and_may_be_dropped(office: Office, visit: Visit) -> None:
    assert retention_runs.propose(office.service, office.again("privacy"), None) is None
    visit("v-1", "2025-05-05")
    run = proposed(office).run.id
    with pytest.raises(Conflict, match=run):
        proposed(office)
    jobs = Caller(authentication.jobs())
    waiting = retention_runs.propose(office.service, jobs, None, "retention-proposal:due:1")
    assert waiting is not None
    assert waiting.run.id == run
    assert retention_runs.drop(office.service, office.privacy, run).run.state == "dropped"
    made = retention_runs.propose(office.service, jobs, None, "retention-proposal:due:2")
    again = retention_runs.propose(office.service, jobs, None, "retention-proposal:due:2")
    assert made is not None
    assert again is not None
    assert made.run.id == again.run.id != run
    with pytest.raises(NotFound):
        retention_runs.read_run(office.service, office.privacy, "0" * 32, ("", ""), 1)


@pytest.mark.parametrize(
    ("since", "years", "months", "due"),
    [
        ("2016-11-30", 10, 0, "2026-12-01"),
        ("2024-02-29", 1, 0, "2025-03-01"),
        ("2026-08-31", 0, 6, "2027-03-01"),
        ("2026-01-01", 0, 1, "2026-02-02"),
        ("2025-12-31", 0, 1, "2026-02-01"),
        ("9990-01-01", 20, 0, "9999-12-31"),
    ],
)
def test_a_period_ends_with_the_day_of_the_month(
    since: str, years: int, months: int, due: str
) -> None:
    stated = Retention(years, months, "created_at", REASON)
    assert retention.first_day_after(date.fromisoformat(since), stated).isoformat() == due


@given(
    st.dates(date(1900, 1, 1), date(2200, 1, 1)),
    st.dates(date(1900, 1, 1), date(2200, 1, 1)),
    st.integers(0, 50),
    st.integers(0, 11),
)
def test_what_began_later_is_never_due_earlier(
    one: date, other: date, years: int, months: int
) -> None:
    stated = Retention(years, months, "created_at", REASON)
    earlier, later = sorted((one, other))
    first = retention.first_day_after(earlier, stated)
    assert first <= retention.first_day_after(later, stated)
    assert first > earlier
