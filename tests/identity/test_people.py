"""People as rows: created once, listed in order, disabled at once."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Connection

from secvault.crypto.secret import Secret
from secvault.errors import Conflict, InvalidInput, NotAuthenticated, NotFound
from secvault.identity import PasswordHasher, directory, people
from secvault.identity.directory import Entry, Wanted
from secvault.identity.passwords import PasswordHash
from secvault.identity.people import NewPerson
from secvault.store import Store

KEY = Secret(bytes(32))
HASH = PasswordHash("1$argon2id$not-looked-at")


def create(store: Store, time: Any, name: str, department: str = "it") -> people.Person:
    with store.write() as connection:
        return people.create_person(
            connection, time.clock, NewPerson.of(name, name, department), HASH
        )


def test_who_was_ever_active_is_known_and_who_is_invited_only_is_not(
    store: Store, time: Any
) -> None:
    active = create(store, time, "lan")
    with store.write() as connection:
        invited = people.create_person(connection, time.clock, NewPerson.of("mai", "Mai", "it"))
        people.disable_person(connection, time.clock, active.id)
        assert people.any_activated(connection, [active.id])
        assert not people.any_activated(connection, [invited.id])
        assert not people.any_activated(connection, [])


def test_a_person_is_read_back_by_id_and_by_any_spelling_of_the_name(
    store: Store, time: Any
) -> None:
    created = create(store, time, "Đức.Anh")
    with store.read() as connection:
        assert people.read_person(connection, created.id) == created
        assert people.find_person(connection, "ĐỨC.ANH") == created
    assert created.name == "đức.anh"
    assert created.subject == f"user:{created.id}"
    assert created.state == "active"
    assert "argon2" not in repr(created)


def test_a_name_is_taken_in_every_spelling(store: Store, time: Any) -> None:
    create(store, time, "Đức")
    with pytest.raises(Conflict, match="đức is taken"):
        create(store, time, "ĐỨC")


@pytest.mark.parametrize("person_id", ["", "x", "\x00", "0" * 32, "0" * 33, "' or 1=1"])
def test_an_unknown_id_is_not_found(store: Store, time: Any, person_id: str) -> None:
    with store.write() as connection:
        for act in (
            lambda: people.read_person(connection, person_id),
            lambda: people.disable_person(connection, time.clock, person_id),
            lambda: people.enable_person(connection, person_id),
            lambda: people.set_password(connection, time.clock, person_id, HASH),
            lambda: people.clear_failures(connection, person_id),
        ):
            with pytest.raises(NotFound):
                act()


def test_people_are_listed_page_by_page_in_the_order_of_creation(store: Store, time: Any) -> None:
    created = []
    for n in range(7):
        time.pass_by(1)
        created.append(create(store, time, f"p{n}", "hr" if n % 2 else "it"))
    with store.write() as connection:
        people.disable_person(connection, time.clock, created[0].id)
    pages, after = [], ""
    with store.read() as connection:
        while page := _page(connection, time, after=after, limit=3):
            pages.append([entry.person.name for entry in page])
            after = page[-1].person.id
        of_hr = _page(connection, time, wanted=Wanted(department="hr"))
        disabled = _page(connection, time, wanted=Wanted(status="disabled"))
    assert pages == [["p0", "p1", "p2"], ["p3", "p4", "p5"], ["p6"]]
    assert [entry.person.name for entry in of_hr] == ["p1", "p3", "p5"]
    assert [entry.person.name for entry in disabled] == ["p0"]


def _page(connection: Connection, time: Any, **asked: Any) -> tuple[Entry, ...]:
    return directory.list_page(connection, time.clock, KEY, lock_after=10, **asked)


@pytest.mark.parametrize("wrong", [{"limit": 0}, {"limit": 1001}, {"after": "\x00"}])
def test_a_wrong_page_is_refused(store: Store, time: Any, wrong: dict[str, Any]) -> None:
    with store.read() as connection, pytest.raises(InvalidInput, match=next(iter(wrong))):
        _page(connection, time, **wrong)


def test_a_disabled_person_is_out_at_once_and_sessions_stay_ended(house: Any) -> None:
    first = house.enter()
    house.time.pass_by(60)
    second = house.enter()
    with house.store.write() as connection:
        assert people.disable_person(connection, house.clock, house.lan.id) == 2
    for each in (first, second):
        with pytest.raises(NotAuthenticated):
            house.session(each.token)
    house.time.pass_by(60)
    with house.store.write() as connection:
        people.enable_person(connection, house.lan.id)
    with pytest.raises(NotAuthenticated):
        house.session(first.token)
    house.session(house.enter().token)


def test_disabling_and_enabling_twice_is_a_conflict(house: Any) -> None:
    with house.store.write() as connection:
        with pytest.raises(Conflict, match="active already"):
            people.enable_person(connection, house.lan.id)
        people.disable_person(connection, house.clock, house.lan.id)
        with pytest.raises(Conflict, match="disabled already"):
            people.disable_person(connection, house.clock, house.lan.id)


def test_a_new_password_ends_all_sessions_and_replaces_the_old(
    house: Any, hasher: PasswordHasher
) -> None:
    open_session = house.enter()
    chosen = Secret.of("một mật khẩu mới")
    hashed = hasher.hash_new(chosen)
    house.time.pass_by(60)
    with house.store.write() as connection:
        assert people.set_password(connection, house.clock, house.lan.id, hashed) == 1
        changed = people.read_person(connection, house.lan.id)
    assert changed.password_changed_at == house.clock.micros()
    for refused in (lambda: house.session(open_session.token), house.enter):
        with pytest.raises(NotAuthenticated):
            refused()
    house.session(house.enter(password=chosen).token)
