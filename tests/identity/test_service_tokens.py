"""Service accounts and their tokens: shown once, always with an end, gone when revoked."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from secvault.crypto import token as token_format
from secvault.crypto.secret import Secret
from secvault.errors import Conflict, InvalidInput, NotAuthenticated, NotFound
from secvault.identity import Principal, people, service_accounts, tokens
from secvault.store.tables import service_account, token

DAY = 24 * 3600


def present(house: Any, shown: Secret) -> Principal:
    return tokens.authenticate(house.store, house.clock, house.keys, shown.text())


def test_a_token_is_its_accounts(house: Any) -> None:
    account = house.account("Payroll-Export")
    issued = house.token(account.id)
    principal = present(house, issued.text)
    assert principal == Principal(
        f"svc:{account.id}",
        "svc",
        "payroll-export",
        "hr",
        issued.token.key_id,
        ends_at=issued.token.expires_at,
    )
    assert principal.subject == account.subject
    assert issued.text.text().startswith("svt_")


def test_a_token_ends_after_thirty_days_unless_said_otherwise(house: Any) -> None:
    account = house.account()
    month, day = house.token(account.id), house.token(account.id, days=1)
    house.time.pass_by(DAY - 1)
    present(house, day.text)
    house.time.pass_by(1)
    with pytest.raises(NotAuthenticated):
        present(house, day.text)
    house.time.pass_by(29 * DAY - 1)
    present(house, month.text)
    house.time.pass_by(1)
    with pytest.raises(NotAuthenticated):
        present(house, month.text)
    assert not month.token.live(house.clock.micros())


@pytest.mark.parametrize("days", [0, -1, 366, 10**9])
def test_no_token_without_an_end_within_a_year(house: Any, days: int) -> None:
    account = house.account()
    with pytest.raises(InvalidInput, match="days"):
        house.token(account.id, days=days)
    house.token(account.id, days=365)


def test_the_list_of_tokens_lets_nobody_in(house: Any) -> None:
    account = house.account()
    issued = [house.token(account.id, display_name=name) for name in ("one", "two")]
    with house.store.read() as connection:
        listed = tokens.list_tokens(connection, account.id)
    assert {each.display_name for each in listed} == {"one", "two"}
    for each in issued:
        assert each.text.text().split("_")[2] not in repr(listed) + repr(each)


def test_a_revoked_token_is_refused_at_once_and_stays_revoked(house: Any) -> None:
    account = house.account()
    revoked, other = house.token(account.id), house.token(account.id)
    with house.store.write() as connection:
        gone = tokens.revoke_token(connection, house.clock, revoked.token.key_id)
    assert gone.revoked_at == house.clock.micros()
    with pytest.raises(NotAuthenticated):
        present(house, revoked.text)
    present(house, other.text)
    with house.store.write() as connection, pytest.raises(Conflict, match="revoked already, at 20"):
        tokens.revoke_token(connection, house.clock, revoked.token.key_id)


@pytest.mark.parametrize("key_id", ["", "\x00", "0" * 10, "x" * 99])
def test_an_unknown_token_cannot_be_revoked(house: Any, key_id: str) -> None:
    with house.store.write() as connection, pytest.raises(NotFound):
        tokens.revoke_token(connection, house.clock, key_id)


def test_disabling_an_account_revokes_its_tokens(house: Any) -> None:
    account, other = house.account(), house.account("other")
    issued, kept = house.token(account.id), house.token(other.id)
    with house.store.write() as connection:
        assert service_accounts.disable_account(connection, house.clock, account.id) == 1
    with pytest.raises(NotAuthenticated):
        present(house, issued.text)
    present(house, kept.text)
    with pytest.raises(Conflict, match="disabled"):
        house.token(account.id)
    with house.store.write() as connection, pytest.raises(Conflict, match="disabled already"):
        service_accounts.disable_account(connection, house.clock, account.id)


def test_a_token_of_a_disabled_account_is_refused_even_if_it_was_not_revoked(house: Any) -> None:
    issued = house.token(house.account().id)
    with house.store.write() as connection:
        connection.execute(service_account.update().values(state="disabled"))
    with pytest.raises(NotAuthenticated):
        present(house, issued.text)


def test_the_last_use_is_written_at_most_once_in_five_minutes(house: Any) -> None:
    issued = house.token(house.account().id)
    statements = house.watched()
    for seconds in (0, 150, 149):
        house.time.pass_by(seconds)
        present(house, issued.text)
    assert sum(statement.startswith("UPDATE") for statement in statements) == 1
    house.time.pass_by(1)
    present(house, issued.text)
    assert sum(statement.startswith("UPDATE") for statement in statements) == 2
    with house.store.read() as connection:
        used = connection.execute(select(token.c.last_used_at)).scalar_one()
    assert used == house.clock.micros()


def test_a_bad_check_sum_is_refused_without_the_database(house: Any) -> None:
    good = house.token(house.account().id).text.text()
    asked = house.watched()
    for bad in (good[:-1], good + "0", good[:20] + good[21] + good[20] + good[22:], good.lower()):
        if bad != good:
            with pytest.raises(NotAuthenticated):
                present(house, Secret.of(bad))
    assert asked == []
    present(house, Secret.of(good))
    assert asked


def test_a_token_made_up_or_of_another_kind_is_refused(house: Any) -> None:
    house.token(house.account().id)
    for presented in (token_format.mint("svt").text, house.enter().token):
        with pytest.raises(NotAuthenticated):
            present(house, presented)


def test_a_token_signed_with_another_pepper_is_refused(house: Any) -> None:
    issued = house.token(house.account().id)
    assert not house.keys.is_genuine(token_format.parse(issued.text.text(), "svt"), None)
    assert not house.keys.is_genuine(token_format.parse(issued.text.text(), "svt"), b"short")
    with house.store.write() as connection:
        connection.execute(token.update().values(secret_digest=bytes(32)))
    with pytest.raises(NotAuthenticated):
        present(house, issued.text)


def test_an_account_needs_an_active_owner(house: Any) -> None:
    with house.store.write() as connection:
        people.disable_person(connection, house.clock, house.lan.id)
    with pytest.raises(InvalidInput, match="owner: must be an active person"):
        house.account()
    with house.store.write() as connection, pytest.raises(InvalidInput, match="owner"):
        service_accounts.create_account(
            connection, house.clock, name="x1", department="hr", owner="\x00"
        )


def test_account_names_are_taken_in_every_spelling(house: Any) -> None:
    house.account("export")
    with pytest.raises(Conflict, match="export exists"):
        house.account("EXPORT")


def test_accounts_are_listed_page_by_page(house: Any) -> None:
    for n in range(5):
        house.time.pass_by(1)
        house.account(f"a{n}")
    with house.store.read() as connection:
        first = service_accounts.list_accounts(connection, limit=3)
        rest = service_accounts.list_accounts(connection, after=first[-1].id, limit=3)
        owned = service_accounts.list_accounts(connection, owner=house.lan.id)
        nobodys = service_accounts.list_accounts(connection, owner="0" * 32)
        with pytest.raises(InvalidInput, match="limit"):
            service_accounts.list_accounts(connection, limit=0)
    assert [each.name for each in (*first, *rest)] == ["a0", "a1", "a2", "a3", "a4"]
    assert (len(owned), nobodys) == (5, ())
