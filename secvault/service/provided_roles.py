"""What the groups of identity providers give: read from the settings, and kept to."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection

from secvault.access import DEPARTMENTS, Rules
from secvault.access.provided import Changed, Place, check_mapped, reconcile
from secvault.audit.event import Actor, Event
from secvault.config import MappedGroups, Settings
from secvault.errors import ConfigurationError, InvalidInput
from secvault.identity import scim_groups
from secvault.service.service import Service

PROGRAM = Actor("system", "providers")


def check_groups(settings: Settings, rules: Rules) -> None:
    """Return when every mapped role can be given so. Raises ConfigurationError."""
    named = (("oidc", settings.identity.oidc), ("scim", settings.identity.scim))
    for kind, providers in named:
        for name, provider in providers.items():
            _check(f"identity.{kind}.{name}", provider, rules)
    accounts = [provider.account for provider in settings.identity.scim.values()]
    for name, provider in settings.identity.scim.items():
        if accounts.count(provider.account) > 1:
            raise ConfigurationError(
                f"identity.scim.{name}.account: give each provider a system of its own"
            )


def _check(key: str, provider: MappedGroups, rules: Rules) -> None:
    if provider.department not in DEPARTMENTS:
        raise ConfigurationError(f"{key}.department: use one of {', '.join(DEPARTMENTS)}")
    for group, role, department in provider.roles_of_groups():
        try:
            check_mapped(rules, role, department, privileged=provider.privileged_roles)
        except InvalidInput as error:
            raise ConfigurationError(f"{key}.groups: {group}: {error.detail}") from None


def places_of(provider: MappedGroups, groups: Iterable[str]) -> set[Place]:
    """The roles that these groups give."""
    present = set(groups)
    return {
        (role, department)
        for group, role, department in provider.roles_of_groups()
        if group in present
    }


def give(
    service: Service,
    connection: Connection,
    *,
    person: str,
    kind: str,
    provider: str,
    wanted: Iterable[Place],
    request_id: str = "",
    actor: Actor = PROGRAM,
) -> Changed:
    """Make a person's grants of a provider what it says now, each change with its audit entry.

    kind: `oidc` or `scim`. Durable with the caller's transaction.
    """
    subject = f"user:{person}"
    changed = reconcile(
        connection,
        service.policy.rules,
        subject=subject,
        source=f"{kind}:{provider}",
        wanted=wanted,
        at=service.clock.micros(),
        random=service.random,
    )
    for action, grants in (("grant.add", changed.added), ("grant.revoke", changed.ended)):
        for grant in grants:
            event = Event(
                kind=action,
                outcome="ok",
                actor=actor,
                resource="it/grants",
                department="it",
                request=request_id,
                detail={
                    "grant": grant.id,
                    "role": grant.role,
                    "subject": subject,
                    "provider": provider,
                },
            )
            service.audit.enqueue(connection, event)
    return changed


def give_by_scim(
    service: Service,
    connection: Connection,
    person: str,
    provider: str,
    request_id: str = "",
    actor: Actor = PROGRAM,
) -> Changed:
    """Make a person's grants of a provider of SCIM what its groups give now."""
    present = scim_groups.names_of(connection, provider, person)
    return give(
        service,
        connection,
        person=person,
        kind="scim",
        provider=provider,
        wanted=places_of(service.settings.identity.scim[provider], present),
        request_id=request_id,
        actor=actor,
    )
