"""A plan of the store at work: made while the worker runs, it is backed up at its due moment."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from secvault.backup import run
from secvault.backup.run import newest_runs
from secvault.clock import Clock
from secvault.jobs import Apart, Place, Worker, calendar
from secvault.service import authentication, backup_plans, opening, plan_schedules
from secvault.service.spine import Caller
from secvault.service.workflows import BACKUP_KINDS, schedules, workflows
from tests.running_service import House

pytestmark = [pytest.mark.real, pytest.mark.usefixtures("quick_repositories")]

HOUR = 3600
PATIENCE = 120.0


def eventually(holds: Callable[[], object], told: list[str]) -> None:
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, told
        time.sleep(0.02)


def test_a_plan_made_while_the_worker_runs_is_backed_up_in_its_window_and_not_when_paused(
    house: House,
) -> None:
    files = house.folder / "files"
    files.mkdir()
    (files / "hợp đồng.txt").write_text("lương", "utf-8")
    more = {**house.more, "SECVAULT_BACKUP__OPEN_FOLDERS": f'["{files}"]'}
    settings = replace(house, more=more).settings
    hands = house.hands
    told: list[str] = []
    clock = Clock(
        wall=hands.clock().wall,
        monotonic=lambda: time.monotonic() * 20,
        sleep=lambda seconds: time.sleep(seconds / 20),
    )
    with opening.opened(settings, clock, program="test") as service:
        data = settings.data_folder
        worker = Worker(
            service.store,
            clock,
            workflows(service),
            Place(data / "jobs.db", data / "worker.lock"),
            lambda event, **fields: told.append(f"{event} {fields}"),
            schedules=[one for one in schedules(service) if one.kind not in BACKUP_KINDS],
            kept_schedules=lambda connection: plan_schedules.of_store(service, connection),
            apart=Apart(BACKUP_KINDS, 2),
        )
        worker.start()
        try:
            operator = Caller(authentication.local_operator(service))
            # 14:13 is the time; due at 15:00, outside of the window from 20:00 on.
            values = {
                "vault": False,
                "folders": [str(files)],
                "schedule": "0 15 * * *",
                "windows": ["20:00-22:00"],
                "time_zone": "UTC",
                "check_schedule": "",
                "drill_schedule": "",
            }
            made = backup_plans.add_plan(service, operator, "files", values)
            hands.seconds += HOUR
            time.sleep(0.5)
            assert newest_runs(service.backups, 9) == ()
            hands.seconds += 5 * HOUR
            eventually(
                lambda: [one.state for one in newest_runs(service.backups, 9)] == ["done"], told
            )
            [snapshot] = run.snapshots(service.backups, "files")
            assert snapshot.paths is not None
            assert str(files) in snapshot.paths

            backup_plans.pause_plan(service, operator, "files", made.version, paused=True)
            hands.seconds += 48 * HOUR
            time.sleep(0.5)
            assert len(newest_runs(service.backups, 9)) == 1
            with service.store.read() as connection:
                assert "backup:files" not in {one.id for one, _ in calendar.schedules(connection)}
        finally:
            assert worker.stop(finish=1000.0, cancel=1000.0) == ()
