"""The provider behind a request, and what is noted of what it does."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

from scim2_models import Meta, Resource
from sqlalchemy import Connection

from secvault.audit.event import Event
from secvault.config import ScimSettings
from secvault.errors import Refused
from secvault.service import provided_roles
from secvault.service.service import Service
from secvault.service.spine import Caller, actor_of


class Source:
    """One request of one provider, within a transaction. touched: the id of what it changed."""

    def __init__(
        self, service: Service, caller: Caller, connection: Connection, provider: str
    ) -> None:
        self.service = service
        self.connection = connection
        self.provider = provider
        self.touched = ""
        self._caller = caller

    @property
    def settings(self) -> ScimSettings:
        """What the settings say of the provider."""
        return self.service.settings.identity.scim[self.provider]

    def note(self, kind: str, person: str) -> None:
        """Put what happened to a person into the audit log, beside the operation itself."""
        event = Event(
            kind=kind,
            outcome="ok",
            actor=actor_of(self._caller.principal),
            resource=f"it/people/{person}",
            department="it",
            request=self._caller.request_id,
            detail={"person": person, "provider": self.provider},
        )
        self.service.audit.enqueue(self.connection, event)

    def give_roles(self, person: str) -> None:
        """Make a person's grants of this provider what its groups give now."""
        provided_roles.give_by_scim(
            self.service,
            self.connection,
            person,
            self.provider,
            self._caller.request_id,
            actor_of(self._caller.principal),
        )

    def end_roles_of_sign_ins(self, person: str) -> None:
        """End what the provider's groups gave when the person signed in by it."""
        provided_roles.give(
            self.service,
            self.connection,
            person=person,
            kind="oidc",
            provider=self.provider,
            wanted=(),
            request_id=self._caller.request_id,
            actor=actor_of(self._caller.principal),
        )


def provider_of(service: Service, caller: Caller) -> str:
    """The provider that this calling system speaks for. Raises Refused for any other caller."""
    who = caller.principal
    for name, settings in service.settings.identity.scim.items():
        if who.kind == "svc" and who.name == settings.account:
            return name
    raise Refused("no [identity.scim.<name>] in the settings names this system as its account")


def with_meta(resource: Resource[Any], kind: str, created_at: int, changed_at: int) -> None:
    """Complete what is answered; its version changes whenever anything in it does."""
    content = json.dumps(resource.model_dump(exclude={"meta"}), sort_keys=True, default=str)
    digest = hashlib.sha256(content.encode()).hexdigest()[:32]
    resource.meta = Meta(
        resource_type=kind,
        created=_moment(created_at),
        last_modified=_moment(changed_at),
        version=f'W/"{digest}"',
    )


def _moment(micros: int) -> datetime:
    return datetime.fromtimestamp(micros / 1_000_000, UTC)
