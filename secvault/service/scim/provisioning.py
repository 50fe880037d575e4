"""One request of a provider, through the spine: the whole of it in one transaction."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from scim2_models import SCIMException
from scim2_server.handler import ScimHandler
from scim2_server.requests import ScimRequest
from scim2_server.service import ScimService
from sqlalchemy import Connection

from secvault.errors import NotFound, ProvisioningRefused
from secvault.identity import names, people
from secvault.identity.federation import unusable_password
from secvault.identity.passwords import PasswordHash
from secvault.service.scim.groups import Groups
from secvault.service.scim.people import People
from secvault.service.scim.source import Source, provider_of
from secvault.service.scim.storage import ProviderStorage
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation, Outcome

PATH = "/scim/v2"
_DEEPEST = 16
_READING = frozenset({"GET", "HEAD"})
_MUTES = "passwords are not taken: people choose their own here, or sign in by the provider"


@dataclass(frozen=True)
class Asked:
    """A request. path: below `/scim/v2`."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: tuple[tuple[str, str], ...]
    body: bytes


@dataclass(frozen=True)
class Answered:
    """What is answered: a status, headers, and JSON unless it is None."""

    status: int
    headers: Mapping[str, str]
    body: Mapping[str, Any] | None


def serve(service: Service, protocol: ScimService, caller: Caller, asked: Asked) -> Answered:
    """Answer a provider. protocol: made by `description.describe`, once for a process.

    Raises ProvisioningRefused with the words of RFC 7644, Refused for who is no provider.
    """
    provider = provider_of(service, caller)
    reading = asked.method in _READING or asked.path.endswith("/.search")
    kind, _, target = asked.path.strip("/").partition("/")
    kind = kind.lower()
    resource = "it/groups" if kind == "groups" else "it/people"
    if names.is_id(target):
        resource = f"{resource}/{target}"
    operation = Operation("scim.provision", "it", "people", resource)
    request = ScimRequest(
        method=asked.method,
        base_url=service.settings.public_url + PATH,
        path=asked.path,
        query=asked.query,
        headers=asked.headers,
        body=asked.body,
    )
    password: PasswordHash | None = None
    if not reading:
        service.spine.decide(caller, operation)
        _refuse_passwords(asked.body)
        if kind == "users" and _may_become_active(service, provider, target):
            # Takes long: before the transaction.
            password = unusable_password(service.entrance)

    def act(connection: Connection) -> Outcome[Answered]:
        source = Source(service, caller, connection, provider)
        brought = People(source, password)
        storage = ProviderStorage(brought, Groups(source, brought), writing=not reading)
        try:
            answer = ScimHandler(protocol, storage).handle(request)
        except SCIMException as fault:
            refused = protocol.error_of(fault)
            raise ProvisioningRefused(
                fault.detail, scim_type=fault.scim_type or "", answer_status=refused.status or 400
            ) from None
        detail = {"provider": provider, "operation": asked.method.lower()}
        if source.touched:
            detail["target"] = source.touched
        return Outcome(Answered(answer.status, answer.headers, answer.body), detail=detail)

    if reading:
        return service.spine.read(caller, operation, act)
    return service.spine.change(caller, operation, act)


def _may_become_active(service: Service, provider: str, target: str) -> bool:
    """Whether somebody new, or the invited person of this id, can come to sign in by a provider."""
    if service.settings.identity.scim[provider].subject == "none":
        return False
    if not names.is_id(target):
        return not target
    with service.store.read() as connection:
        try:
            return people.read_person(connection, target).state == people.INVITED
        except NotFound:
            return False


def _refuse_passwords(body: bytes) -> None:
    try:
        given = json.loads(body) if body else None
    except (ValueError, RecursionError):
        # The protocol has its own words for that.
        return
    if _names_password(given, 0):
        raise ProvisioningRefused(_MUTES, scim_type="mutability", answer_status=400)


def _names_password(given: object, depth: int) -> bool:
    if depth > _DEEPEST:
        return False
    if isinstance(given, dict):
        for name, value in given.items():
            path = value if name.lower() == "path" and isinstance(value, str) else name
            if path.lower().rpartition(":")[2] == "password":
                return True
            if _names_password(value, depth + 1):
                return True
    if isinstance(given, list):
        return any(_names_password(each, depth + 1) for each in given)
    return False
