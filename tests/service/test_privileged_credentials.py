"""Credentials of systems with a privileged role: none is made by one person alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import func, select

from secvault.access import Grant
from secvault.crypto.secret import Secret
from secvault.errors import ApprovalRequired
from secvault.identity.secret_ids import NewSecretId
from secvault.identity.token_tree import NewChild
from secvault.service import (
    Service,
    approles,
    authentication,
    grants,
    systems,
    token_life,
    token_tree,
)
from secvault.service.approvals import operations as approvals
from secvault.service.approvals import requests
from secvault.service.spine import Caller
from secvault.store.tables import approle, secret_id, token
from tests.running_service import House
from tests.service.approval_house import Staff, staffed

CHOSEN = "chosen-by-an-administrator-0123456789-canary"
MAKE: dict[str, Callable[[Service, Caller, str], Any]] = {
    "token": lambda service, who, _: systems.issue_token(
        service, who, account="safe", display_name="n", days=3, networks=("10.0.0.0/8",)
    ),
    "rotated token": lambda service, who, key_id: token_life.rotate_token(
        service, who, key_id, hours=1, days=3
    ),
    "AppRole": lambda service, who, _: approles.write_approle(
        service, who, "other", lambda settings: settings, "safe"
    ),
    "settings": lambda service, who, _: approles.write_approle(
        service, who, "safe", lambda settings: replace(settings, token_ttl=60)
    ),
    "role id": lambda service, who, _: approles.set_role_id(service, who, "safe", CHOSEN),
    "secret id": lambda service, who, _: approles.create_secret_id(
        service, who, "safe", NewSecretId(text=Secret.of(CHOSEN))
    ),
}


@pytest.fixture
def staff(service: Service, house: House) -> Staff:
    """Two administrators, a system that keeps keys, and one that does not."""
    made = staffed(service, house)
    for name, role in (("safe", "role:it.key_custodian"), ("plain", "role:it.cryptor")):
        systems.create_account(
            service, made.an, name=name, department="it", owner="admin", roles=(role,)
        )
        approles.write_approle(service, made.an, name, lambda settings: settings)
    return made


def issued(staff: Staff, name: str) -> tuple[str, Caller]:
    made = systems.issue_token(staff.service, staff.an, account=name, display_name="n", days=9)
    return made.token.key_id, Caller(authentication.authenticate(staff.service, made.text.text()))


def credentials(service: Service) -> tuple[int, ...]:
    with service.store.read() as connection:
        return tuple(
            connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in (token, approle, secret_id)
        )


@pytest.mark.parametrize("kind", MAKE)
def test_it_takes_two_and_what_they_are_shown_holds_no_secret(staff: Staff, kind: str) -> None:
    service, make = staff.service, MAKE[kind]
    key_id, _ = issued(staff, "safe")
    binh = staff.hire("binh")
    before = credentials(service)
    with pytest.raises(ApprovalRequired) as required:
        make(service, replace(staff.an, reason="for the night run"), key_id)
    assert credentials(service) == before
    shown = approvals.read_request(service, binh, required.value.request).request
    assert CHOSEN not in str(shown)
    assert shown.proposal.terms["system"] == "safe"
    assert shown.proposal.terms["roles"] == ["role:it.key_custodian in it"]
    with pytest.raises(ApprovalRequired):
        MAKE["token" if kind != "token" else "secret id"](service, staff.an, key_id)
    staff.approve(staff.again("binh"), shown.id)
    make(service, staff.an, key_id)
    with service.store.read() as connection:
        used = requests.read_request(connection, service.clock, shown.id)
    assert used.state == requests.USED


def test_a_plain_system_gets_its_credentials_from_one_administrator(staff: Staff) -> None:
    staff.hire("binh")
    key_id, _ = issued(staff, "plain")
    token_life.rotate_token(staff.service, staff.an, key_id, hours=1, days=3)
    approles.create_secret_id(staff.service, staff.an, "plain", NewSecretId())
    approles.set_role_id(staff.service, staff.an, "plain", CHOSEN)


def test_a_token_rotates_and_renews_itself_and_makes_tokens_below_itself_alone(
    staff: Staff,
) -> None:
    service = staff.service
    given = _let_it_administer_tokens(staff)
    key_id, bearer = issued(staff, "safe")
    staff.hire("binh")
    assert given.role == "role:it.admin"
    below = token_tree.create_child(service, bearer, NewChild(display_name="below"))
    token_tree.renew(service, bearer, below.token.key_id, 60)
    with pytest.raises(ApprovalRequired):
        token_tree.create_child(service, bearer, NewChild(display_name="beside", orphan=True))
    token_life.rotate_token(service, bearer, key_id, hours=1, days=3)


def _let_it_administer_tokens(staff: Staff) -> Grant:
    return grants.add_grant(
        staff.service, staff.an, subject="svc:safe", role="role:it.admin", department="it"
    )
