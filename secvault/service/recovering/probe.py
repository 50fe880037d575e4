"""A system without any role, in a rehearsal's copy only, that asks the started service."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select

from secvault.identity import service_accounts, tokens
from secvault.service.service import Service
from secvault.store import tables


@dataclass(frozen=True)
class Asker:
    """account: its id, empty where nobody could answer for one. token: good for a day."""

    account: str
    token: str


def begin(service: Service) -> Asker:
    """Make one. It opens nothing, and is ended with `end`."""
    person = tables.person
    with service.store.write() as connection:
        owner = connection.execute(
            select(person.c.id).where(person.c.state == "active").order_by(person.c.id).limit(1)
        ).scalar_one_or_none()
        if owner is None:
            return Asker("", "")
        made = service_accounts.create_account(
            connection,
            service.clock,
            name=f"rehearsal-{service.random(6).hex()}",
            department="it",
            owner=owner,
        )
        issued = tokens.issue_token(
            connection,
            service.clock,
            service.entrance.keys,
            account=made.id,
            display_name="asks the rehearsed service",
            days=1,
            random=service.random,
        )
    return Asker(made.id, issued.text.text())


def end(service: Service, asker: Asker) -> None:
    """Shut it out."""
    if asker.account:
        with service.store.write() as connection:
            service_accounts.disable_account(connection, service.clock, asker.account)
