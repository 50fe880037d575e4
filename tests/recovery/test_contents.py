"""What makes a kit stale is found part by part, and secrets leave nothing to be guessed by."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from secvault.crypto.secret import Secret
from secvault.recovery.contents import Change, changes, digest_of, parts_of
from secvault.recovery.kit import KitHead, KitPassword, KitSecrets
from tests.recovery.a_kit import SECRET, SECRETS, made_kit, repository

HEAD = made_kit().head
PARTS = parts_of(HEAD, SECRETS, SECRET)


def with_head(**values: Any) -> KitHead:
    """The head with these values."""
    changed: KitHead = msgspec.structs.replace(HEAD, **values)
    return changed


def found(head: KitHead = HEAD, secrets: KitSecrets = SECRETS) -> list[Change]:
    """What differs from the kit."""
    return list(changes(PARTS, parts_of(head, secrets, SECRET)))


def test_a_new_id_moment_and_version_change_nothing() -> None:
    assert found(with_head(kit="kit-2", issued_at=1, version="9.9.9", digest="e" * 64)) == []
    assert digest_of(PARTS) == digest_of(parts_of(HEAD, SECRETS, SECRET))


@pytest.mark.parametrize(
    ("values", "name", "grave"),
    [
        ({"contacts": ()}, "contacts", False),
        ({"services": ()}, "services", False),
        ({"company": "other"}, "company", False),
        ({"seal": "shares"}, "seal", False),
        ({"database": "postgresql"}, "database", False),
        ({"schema": "0052"}, "schema", False),
        ({"audit_keys": ("x",)}, "audit-keys", False),
        ({"plans": HEAD.plans[:1]}, "plan:erp", False),
        ({"repositories": HEAD.repositories[:1]}, "repository:offsite", False),
        (
            {"repositories": (*HEAD.repositories, repository("third", "/srv/third"))},
            "repository:third",
            True,
        ),
        (
            {"repositories": (repository("local", "/srv/moved"), *HEAD.repositories[1:])},
            "repository:local",
            True,
        ),
        ({"shares": msgspec.structs.replace(HEAD.shares, holders=("Lan",))}, "holders", False),
        ({"shares": msgspec.structs.replace(HEAD.shares, set_id=1)}, "shares", True),
    ],
)
def test_each_part_of_the_open_part_is_told_by_its_name(
    values: dict[str, Any], name: str, grave: bool
) -> None:
    [change] = found(with_head(**values))
    assert (change.name, change.grave) == (name, grave)


def test_a_rotated_root_and_changed_passwords_are_grave_and_come_first() -> None:
    secrets = msgspec.structs.replace(
        SECRETS,
        roots=("bmV3", *SECRETS.roots),
        passwords=(KitPassword("local", "another"), SECRETS.passwords[1]),
    )
    told = found(with_head(contacts=()), secrets)
    assert [one.name for one in told] == ["password:local", "root", "contacts"]
    assert [one.grave for one in told] == [True, True, False]


def test_a_password_that_is_gone_is_not_grave_and_a_new_one_is() -> None:
    fewer = msgspec.structs.replace(SECRETS, passwords=SECRETS.passwords[:1])
    assert found(secrets=fewer) == [Change("password", "local/data-keys", "removed")]
    assert not found(secrets=fewer)[0].grave
    more = (*SECRETS.passwords, KitPassword("offsite", "x"))
    [added] = found(secrets=msgspec.structs.replace(SECRETS, passwords=more))
    assert (added.how, added.grave) == ("added", True)


def test_what_is_kept_of_a_secret_is_another_under_another_set_of_shares() -> None:
    """Else a weak password could be guessed from what is kept to compare with."""
    other = parts_of(HEAD, SECRETS, Secret(b"\x05" * 32))
    assert other["root"] != PARTS["root"]
    assert other["password:local"] != PARTS["password:local"]
    assert other["contacts"] == PARTS["contacts"]
