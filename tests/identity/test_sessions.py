"""Sessions: whose they are, and all the ways in which they end."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from secvault.crypto import token
from secvault.crypto.secret import Secret
from secvault.errors import NotAuthenticated
from secvault.identity import SessionLimits, sessions, sign_in
from secvault.identity.principal import COOKIE
from secvault.identity.sign_in import Credentials
from secvault.store import Store, open_store
from secvault.store.tables import person, session


def last_seen(house: Any) -> int:
    with house.store.read() as connection:
        return int(connection.execute(select(session.c.last_seen_at)).scalar_one())


def updates(statements: list[str]) -> int:
    return sum(statement.startswith("UPDATE") for statement in statements)


def test_a_session_is_its_persons(house: Any) -> None:
    signed_in = house.enter()
    principal = house.session(signed_in.token)
    assert principal == signed_in.principal
    assert principal.subject == house.lan.subject
    assert (principal.kind, principal.name, principal.department) == ("user", "lan", "hr")
    assert principal.second_factor_at == house.clock.micros()
    assert signed_in.token.text().startswith(f"svs_{principal.credential}_")
    assert signed_in.expires_at == house.clock.micros() + 8 * 3600 * 1_000_000


def test_an_unused_session_ends_after_half_an_hour(house: Any) -> None:
    presented = house.enter().token
    house.time.pass_by(30 * 60 - 1)
    house.session(presented)
    house.time.pass_by(30 * 60 - 1)
    house.session(presented)
    house.time.pass_by(30 * 60)
    with pytest.raises(NotAuthenticated):
        house.session(presented)


def test_a_session_in_use_ends_after_eight_hours(house: Any) -> None:
    presented = house.enter().token
    for _ in range(8 * 3 - 1):
        house.time.pass_by(20 * 60)
        house.session(presented)
    house.time.pass_by(20 * 60)
    with pytest.raises(NotAuthenticated):
        house.session(presented)


def test_the_limits_are_settings(house: Any) -> None:
    presented = house.enter().token.text()
    house.time.pass_by(60)
    with pytest.raises(NotAuthenticated):
        sessions.authenticate(
            house.store, house.clock, house.keys, presented, SessionLimits(idle=60)
        )


def test_the_last_use_is_written_at_most_once_a_minute(house: Any) -> None:
    presented, opened = house.enter().token, house.clock.micros()
    statements = house.watched()
    house.time.pass_by(59)
    for _ in range(5):
        house.session(presented)
    assert last_seen(house) == opened
    assert updates(statements) == 0
    house.time.pass_by(1)
    for _ in range(5):
        house.session(presented)
    assert updates(statements) == 1
    assert last_seen(house) == house.clock.micros()


def test_a_session_is_ended_once_and_for_every_process(house: Any, any_url: str) -> None:
    ending, staying = house.enter(), None
    house.time.pass_by(60)
    staying = house.enter()
    with house.store.write() as connection:
        key_id = ending.principal.credential
        assert sessions.end_session(connection, house.clock, key_id)
        assert not sessions.end_session(connection, house.clock, key_id)
    elsewhere = open_store(any_url)
    for store in (house.store, elsewhere):
        with pytest.raises(NotAuthenticated):
            sessions.authenticate(
                store, house.clock, house.keys, ending.token.text(), SessionLimits()
            )
    elsewhere.close()
    house.session(staying.token)


@pytest.mark.parametrize("key_id", ["", "\x00", "0" * 10, "x" * 99])
def test_ending_what_is_not_there_changes_nothing(house: Any, key_id: str) -> None:
    with house.store.write() as connection:
        assert not sessions.end_session(connection, house.clock, key_id)


def test_a_session_of_a_disabled_person_is_refused_even_if_it_was_not_ended(house: Any) -> None:
    presented = house.enter().token
    with house.store.write() as connection:
        connection.execute(person.update().values(state="disabled"))
    with pytest.raises(NotAuthenticated):
        house.session(presented)


def test_ending_all_sessions_counts_the_open_ones(house: Any) -> None:
    house.enter()
    house.time.pass_by(60)
    house.enter()
    with house.store.write() as connection:
        assert sessions.end_all_sessions(connection, house.clock, house.lan.id) == 2
        assert sessions.end_all_sessions(connection, house.clock, house.lan.id) == 0


def test_the_right_key_id_with_another_secret_is_refused(house: Any) -> None:
    signed_in = house.enter()
    with pytest.raises(NotAuthenticated):
        house.session(forged(signed_in.principal.credential))


def test_every_refusal_reads_the_same(house: Any) -> None:
    signed_in = house.enter()
    unknown = token.mint("svs").text
    malformed = Secret.of("svs_nonsense")
    system_token = token.mint("svt").text
    forgery = forged(signed_in.principal.credential)
    house.time.pass_by(9 * 3600)
    said = set()
    for presented in (signed_in.token, unknown, malformed, system_token, forgery):
        with pytest.raises(NotAuthenticated) as refused:
            house.session(presented)
        said.add(str(refused.value))
    assert len(said) == 1


def test_a_bad_check_sum_is_refused_without_the_database(house: Any) -> None:
    good = house.enter().token.text()
    asked = house.watched()
    for at in range(4, len(good)):
        changed = good[:at] + ("0" if good[at] != "0" else "1") + good[at + 1 :]
        with pytest.raises(NotAuthenticated):
            house.session(Secret.of(changed))
    assert asked == []
    house.session(Secret.of(good))
    assert [statement.split()[0] for statement in asked] == ["SELECT"]


@given(
    st.text(max_size=80)
    | st.from_regex(r"\Asv[st]_[0-9A-Za-z]{10}_[0-9A-Za-z]{43}_[0-9A-Za-z]{6}\Z")
)
def test_whatever_is_presented_is_refused_by_name(keys: Any, presented: str) -> None:
    """With a store that cannot be reached: nothing malformed gets that far."""
    unreachable = Store(None, None)  # type: ignore[arg-type]
    with pytest.raises(NotAuthenticated):
        sessions.authenticate(unreachable, None, keys, presented, SessionLimits())  # type: ignore[arg-type]


def forged(key_id: str) -> Secret:
    """A well-formed session token with this key id and a secret of somebody's own making."""

    def draw(count: int) -> bytes:
        return _number(key_id).to_bytes(16, "big") if count == 16 else b"\x01" * count

    minted = token.mint("svs", draw)
    assert minted.key_id == key_id
    return minted.text


def _number(key_id: str) -> int:
    digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    number = 0
    for character in key_id:
        number = number * 62 + digits.index(character)
    return number


def test_whoever_ends_a_session_waits_for_an_act_that_holds_it(house: Any) -> None:
    key_id = house.enter().principal.credential
    held, acted, order = threading.Event(), threading.Event(), []

    def act() -> None:
        with house.store.write() as connection:
            sessions.require_open(connection, house.clock, key_id, hold=True)
            held.set()
            acted.wait(10)
            order.append("acted")

    def end() -> None:
        with house.store.write() as connection:
            assert sessions.end_session(connection, house.clock, key_id)
            order.append("ended")

    with ThreadPoolExecutor(2) as pool:
        acting = pool.submit(act)
        assert held.wait(10)
        ending = pool.submit(end)
        # Long enough that an end which waits for nothing would be there.
        assert not wait((ending,), timeout=0.3).done
        acted.set()
        acting.result()
        ending.result()
    assert order == ["acted", "ended"]
    with house.store.write() as connection, pytest.raises(NotAuthenticated):
        sessions.require_open(connection, house.clock, key_id, hold=True)


def test_beyond_the_most_sessions_the_one_unused_for_longest_ends(house: Any) -> None:
    limits = SessionLimits(most=3)
    house = replace(house, entrance=replace(house.entrance, sessions=limits))
    opened = []
    for _ in range(3):
        opened.append(house.enter())
        house.time.pass_by(60)
    house.session(opened[0].token)
    opened.append(house.enter())
    with house.store.read() as connection:
        left = sessions.list_sessions(connection, house.clock, house.lan.id, limits)
    expected = [opened[at].principal.credential for at in (0, 2, 3)]
    assert sorted(each.key_id for each in left) == sorted(expected)
    with pytest.raises(NotAuthenticated):
        house.session(opened[1].token)


def test_a_session_says_what_it_travels_in_and_where_it_was_opened(house: Any) -> None:
    given = Credentials("lan", house.password, house.code(), "10.1.2.3", COOKIE)
    signed_in = sign_in.sign_in(house.entrance, given)
    with house.store.read() as connection:
        (known,) = sessions.list_sessions(
            connection, house.clock, house.lan.id, house.entrance.sessions
        )
    assert (known.carrier, known.network) == ("cookie", "10.1.2.0/24")
    shown = (house.store, house.clock, house.keys, signed_in.token.text(), SessionLimits())
    assert sessions.authenticate(*shown, COOKIE) == signed_in.principal
    with pytest.raises(NotAuthenticated):
        sessions.authenticate(*shown)
    with house.store.write() as connection:
        renewed = sessions.renew_session(
            connection, house.clock, house.keys, known.key_id, factor="totp"
        )
        after = sessions.read_session(connection, renewed.key_id)
    assert (after.carrier, after.network) == ("cookie", "10.1.2.0/24")
