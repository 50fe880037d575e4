"""The vault level on a restored copy: what it proves, and which faults it names."""

from __future__ import annotations

import shutil
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlalchemy import delete, select, update

from secvault.crypto.secret import Secret
from secvault.errors import Cancelled, Damaged
from secvault.service import Service, authentication, records, recovery_kits, seals
from secvault.service.drill_levels import data_keys
from secvault.service.drill_levels.escrow import NO_KIT
from secvault.service.drill_levels.own_copy import DATABASE
from secvault.service.spine import Caller
from secvault.store import tables
from tests.running_service import PAYSLIP, House, payslip, signed_in
from tests.service.drill_levels.saved_house import (
    Drilled,
    back_up,
    codes,
    drilled,
    fact,
)
from tests.service.erasing.office import KIEU, opened_office

pytestmark = [pytest.mark.real, pytest.mark.usefixtures("quick_repositories")]

HOUR = 3_600_000_000


def test_a_whole_copy_passes_and_says_what_was_proven(drill: Drilled) -> None:
    result = drill.vault()

    assert codes(result) == []
    assert result.verdict == "passed"
    assert fact(result, "records") == 2
    assert fact(result, "attachments-decrypted") == 1
    assert int(fact(result, "fields-decrypted")) > 5
    assert int(fact(result, "audit-entries")) == drill.ground.manifest.audit_size
    assert int(fact(result, "checkpoints-compared")) >= 0
    assert fact(result, "audit-entries-lost") == drill.levels.audit_entries_lost
    assert drill.levels.audit_entries_lost is not None
    assert int(fact(result, "personal-parts")) > 0
    # Without a kit that is said, and not passed over.
    assert fact(result, "root-from") == "service"
    assert NO_KIT in result.not_tested
    assert {"fetch", "load", "verify"} <= set(drill.ground.watch.seconds)


def test_the_copy_is_opened_with_the_root_key_in_escrow(service: Service, tmp_path: Path) -> None:
    root = service.keyring.roots.present.key
    older = Secret(bytes(32))
    kit = SimpleNamespace(roots=(older, root))
    with drilled(service, tmp_path / "drill", escrow=lambda: kit) as drill:
        result = drill.vault()
    assert (result.verdict, fact(result, "root-from")) == ("passed", "kit")
    assert NO_KIT not in result.not_tested


def test_a_kit_that_was_really_issued_opens_the_copy(service: Service, tmp_path: Path) -> None:
    recovery_kits.issue_kit(service, Caller(authentication.local_operator(service)))
    with drilled(service, tmp_path / "drill") as drill:
        result = drill.vault()
    assert (result.verdict, fact(result, "root-from")) == ("passed", "kit")


def test_a_copy_of_before_the_root_was_rotated_opens_with_the_older_root(
    service: Service, tmp_path: Path
) -> None:
    with drilled(service, tmp_path / "drill") as drill:
        seals.rotate_root(service, Caller(authentication.local_operator(service)))
        result = drill.vault()
    assert (result.verdict, fact(result, "root-from")) == ("passed", "service")


def test_a_kit_that_does_not_have_the_root_key_is_a_fault_and_the_rest_is_looked_at(
    service: Service, tmp_path: Path
) -> None:
    kit = SimpleNamespace(roots=(Secret(bytes(32)),))
    with drilled(service, tmp_path / "drill", escrow=lambda: kit) as drill:
        result = drill.vault()
    assert codes(result) == ["root-not-in-escrow"]
    assert fact(result, "root-from") == "service"
    assert int(fact(result, "fields-decrypted")) > 5


def test_a_kit_that_does_not_open_is_a_fault(service: Service, tmp_path: Path) -> None:
    def damaged() -> None:
        raise Damaged("the tag does not fit")

    with drilled(service, tmp_path / "drill", escrow=damaged) as drill:
        assert set(codes(drill.vault())) == {"root-not-in-escrow"}


def test_a_database_with_broken_pages_is_named(drill: Drilled) -> None:
    content = bytearray(drill.database.read_bytes())
    for at in range(4096 * 3, len(content), 4096):
        content[at : at + 64] = b"\xff" * 64
    drill.database.write_bytes(content)
    result = drill.vault()
    assert codes(result) == ["database-damaged"]
    assert result.faults[0].where == DATABASE


def test_without_the_database_the_level_fails_and_the_service_level_says_why(
    drill: Drilled,
) -> None:
    drill.database.unlink()
    assert codes(drill.vault()) == ["database-damaged"]
    after = drill.serve()
    assert (after.verdict, len(after.not_tested)) == ("not tested", 1)


def test_a_copy_of_another_vault_is_told_for_that(drill: Drilled) -> None:
    drill.change("UPDATE vault SET id = '0190aaaaaaaaaaaaaaaaaaaaaaaaaaaa'")
    assert codes(drill.vault()) == ["audit-log-not-of-the-live-one"]


def test_a_changed_field_is_named_by_its_record(drill: Drilled) -> None:
    drill.change(
        "UPDATE record_field SET envelope = CAST(substr(envelope, 1, 20) || X'00' || "
        "substr(envelope, 22) AS BLOB) WHERE collection = 'payroll' AND field = 'bank_account'"
    )
    result = drill.vault()
    assert set(codes(result)) == {"field-unreadable"}
    assert f"record payroll/{PAYSLIP}" in {fault.where for fault in result.faults}


def test_a_row_that_the_database_cannot_give_is_damage_and_the_log_is_still_looked_at(
    drill: Drilled,
) -> None:
    drill.change(
        "UPDATE record_field SET envelope = CAST(X'ff00fe' AS TEXT) WHERE collection = 'payroll'"
    )
    result = drill.vault()
    assert "database-damaged" in codes(result)
    assert int(fact(result, "audit-entries")) > 5


def test_a_changed_file_of_a_record_is_named(drill: Drilled) -> None:
    (content,) = [one for one in (drill.ground.staged / "attachments").rglob("*") if one.is_file()]
    changed = bytearray(content.read_bytes())
    changed[-1] ^= 1
    content.unlink()
    content.write_bytes(changed)
    result = drill.vault()
    assert codes(result) == ["field-unreadable"]
    assert result.faults[0].where == "attachment contracts/ct-1/document"


def test_swapped_versions_of_named_keys_are_told_from_missing_and_changed_ones(
    drill: Drilled,
) -> None:
    names = ("password-pepper", "totp-seeds")
    where = "mount = 'internal' AND name = '{}'"
    one, other = (where.format(name) for name in names)
    wrapped = "(SELECT wrapped FROM named_key_version WHERE {})"
    drill.change(
        "CREATE TEMP TABLE kept AS SELECT name, wrapped FROM named_key_version "
        f"WHERE {one} OR {other}",
        "UPDATE named_key_version SET wrapped = (SELECT wrapped FROM kept WHERE "
        f"name = '{names[1]}') WHERE {one}",
        "UPDATE named_key_version SET wrapped = (SELECT wrapped FROM kept WHERE "
        f"name = '{names[0]}') WHERE {other}",
        "UPDATE named_key_version SET wrapped = zeroblob(60) WHERE "
        + where.format("contact-addresses"),
        "DELETE FROM named_key_version WHERE mount = 'internal' AND name = 'evidence-signing'",
    )
    del wrapped
    result = drill.vault()
    told = {(fault.code, fault.where) for fault in result.faults}
    assert told == {
        ("keys-swapped", "key internal/password-pepper, version 1"),
        ("keys-swapped", "key internal/totp-seeds, version 1"),
        ("field-unreadable", "key internal/contact-addresses, version 1"),
        ("keys-missing", "key internal/evidence-signing, version 1"),
    }


def test_swapped_data_keys_are_named_with_whose_they_are(
    house: House, service: Service, tmp_path: Path
) -> None:
    head = signed_in(service, house, "head")
    records.create_record(service, head, "payroll", "pay-0043", payslip(employee="nv-0043"))
    key = tables.data_key.c
    with service.store.write() as connection:
        found = connection.execute(
            select(key.subject, key.wrapped).where(key.collection == "payroll")
        ).all()
        assert len(found) == 2
        for row, other in zip(found, reversed(found), strict=True):
            connection.execute(
                update(tables.data_key)
                .where(key.collection == "payroll", key.subject == row.subject)
                .values(wrapped=other.wrapped)
            )
    back_up(service)
    with drilled(service, tmp_path / "drill") as drill:
        result = drill.vault()
    assert codes(result) == ["keys-swapped", "keys-swapped"]
    assert {fault.where for fault in result.faults} == {
        f"data key payroll/{row.subject}" for row in found
    }


def test_an_erased_key_is_a_fault_and_a_deleted_record_is_none(
    house: House, service: Service, tmp_path: Path
) -> None:
    head = signed_in(service, house, "head")
    for name in ("pay-0043", "pay-0044"):
        number = name.replace("pay", "nv")
        records.create_record(service, head, "payroll", name, payslip(employee=number))
    back_up(service)
    with drilled(service, tmp_path / "first") as drill:
        assert codes(drill.vault()) == []
    # One is deleted as it should be; of the other, somebody takes the key away past secvault.
    records.delete_record(service, signed_in(service, house, "head"), "payroll", "pay-0043", 1)
    with service.store.write() as connection:
        record = tables.record.c
        subject = connection.execute(
            select(record.subject).where(record.id == "pay-0044")
        ).scalar_one()
        connection.execute(
            delete(tables.data_key).where(
                tables.data_key.c.collection == "payroll", tables.data_key.c.subject == subject
            )
        )
    back_up(service)
    with drilled(service, tmp_path / "second") as drill:
        result = drill.vault()
    assert [(fault.code, fault.where) for fault in result.faults] == [
        ("key-erased", "record payroll/pay-0044")
    ]


def test_whoever_was_erased_since_is_left_out_and_no_fault(
    house: House, service: Service, tmp_path: Path
) -> None:
    office = opened_office(service, house)
    back_up(service)
    with drilled(service, tmp_path / "drill") as drill:
        # Restored as of before; the newest data keys know of the erasure.
        office.erase_person(KIEU)
        back_up(service)
        result = drill.vault()
    assert codes(result) == []
    assert int(fact(result, "records-left-out-erased")) >= 1


@pytest.mark.parametrize("early", [False, True])
def test_data_keys_that_are_nowhere_are_missing(
    house: House, service: Service, tmp_path: Path, *, early: bool
) -> None:
    with drilled(service, tmp_path / "drill") as drill:
        snapshots = house.folder / "vault-backups-data-keys" / "snapshots"
        for one in snapshots.iterdir():
            one.unlink()
        if early:
            drill.levels.begin(drill.ground, ("vault",))
        assert codes(drill.vault()) == ["keys-missing"]


def test_data_keys_that_were_fetched_while_the_copy_was_restored_open_it(
    house: House, drill: Drilled
) -> None:
    drill.levels.begin(drill.ground, ("vault",))
    fetched = drill.levels._data_keys
    assert fetched is not None
    assert len(fetched.result().files) == 1
    before = drill.ground.watch.seconds.get("fetch", 0.0)
    shutil.rmtree(house.folder / "vault-backups-data-keys")
    assert drill.vault().verdict == "passed"
    # Whoever recovers waits for them, though the drill did not.
    assert drill.ground.watch.seconds["fetch"] == before + fetched.result().seconds


def test_fetching_data_keys_ends_with_a_drill_that_is_given_up(
    drill: Drilled, tmp_path: Path
) -> None:
    asked, endless = tmp_path / "asked", tmp_path / "endless"
    endless.write_text(
        "#!/bin/sh\n"
        'case "$*" in *unlock*) exit 0 ;; esac\n'
        f"touch {asked}\nwhile :; do sleep 0.1; done\n"
    )
    endless.chmod(0o700)
    engine = drill.ground.engine
    stuck = replace(engine.restic, command=replace(engine.restic.command, binary=str(endless)))
    with data_keys.fetching(replace(drill.ground, engine=replace(engine, restic=stuck))) as fetched:
        while not asked.exists():
            assert not fetched.done()
            time.sleep(0.05)
    # Asked for its snapshots, which nobody else would have stopped.
    with pytest.raises(Cancelled):
        fetched.result()


def test_only_what_the_levels_need_is_begun_before_they_are_asked(drill: Drilled) -> None:
    drill.levels.begin(drill.ground, ("repository", "files"))
    assert drill.levels._data_keys is None
    assert drill.levels._program is None
    drill.levels.begin(drill.ground, ("vault",))
    assert drill.levels._data_keys is not None
    assert drill.levels._program is None


def test_an_entry_that_was_changed_damages_the_log(drill: Drilled) -> None:
    drill.change(*drill.triggers(), "UPDATE audit_event SET actor = 'user:nobody' WHERE seq = 3")
    result = drill.vault()
    assert set(codes(result)) == {"audit-log-damaged"}


def test_a_log_that_was_cut_is_damaged(drill: Drilled) -> None:
    drill.change(*drill.triggers(), "DELETE FROM audit_event WHERE seq > 5")
    assert "audit-log-damaged" in codes(drill.vault())


def test_entries_of_the_future_tell_of_a_wrong_clock(
    house: House, service: Service, tmp_path: Path
) -> None:
    house.hands.seconds += 3600 * 24 * 30
    back_up(service)
    house.hands.seconds -= 3600 * 24 * 30
    with drilled(service, tmp_path / "drill") as drill:
        assert "snapshot-from-the-future" in codes(drill.vault())


def test_a_copy_that_claims_to_be_newer_than_it_is_lacks_entries_and_is_told(
    house: House, service: Service, drill: Drilled
) -> None:
    house.hands.seconds += 3600
    signed_in(service, house, "head")
    service.audit.drain()
    drill.claim(data_at=drill.ground.manifest.data_at + 3 * HOUR)
    house.hands.seconds += 3600 * 3
    assert codes(drill.vault()) == ["snapshot-not-newest"]


def test_a_copy_that_claims_to_be_of_the_future_is_told_for_that(drill: Drilled) -> None:
    drill.claim(data_at=drill.ground.manifest.data_at + 24 * HOUR)
    assert codes(drill.vault()) == ["snapshot-from-the-future"]


def test_a_copy_with_another_number_of_entries_than_it_was_saved_with_is_told(
    drill: Drilled,
) -> None:
    drill.claim(audit_size=drill.ground.manifest.audit_size + 1)
    assert codes(drill.vault()) == ["audit-log-damaged"]
