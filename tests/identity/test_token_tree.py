"""Tokens made by tokens: a child can do and last no more than its parent."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from secvault.errors import Conflict, InvalidInput, NotAuthenticated
from secvault.identity import service_accounts, token_tree, tokens
from secvault.identity.token_tree import LONGEST_SECONDS, NewChild
from secvault.identity.tokens import MICROS, IssuedToken, Token

DAY = 24 * 60 * 60


def _child(house: Any, parent: IssuedToken, **wanted: Any) -> IssuedToken:
    with house.store.write() as connection:
        return token_tree.create_child(
            connection,
            house.clock,
            house.keys,
            parent.token.key_id,
            NewChild(**wanted),
        )


def _renewed(house: Any, issued: IssuedToken, seconds: int = 0) -> Token:
    with house.store.write() as connection:
        return token_tree.renew(connection, house.clock, issued.token.key_id, seconds)


def _lets_in(house: Any, issued: IssuedToken) -> bool:
    try:
        tokens.authenticate(house.store, house.clock, house.keys, issued.text.text())
    except NotAuthenticated:
        return False
    return True


def _revoke(house: Any, issued: IssuedToken) -> None:
    with house.store.write() as connection:
        tokens.revoke_token(connection, house.clock, issued.token.key_id)


@pytest.fixture
def root(house: Any) -> IssuedToken:
    """A token for 30 days."""
    issued: IssuedToken = house.token(house.account().id)
    return issued


def test_a_child_is_its_parents_account_with_what_its_maker_noted(
    house: Any, root: IssuedToken
) -> None:
    made = _child(house, root, display_name="token-lương", ttl=60, meta={"mục": "đêm"})
    principal = tokens.authenticate(house.store, house.clock, house.keys, made.text.text())
    assert principal.subject == f"svc:{root.token.account}"
    assert made.token.parent == root.token.key_id
    assert json.loads(made.token.meta) == {"mục": "đêm"}
    house.time.pass_by(59)
    assert _lets_in(house, made)
    house.time.pass_by(1)
    assert not _lets_in(house, made)


def test_a_child_ends_with_its_parent_however_long_it_asked_for(
    house: Any, root: IssuedToken
) -> None:
    for wanted in ({"ttl": 300 * DAY}, {"period": 300 * DAY}, {}):
        made = _child(house, root, **wanted)
        assert made.token.expires_at == root.token.expires_at
        assert _renewed(house, made, 300 * DAY).expires_at == root.token.expires_at
    house.time.pass_by(30 * DAY)
    assert not _lets_in(house, made)


def test_revoking_a_token_revokes_all_below_it_and_nothing_else(
    house: Any, root: IssuedToken
) -> None:
    son, daughter = _child(house, root), _child(house, root)
    grandson = _child(house, son)
    late = _child(house, grandson)
    _revoke(house, son)
    living = {root.token.key_id: root, daughter.token.key_id: daughter}
    for each in (root, son, daughter, grandson, late):
        assert _lets_in(house, each) == (each.token.key_id in living)


def test_a_token_revoked_while_it_makes_others_leaves_none_alive(
    house: Any, root: IssuedToken
) -> None:
    parent = _child(house, root)
    made: list[IssuedToken] = []

    def make(_: int) -> None:
        try:
            made.append(_child(house, made[-1] if made else parent))
        except Conflict:
            return

    with ThreadPoolExecutor(8) as pool:
        making = pool.map(make, range(40))
        _revoke(house, parent)
        list(making)
    assert not [each for each in made if _lets_in(house, each)]


def test_disabling_the_account_ends_the_whole_tree(house: Any, root: IssuedToken) -> None:
    made = _child(house, _child(house, root))
    with house.store.write() as connection:
        ended = service_accounts.disable_account(connection, house.clock, root.token.account)
    assert ended == 3
    assert not _lets_in(house, made)


def test_counted_uses_are_exact_when_many_come_at_once(house: Any, root: IssuedToken) -> None:
    made = _child(house, root, uses=7)
    with ThreadPoolExecutor(50) as pool:
        let_in = list(pool.map(lambda _: _lets_in(house, made), range(50)))
    assert sum(let_in) == 7


def test_a_token_whose_uses_are_counted_makes_no_others(house: Any, root: IssuedToken) -> None:
    made = _child(house, root, uses=5)
    with pytest.raises(InvalidInput, match="restricted use token"):
        _child(house, made)


def test_looking_at_a_counted_token_can_leave_its_uses_alone(house: Any, root: IssuedToken) -> None:
    made = _child(house, root, uses=1)
    for _ in range(3):
        principal = tokens.authenticate(
            house.store, house.clock, house.keys, made.text.text(), spend=False
        )
        assert principal.ends_at is None
    assert _lets_in(house, made)
    assert not _lets_in(house, made)


def test_a_token_renewed_for_less_shortens_what_is_below(house: Any, root: IssuedToken) -> None:
    parent = _child(house, root, ttl=1000)
    child = _child(house, _child(house, parent), ttl=900)
    assert _renewed(house, parent, 10).expires_at == house.clock.micros() + 10 * MICROS
    house.time.pass_by(10)
    assert not _lets_in(house, child)


def test_a_token_that_ended_or_is_not_renewable_is_not_renewed(
    house: Any, root: IssuedToken
) -> None:
    fixed, short = _child(house, root, renewable=False), _child(house, root, ttl=10)
    revoked = _child(house, root)
    _revoke(house, revoked)
    house.time.pass_by(10)
    for each in (fixed, short, revoked, root):
        with pytest.raises(InvalidInput, match="not renewable"):
            _renewed(house, each)


def test_a_renewal_keeps_to_the_latest_end_and_a_periodic_token_to_its_period(
    house: Any,
) -> None:
    root = house.token(house.account().id, days=365)
    bounded = _child(house, root, ttl=60, latest=100)
    periodic = _child(house, root, period=50)
    house.time.pass_by(40)
    assert _renewed(house, bounded, 1000).expires_at == bounded.token.created_at + 100 * MICROS
    for _ in range(4):
        assert _renewed(house, periodic, 1000).expires_at == house.clock.micros() + 50 * MICROS
        house.time.pass_by(49)
    assert _lets_in(house, periodic)


@pytest.mark.parametrize(
    "wanted",
    [
        {"ttl": -1},
        {"ttl": LONGEST_SECONDS + 1},
        {"period": LONGEST_SECONDS + 1},
        {"latest": -5},
        {"uses": -1},
        {"meta": {"a": "\x00"}},
        {"meta": {"a": "x" * 513}},
        {"meta": {str(n): "" for n in range(33)}},
        {"display_name": "\n"},
    ],
)
def test_what_cannot_be_is_refused(house: Any, root: IssuedToken, wanted: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        _child(house, root, **wanted)


steps = st.lists(
    st.tuples(
        st.sampled_from(["child", "renew", "revoke", "wait"]),
        st.integers(0, 9),
        st.integers(1, 40 * DAY),
    ),
    max_size=12,
)


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps=steps)
def test_no_living_token_ever_has_a_dead_parent_or_outlives_it(house: Any, steps: Any) -> None:
    account = house.account(f"run-{house.time.at}-{len(_all(house))}")
    made = [house.token(account.id, days=200)]
    for verb, which, seconds in steps:
        chosen = made[which % len(made)]
        try:
            if verb == "child":
                made.append(_child(house, chosen, ttl=min(seconds, LONGEST_SECONDS)))
            elif verb == "renew":
                _renewed(house, chosen, seconds)
            elif verb == "revoke" and chosen is not made[0]:
                _revoke(house, chosen)
            elif verb == "wait":
                house.time.pass_by(seconds // 20)
        except (InvalidInput, Conflict):
            # Of a token that has ended: nothing was changed.
            continue
        finally:
            _is_sound(house)


def _all(house: Any) -> dict[str, Token]:
    with house.store.read() as connection:
        ids = connection.exec_driver_sql("SELECT key_id FROM token").scalars().all()
        return {key_id: tokens.read_token(connection, key_id) for key_id in ids}


def _is_sound(house: Any) -> None:
    now = house.clock.micros()
    found = _all(house)
    for each in found.values():
        if each.parent and each.live(now):
            parent = found[each.parent]
            assert parent.revoked_at is None
            assert each.expires_at <= parent.expires_at
