"""What the groups of identity providers give: read from the settings, and kept to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlalchemy import Connection

from secvault.access import DEPARTMENTS, Grant, Rules, list_grants
from secvault.access.obligations import Obligations
from secvault.access.provided import Changed, Place, check_mapped, reconcile
from secvault.access.vocabulary import PROVIDERS
from secvault.audit.event import Actor, Event
from secvault.config import MappedGroups, Settings
from secvault.errors import ConfigurationError, InvalidInput, SeparationOfDuties
from secvault.identity import people, scim_groups
from secvault.service.giving import DAY_MICROS, give_role, is_privileged
from secvault.service.prospects import candidate
from secvault.service.separation import known, put_on_record, require_apart
from secvault.service.service import Service

PROGRAM = Actor("system", "providers")


def check_groups(settings: Settings, rules: Rules, obligations: Obligations) -> None:
    """Return when every mapped role can be given so. Raises ConfigurationError."""
    named = (("oidc", settings.identity.oidc), ("scim", settings.identity.scim))
    for kind, providers in named:
        for name, provider in providers.items():
            _check(f"identity.{kind}.{name}", provider, rules, obligations)
    accounts = [provider.account for provider in settings.identity.scim.values()]
    for name, provider in settings.identity.scim.items():
        if accounts.count(provider.account) > 1:
            raise ConfigurationError(
                f"identity.scim.{name}.account: give each provider a system of its own"
            )


def _check(key: str, provider: MappedGroups, rules: Rules, obligations: Obligations) -> None:
    if provider.department not in DEPARTMENTS:
        raise ConfigurationError(f"{key}.department: use one of {', '.join(DEPARTMENTS)}")
    for group, role, department in provider.roles_of_groups():
        try:
            check_mapped(rules, obligations, role, department, privileged=provider.privileged_roles)
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

    kind: `oidc` or `scim`. A privileged role ends like any other, and the provider's word puts that
    off. Whoever has not activated their account gets no privileged role yet,
    as when one is given here; nor does anybody get a role that a rule of separation keeps apart
    from what they have, which is put on record. Durable with the caller's transaction.
    """
    subject = f"user:{person}"
    source = f"{kind}:{provider}"
    allowed = _without_early(service, connection, person, wanted)
    facts = {"provider": provider}
    if allowed:
        allowed = _kept_apart(service, connection, subject, source, allowed, actor, facts)

    def given(place: Place) -> Grant:
        role, department = place
        return give_role(
            service,
            connection,
            subject=subject,
            role=role,
            department=department,
            granted_by=PROVIDERS,
            source=source,
        )

    changed = reconcile(
        connection,
        subject=subject,
        source=source,
        wanted=allowed,
        at=service.clock.micros(),
        give=given,
        longest=service.settings.grants.privileged_days * DAY_MICROS,
    )
    for action, grants in (
        ("grant.add", changed.added),
        ("grant.revoke", changed.ended),
        ("grant.extend", changed.extended),
    ):
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
    if changed.added:
        service.approvers.notice(connection)
    return changed


def _kept_apart(
    service: Service,
    connection: Connection,
    subject: str,
    source: str,
    places: set[Place],
    actor: Actor,
    facts: Mapping[str, str],
) -> set[Place]:
    """Without those that a rule of separation refuses beside what the person has or keeps."""
    now = service.clock.micros()
    # What the source says no more is about to end.
    standing = [
        one
        for one in list_grants(connection, subject=subject)
        if one.revoked_at is None
        and (one.expires_at is None or one.expires_at > now)
        and (one.source != source or (one.role, one.department) in places)
    ]
    left = {(one.role, one.department) for one in standing} & places
    for role, department in sorted(places - left):
        more = {**facts, "role": role}
        new = candidate(service, subject, role, department, name=f"of {source}")
        try:
            warned = require_apart(service, connection, (new,), standing=standing)
        except SeparationOfDuties as refusal:
            put_on_record(
                service,
                connection,
                ((rule, subject) for rule in refusal.rules),
                actor,
                outcome="denied",
                more=more,
            )
            continue
        put_on_record(service, connection, known(warned), actor, more=more)
        standing.append(new)
        left.add((role, department))
    return left


def _without_early(
    service: Service, connection: Connection, person: str, wanted: Iterable[Place]
) -> set[Place]:
    """Without what whoever holds somebody's invitation would come in with."""
    places = set(wanted)
    privileged = {place for place in places if is_privileged(service, place[0])}
    early = (
        privileged
        and people.read_person(connection, person).activated_at is None
        and service.approvers.needed(connection)
    )
    return places - privileged if early else places


def give_waiting(service: Service, connection: Connection, person: str, request_id: str) -> None:
    """What groups of SCIM have waited with until somebody has activated their account."""
    for provider in service.settings.identity.scim:
        give_by_scim(service, connection, person, provider, request_id)


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
