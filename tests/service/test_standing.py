"""What was ended after a caller was let in, and before the act, is noticed in the act."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from secvault.access.vocabulary import ACTIONS, PRIVILEGED
from secvault.audit.query import Question, page
from secvault.errors import NotAuthenticated, Refused
from secvault.service import (
    Service,
    authentication,
    backups,
    grants,
    people,
    sessions,
    systems,
)
from secvault.service.spine import Caller
from tests.running_service import House, system_token


@dataclass
class Hand:
    """Administrators who were let in a moment ago: a person, and a system."""

    service: Service
    house: House

    def __post_init__(self) -> None:
        self.operator = Caller(authentication.local_operator(self.service))
        self.admin = self.let_in(self.house.tokens["admin"])
        text = system_token(self.service, "deputy", "it", "role:it.admin")
        self.deputy = self.let_in(text)

    def let_in(self, token: str) -> Caller:
        return Caller(authentication.authenticate(self.service, token))

    @property
    def admin_grant(self) -> str:
        listed = grants.list_grants(self.service, self.operator)
        return next(one.id for one in listed if one.subject == self.admin.principal.subject)


OF_THE_PERSON: dict[str, Callable[[Hand], object]] = {
    "sign-out": lambda it: authentication.sign_out(it.service, it.admin),
    "ended by an administrator": lambda it: sessions.end_sessions_of(
        it.service, it.operator, "admin"
    ),
    "disabled": lambda it: people.disable_person(it.service, it.operator, "admin"),
    "grant revoked": lambda it: grants.revoke_grant(it.service, it.operator, it.admin_grant),
}
OF_THE_SYSTEM: dict[str, Callable[[Hand], object]] = {
    "token revoked": lambda it: systems.revoke_token(
        it.service, it.operator, it.deputy.principal.credential
    ),
    "account disabled": lambda it: systems.disable_account(
        it.service, it.operator, it.deputy.principal.id
    ),
}
ACTS: dict[str, Callable[[Service, Caller], object]] = {
    "unlock": lambda service, caller: people.unlock_person(service, caller, "clerk"),
    "grant": lambda service, caller: grants.add_grant(
        service, caller, subject="user:clerk", role="role:hr.head", department="hr"
    ),
    "long work": lambda service, caller: backups.run_backup(
        service, caller, "nightly", on_progress=lambda _: None, cancel=threading.Event()
    ),
}


@pytest.fixture
def hand(service: Service, house: House) -> Hand:
    """Both of them, with what they may do."""
    return Hand(service, house)


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("way", [*OF_THE_PERSON, *OF_THE_SYSTEM])
def test_an_act_of_a_caller_who_was_shut_out_meanwhile_is_not_done(
    hand: Hand, way: str, act: str
) -> None:
    caller = hand.admin if way in OF_THE_PERSON else hand.deputy
    {**OF_THE_PERSON, **OF_THE_SYSTEM}[way](hand)
    before = grants.list_grants(hand.service, hand.operator)
    with pytest.raises((NotAuthenticated, Refused)):
        ACTS[act](hand.service, caller)
    assert grants.list_grants(hand.service, hand.operator) == before
    kinds = {"unlock": "person.unlock", "grant": "grant.add", "long work": "backup.run"}
    question = Question(kind=kinds[act], actor=caller.principal.subject)
    done = page(hand.service.store, question).events
    assert [each.event.outcome for each in done if each.event.outcome in ("ok", "intent")] == []
    assert done


def test_the_same_acts_are_done_by_who_is_still_in(hand: Hand) -> None:
    for caller in (hand.admin, hand.deputy):
        ACTS["unlock"](hand.service, caller)
    ACTS["grant"](hand.service, hand.admin)


def test_administration_is_whatever_is_not_daily_work_looking_or_ones_own() -> None:
    assert {
        "person.create",
        "person.disable",
        "grant.add",
        "grant.revoke",
        "token.issue",
        "token.revoke",
        "session.end",
        "key.delete",
        "key.export",
        "mount.delete",
        "backup.restore",
        "vault.reseal",
        "root.rotate",
    } <= PRIVILEGED
    assert not PRIVILEGED & {
        "record.update",
        "data.encrypt",
        "audit.read",
        "audit.verify",
        "key.list",
        "session.self",
        "password.change",
        "token.renew",
        "vault.status",
    }
    assert ACTIONS.keys() > PRIVILEGED
