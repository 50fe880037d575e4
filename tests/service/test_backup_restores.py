"""Restores as operations: who may have what put where, what needs a second person, and kills."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event

import pytest
from sqlalchemy import update

from secvault.backup.restic_process import NeverCancelled
from secvault.backup.restores.placing import Placing
from secvault.backup.restores.row import RestoreRun
from secvault.backup.run import snapshots
from secvault.errors import (
    ApprovalRequired,
    Cancelled,
    Conflict,
    Damaged,
    InvalidInput,
    NotFound,
    Refused,
    SecvaultError,
)
from secvault.service import Service, authentication, backup_restore_work, backup_restores, backups
from secvault.service.backup_restore_work import do_requested_restore
from secvault.service.backup_restores import Wanted, restore_parts
from secvault.service.spine import Caller
from secvault.store import tables
from tests.quick_repository import made_quickly
from tests.running_service import House, copied, furnish
from tests.service.approval_house import Staff, staffed

pytestmark = [pytest.mark.real, pytest.mark.usefixtures("quick_repositories")]

PLAN = "nightly"
NAMES = ("a.txt", "b.txt", "c.txt")


@dataclass
class Saved:
    """A vault whose plan saves one folder, with a snapshot of it. open: a folder for restores."""

    staff: Staff
    share: Path
    open: Path
    snapshot: str

    @property
    def service(self) -> Service:
        return self.staff.service

    def wanted(self, **more: object) -> Wanted:
        return Wanted(PLAN, **more)  # type: ignore[arg-type]

    def requested(self, who: Caller | None = None, **more: object) -> str:
        who = who or self.staff.an
        return backup_restores.request_restore(self.service, who, self.wanted(**more)).id

    def back(self, who: Caller | None = None, **more: object) -> str:
        """Ask for the whole folder to be put back where it was."""
        given = {"original": True, "snapshot": self.snapshot, "paths": (str(self.share),), **more}
        return self.requested(who, **given)

    def state(self, run: str) -> RestoreRun:
        return backup_restores.read_restore(self.service, self.staff.an, run)


@pytest.fixture(scope="session")
def saved_once(tmp_path_factory: pytest.TempPathFactory) -> House:
    folder = tmp_path_factory.mktemp("restores")
    share, opened = folder / "share", folder / "open"
    share.mkdir()
    opened.mkdir()
    for name in NAMES:
        (share / name).write_text(f"this is {name}")
    more = {
        "SECVAULT_BACKUP__PLANS__NIGHTLY__FOLDERS": json.dumps([str(share)]),
        "SECVAULT_BACKUP__PLANS__NIGHTLY__VAULT": "false",
        "SECVAULT_BACKUP__RESTORE_FOLDERS": json.dumps([str(opened)]),
    }
    house = furnish(folder, more=more)
    with made_quickly(), house.open() as service:
        operator = Caller(authentication.local_operator(service))
        backups.run_backup(service, operator, PLAN, lambda _: None, Event())
    return house


@pytest.fixture
def saved(saved_once: House, tmp_path: Path) -> Iterator[Saved]:
    """A vault of this test's own over that snapshot; the folder is as it was saved, each time."""
    share, opened = saved_once.folder / "share", tmp_path / "open"
    opened.mkdir()
    house = copied(saved_once, tmp_path / "house")
    more = {
        **saved_once.more,
        "SECVAULT_BACKUP__RESTORE_FOLDERS": json.dumps([str(opened)]),
    }
    house = replace(house, more=more)
    for name in NAMES:
        (share / name).write_text(f"this is {name}")
    with house.open() as service:
        staff = staffed(service, house)
        (snapshot,) = snapshots(service.backups, PLAN)
        yield Saved(staff, share, opened, snapshot.id)


def work(saved: Saved, run: str, cancel: Event | None = None) -> RestoreRun:
    """What the worker does with it; the job's end is the worker's own."""
    with saved.service.store.write() as connection:
        connection.execute(update(tables.job).where(tables.job.c.id == run).values(state="started"))
    done = do_requested_restore(saved.service, run, cancel or Event())
    with saved.service.store.write() as connection:
        connection.execute(update(tables.job).where(tables.job.c.id == run).values(state="done"))
    return saved.state(done.id)


def test_a_restore_by_the_worker_goes_into_secvaults_own_folder_unless_another_is_named(
    saved: Saved,
) -> None:
    run = saved.requested(paths=(str(saved.share / "a.txt"),))
    assert saved.state(run).state == "requested"
    done = work(saved, run)
    assert (done.state, done.files_done, done.phase) == ("done", 1, "done")
    assert done.result is not None
    (target,) = done.result["targets"]  # type: ignore[misc]
    own = saved.service.settings.data_folder / "restored"
    assert Path(str(target)).is_relative_to(own)
    assert Path(str(target)).read_text() == "this is a.txt"
    assert own.stat().st_mode & 0o077 == 0
    told = saved.staff.last_detail("backup.restore")
    assert (told["target"], told["files"], told["run"]) == ("folder", 1, run)


def test_only_folders_that_are_open_for_it_may_be_named_and_no_link_leads_out_of_them(
    saved: Saved, tmp_path: Path
) -> None:
    closed = tmp_path / "closed"
    closed.mkdir()
    (saved.open / "out").symlink_to(closed)
    settings = saved.service.settings
    for folder in (
        str(closed),
        str(saved.open / "out"),
        str(saved.open / "out" / "deeper"),
        f"{saved.open}-beside",
        str(settings.data_folder),
        str(settings.data_folder / "scratch"),
        "/",
        f"{saved.open}/../closed",
    ):
        with pytest.raises(InvalidInput, match="target"):
            saved.requested(folder=folder)
    assert list(closed.iterdir()) == []
    run = saved.requested(folder=str(saved.open / "new" / "place"), sources=())
    assert work(saved, run).state == "done"
    inner = saved.open / "new" / "place" / str(saved.share).lstrip("/")
    assert {path.name for path in inner.iterdir()} == set(NAMES)


def test_a_link_that_is_put_there_after_the_request_is_not_followed(
    saved: Saved, tmp_path: Path
) -> None:
    closed = tmp_path / "closed"
    closed.mkdir()
    run = saved.requested(folder=str(saved.open / "mine"), paths=(str(saved.share),))
    (saved.open / "mine").symlink_to(closed)
    with pytest.raises(InvalidInput):
        work(saved, run)
    assert list(closed.iterdir()) == []


def test_at_the_machine_any_folder_may_be_named_but_secvaults_own(
    saved: Saved, tmp_path: Path
) -> None:
    told: list[str] = []
    done = restore_parts(
        saved.service,
        saved.staff.operator,
        saved.wanted(folder=str(tmp_path / "r"), paths=(str(saved.share / "a.txt"),)),
        lambda phase, _: told.append(phase),
        Event(),
    )
    assert done.tally.placed == 1
    assert told[0] == "looking into the snapshot"
    settings = saved.service.settings
    for own in (
        settings.data_folder,
        settings.data_folder / "policies",
        settings.policy_folder,
        Path(f"{settings.data_folder}-backups", "data"),
        Path(f"{settings.data_folder}-backups-data-keys"),
        settings.seal_key_file,
    ):
        with pytest.raises(InvalidInput, match="secvault's own"):
            restore_parts(
                saved.service,
                saved.staff.operator,
                saved.wanted(folder=str(own), paths=(str(saved.share),)),
                lambda *_: None,
                Event(),
            )


def test_the_original_place_needs_another_person_who_agrees_to_exactly_that(saved: Saved) -> None:
    binh = saved.staff.hire("binh")
    (saved.share / "a.txt").unlink()
    for more in ({}, {"existing": "overwrite"}):
        with pytest.raises(ApprovalRequired):
            saved.back(**more)
    an = replace(saved.staff.an, reason="the folder was emptied")
    with pytest.raises(ApprovalRequired) as asked:
        saved.back(an)
    saved.staff.approve(binh, asked.value.request)
    # What was approved keeps what is there: to overwrite it is something else.
    with pytest.raises(ApprovalRequired):
        saved.back(existing="overwrite")
    run = saved.back()
    done = work(saved, run)
    assert (done.production, done.state) == (True, "done")
    assert (saved.share / "a.txt").read_text() == "this is a.txt"
    with pytest.raises(ApprovalRequired):
        saved.back()
    # Elsewhere nobody else is needed.
    assert not saved.state(saved.requested()).production


def test_the_original_place_is_for_one_snapshot_that_is_named_and_what_the_plan_saves_by_now(
    saved: Saved,
) -> None:
    with pytest.raises(InvalidInput, match="snapshot"):
        saved.back(snapshot=None)
    with pytest.raises(NotFound):
        saved.back(snapshot="f" * 64)
    engine = saved.service.backups
    other = engine.plan(PLAN).model_copy(update={"folders": (saved.open,)})
    moved = replace(saved.service, backups=replace(engine, declared={PLAN: other}))
    with pytest.raises(InvalidInput, match=r"does not save .* any more"):
        backup_restores.request_restore(
            moved,
            saved.staff.an,
            saved.wanted(original=True, snapshot=saved.snapshot, paths=(str(saved.share),)),
        )


def test_a_dry_run_writes_nothing_and_says_whether_another_person_is_needed(saved: Saved) -> None:
    (saved.share / "a.txt").write_text("changed since")
    (saved.share / "b.txt").unlink()
    seen = backup_restores.preview_restore(
        saved.service,
        saved.staff.an,
        saved.wanted(original=True, snapshot=saved.snapshot, paths=(str(saved.share),)),
        NeverCancelled(),
    )
    assert seen.production
    assert (seen.preview.files, seen.preview.new, seen.preview.existing) == (3, 1, 2)
    assert (saved.share / "a.txt").read_text() == "changed since"
    assert not (saved.share / "b.txt").exists()
    assert saved.staff.last_detail("backup.restore")["reason"] == "dry-run"
    assert saved.service.backups.scratch.exists()
    assert not list(saved.service.backups.scratch.glob("restore*"))


def test_who_may_not_restore_neither_looks_nor_asks_nor_stops_and_an_auditor_may_watch(
    saved: Saved, saved_once: House
) -> None:
    auditor = Caller(authentication.authenticate(saved.service, saved_once.tokens["auditor"]))
    run = saved.requested()
    with pytest.raises(Refused):
        saved.requested(auditor)
    with pytest.raises(Refused):
        backup_restores.stop_restore(saved.service, auditor, run)
    with pytest.raises(Refused):
        backup_restores.preview_restore(saved.service, auditor, saved.wanted(), NeverCancelled())
    assert backup_restores.read_restore(saved.service, auditor, run).id == run
    assert [one.id for one in backup_restores.list_restores(saved.service, auditor, 5)] == [run]


def test_whoever_lost_the_right_since_they_asked_restores_nothing(saved: Saved) -> None:
    binh = saved.staff.hire("binh")
    run = saved.requested(binh, folder=str(saved.open / "b"))
    with saved.service.store.write() as connection:
        connection.execute(
            update(tables.person).where(tables.person.c.name == "binh").values(state="disabled")
        )
    with pytest.raises(SecvaultError):
        work(saved, run)
    assert not (saved.open / "b").exists()


def test_a_row_that_somebody_changes_in_the_database_restores_nothing_else(saved: Saved) -> None:
    one = saved.requested(folder=str(saved.open / "one"))
    two = saved.requested(folder=str(saved.open / "two"))
    table = tables.backup_restore
    with saved.service.store.write() as connection:
        terms = connection.execute(
            table.select().with_only_columns(table.c.sealed_terms).where(table.c.id == one)
        ).scalar_one()
        connection.execute(table.update().where(table.c.id == two).values(sealed_terms=terms))
    with pytest.raises(Damaged):
        work(saved, two)
    assert list(saved.open.iterdir()) == []


def test_somebody_stops_it_and_what_is_in_place_by_then_is_whole(
    saved: Saved, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = saved.requested(folder=str(saved.open / "r"), paths=(str(saved.share),))
    (saved.open / "r" / str(saved.share).lstrip("/")).mkdir(parents=True)
    put = Placing._put_file

    def stopping(self: Placing, *given: object) -> None:
        put(self, *given)  # type: ignore[arg-type]
        if saved.state(run).state == "running":
            backup_restores.stop_restore(saved.service, saved.staff.an, run)

    monkeypatch.setattr(backup_restore_work, "NOTED_SECONDS", 0.0)
    monkeypatch.setattr(Placing, "_put_file", stopping)
    done = work(saved, run)
    assert done.state == "stopped"
    assert done.result is None
    there = list((saved.open / "r").rglob("*.txt"))
    assert [path.read_text() for path in there] == [f"this is {path.name}" for path in there]
    assert len(there) == 1
    with pytest.raises(Conflict, match="ended"):
        backup_restores.stop_restore(saved.service, saved.staff.an, run)


def test_a_worker_that_must_end_leaves_the_restore_to_the_next(saved: Saved) -> None:
    run = saved.requested(folder=str(saved.open / "r"), paths=(str(saved.share),))
    ending = Event()
    ending.set()
    with pytest.raises(Cancelled):
        work(saved, run, ending)
    assert work(saved, run).state == "done"
    # Once more, as after a kill between the work and its end: nothing is done anew.
    assert work(saved, run).state == "done"


UNCLEAR: tuple[tuple[dict[str, object], str], ...] = (
    ({"folder": "/x", "original": True, "snapshot": "ab" * 32}, "one place"),
    ({"into": "nothing", "sources": ("x",)}, "no source"),
    ({"repository": "other"}, "saves into: local"),
    ({"original": True, "snapshot": "ab" * 32}, "begins with"),
)


def test_what_cannot_be_meant_is_said(saved: Saved) -> None:
    for more, words in UNCLEAR:
        with pytest.raises((InvalidInput, NotFound), match=words):
            saved.requested(**more)
    assert backup_restores.list_restores(saved.service, saved.staff.an, 10) == ()
