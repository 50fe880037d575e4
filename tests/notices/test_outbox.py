"""The rows of notices, on SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secvault.errors import InvalidInput, NotFound
from secvault.identity import contacts
from secvault.notices import outbox
from secvault.notices.outbox import MICROS, Notice
from secvault.store import Store, open_store

NOW = 1_790_000_000 * MICROS


@pytest.fixture
def store(any_url: str) -> Iterator[Store]:
    opened = open_store(any_url)
    yield opened
    opened.close()


def made(number: int, **said: object) -> Notice:
    plain = Notice(
        id=f"{number:032x}",
        cause=f"c{number}",
        kind="test",
        recipient="channel:ops",
        facts={"days": 7, "token": "4fT9aXk2Qz"},
        happened_at=NOW,
        made_at=NOW,
        next_try_at=NOW,
    )
    return replace(plain, **said)  # type: ignore[arg-type]


def test_a_cause_is_noted_once_and_read_back_as_it_was(store: Store) -> None:
    with store.write() as connection:
        assert outbox.add(connection, made(1))
        assert not outbox.add(connection, made(2, cause="c1"))
        assert outbox.read(connection, made(1).id) == made(1)
        with pytest.raises(NotFound):
            outbox.read(connection, made(2).id)


def test_the_least_tried_come_first_and_each_failure_waits_longer(store: Store) -> None:
    waits = []
    with store.write() as connection:
        outbox.add(connection, made(1))
        now = NOW
        for _ in range(12):
            (tried,) = outbox.due(connection, now, 10)
            outbox.postpone(connection, tried, now, "not_taken")
            waits.append((outbox.read(connection, tried.id).next_try_at - now) // MICROS)
            now += waits[-1] * MICROS
        outbox.add(connection, made(2, next_try_at=now))
        assert [each.id for each in outbox.due(connection, now, 10)] == [made(2).id, made(1).id]
    assert waits == [30, 60, 120, 240, 480, 960, 1920, 3600, 3600, 3600, 3600, 3600]


def test_a_silent_target_is_left_alone_and_no_other(store: Store) -> None:
    recipients = ("person:a", "former:b", "channel:ops", "channel:mail")
    with store.write() as connection:
        for number, recipient in enumerate(recipients):
            outbox.add(connection, made(number, recipient=recipient))
        outbox.postpone_target(connection, "mail", NOW, "not_taken")
        left = {each.recipient for each in outbox.due(connection, NOW, 10)}
        assert left == {"channel:ops", "channel:mail"}
        outbox.postpone_target(connection, "channel:ops", NOW, "not_taken")
        assert [each.recipient for each in outbox.due(connection, NOW, 10)] == ["channel:mail"]
        assert len(outbox.due(connection, NOW + 30 * MICROS, 10)) == 4


def test_what_has_ended_ends_once_and_is_forgotten_when_it_is_old(store: Store) -> None:
    with store.write() as connection:
        for number in range(4):
            outbox.add(connection, made(number))
        assert outbox.delivered(connection, made(0).id, NOW)
        assert not outbox.delivered(connection, made(0).id, NOW)
        assert not outbox.give_up(connection, made(0).id, NOW, "not_taken")
        assert outbox.give_up(connection, made(1).id, NOW, "not_taken")
        assert outbox.unreachable(connection, made(2).id, NOW, "no_address")
        assert outbox.counts(connection) == {
            "waiting": 1, "delivered": 1, "given_up": 1, "unreachable": 1,
        }  # fmt: skip
        assert outbox.given_up_since(connection, NOW)
        assert not outbox.given_up_since(connection, NOW + 1)
        assert outbox.forget(connection, NOW) == 0
        assert outbox.forget(connection, NOW + 1) == 3
        assert [each.id for each in outbox.listed(connection)] == [made(3).id]


def test_pages_are_newest_first_and_cut_by_id(store: Store) -> None:
    with store.write() as connection:
        for number in range(5):
            outbox.add(connection, made(number))
        first = outbox.listed(connection, limit=2)
        second = outbox.listed(connection, limit=2, after=first[-1].id)
        assert [each.id[-1] for each in (*first, *second)] == ["4", "3", "2", "1"]
        assert outbox.listed(connection, state="delivered") == ()
        with pytest.raises(InvalidInput):
            outbox.listed(connection, limit=0)


@given(st.text(max_size=80))
def test_an_address_that_is_taken_has_one_at_sign_and_nothing_that_steers_a_url(text: str) -> None:
    try:
        address = contacts.read_address(text)
    except InvalidInput:
        return
    assert address.count("@") == (1 if text.strip() else 0)
    assert not set(address) & set(" \t\r\n,;:?&#/<>\"'()[]\\{}|")


@pytest.mark.parametrize(
    "bad", ["x", "@x", "x@", "a b@x.vn", "a\t@x.vn", "a@x.vn\0", "<a@x.vn>", "a@x.vn,b@y.vn"]
)
def test_an_address_is_one_plain_address_and_the_fault_names_its_field(bad: str) -> None:
    with pytest.raises(InvalidInput, match="contact"):
        contacts.read_address(bad, "contact")
    with pytest.raises(InvalidInput):
        contacts.read_address("a" * 250 + "@x.vn")


@given(
    st.from_regex(
        r"[a-z0-9]{1,20}([.+_-][a-z0-9]{1,9})?@[a-z0-9]{1,20}\.[a-z]{2,10}", fullmatch=True
    )
)
def test_plain_addresses_are_taken_as_they_are(text: str) -> None:
    assert contacts.read_address(f" {text} ") == text
