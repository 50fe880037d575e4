"""A vault with administrators who can approve, and something weighty to do."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from secvault.audit.query import Question, page
from secvault.errors import ApprovalRequired
from secvault.service import Service, authentication
from secvault.service.approvals import operations as approvals
from secvault.service.approvals import requests
from secvault.service.approvals.operations import Given
from secvault.service.spine import Caller, Operation, Outcome
from tests.running_service import House, join, signed_in

ADMIN = ("role:it.admin", "it")
DELETE = Operation("key.delete", "it", "transit/k", "it/transit/k")


@dataclass
class Staff:
    """An open service and those who work with it. an: the first administrator."""

    service: Service
    house: House
    an: Caller
    operator: Caller

    def hire(self, name: str, *roles: tuple[str, str]) -> Caller:
        """Somebody new, who has signed in; an administrator unless roles are given."""
        return join(self.service, self.house, name, *(roles or (ADMIN,)))

    def again(self, name: str) -> Caller:
        """The same person, with a factor shown just now."""
        return signed_in(self.service, self.house, name)

    def do(self, who: Caller, what: str = "k", reason: str = "", subject: str = "") -> str:
        """Do the weighty thing; how it was approved."""
        terms = {"what": what, **({"subject": subject} if subject else {})}
        self.service.spine.change(
            replace(who, reason=reason), DELETE, lambda _: Outcome(None), lambda _: terms
        )
        return str(self.last_detail("key.delete")["approval"])

    def ask(self, who: Caller, what: str = "k", subject: str = "") -> str:
        """Ask for it; the request's id."""
        with pytest.raises(ApprovalRequired) as required:
            self.do(who, what, "for a test", subject)
        assert required.value.request
        return required.value.request

    def approve(self, who: Caller, request: str) -> Given:
        """Approve what the request says."""
        with self.service.store.read() as connection:
            found = requests.read_request(connection, self.service.clock, request)
        return approvals.approve(self.service, who, request, found.proposal.digest)

    def last_detail(self, kind: str) -> dict[str, object]:
        """What the newest audit entry of this kind says."""
        self.service.audit.drain()
        found = page(self.service.store, Question(kind=kind), limit=1).events
        return dict(found[0].event.detail)


def staffed(service: Service, house: House) -> Staff:
    """The staff of a furnished house: one administrator so far, whose factor is fresh."""
    operator = Caller(authentication.local_operator(service))
    an = Caller(authentication.authenticate(service, house.tokens["admin"]))
    return Staff(service, house, an, operator)
