"""A rotated token's successor, the overlap of the two, and how many of a chain are ever valid."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import update

from secvault.crypto.secret import Secret
from secvault.errors import Conflict, InvalidInput, NotAuthenticated
from secvault.identity import (
    Reason,
    service_accounts,
    token_expiry,
    token_rotation,
    token_tree,
    tokens,
)
from secvault.identity.refusal import TokenRefused
from secvault.identity.token_rotation import Rotated
from secvault.identity.token_tree import NewChild
from secvault.identity.tokens import IssuedToken
from secvault.store.epoch import CREDENTIALS, read_epoch
from secvault.store.tables import person

HOUR = 3600
DAY = 24 * HOUR


def rotate(house: Any, key_id: str, **how: Any) -> Rotated:
    with house.store.write() as connection:
        return token_rotation.rotate(
            connection, house.clock, house.keys, key_id, **{"days": 30, **how}
        )


def valid(house: Any, text: Secret, address: str = "") -> bool:
    try:
        tokens.authenticate(house.store, house.clock, house.keys, text.text(), address=address)
    except NotAuthenticated:
        return False
    return True


@pytest.fixture
def issued(house: Any) -> IssuedToken:
    made: IssuedToken = house.token(house.account().id, networks=("10.0.0.0/8",), days=30)
    return made


def test_both_are_valid_during_the_overlap_and_only_the_new_one_after(
    house: Any, issued: IssuedToken
) -> None:
    done = rotate(house, issued.token.key_id, hours=2)
    new = done.issued
    assert (new.token.replaces, done.former.replaced_by) == (issued.token.key_id, new.token.key_id)
    assert (new.token.narrowing, new.token.networks) == (None, ("10.0.0.0/8",))
    house.time.pass_by(2 * HOUR - 1)
    assert valid(house, issued.text, "10.1.1.1")
    assert valid(house, new.text, "10.1.1.1")
    house.time.pass_by(1)
    assert valid(house, new.text, "10.1.1.1")
    with pytest.raises(TokenRefused) as late:
        tokens.authenticate(
            house.store, house.clock, house.keys, issued.text.text(), address="10.1.1.1"
        )
    assert (late.value.reason, late.value.token) == (Reason.REPLACED, issued.token.key_id)


def test_without_an_overlap_the_old_one_ends_at_once_and_all_below_it(house: Any) -> None:
    old = house.token(house.account().id)
    with house.store.write() as connection:
        child = token_tree.create_child(
            connection, house.clock, house.keys, old.token.key_id, NewChild()
        )
    assert valid(house, child.text)
    done = rotate(house, old.token.key_id, hours=0)
    assert done.former.revoked_at == house.clock.micros()
    assert [valid(house, each) for each in (old.text, child.text, done.issued.text)] == [
        False,
        False,
        True,
    ]


def test_an_overlap_lengthens_no_life(house: Any) -> None:
    old = house.token(house.account().id, days=1)
    house.time.pass_by(DAY - HOUR)
    done = rotate(house, old.token.key_id, hours=100)
    assert done.former.expires_at == old.token.expires_at
    assert done.issued.token.expires_at == house.clock.micros() + 30 * DAY * 1_000_000


def test_rotating_again_within_the_overlap_leaves_two_valid_and_not_three(house: Any) -> None:
    first = house.token(house.account().id)
    second = rotate(house, first.token.key_id, hours=24)
    house.time.pass_by(HOUR)
    third = rotate(house, second.issued.token.key_id, hours=24)
    assert third.ended == first.token.key_id
    chain = (first.text, second.issued.text, third.issued.text)
    assert [valid(house, each) for each in chain] == [False, True, True]


def test_a_token_is_rotated_once_and_names_its_successor(house: Any) -> None:
    first = house.token(house.account().id)
    second = rotate(house, first.token.key_id)
    with pytest.raises(Conflict, match=second.issued.token.key_id):
        rotate(house, first.token.key_id)


def test_what_cannot_be_rotated_is_left_as_it_is(house: Any) -> None:
    old = house.token(house.account().id)
    for how in ({"hours": -1}, {"hours": 169}, {"days": 0}, {"days": 366}, {"days": 31}):
        with pytest.raises(InvalidInput):
            rotate(house, old.token.key_id, **{"most_days": 30, **how})
    with house.store.write() as connection:
        child = token_tree.create_child(
            connection, house.clock, house.keys, old.token.key_id, NewChild()
        )
    with pytest.raises(InvalidInput, match="comes from another token"):
        rotate(house, child.token.key_id)
    with house.store.write() as connection:
        connection.execute(update(person).values(state="disabled"))
    with pytest.raises(Conflict, match="hand it over"):
        rotate(house, old.token.key_id)
    with house.store.read() as connection:
        assert tokens.read_token(connection, old.token.key_id) == old.token


def test_a_rotation_raises_the_epoch_of_credentials(house: Any) -> None:
    old = house.token(house.account().id)
    with house.store.read() as connection:
        before = read_epoch(connection, CREDENTIALS)
    rotate(house, old.token.key_id)
    with house.store.read() as connection:
        assert read_epoch(connection, CREDENTIALS) > before


def test_no_token_is_issued_for_an_account_that_nobody_answers_for(house: Any) -> None:
    account = house.account()
    issued = house.token(account.id)
    with house.store.write() as connection:
        connection.execute(update(person).values(state="disabled"))
    # What it has goes on: it is not the owner's work that would stop.
    assert valid(house, issued.text)
    with pytest.raises(Conflict, match="hand it over"):
        house.token(account.id)
    with house.store.read() as connection:
        assert [each.id for each in service_accounts.accounts_of(connection, account.owner)] == [
            account.id
        ]


def test_each_number_of_days_is_warned_of_once_and_the_smallest_passed_alone(house: Any) -> None:
    issued = house.token(house.account().id, days=40)

    def warned() -> list[int]:
        with house.store.write() as connection:
            found = token_expiry.to_warn_of(connection, house.clock.micros(), (30, 7, 1))
            for each in found:
                assert token_expiry.mark_warned(connection, each.token.key_id, each.days)
                assert not token_expiry.mark_warned(connection, each.token.key_id, each.days)
            return [each.days for each in found]

    assert warned() == []
    house.time.pass_by(10 * DAY)
    assert (warned(), warned()) == ([30], [])
    house.time.pass_by(29 * DAY + HOUR)
    # The worker was away when there were seven days left.
    assert (warned(), warned()) == ([1], [])
    assert issued.token.warned_days is None


def test_a_token_is_not_warned_of_on_the_day_it_is_made_nor_once_it_was_rotated(house: Any) -> None:
    old = house.token(house.account().id, days=30)
    short = house.token(house.account("other").id, days=7)
    with house.store.read() as connection:
        assert token_expiry.to_warn_of(connection, house.clock.micros(), (30, 7)) == ()
    rotate(house, old.token.key_id, days=200)
    house.time.pass_by(6 * DAY)
    with house.store.read() as connection:
        soon = token_expiry.expiring(connection, house.clock.micros(), 10)
        assert [each.key_id for each in soon] == [short.token.key_id]
        with pytest.raises(InvalidInput):
            token_expiry.expiring(connection, house.clock.micros(), 0)


@pytest.mark.parametrize(
    ("address", "admitted"),
    [
        ("10.1.2.3", True),
        ("::ffff:10.1.2.3", True),
        ("2001:db8::1", True),
        ("11.0.0.1", False),
        ("::ffff:11.0.0.1", False),
        ("2001:db9::1", False),
        ("", False),
        ("not an address", False),
    ],
)
def test_a_token_bound_to_networks_works_there_and_nowhere_else(
    house: Any, address: str, admitted: bool
) -> None:
    bound = house.token(house.account().id, networks=("10.0.0.0/8", "2001:db8::/32"))
    assert valid(house, bound.text, address) is admitted


def test_the_network_of_the_last_use_is_kept_with_its_moment(house: Any) -> None:
    issued = house.token(house.account().id)
    assert valid(house, issued.text, "203.0.113.9")
    house.time.pass_by(299)
    assert valid(house, issued.text, "198.51.100.1")
    with house.store.read() as connection:
        assert tokens.read_token(connection, issued.token.key_id).last_used_network == (
            "203.0.113.0/24"
        )
    house.time.pass_by(1)
    assert valid(house, issued.text, "198.51.100.1")
    with house.store.read() as connection:
        known = tokens.read_token(connection, issued.token.key_id)
    assert known.last_used_network == "198.51.100.0/24"
    assert known.last_used_at == house.clock.micros()
