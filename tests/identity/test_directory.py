"""The list of people: who is found, and what is said of their factors."""

from __future__ import annotations

import importlib.util
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secvault.crypto.secret import Secret
from secvault.errors import InvalidInput, VersionMismatch
from secvault.identity import directory, hardware_tokens, names, people, recovery_codes
from secvault.identity.directory import Entry, Wanted
from secvault.identity.people import Changes, NewPerson
from secvault.identity.seed_files import read_csv
from secvault.store.tables import totp_device
from tests.identity.test_invitations import invited, issue

KEY = Secret(bytes(32))
MIGRATION = Path(__file__).parents[2] / "secvault/store/migrations/versions/0013_invitations.py"


def listed(house: Any, **wanted: str) -> list[Entry]:
    with house.store.read() as connection:
        asked = Wanted(**wanted)
        return list(directory.list_page(connection, house.clock, KEY, wanted=asked, lock_after=10))


def found(house: Any, search: str) -> list[str]:
    return [entry.person.name for entry in listed(house, search=search)]


def test_names_are_found_without_case_and_marks_composed_or_not(house: Any) -> None:
    with house.store.write() as connection:
        for name, shown in (("duc.dang", "Đặng Minh Đức"), ("pct", "100%_sure")):
            house.time.pass_by(1)
            people.create_person(connection, house.clock, NewPerson.of(name, shown, "it"))
    for form in ("NFC", "NFD"):
        for typed in ("Nguyễn", "nguyen thi", "LAN", "thị  nguyễn", "ｎguyen"):
            assert found(house, unicodedata.normalize(form, typed)) == ["lan"], typed
        assert found(house, unicodedata.normalize(form, "dang duc")) == ["duc.dang"]
        assert found(house, unicodedata.normalize(form, "Đức")) == ["duc.dang"]
    assert found(house, "%") == found(house, "_") == found(house, "0%_s") == ["pct"]
    assert found(house, "nguyen dang") == found(house, "\\") == []
    assert found(house, "") == ["lan", "duc.dang", "pct"]


def test_a_new_full_name_is_found_and_the_old_one_is_not(house: Any) -> None:
    with house.store.write() as connection:
        changed = people.change_person(
            connection, house.lan.id, 1, Changes.of(display_name="Lê Thị Hoà", notes="a\r\nb")
        )
        assert (changed.version, changed.notes, changed.department) == (2, "a\nb", "hr")
        with pytest.raises(VersionMismatch):
            people.change_person(connection, house.lan.id, 1, Changes.of(department="it"))
    assert found(house, "hoa") == ["lan"]
    assert found(house, "nguyen") == []


def test_the_status_tells_an_invitation_in_time_from_one_that_is_over(house: Any) -> None:
    mai = invited(house)
    assert [entry.status for entry in listed(house)] == ["active", "expired"]
    issued = issue(house, mai)
    [waiting] = listed(house, status="invited")
    assert (waiting.person.id, waiting.invited_until) == (mai.id, issued.expires_at)
    house.time.pass_by(3600)
    assert listed(house, status="invited") == []
    assert [entry.person.id for entry in listed(house, status="expired")] == [mai.id]
    assert [entry.person.id for entry in listed(house, status="active")] == [house.lan.id]
    with house.store.write() as connection:
        people.disable_person(connection, house.clock, mai.id)
    assert listed(house, status="expired") == []
    assert [entry.person.id for entry in listed(house, status="disabled")] == [mai.id]
    with pytest.raises(InvalidInput, match="status"):
        listed(house, status="gone")


def test_the_kinds_of_factors_what_is_locked_and_how_many_codes_are_left(house: Any) -> None:
    mai = invited(house)
    with house.store.write() as connection:
        rows = read_csv(b"serial,secret\n40412,hex:" + b"0f" * 20)
        hardware_tokens.import_tokens(connection, house.clock, house.keys, rows)
        token = hardware_tokens.assign_token(connection, house.clock, house.keys, mai, "40412")
        recovery_codes.make_codes(connection, house.clock, house.keys, house.lan.id)
    lan, waiting = listed(house)
    assert (lan.factors, lan.locked, lan.recovery_codes_left) == (("totp",), False, 10)
    assert (waiting.factors, waiting.recovery_codes_left) == ((), 0)
    with house.store.write() as connection:
        connection.execute(
            totp_device.update().where(totp_device.c.id == token.id).values(state="locked")
        )
    locked = listed(house)[1]
    assert (locked.factors, locked.locked) == (("hardware",), True)
    house.enter()
    assert listed(house)[0].person.last_sign_in_at == house.clock.micros()


@given(st.text(max_size=40))
def test_the_migration_folds_names_as_the_program_does(text: str) -> None:
    spec = importlib.util.spec_from_file_location("migration", MIGRATION)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module._searched(text) == names.searched(text)


@given(st.text(max_size=40), st.sampled_from(["NFC", "NFD", "NFKC", "NFKD"]))
def test_a_name_is_found_by_itself_in_every_normal_form(text: str, form: str) -> None:
    folded = names.searched(text)
    assert names.searched(unicodedata.normalize(form, text)) == folded
    assert names.searched(text.upper()) == names.searched(text.upper().lower().upper())


@pytest.mark.parametrize("bad", ["a\0b", "a\x1bb", "\ud800", "a\u202eb", "x" * 2001])
def test_notes_are_text_without_controls(bad: str) -> None:
    with pytest.raises(InvalidInput, match="notes"):
        names.notes(bad)


def test_notes_are_kept_in_one_normal_form() -> None:
    text = "Nghỉ đến tháng 3\n\tgọi: 090"
    assert names.notes(unicodedata.normalize("NFD", f"  {text}\r\n")) == text
    assert names.notes("") == ""
