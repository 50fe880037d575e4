"""The company's backups: two months of them, one that failed, drills, and a recovery kit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest
from sqlalchemy import insert

from secvault.backup.drills.order import DrillOrder
from secvault.errors import SecvaultError
from secvault.service import (
    Service,
    backup_restores,
    backup_snapshots,
    backups,
    drill_evidence,
    drills,
    recovery_kits,
)
from secvault.service.backup_restores import Wanted
from secvault.service.spine import Caller
from secvault.store import tables
from tests.backup.drills.backed_up import flip
from tests.backup.drills.results import RANSOMWARE
from tests.backup_rows import add_numbers, add_run

PLAN, BROKEN = "nightly", "kho-hang-" + "mien-trung-" * 4 + "x"
DAY = 24 * 3600 * 10**6
DAYS = 60
LONG_FILE = "Bảng lương " + "rất-dài-" * 16 + "tháng 11.xlsx"
HOSTILE_FILE = "<img src=x onerror=document.title='taken'>\u202egnp.txt"
FILE = "Báo cáo tài chính 2026.xlsx"


def fill_share(folder: Path) -> None:
    """The folder that is saved."""
    (folder / "Kế toán" / "2026").mkdir(parents=True)
    for name in (LONG_FILE, HOSTILE_FILE, FILE):
        (folder / "Kế toán" / "2026" / name).write_text(name * 50)
    for number in range(40):
        (folder / "Kế toán" / f"hóa đơn {number:03}.xml").write_text(f"<hoadon>{number}</hoadon>")


def settings(folder: Path) -> str:
    """Of the plan, to be appended to its own, and of one that cannot succeed."""
    return (
        f'folders = ["{folder / "share"}"]\nowner = "binh"\n'
        "[backup.plans.nightly.drill]\nrto_minutes = 60\n"
        # Starting a service as well costs longer than all the rest of the company.
        'levels = ["repository", "files", "vault"]\n'
        f'[backup.plans.{BROKEN}]\nrepository = "here"\nvault = false\n'
        f'folders = ["{folder / "gone"}"]\n'
        "[recovery]\n"
        'holders = ["Trần Thị Thanh Bình", "Nguyễn Văn An", "Lê <b>Văn</b> Chí", '
        '"Phạm Thị Quỳnh Hoa", "Ngân hàng giữ hộ"]\n'
    )


def save(service: Service, operator: Caller, folder: Path) -> dict[str, str]:
    """Real runs of restic now, and the rows of those of the days before."""
    _past(service)
    done, _ = backups.run_backup(service, operator, PLAN, lambda _: None, Event())
    assert done.snapshot is not None
    with pytest.raises(SecvaultError):
        backups.run_backup(service, operator, BROKEN, lambda _: None, Event())
    failed = next(run for run in backups.list_runs(service, operator, 10) if run.state == "failed")
    backup_snapshots.list_snapshots(service, operator, PLAN, refresh=True)
    saved = str(folder / "share" / "Kế toán" / "2026" / FILE)
    asked = backup_restores.request_restore(
        service, operator, Wanted(PLAN, done.snapshot, paths=(saved,))
    )
    return {
        "plan": PLAN,
        "run": done.id,
        "failed_run": failed.id,
        "snapshot": done.snapshot,
        "file": saved,
        "folder": saved.rpartition("/")[0],
        "broken_plan": BROKEN,
        "restore": asked.id,
    }


def drill(service: Service, operator: Caller, repository: Path) -> dict[str, str]:
    """One drill that finds a damaged pack, and after it one that finds all as it should be."""
    pack = max((file for file in (repository / "data").rglob("*") if file.is_file()), key=_size)
    flip(pack)
    order = DrillOrder(levels=("repository", "files"))
    bad = drills.run_drill(service, operator, PLAN, lambda _: None, Event(), order)
    flip(pack)
    good = drills.run_drill(service, operator, PLAN, lambda _: None, Event())
    assert (bad.passed, good.passed) == (False, True), (bad, good)
    return {"drill": good.id, "failed_drill": bad.id, **_scenario(service)}


def issue_kit(service: Service, operator: Caller) -> None:
    """A recovery kit that somebody took."""
    recovery_kits.issue_kit(service, operator)
    recovery_kits.take_kit(service, operator)


def _past(service: Service) -> None:
    now = service.clock.micros()
    with service.store.write() as connection:
        for back in range(DAYS, 0, -1):
            at = now - back * DAY
            run = f"run-{back}"
            size = (60 * DAYS - 20 * back) << 20
            if back in (9, 31, 32):
                error = "the repository does not answer: " + "x" * 200
                add_run(connection, run, at, repository="here", state="failed", error=error)
                continue
            add_run(connection, run, at, repository="here", bytes=size, bytes_added=size >> 6)
            add_numbers(connection, run, at, bytes=size, bytes_added=size >> 6)


def _scenario(service: Service) -> dict[str, str]:
    result = replace(RANSOMWARE, id=service.random(16).hex(), requested_by="system:jobs")
    signed = drill_evidence.sign(service, result)
    now = service.clock.micros()
    with service.store.write() as connection:
        connection.execute(
            insert(tables.drill_scenario).values(
                id=result.id,
                scenario=result.scenario,
                plan=PLAN,
                state="done",
                phase="done",
                requested_by=result.requested_by,
                started_at=now - 100_000_000,
                finished_at=now,
                passed=True,
                rto_seconds=95,
                document=signed.document,
                note=signed.note,
                node="n",
                beat_at=now,
            )
        )
    return {"scenario": result.id}


def _size(file: Path) -> int:
    return file.stat().st_size
