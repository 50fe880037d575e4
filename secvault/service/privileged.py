"""What a second person is told before a system with a privileged role gets a credential.

A token of a system that may do much is as good as its roles; whoever could make one alone could act
as that system. So it takes two, as giving the role does. What only takes away, such as a token
below another, needs nobody.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlalchemy import Connection

from secvault import access
from secvault.access.scope import Layer
from secvault.crypto.canonical import JsonValue
from secvault.identity.service_accounts import ServiceAccount
from secvault.service.approval import Terms
from secvault.service.giving import holds_privileged_role
from secvault.service.service import Service


def credential_terms(
    service: Service,
    connection: Connection,
    account: ServiceAccount,
    credential: str,
    facts: Mapping[str, JsonValue],
) -> Terms | None:
    """What is to be approved before this system gets a credential; None where it needs nobody.

    credential: what sort of one. facts: how long, from where, for what; never a secret.
    """
    if not holds_privileged_role(service, connection, account.subject):
        return None
    # Also what only begins later: the credential may last until then.
    now = service.clock.micros()
    held = access.list_grants(connection, subject=account.subject, standing_at=now)
    roles = sorted({f"{grant.role} in {grant.department}" for grant in held})
    return {
        "subject": account.subject,
        "system": account.name,
        "credential": credential,
        "roles": listed(roles),
        **facts,
    }


def listed(texts: Iterable[str]) -> list[JsonValue]:
    """The texts as terms hold them."""
    return [*texts]


def limits_of(scope: Layer | None) -> list[JsonValue]:
    """What a token is limited to beside its roles, as terms hold it."""
    return listed(sorted(scope or ()))
