"""AppRoles: a secret id works as often and as long as it says, and what it made ends with it."""

from __future__ import annotations

import json
import secrets
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from secvault.crypto.secret import Secret
from secvault.errors import Conflict, InvalidInput, NotAuthenticated
from secvault.identity import (
    SignInDelayed,
    approle_log_in,
    approles,
    secret_ids,
    service_accounts,
    token_tree,
    tokens,
)
from secvault.identity.approle_log_in import LIMITS, LoggedIn, LogInRefused, Presented
from secvault.identity.approles import AppRole, RoleSettings
from secvault.identity.secret_ids import IssuedSecretId, NewSecretId
from secvault.identity.token_tree import NewChild
from secvault.identity.tokens import MICROS, IssuedToken

HOUR = 3600
HERE = "10.1.2.3"


def _role(house: Any, name: str = "sync", layers: Any = (), **settings: Any) -> AppRole:
    account = house.account(f"{name}-system")
    with house.store.write() as connection:
        return approles.create_approle(
            connection,
            house.clock,
            secrets.token_bytes,
            name=name,
            account=account.id,
            settings=RoleSettings(**settings),
            layers=layers,
        )


def _secret(house: Any, role: AppRole, **wanted: Any) -> IssuedSecretId:
    with house.store.write() as connection:
        return secret_ids.create_secret_id(
            connection,
            house.clock,
            house.keys,
            secrets.token_bytes,
            role,
            NewSecretId(**wanted),
        )


def _log_in(house: Any, role: AppRole, secret: Secret | None, address: str = HERE) -> LoggedIn:
    return approle_log_in.log_in(house.entrance, Presented(role.role_id, secret, address))


def _let_in(house: Any, role: AppRole, secret: Secret, address: str = HERE) -> IssuedToken | None:
    try:
        return _log_in(house, role, secret, address).issued
    except (LogInRefused, SignInDelayed):
        return None


def _works(house: Any, issued: IssuedToken, address: str = HERE) -> bool:
    try:
        tokens.authenticate(
            house.store, house.clock, house.keys, issued.text.text(), address=address
        )
    except NotAuthenticated:
        return False
    return True


def test_counted_uses_are_exact_when_fifty_log_in_at_once(house: Any) -> None:
    role = _role(house, secret_id_num_uses=7)
    secret = _secret(house, role)
    with ThreadPoolExecutor(50) as pool:
        let_in = list(pool.map(lambda _: _let_in(house, role, secret.text), range(50)))
    assert sum(each is not None for each in let_in) == 7


def test_many_who_are_right_at_once_do_not_hold_each_other_up(house: Any) -> None:
    role = _role(house)
    secret = _secret(house, role)
    with ThreadPoolExecutor(20) as pool:
        let_in = list(pool.map(lambda _: _let_in(house, role, secret.text), range(50)))
    assert all(let_in)


def test_the_token_is_the_systems_and_says_where_it_comes_from(house: Any) -> None:
    layers = (frozenset({"role:it.encryptor"}),)
    role = _role(house, layers=layers, token_ttl=HOUR, token_num_uses=9)
    secret = _secret(house, role, meta={"máy": "chủ 2"})
    token = _log_in(house, role, secret.text).issued.token
    assert token.account == role.account
    assert token.layers == layers
    assert token.uses_left == 9
    assert token.parent is None
    assert token.expires_at == house.clock.micros() + HOUR * MICROS
    assert json.loads(token.meta) == {"máy": "chủ 2", "role_name": "sync"}


def test_a_secret_id_is_not_stored_and_not_shown(house: Any) -> None:
    role = _role(house)
    secret = _secret(house, role)
    with house.store.read() as connection:
        rows = connection.exec_driver_sql("SELECT * FROM secret_id").all()
    clear = secret.text.text()
    assert clear not in str(rows)
    assert clear.split("_")[2] not in str(rows)
    assert clear not in repr(secret)
    assert secret.known.accessor in str(rows)


def test_a_secret_id_ends_by_time(house: Any) -> None:
    role = _role(house, secret_id_ttl=100)
    secret = _secret(house, role)
    made = _let_in(house, role, secret.text)
    house.time.pass_by(100)
    assert _let_in(house, role, secret.text) is None
    # What it made goes on for as long as the role says.
    assert made
    assert _works(house, made)
    with house.store.write() as connection:
        assert secret_ids.tidy(connection, house.clock.micros()) == 1


@pytest.mark.parametrize("wanted", [{"ttl": 101}, {"ttl": 0}, {"uses": 3}, {"uses": 0}])
def test_a_secret_id_asks_for_no_more_than_its_role_allows(house: Any, wanted: Any) -> None:
    role = _role(house, secret_id_ttl=100, secret_id_num_uses=2)
    with pytest.raises(InvalidInput, match="role's"):
        _secret(house, role, **wanted)


def test_every_credential_has_an_end(house: Any) -> None:
    role = _role(house, token_period=HOUR, token_max_ttl=3 * HOUR)
    secret = _secret(house, role)
    assert secret.known.ttl == token_tree.DEFAULT_SECONDS
    issued = _log_in(house, role, secret.text).issued
    for _ in range(5):
        house.time.pass_by(HOUR - 1)
        if _works(house, issued):
            with house.store.write() as connection:
                token_tree.renew(connection, house.clock, issued.token.key_id, 0)
    assert not _works(house, issued)


def test_removing_a_role_ends_its_secret_ids_and_all_tokens_from_it(house: Any) -> None:
    role, other = _role(house), _role(house, "other")
    secret, kept = _secret(house, role), _secret(house, other)
    issued = _log_in(house, role, secret.text).issued
    stays = _log_in(house, other, kept.text).issued
    with house.store.write() as connection:
        child = token_tree.create_child(
            connection, house.clock, house.keys, issued.token.key_id, NewChild()
        )
        orphan = token_tree.create_child(
            connection, house.clock, house.keys, issued.token.key_id, NewChild(orphan=True)
        )
    with house.store.write() as connection:
        assert approles.delete_approle(connection, house.clock, role) == 3
    assert not any(_works(house, each) for each in (issued, child, orphan))
    assert _works(house, stays)
    assert _let_in(house, role, secret.text) is None


def test_destroying_a_secret_id_ends_the_tokens_that_it_made(house: Any) -> None:
    role = _role(house)
    first, second = _secret(house, role), _secret(house, role)
    made = [_log_in(house, role, each.text).issued for each in (first, second)]
    with house.store.write() as connection:
        assert secret_ids.destroy_secret_id(connection, house.clock, role, first.known) == 1
    assert [_works(house, each) for each in made] == [False, True]
    assert _let_in(house, role, first.text) is None


def test_a_role_removed_while_many_log_in_leaves_no_token_alive(house: Any) -> None:
    role = _role(house)
    secret = _secret(house, role)
    made: list[IssuedToken] = []

    def enter(_: int) -> None:
        issued = _let_in(house, role, secret.text)
        if issued:
            made.append(issued)

    with ThreadPoolExecutor(8) as pool:
        entering = pool.map(enter, range(40))
        with house.store.write() as connection:
            approles.delete_approle(connection, house.clock, role)
        list(entering)
    assert not [each for each in made if _works(house, each)]


def test_disabling_the_system_shuts_its_roles(house: Any) -> None:
    role = _role(house)
    secret = _secret(house, role)
    issued = _log_in(house, role, secret.text).issued
    with house.store.write() as connection:
        service_accounts.disable_account(connection, house.clock, role.account)
    assert not _works(house, issued)
    assert _let_in(house, role, secret.text) is None
    with house.store.write() as connection, pytest.raises(Conflict, match="disabled"):
        approles.create_approle(
            connection,
            house.clock,
            secrets.token_bytes,
            name="late",
            account=role.account,
            settings=RoleSettings(),
            layers=(),
        )


def test_narrowing_a_role_narrows_the_tokens_that_live_and_widening_does_not(house: Any) -> None:
    wide = (frozenset({"role:it.cryptor", "role:it.encryptor"}),)
    narrow = (frozenset({"role:it.encryptor"}),)
    role = _role(house, layers=wide)
    issued = _log_in(house, role, _secret(house, role).text).issued

    def layers() -> Any:
        with house.store.read() as connection:
            return tokens.read_token(connection, issued.token.key_id).layers

    with house.store.write() as connection:
        narrowed = approles.change_approle(connection, role, role.settings, narrow)
    assert layers() == (*wide, *narrow)
    for again in (wide, (), narrow, wide):
        with house.store.write() as connection:
            narrowed = approles.change_approle(connection, narrowed, role.settings, again)
    assert layers() == (*wide, *narrow)


@pytest.mark.parametrize(
    ("block", "address", "expected"),
    [
        ("10.1.0.0/16", HERE, True),
        ("10.2.0.0/16", HERE, False),
        ("10.1.2.3/32", "::ffff:10.1.2.3", True),
        ("2001:db8::/32", "2001:db8::7", True),
        ("2001:db8::/32", HERE, False),
        ("0.0.0.0/0", "", False),
        ("0.0.0.0/0", "không", False),
    ],
)
def test_networks_bind_log_in_and_token(
    house: Any, block: str, address: str, expected: bool
) -> None:
    role = _role(house, secret_id_bound_cidrs=(block,), token_bound_cidrs=(block,))
    secret = _secret(house, role)
    issued = _let_in(house, role, secret.text, address)
    assert (issued is not None) == expected
    if issued:
        assert _works(house, issued, address)
        assert not _works(house, issued, "192.0.2.1")
        assert not _works(house, issued, "")
        with house.store.write() as connection:
            child = token_tree.create_child(
                connection, house.clock, house.keys, issued.token.key_id, NewChild()
            )
        assert not _works(house, child, "192.0.2.1")


def test_a_refusal_from_a_wrong_network_spends_no_use(house: Any) -> None:
    role = _role(house)
    secret = _secret(house, role, uses=1, cidr_list=("10.1.0.0/16",))
    assert _let_in(house, role, secret.text, "192.0.2.1") is None
    assert _let_in(house, role, secret.text)


def test_every_refusal_is_the_same_sentence(house: Any) -> None:
    role, other = _role(house), _role(house, "other")
    foreign = _secret(house, other)
    refusals = []
    for shown in (
        Presented("nobody", Secret.of("x" * 43), HERE),
        Presented(role.role_id, Secret.of("x" * 43), HERE),
        Presented(role.role_id, foreign.text, HERE),
        Presented(role.role_id, None, HERE),
        Presented("", Secret.of("không"), HERE),
    ):
        with pytest.raises(LogInRefused) as refused:
            approle_log_in.log_in(house.entrance, shown)
        refusals.append(refused.value.detail)
    assert set(refusals) == {"invalid role or secret ID"}


def test_failures_are_slowed_down_where_they_come_from_and_nowhere_else(house: Any) -> None:
    role = _role(house)
    secret = _secret(house, role)
    for _ in range(LIMITS.free):
        assert _let_in(house, role, Secret.of("x" * 30)) is None
    with pytest.raises(SignInDelayed):
        _log_in(house, role, secret.text)
    assert _let_in(house, role, secret.text, "10.9.9.9")
    house.time.pass_by(LIMITS.longest_delay)
    assert _let_in(house, role, secret.text)


@pytest.mark.parametrize(
    "weak",
    [
        "abc",
        "password" * 6,
        "a" * 100,
        "0123456789abcdefghijklmnopqrstuvwxyz",
        "không-phải-là-bí-mật-đâu-nhé-bạn",
        "x" * 513,
        "abcdefghijklmnop\nqrstuvwx1234567",
    ],
)
def test_a_secret_id_that_is_easy_to_guess_is_refused(house: Any, weak: str) -> None:
    role = _role(house)
    with pytest.raises(InvalidInput) as refused:
        _secret(house, role, text=Secret.of(weak))
    assert weak not in str(refused.value)


@pytest.mark.parametrize(
    "drawn",
    [
        "3f2b9c71-5a0e-4d86-9b1f-c7e4a2d80f65",
        "Qm9vZ2x5LXNlY3JldC1pZC0wMTIz",
        "9d8f7a6b5c4e3d2f1a0b9c8d7e6f5a4b",
    ],
)
def test_a_drawn_secret_id_is_taken_once(house: Any, drawn: str) -> None:
    role = _role(house)
    assert _secret(house, role, text=Secret.of(drawn)).text.text() == drawn
    assert _let_in(house, role, Secret.of(drawn))
    with pytest.raises(Conflict):
        _secret(house, role, text=Secret.of(drawn))


@pytest.mark.parametrize(
    "settings",
    [
        {"token_ttl": 2, "token_max_ttl": 1},
        {"token_ttl": -1},
        {"secret_id_ttl": token_tree.LONGEST_SECONDS + 1},
        {"token_num_uses": -1},
        {"bind_secret_id": False},
    ],
)
def test_settings_that_cannot_be_are_refused(house: Any, settings: Any) -> None:
    with pytest.raises(InvalidInput):
        _role(house, **settings)


def test_a_role_without_secret_ids_takes_no_role_id_that_can_be_guessed(house: Any) -> None:
    role = _role(house, bind_secret_id=False, secret_id_bound_cidrs=("10.0.0.0/8",))
    with house.store.write() as connection, pytest.raises(InvalidInput, match="role_id"):
        approles.set_role_id(connection, role, "payroll")
    assert _log_in(house, role, None).issued
    with pytest.raises(LogInRefused):
        _log_in(house, role, None, "192.0.2.1")


def test_two_roles_share_no_name_and_no_role_id(house: Any) -> None:
    role, other = _role(house), _role(house, "other")
    with house.store.write() as connection, pytest.raises(Conflict):
        approles.set_role_id(connection, other, role.role_id)
    with house.store.write() as connection, pytest.raises(Conflict):
        approles.create_approle(
            connection,
            house.clock,
            secrets.token_bytes,
            name="SYNC",
            account=role.account,
            settings=RoleSettings(),
            layers=(),
        )
