"""Loading the sample back office: who may do that, since the operator sees no record.

A service account is made for the load, holds the head's role of every department while it lasts,
and is shut out afterwards; every step of it is in the audit log.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from secvault.cli import operations, progress
from secvault.errors import Conflict

if TYPE_CHECKING:
    from secvault.service.service import Service
    from secvault.service.spine import Caller


def load(service: Service, caller: Caller) -> int:
    """Store the sample records and return how many. caller: may add systems and grants.

    Raises Conflict when they are there already, or when nobody can own the account.
    """
    with _loader(service, caller) as loader, progress.of_count("Sample records") as so_far:
        return operations.sample_data.load_sample(service, loader, so_far)


@contextmanager
def _loader(service: Service, caller: Caller) -> Iterator[Caller]:
    systems, grants = operations.systems, operations.grants
    account = systems.create_account(
        service,
        caller,
        name=f"sample-loader-{secrets.token_hex(4)}",
        department="it",
        owner=_owner(service, caller),
        roles=(),
    )
    given: list[str] = []
    try:
        for department in sorted({one.department for one in service.collections.values()}):
            head = f"role:{department}.head"
            grant = grants.add_grant(
                service, caller, subject=account.subject, role=head, department=department, days=1
            )
            given.append(grant.id)
        issued = systems.issue_token(
            service, caller, account=account.id, display_name="loading the sample", days=1
        )
        principal = operations.authentication.authenticate(service, issued.text.text())
        yield operations.spine.Caller(principal)
    finally:
        for grant_id in given:
            grants.revoke_grant(service, caller, grant_id)
        systems.disable_account(service, caller, account.id)


def _owner(service: Service, caller: Caller) -> str:
    for view in operations.people.list_people(service, caller):
        if view.person.state == "active":
            return view.person.id
    raise Conflict("nobody can own the account that loads the sample: run `secvault init` first")
