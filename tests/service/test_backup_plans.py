"""Plans of the store: made, changed, paused and removed by people, and worked with by runs."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select

from secvault.backup import plans
from secvault.errors import (
    ApprovalRequired,
    ConfigurationError,
    Conflict,
    Damaged,
    InvalidInput,
    NotFound,
    Refused,
    VersionMismatch,
)
from secvault.jobs import calendar, queue
from secvault.service import Service, authentication, backup_plans, backup_watch
from secvault.service.approvals.operations import read_request
from secvault.service.plan_schedules import of_store
from secvault.service.spine import Caller
from secvault.store import tables
from tests.running_service import House
from tests.service.approval_house import Staff, staffed

CANARY = "cAnary-7c1f9e-value"
PING = f"https://hc.example/{CANARY}"
ERP = {"kind": "postgresql", "host": "db.example", "user": "backup", "password": CANARY}


@dataclass
class Office:
    """A vault with two administrators, whose settings open the folder `files`."""

    staff: Staff
    files: Path

    @property
    def service(self) -> Service:
        return self.staff.service

    @property
    def an(self) -> Caller:
        return self.staff.an

    def add(self, name: str = "files", **more: Any) -> backup_plans.PlanView:
        values = {"vault": False, "folders": [str(self.files)], **more}
        return backup_plans.add_plan(self.service, self.an, name, values)

    def change(
        self, view: backup_plans.PlanView, who: Caller | None = None, **more: Any
    ) -> backup_plans.PlanView:
        values = {**view.shown(), **more}
        return backup_plans.change_plan(
            self.service, who or self.an, view.name, view.version, values
        )

    def due(self, plan: str = "files") -> set[str]:
        with self.service.store.read() as connection:
            return {one.kind for one, _ in calendar.schedules(connection) if one.plan == plan}


@pytest.fixture
def office(house: House) -> Iterator[Office]:
    files = house.folder / "files"
    files.mkdir()
    more = {"SECVAULT_BACKUP__OPEN_FOLDERS": f'["{files}"]'}
    with replace(house, more={**house.more, **more}).open() as service:
        yield Office(staffed(service, house), files)


@pytest.fixture
def binh(office: Office) -> Caller:
    """A second administrator, from whom on things need two."""
    return office.staff.hire("binh")


def asked(office: Office, what: Any) -> str:
    with pytest.raises(ApprovalRequired) as required:
        what()
    assert required.value.request
    return required.value.request


def test_a_plan_is_known_to_the_engine_and_to_the_calendar_at_once(office: Office) -> None:
    made = office.add(keep_daily=7, owner="admin")
    assert (made.version, made.state, made.declared) == (1, "active", False)
    assert office.service.backups.plan("files").keep_daily == 7
    assert {"files", "nightly"} == set(office.service.backups.plans())
    assert office.due() == {"backup", "check", "drill"} == set(made.due)
    assert [one.name for one in backup_plans.list_plans(office.service, office.an)] == [
        "files",
        "nightly",
    ]


def test_an_empty_cron_is_never_due_by_itself(office: Office) -> None:
    office.add(drill_schedule="", check_schedule="")
    assert office.due() == {"backup"}


def test_what_is_written_has_every_field_and_no_secret(office: Office) -> None:
    made = office.add(sources={"erp": ERP}, ping_url=PING)
    assert made.secrets == ("ping_url", "sources.erp.password")
    assert CANARY not in repr(made) + str(made.shown())
    engine = office.service.backups
    password = engine.source_password("files", "erp")
    assert password is not None
    assert password.text() == CANARY
    assert engine.plan("files").ping_url == PING
    assert CANARY not in repr(engine.plans())
    # Not in the database, and not in what was written before it.
    with closing(sqlite3.connect(office.service.settings.data_folder / "secvault.db")) as file:
        dump = "\n".join(file.iterdump())
    assert "backup_plan_secret" in dump
    assert CANARY not in dump
    assert CANARY.encode().hex() not in dump.lower()


def test_a_sealed_secret_opens_at_its_own_place_alone(office: Office) -> None:
    office.add(sources={"erp": ERP, "shop": {**ERP, "password": "other"}})
    table = tables.backup_plan_secret
    with office.service.store.write() as connection:
        rows = connection.execute(select(table.c.place, table.c.sealed))
        sealed = {row.place: row.sealed for row in rows}
        connection.execute(
            table.update()
            .where(table.c.place == "sources.shop.password")
            .values(sealed=sealed["sources.erp.password"])
        )
    with pytest.raises(Damaged, match=r"sources\.shop\.password"):
        office.service.backups.source_password("files", "shop")


def test_a_sealed_secret_opens_for_no_other_end_that_somebody_writes_into_the_database(
    office: Office,
) -> None:
    office.add(sources={"erp": ERP})
    table = tables.backup_plan
    with office.service.store.write() as connection:
        settings = connection.execute(select(table.c.settings)).scalar_one()
        elsewhere = settings.replace('"host":"db.example"', '"host":"evil.example"')
        assert elsewhere != settings
        connection.execute(table.update().values(settings=elsewhere))
    with pytest.raises(Damaged, match=r"sources\.erp\.password"):
        office.service.backups.source_password("files", "erp")


def test_a_secret_stays_until_it_would_go_elsewhere(office: Office) -> None:
    made = office.add(sources={"erp": ERP}, ping_url=PING)
    kept = office.change(made, keep_daily=99)
    assert kept.secrets == made.secrets
    engine = office.service.backups
    password = engine.source_password("files", "erp")
    assert password is not None
    assert password.text() == CANARY
    assert engine.plan("files").ping_url == PING
    stolen = kept.shown()["sources"]["erp"] | {"host": "evil.example"}
    with pytest.raises(InvalidInput) as refused:
        office.change(kept, sources={"erp": stolen})
    assert [fault.field for fault in refused.value.fields] == ["sources.erp.password"]
    fresh = office.change(kept, sources={"erp": {**stolen, "password": "new"}})
    password = engine.source_password("files", "erp")
    assert password is not None
    assert password.text() == "new"
    assert office.change(fresh, ping_url="").secrets == ("sources.erp.password",)
    assert engine.plan("files").ping_url == ""


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"folders": ["/etc"]}, "folders.0"),
        ({"schedule": "every day"}, "schedule"),
        ({"check_schedule": "99 * * * *"}, "check_schedule"),
        ({"repository": "nowhere"}, "repository"),
        ({"copies": ["nowhere"]}, "copies"),
        ({"keep_within": "0d"}, "keep_within"),
        ({"owner": "nobody.here"}, "owner"),
        ({"keep_last": "many"}, "keep_last"),
        ({"excludes": ["x" * 70_000]}, "settings"),
        ({"hooks": {"h": {"when": "end", "command": ["/bin/true"]}}}, "hooks"),
    ],
)
def test_what_cannot_be_run_is_not_made(office: Office, values: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        office.add(**values)
    assert [fault.field for fault in refused.value.fields] == [field]
    assert office.due() == set()
    with pytest.raises(NotFound):
        office.service.backups.plan("files")


def test_a_declared_plan_is_read_only_here_and_goes_first(office: Office) -> None:
    with pytest.raises(Conflict, match="declares the backup plan nightly"):
        office.add("nightly")
    for act in (
        lambda: backup_plans.change_plan(office.service, office.an, "nightly", 1, {}),
        lambda: backup_plans.pause_plan(office.service, office.an, "nightly", 1, paused=True),
    ):
        with pytest.raises(Conflict, match="settings' file"):
            act()
    # One that the settings declare since.
    with office.service.store.write() as connection:
        settings = plans.parse({"keep_daily": 1})
        plans.add(connection, "nightly", settings, by="user:x", now=1)
    shown = backup_plans.list_plans(office.service, office.an)
    assert [(one.declared, one.state) for one in shown] == [(True, "active"), (False, "shadowed")]
    assert office.service.backups.plan("nightly").keep_daily == 14
    with office.service.store.read() as connection:
        assert [*of_store(office.service, connection)] == []


def test_a_plan_that_the_settings_allow_no_more_is_not_run_and_says_so(
    office: Office, house: House
) -> None:
    office.add()
    with house.open() as closed:
        with pytest.raises(ConfigurationError, match=r"not allowed any more: folders\.0"):
            closed.backups.plan("files")
        # It is there all the same, falls behind, and is shown.
        assert "files" in closed.backups.plans()
        view = backup_plans.read_plan(closed, office.an, "files")
        assert (view.state, view.fault[:9]) == ("not-allowed", "folders.0")


def test_no_plan_of_the_store_saves_a_file_that_the_settings_read_a_secret_from(
    office: Office, house: House
) -> None:
    secret, other = office.files / "keys" / "s3.key", office.files / "other"
    other.mkdir()
    secret.parent.mkdir()
    secret.write_text(CANARY)
    offsite = {
        "LOCATION": "s3:https://s3.example/bucket",
        "ACCESS_KEY_ID": "AK",
        "SECRET_ACCESS_KEY_FILE": str(secret),
    }
    more = {
        **house.more,
        "SECVAULT_BACKUP__OPEN_FOLDERS": f'["{office.files}"]',
        **{f"SECVAULT_BACKUP__REPOSITORIES__OFFSITE__{key}": val for key, val in offsite.items()},
    }
    with replace(house, more=more).open() as service:
        for path in (secret, secret.parent, office.files):
            with pytest.raises(InvalidInput, match="secvault's own"):
                backup_plans.add_plan(
                    service, office.an, "keys", {"vault": False, "folders": [str(path)]}
                )
        backup_plans.add_plan(service, office.an, "keys", {"vault": False, "folders": [str(other)]})


def test_a_change_is_based_on_the_newest_version_or_is_none(office: Office) -> None:
    first = office.add()
    second = office.change(first, keep_daily=20)
    assert second.version == 2
    with pytest.raises(VersionMismatch):
        office.change(first, keep_daily=30)
    with pytest.raises(VersionMismatch):
        backup_plans.remove_plan(office.service, office.an, "files", 1)
    with pytest.raises(VersionMismatch):
        backup_plans.pause_plan(office.service, office.an, "files", 1, paused=True)
    assert office.service.backups.plan("files").keep_daily == 20


def test_what_takes_a_protection_away_needs_a_second_person_and_the_rest_does_not(
    office: Office, binh: Caller
) -> None:
    an = replace(office.staff.again("admin"), reason="the disk is full")
    made = office.add(keep_daily=14)
    made = office.change(made, an, keep_daily=20, schedule="0 4 * * *")
    assert office.staff.last_detail("plan.change").get("approval") is None
    request = asked(office, lambda: office.change(made, an, keep_daily=1))
    assert office.service.backups.plan("files").keep_daily == 20
    office.staff.approve(office.staff.again("binh"), request)
    # For exactly that: nothing else passes by it.
    with pytest.raises(ApprovalRequired):
        office.change(made, replace(an, reason=""), keep_daily=2)
    assert office.change(made, an, keep_daily=1).version == 3
    assert office.staff.last_detail("plan.change")["approval"] == "approved"
    assert binh


@pytest.mark.usefixtures("binh")
def test_removing_a_plan_and_taking_over_what_one_saved_need_a_second_person(
    office: Office,
) -> None:
    an = replace(office.staff.again("admin"), reason="not needed any more")
    made = office.add()

    def remove() -> None:
        backup_plans.remove_plan(office.service, an, "files", made.version)

    request = asked(office, remove)
    office.staff.approve(office.staff.again("binh"), request)
    remove()
    assert office.due() == set()
    with office.service.store.write() as connection:
        connection.execute(insert(tables.backup_run).values(ran("files")))
    values = {"vault": False, "folders": [str(office.files)], "keep_last": 1}
    taking = asked(office, lambda: backup_plans.add_plan(office.service, an, "files", values))
    # Whoever approves sees what the plan would do, not a digest of it alone.
    shown = read_request(office.service, office.staff.again("binh"), taking).request.proposal.terms
    changes = shown["changes"]
    assert isinstance(changes, list)
    assert f'folders: [] -> ["{office.files}"]' in changes
    assert "keep_last: 3 -> 1" in changes
    assert "vault: true -> false" in changes
    assert backup_plans.add_plan(office.service, an, "others", values).version == 1


def ran(plan: str, state: str = "done", beat_at: int = 1) -> dict[str, object]:
    return {
        "id": "r-1",
        "plan": plan,
        "repository": "local",
        "state": state,
        "phase": "x",
        "requested_by": "schedule",
        "started_at": 1,
        "node": "n",
        "beat_at": beat_at,
    }


def test_a_paused_plan_is_not_due_and_what_waited_is_given_up(office: Office) -> None:
    made = office.add()
    clock = office.service.clock
    with office.service.store.write() as connection:
        connection.execute(
            tables.schedule.update()
            .where(tables.schedule.c.id == "backup:files")
            .values(next_due=clock.micros() - 1)
        )
    waiting = calendar.tick(office.service.store, clock)
    [job] = [one for one in waiting.requested if one.startswith("backup:files:")]
    paused = backup_plans.pause_plan(office.service, office.an, "files", made.version, paused=True)
    assert (paused.state, paused.due) == ("paused", {})
    assert office.due() == set()
    with office.service.store.read() as connection:
        assert queue.get(connection, job).state == "missed"
        assert [*of_store(office.service, connection)] == []
    # By hand it can be run, and its settings be changed.
    assert office.service.backups.plan("files")
    changed = office.change(paused, keep_daily=50)
    assert office.due() == set()
    with pytest.raises(Conflict, match="paused already"):
        backup_plans.pause_plan(office.service, office.an, "files", changed.version, paused=True)
    resumed = backup_plans.pause_plan(
        office.service, office.an, "files", changed.version, paused=False
    )
    assert resumed.state == "active"
    now = clock.now()
    with office.service.store.read() as connection:
        due = {one.id: at for one, at in calendar.schedules(connection) if one.plan == "files"}
    assert all(now < at < now + timedelta(days=8) for at in due.values())


def test_a_plan_at_work_is_not_removed(office: Office) -> None:
    made = office.add()
    row = ran("files", "running", office.service.clock.micros())
    with office.service.store.write() as connection:
        connection.execute(insert(tables.backup_run).values(row))
    with pytest.raises(Conflict, match="at work"):
        backup_plans.remove_plan(office.service, office.an, "files", made.version)
    # Its process died.
    office.staff.house.hands.seconds += 300
    backup_plans.remove_plan(office.service, office.an, "files", made.version)


def test_an_auditor_sees_plans_and_changes_none(office: Office) -> None:
    made = office.add()
    token = office.staff.house.tokens["auditor"]
    auditor = Caller(authentication.authenticate(office.service, token))
    assert backup_plans.read_plan(office.service, auditor, "files").settings == made.settings
    for act in (
        lambda: backup_plans.add_plan(office.service, auditor, "mine", {}),
        lambda: office.change(made, auditor, keep_daily=99),
        lambda: backup_plans.remove_plan(office.service, auditor, "files", 1),
        lambda: backup_plans.pause_plan(office.service, auditor, "files", 1, paused=True),
    ):
        with pytest.raises(Refused):
            act()
    assert office.service.backups.plan("files").keep_daily == 14


def test_a_worker_that_starts_knows_the_plans_of_the_store(office: Office) -> None:
    office.add(windows=["22:00-05:00"], jitter_minutes=30, priority=7)
    with office.service.store.read() as connection:
        found = {one.kind: one for one in of_store(office.service, connection)}
    assert set(found) == {"backup", "check", "drill"}
    backup = found["backup"]
    assert (backup.windows, backup.jitter_minutes, backup.priority) == (("22:00-05:00",), 30, 7)


def test_every_change_is_in_the_log(office: Office) -> None:
    made = office.add()
    changed = office.change(made, keep_daily=20)
    paused = backup_plans.pause_plan(office.service, office.an, "files", 2, paused=True)
    backup_plans.remove_plan(office.service, office.an, "files", paused.version)
    last = office.staff.last_detail
    assert last("plan.add") == {"plan": "files", "version": 1}
    assert (last("plan.change")["from_version"], changed.version) == (1, 2)
    assert last("plan.pause") == {"plan": "files", "version": 3, "state": "paused"}
    assert last("plan.remove")["plan"] == "files"


def test_one_plan_that_cannot_be_read_keeps_no_other_from_running_and_can_be_removed(
    office: Office,
) -> None:
    office.add("broken")
    office.add("whole")
    with office.service.store.write() as connection:
        row = tables.backup_plan
        connection.execute(row.update().where(row.c.name == "broken").values(settings="{}x"))
    with office.service.store.read() as connection:
        assert {one.plan for one in of_store(office.service, connection)} == {"whole"}
    assert office.service.backups.plan("whole")
    assert set(office.service.backups.readable_plans()) == {"nightly", "whole"}
    assert office.service.backups.plan_names() == {"broken", "nightly", "whole"}
    with pytest.raises(Damaged, match="backup plan broken"):
        backup_plans.list_plans(office.service, office.an)
    backup_plans.remove_plan(office.service, office.an, "broken", 1)
    shown = backup_plans.list_plans(office.service, office.an)
    assert [one.name for one in shown] == ["nightly", "whole"]


def test_one_plan_that_cannot_be_read_keeps_nobody_from_being_told_of_the_others(
    office: Office,
) -> None:
    office.add("broken")
    with office.service.store.write() as connection:
        connection.execute(tables.backup_plan.update().values(settings="{}x"))
    with pytest.raises(Damaged, match="backup plan broken"):
        backup_watch.look_after(office.service)
    office.staff.house.hands.seconds += 7 * 86_400
    assert [one.plan for one in backup_watch.tell_behind(office.service)] == ["nightly"]
