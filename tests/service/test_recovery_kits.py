"""The recovery kit of a vault: who issues it, what is in it, what makes it stale, where it lies."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from sqlalchemy import select

from secvault.crypto.secret import Secret
from secvault.errors import ApprovalRequired, Damaged, InvalidInput, NotFound, Refused
from secvault.recovery import stored
from secvault.recovery.kit import BESIDE
from secvault.recovery.opening import open_kit, read_kit
from secvault.service import (
    Service,
    authentication,
    backups,
    recovery_kit_watch,
    recovery_kits,
    repository_passwords,
    seals,
)
from secvault.service.recovery_kit_status import KitStatus, status, verify_kit
from secvault.service.spine import Caller
from secvault.store import tables
from tests.recovery.a_kit import made_kit
from tests.running_service import House

NEVER = Event()
DAY = 24 * 3600


def operator(service: Service) -> Caller:
    """Whoever runs commands on the machine."""
    return Caller(authentication.local_operator(service))


def names(found: KitStatus) -> list[str]:
    """What the newest kit lacks."""
    return [one.name for one in found.changes]


@contextmanager
def opened(house: House, **more: str) -> Iterator[Service]:
    """The vault with further settings of recovery."""
    settings = {f"SECVAULT_RECOVERY__{name.upper()}": value for name, value in more.items()}
    with replace(house, more={**house.more, **settings}).open() as service:
        yield service


def saved(service: Service) -> None:
    """Take a backup, so that there are repositories and passwords."""
    backups.run_backup(service, operator(service), "nightly", lambda _: None, NEVER)


def test_the_first_issue_makes_shares_that_open_all_of_the_vault(service: Service) -> None:
    assert status(service).state == "missing"
    made = recovery_kits.issue_kit(service, operator(service))
    assert len(made.words) == 5
    head, secrets = open_kit(made.kit, made.words[2:])
    assert head == made.head
    assert secrets.root_keys() == (service.keyring.roots.present.key,)
    assert (secrets.vault, secrets.generation) == (service.keyring.vault_id, 1)
    assert head.company == service.settings.organisation
    assert [one.name for one in head.plans] == ["nightly"]
    assert head.plans[0].vault
    with pytest.raises(InvalidInput, match="3 different shares"):
        open_kit(made.kit, made.words[:2])


def test_shares_are_shown_once_and_lie_nowhere(service: Service, house: House) -> None:
    made = recovery_kits.issue_kit(service, operator(service))
    again = recovery_kits.issue_kit(service, operator(service))
    assert again.words == ()
    assert open_kit(again.kit, made.words[:3])[0].kit == again.head.kit
    service.audit.drain()
    rows = house.folder.rglob("*")
    content = b"".join(one.read_bytes() for one in rows if one.is_file())
    for share in made.words:
        words = share.text().split()
        assert " ".join(words[3:8]).encode() not in content


def test_what_is_stored_of_the_shares_opens_nothing_without_the_root(service: Service) -> None:
    made = recovery_kits.issue_kit(service, operator(service))
    with service.store.read() as connection:
        kept = stored.shares_in_force(connection)
    assert kept is not None
    with pytest.raises(Damaged):
        stored.open_secret(kept, Secret(b"\x00" * 32))
    assert read_kit(made.kit).head.shares.checks == kept.checks


def test_new_shares_replace_the_old_ones_which_open_the_kits_of_then_only(
    service: Service,
) -> None:
    first = recovery_kits.issue_kit(service, operator(service))
    second = recovery_kits.issue_kit(service, operator(service), new_shares=True)
    assert len(second.words) == 5
    with pytest.raises(InvalidInput, match="does not belong to this kit's set"):
        open_kit(second.kit, first.words[:3])
    assert open_kit(first.kit, first.words[:3])[0].kit == first.head.kit
    with service.store.read() as connection:
        secrets = connection.execute(select(tables.recovery_shares.c.sealed_secret)).scalars()
        assert sum(one is not None for one in secrets) == 1


def test_only_administration_issues_and_takes_it_and_jobs_only_issue_it_anew(
    service: Service,
) -> None:
    jobs = Caller(authentication.jobs())
    with pytest.raises(Refused):
        recovery_kits.issue_kit(service, jobs)
    with pytest.raises(NotFound):
        recovery_kits.renew_kit(service, jobs)
    recovery_kits.issue_kit(service, operator(service))
    assert recovery_kits.renew_kit(service, jobs).words == ()
    with pytest.raises(Refused):
        recovery_kits.take_kit(service, jobs)


@pytest.mark.real
@pytest.mark.usefixtures("quick_repositories")
def test_passwords_come_into_it_and_a_changed_one_makes_it_stale_until_it_is_issued_anew(
    service: Service,
) -> None:
    made = recovery_kits.issue_kit(service, operator(service))
    saved(service)
    found = status(service)
    assert found.state == "behind"
    assert names(found)[:2] == ["password:local", "password:local/data-keys"]
    recovery_kits.take_kit(service, operator(service))
    recovery_kit_watch.do_work(service)
    assert status(service).state == "stale"
    kit = recovery_kits.take_kit(service, operator(service))
    assert status(service).state == "good"
    _, secrets = open_kit(kit.file, made.words[:3])
    kept = service.backups.passwords.kept("local")
    assert kept is not None
    assert secrets.passwords[0].password == kept.current.text()

    repository_passwords.rotate_password(service, operator(service), "local")
    found = status(service)
    # Issued anew before the old password opened nothing any more; what is in hand lacks it.
    assert names(found) == []
    assert [one.name for one in found.lacking] == ["password:local", "password:local/data-keys"]
    assert all(one.grave for one in found.lacking)
    newest = recovery_kits.open_newest(service)
    assert newest is not None
    for name, given in zip(("local", "local/data-keys"), newest[1].passwords, strict=True):
        now = service.backups.passwords.kept(name)
        assert now is not None
        assert given.password == now.current.text()
    checked = verify_kit(service, operator(service), kit.file)
    assert not checked.newest
    assert checked.changes == found.lacking


def test_a_rotated_root_makes_it_stale_and_the_new_one_holds_both_roots(service: Service) -> None:
    made = recovery_kits.issue_kit(service, operator(service))
    old = service.keyring.roots.present.key
    seals.rotate_root(service, operator(service))
    found = status(service)
    assert names(found) == ["root"]
    assert found.root_since
    recovery_kit_watch.do_work(service)
    opened = recovery_kits.open_newest(service)
    assert opened is not None
    assert opened[1].root_keys() == (service.keyring.roots.present.key, old)
    assert opened[1].generation == 2
    escrowed = recovery_kits.roots_in_escrow(service)
    assert escrowed is not None
    assert escrowed.roots == opened[1].root_keys()
    kit = recovery_kits.take_kit(service, operator(service))
    assert open_kit(kit.file, made.words[:3])[1] == opened[1]


def test_what_only_says_less_is_outdated_and_not_stale(house: House) -> None:
    with opened(house) as service:
        recovery_kits.issue_kit(service, operator(service))
        taken = recovery_kits.take_kit(service, operator(service))
        assert status(service).state == "good"
    with opened(house, contacts='["hosting: +84 1"]') as service:
        assert names(status(service)) == ["contacts"]
        recovery_kit_watch.do_work(service)
        found = status(service)
        assert found.state == "outdated"
        checked = verify_kit(service, operator(service), taken.file)
        assert (checked.newest, checked.known) == (False, True)
        assert [one.name for one in checked.changes] == ["contacts"]
        recovery_kits.take_kit(service, operator(service))
        assert status(service).state == "good"


def test_after_its_days_it_is_issued_and_taken_out_again(house: House) -> None:
    with opened(house, kit_days="30") as service:
        recovery_kits.issue_kit(service, operator(service))
        recovery_kits.take_kit(service, operator(service))
        house.hands.seconds += 29 * DAY
        assert status(service).state == "good"
        house.hands.seconds += 2 * DAY
        assert names(status(service)) == ["old"]
        recovery_kit_watch.do_work(service)
        found = status(service)
        assert (found.state, found.stale_because) == ("stale", "old")
        recovery_kits.take_kit(service, operator(service))
        assert status(service).state == "good"


@pytest.mark.real
@pytest.mark.usefixtures("quick_repositories")
def test_it_lies_in_folders_and_beside_repositories_where_it_names_nobody(
    house: House, tmp_path: Path
) -> None:
    usb = tmp_path / "usb"
    more = {"kit_folders": json.dumps([str(usb)]), "holders": '["Lan", "Minh"]'}
    with opened(house, contacts='["hosting: +84 1"]', **more) as service:
        saved(service)
        made = recovery_kits.issue_kit(service, operator(service))
        assert not any(one.fault for one in made.places)
        own = service.settings.data_folder / "recovery" / "kit.json"
        assert own.read_bytes() == (usb / "kit.json").read_bytes() == made.kit
        assert own.stat().st_mode & 0o777 == 0o600
        place = Path(service.backups.settings_of("local").location)
        beside = (place / BESIDE).read_bytes()
        for name in (b"Lan", b"hosting"):
            assert name in made.kit
            assert name not in beside
        assert open_kit(beside, made.words[:3])[1] == open_kit(made.kit, made.words[:3])[1]
        # restic goes on as before beside it.
        saved(service)
        (usb / "kit.json").unlink()
        found = status(service)
        assert found.unwritten == (str(usb),)
        recovery_kit_watch.do_work(service)
        assert (usb / "kit.json").read_bytes() == made.kit


def test_a_place_that_cannot_be_written_is_told_and_keeps_nothing_from_being_issued(
    house: House, tmp_path: Path
) -> None:
    taken = tmp_path / "file"
    taken.write_text("no folder")
    with opened(house, kit_folders=json.dumps([str(taken)])) as service:
        made = recovery_kits.issue_kit(service, operator(service))
        [own, failed] = made.places
        assert (own.fault, failed.place, failed.fault) == ("", str(taken), "backup-failed")
        recovery_kits.take_kit(service, operator(service))
        found = status(service)
        assert (found.state, found.unwritten) == ("unwritten", (str(taken),))
        recovery_kit_watch.look_after(service)
        with service.store.read() as connection:
            jobs = connection.execute(
                select(tables.job.c.id).where(tables.job.c.kind == recovery_kit_watch.KIT)
            ).all()
        assert len(jobs) == 1
        recovery_kit_watch.look_after(service)


def test_another_vaults_kit_and_a_changed_one_are_told(service: Service) -> None:
    made = recovery_kits.issue_kit(service, operator(service))
    with pytest.raises(Damaged, match="was changed"):
        verify_kit(service, operator(service), made.kit.replace(b'"seal":"file"', b'"seal":"none"'))
    with pytest.raises(Damaged, match="not one of this vault"):
        verify_kit(service, operator(service), made_kit().file)


def test_people_are_told_once_a_week_while_it_is_stale(service: Service, house: House) -> None:
    recovery_kits.issue_kit(service, operator(service))
    told = select(tables.backup_told.c.cause).where(
        tables.backup_told.c.cause.startswith("kit_stale:")
    )

    def times() -> int:
        recovery_kit_watch.look_after(service)
        with service.store.read() as connection:
            return len(connection.execute(told).all())

    assert times() == 0
    house.hands.seconds += 2 * DAY
    assert times() == 1
    assert times() == 1
    house.hands.seconds += 8 * DAY
    assert times() == 2


def _told(service: Service) -> set[str]:
    """Why people were told, by now."""
    with service.store.read() as connection:
        causes = connection.execute(select(tables.backup_told.c.cause)).scalars()
        return {one.split(":")[2] for one in causes if one.startswith("kit_stale:")}


def test_a_kit_that_cannot_be_issued_anew_for_hours_is_told(service: Service, house: House) -> None:
    saved(service)
    recovery_kits.issue_kit(service, operator(service))
    recovery_kits.take_kit(service, operator(service))
    seals.rotate_root(service, operator(service))
    # No worker does the jobs.
    recovery_kit_watch.look_after(service)
    assert _told(service) == set()
    house.hands.seconds += DAY // 2
    recovery_kit_watch.look_after(service)
    assert _told(service) == {"behind"}


def test_that_nobody_knows_what_the_kit_has_to_hold_is_told(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    recovery_kits.issue_kit(service, operator(service))

    def unreadable(_service: Service) -> KitStatus:
        raise Damaged("a password is not what was written")

    monkeypatch.setattr(recovery_kit_watch, "status", unreadable)
    for _ in range(2):
        with pytest.raises(Damaged):
            recovery_kit_watch.look_after(service)
    assert _told(service) == {"unknown"}


def test_numbers_of_shares_that_make_no_sense_are_refused(house: House) -> None:
    with (
        opened(house, shares="3", threshold="1") as service,
        pytest.raises(InvalidInput, match="every share alone opens the kit"),
    ):
        recovery_kits.issue_kit(service, operator(service))


def test_a_second_person_is_needed_where_there_is_one(service: Service) -> None:
    latched = {"id": 1, "latched_at": service.clock.micros()}
    with service.store.write() as connection:
        connection.execute(tables.approval_latch.insert().values(latched))
    with pytest.raises(ApprovalRequired):
        recovery_kits.issue_kit(service, operator(service))
    assert status(service).state == "missing"


@pytest.mark.real
def test_beside_a_repository_in_a_bucket_it_lies_within_the_prefix(
    house: House, s3_server: Any
) -> None:
    bucket = s3_server.new_bucket()
    place = {
        "LOCATION": f"s3:{s3_server.endpoint}/{bucket}/acme",
        "ACCESS_KEY_ID": s3_server.access_key,
        "SECRET_ACCESS_KEY": s3_server.secret_key,
    }
    variables = {
        f"SECVAULT_BACKUP__REPOSITORIES__OFFSITE__{name}": it for name, it in place.items()
    }
    with replace(house, more={**house.more, **variables}).open() as service:
        service.backups.repository("offsite")
        with service.store.write() as connection:
            # As after its first run.
            connection.execute(tables.backup_repository.update().values(identity="a" * 64))
        made = recovery_kits.issue_kit(service, operator(service))
        assert {one.place: one.fault for one in made.places}["repository offsite"] == ""
        found = s3_server.client().get_object(Bucket=bucket, Key=f"acme/{BESIDE}")["Body"].read()
        assert open_kit(found, made.words[:3])[0].kit == made.head.kit
        s3_server.client().delete_object(Bucket=bucket, Key=f"acme/{BESIDE}")
        recovery_kits.renew_kit(service, operator(service))
        assert s3_server.client().head_object(Bucket=bucket, Key=f"acme/{BESIDE}")
