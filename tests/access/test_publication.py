"""Published policies: added and never changed, whole for every reader, one after the other."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Connection, delete, insert, text, update
from sqlalchemy.exc import DBAPIError

from secvault.access import Grant, Rules, publication
from secvault.access.as_of import known_grants
from secvault.access.bundle import Bundle, bundle_of
from secvault.access.grants import add_grant, close_run_out, list_grants, revoke_grant
from secvault.errors import Conflict, Damaged, NotFound, SecvaultError
from secvault.store import Store
from secvault.store.epoch import POLICY, read_epoch
from secvault.store.tables import policy_version, role_grant

AT = 1_700_000_000_000_000


def bundle(mark: str) -> Bundle:
    return bundle_of(
        {"model.conf": mark, "roles.csv": "", "obligations.toml": "", "collections/hr.toml": ""}
    )


def published(store: Store, mark: str, over: int, at: int = AT) -> publication.Version:
    with store.write() as connection:
        return publication.publish(
            connection, bundle(mark), over=over, at=at, by="user:1", note=mark
        )


def test_a_publication_raises_the_epoch_and_is_found_by_number_and_moment(store: Store) -> None:
    first, second = published(store, "one", 0), published(store, "two", 1, AT + 10)
    with store.read() as connection:
        assert publication.latest_version(connection) == second
        assert publication.list_versions(connection) == (second, first)
        assert second.epoch == read_epoch(connection, POLICY) == first.epoch + 1
        assert publication.read_bundle(connection, 1) == bundle("one")
        at = {when: publication.version_at(connection, AT + when) for when in (-1, 0, 9, 10, 99)}
        assert at == {-1: None, 0: first, 9: first, 10: second, 99: second}
        with pytest.raises(NotFound):
            publication.read_bundle(connection, 3)


def test_a_clock_that_goes_back_never_puts_a_policy_before_the_one_it_follows(
    sqlite_store: Store,
) -> None:
    published(sqlite_store, "one", 0)
    assert published(sqlite_store, "two", 1, AT - 50).published_at == AT


def test_of_many_publications_over_the_same_one_exactly_one_comes_into_force(store: Store) -> None:
    published(store, "first", 0)

    def attempt(number: int) -> bool:
        try:
            published(store, f"by {number}", 1)
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(attempt, range(6))) == [False] * 5 + [True]
    with store.read() as connection:
        assert [one.number for one in publication.list_versions(connection)] == [2, 1]


REWRITING = (
    update(policy_version).values(note="other"),
    delete(policy_version),
    text(
        "INSERT INTO policy_version SELECT * FROM policy_version WHERE number = 1 "
        "ON CONFLICT (number) DO UPDATE SET note = 'other'"
    ),
    update(role_grant).values(subject="user:9"),
    update(role_grant).values(expires_at=AT + 5),
    update(role_grant).values(revoked_at=None),
    delete(role_grant),
)


def test_the_database_refuses_to_rewrite_what_past_answers_rest_on(
    store: Store, shipped: Rules
) -> None:
    published(store, "one", 0)
    with store.write() as connection:
        grant = give(connection, shipped)
        revoke_grant(connection, grant.id, at=AT + 1)
    for change in REWRITING:
        with pytest.raises((SecvaultError, DBAPIError)), store.write() as connection:
            connection.execute(change)
    with store.read() as connection:
        assert publication.read_version(connection, 1).note == "one"
        (kept,) = list_grants(connection)
        assert (kept.subject, kept.expires_at, kept.revoked_at) == ("user:1", None, AT + 1)


def test_a_stored_policy_that_was_changed_behind_the_back_is_damage(sqlite_store: Store) -> None:
    published(sqlite_store, "one", 0)
    with sqlite_store.write() as connection:
        connection.execute(text("DROP TRIGGER policy_version_no_update"))
        connection.execute(update(policy_version).values(body=bundle("other").body))
    with sqlite_store.read() as connection, pytest.raises(Damaged):
        publication.read_bundle(connection, 1)


def test_what_only_looks_like_a_publication_is_not_inserted(sqlite_store: Store) -> None:
    made = published(sqlite_store, "one", 0)
    row = {**vars(made), "body": b"x", "number": 0}
    with pytest.raises(SecvaultError), sqlite_store.write() as connection:
        connection.execute(insert(policy_version).values(**row))


def give(connection: Connection, rules: Rules, **changed: object) -> Grant:
    given = {
        "subject": "user:1",
        "role": "role:hr.clerk",
        "department": "hr",
        "granted_by": "local:operator",
        "at": AT,
        **changed,
    }
    return add_grant(connection, rules, **given)  # type: ignore[arg-type]


def test_grants_stand_in_the_past_as_they_stood_then(sqlite_store: Store, shipped: Rules) -> None:
    store = sqlite_store
    with store.write() as connection:
        ended = give(connection, shipped, expires_at=AT + 10)
        kept = give(connection, shipped, role="role:hr.head", at=AT + 3)
        revoke_grant(connection, kept.id, at=AT + 20)
        again = give(connection, shipped, at=AT + 15)

    def as_of(at: int) -> set[str]:
        with store.read() as connection:
            found = known_grants(list_grants(connection), at)
        assert all(one.revoked_at is None for one in found)
        return {one.id for one in found}

    assert as_of(AT - 1) == set()
    assert as_of(AT + 2) == {ended.id}
    # Run out, but there: a refusal of that moment named it.
    assert as_of(AT + 12) == {ended.id, kept.id}
    assert as_of(AT + 15) == {kept.id, again.id}
    assert as_of(AT + 20) == {again.id}


def test_only_grants_that_ran_out_are_closed_with_their_role(
    sqlite_store: Store, shipped: Rules
) -> None:
    with sqlite_store.write() as connection:
        over = give(connection, shipped, expires_at=AT + 5)
        lasting = give(connection, shipped, subject="user:2")
        close_run_out(connection, {"role:hr.clerk"}, at=AT + 5)
        found = {one.id: one.revoked_at for one in list_grants(connection)}
    assert found == {over.id: AT + 5, lasting.id: None}
