"""Grants as rows: what is accepted, what is refused, and when each counts."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Connection, insert

from secvault.access import Grant, Rules, add_grant, list_grants, revoke_grant
from secvault.access.grants import read_live
from secvault.errors import Conflict, InvalidInput, NotFound, Refused
from secvault.store import Store
from secvault.store.epoch import POLICY, read_epoch
from secvault.store.tables import role_grant

AT = 1_700_000_000_000_000


def give(store: Store, rules: Rules, at: int = AT, **changed: Any) -> Grant:
    values = {
        "subject": "user:1",
        "role": "role:hr.clerk",
        "department": "hr",
        "granted_by": "user:9",
        **changed,
    }
    with store.write() as connection:
        return add_grant(connection, rules, at=at, **values)


def epoch(store: Store) -> int:
    with store.read() as connection:
        return read_epoch(connection, POLICY)


def test_a_grant_is_kept_with_all_that_was_said(store: Store, shipped: Rules) -> None:
    grant = give(store, shipped, not_before=AT + 5, expires_at=AT + 9)
    with store.read() as connection:
        assert list_grants(connection) == (grant,)
        assert read_live(connection) == (1, 0, (grant,))
    assert (grant.not_before, grant.expires_at, grant.created_at) == (AT + 5, AT + 9, AT)
    assert grant.granted_by == "user:9"


def test_every_change_raises_the_epoch_by_one(store: Store, shipped: Rules) -> None:
    assert epoch(store) == 0
    first = give(store, shipped)
    give(store, shipped, subject="svc:billing-1")
    assert epoch(store) == 2
    with store.write() as connection:
        revoke_grant(connection, first.id, at=AT + 1)
    assert epoch(store) == 3


def test_a_transaction_undone_leaves_neither_grant_nor_epoch(store: Store, shipped: Rules) -> None:
    def fail(connection: Connection) -> None:
        add_grant(
            connection,
            shipped,
            subject="user:1",
            role="role:hr.clerk",
            department="hr",
            granted_by="user:9",
            at=AT,
        )
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), store.write() as connection:
        fail(connection)
    with store.read() as connection:
        assert read_live(connection) == (0, 0, ())


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"subject": "1"}, "subject"),
        ({"subject": "role:hr.head"}, "subject"),
        ({"subject": "user:a b"}, "subject"),
        ({"subject": "user:x\n"}, "subject"),
        ({"subject": "local:operator"}, "subject"),
        ({"role": "role:hr.boss"}, "role"),
        ({"role": "hr.clerk"}, "role"),
        ({"role": "role:it.operator", "department": "*"}, "role"),
        ({"role": "role:it.jobs", "department": "*"}, "role"),
        ({"role": "role:any.signed_in", "department": "hr"}, "role"),
        ({"department": "sales"}, "department"),
        ({"department": "accounting"}, "department"),
        ({"department": "*"}, "department"),
        ({"role": "role:it.admin", "department": "*"}, "department"),
        ({"role": "role:it.auditor", "department": "nowhere"}, "department"),
        ({"expires_at": AT}, "expires_at"),
        ({"not_before": AT + 9, "expires_at": AT + 9}, "expires_at"),
        ({"granted_by": "somebody"}, "granted_by"),
    ],
)
def test_what_cannot_be_granted_is_refused_by_name_and_changes_nothing(
    sqlite_store: Store, shipped: Rules, changed: dict[str, object], named: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        give(sqlite_store, shipped, **changed)
    assert [fault.field for fault in caught.value.fields] == [named]
    assert epoch(sqlite_store) == 0


def test_nobody_gives_a_role_to_themselves(sqlite_store: Store, shipped: Rules) -> None:
    with pytest.raises(Refused, match="themselves"):
        give(sqlite_store, shipped, granted_by="user:1")
    assert epoch(sqlite_store) == 0


def test_the_operator_of_the_server_may_give_the_first_role(
    sqlite_store: Store, shipped: Rules
) -> None:
    assert give(sqlite_store, shipped, granted_by="local:operator").granted_by == "local:operator"


def test_the_same_grant_twice_is_a_conflict(store: Store, shipped: Rules) -> None:
    give(store, shipped)
    with pytest.raises(Conflict, match="already"):
        give(store, shipped)
    assert epoch(store) == 1


def test_a_grant_that_ran_out_can_be_given_again(store: Store, shipped: Rules) -> None:
    old = give(store, shipped, expires_at=AT + 5)
    with pytest.raises(Conflict):
        give(store, shipped, at=AT + 4)
    new = give(store, shipped, at=AT + 5)
    with store.read() as connection:
        assert [(one.id, one.revoked_at) for one in list_grants(connection)] == [
            (old.id, AT + 5),
            (new.id, None),
        ]


def test_a_revoked_grant_is_kept_for_the_record_and_can_be_given_again(
    store: Store, shipped: Rules
) -> None:
    grant = give(store, shipped)
    with store.write() as connection:
        assert revoke_grant(connection, grant.id, at=AT + 1).revoked_at == AT + 1
    give(store, shipped, at=AT + 2)
    with store.read() as connection:
        assert len(list_grants(connection)) == 2
        assert len(list_grants(connection, valid_at=AT + 3)) == 1


def test_a_grant_is_revoked_once(store: Store, shipped: Rules) -> None:
    grant = give(store, shipped)
    with store.write() as connection:
        revoke_grant(connection, grant.id, at=AT + 1)
    with (
        pytest.raises(Conflict, match=r"2023-11-14T22:13:20\.000001"),
        store.write() as connection,
    ):
        revoke_grant(connection, grant.id, at=AT + 2)


def test_an_unknown_grant_is_not_found(sqlite_store: Store) -> None:
    with pytest.raises(NotFound, match="g123"), sqlite_store.write() as connection:
        revoke_grant(connection, "g123", at=AT)


def test_grants_are_found_by_subject_role_and_department(store: Store, shipped: Rules) -> None:
    one = give(store, shipped)
    two = give(store, shipped, at=AT + 1, subject="user:2")
    three = give(store, shipped, at=AT + 2, role="role:it.auditor", department="*")
    with store.read() as connection:
        assert list_grants(connection, subject="user:1") == (one, three)
        assert list_grants(connection, role="role:hr.clerk") == (one, two)
        assert list_grants(connection, department="*") == (three,)
        assert list_grants(connection, subject="user:2", department="*") == ()


@pytest.mark.parametrize(
    ("moment", "counts"), [(AT + 4, False), (AT + 5, True), (AT + 8, True), (AT + 9, False)]
)
def test_a_grant_counts_from_its_start_until_before_its_end(
    store: Store, shipped: Rules, moment: int, counts: bool
) -> None:
    grant = give(store, shipped, not_before=AT + 5, expires_at=AT + 9)
    assert grant.valid(moment) is counts
    with store.read() as connection:
        assert bool(list_grants(connection, valid_at=moment)) is counts


def test_the_store_itself_refuses_a_second_live_row(store: Store, shipped: Rules) -> None:
    grant = give(store, shipped)
    with pytest.raises(Conflict), store.write() as connection:
        connection.execute(insert(role_grant).values(**{**vars(grant), "id": "other"}))
