"""The provider behind a request, and what is noted of what it does."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

from scim2_models import Meta, Resource
from sqlalchemy import Connection

from secvault.access.obligations import GIVE, roles_with
from secvault.audit.event import Event
from secvault.config import ScimSettings
from secvault.errors import Refused
from secvault.identity.people import Person
from secvault.service import provided_roles
from secvault.service.approvals.approvers import HOME
from secvault.service.giving import holds_privileged_role
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

    def require_enough_without(self, person: Person) -> None:
        """Return unless too few could approve without this person. Raises Refused."""
        if self.service.approvers.too_few_without(self.connection, person.subject):
            raise Refused(
                f"without {person.name} too few could approve anything here: an administrator "
                "disables them, with a second person's approval"
            )

    def require_no_say(self, person: Person) -> None:
        """Return unless it takes two people to let this person back in. Raises Refused."""
        approvers = self.service.approvers
        if (
            approvers.obligations.needed("person.enable")
            and holds_privileged_role(self.service, self.connection, person.subject)
            and approvers.needed(self.connection)
        ):
            raise Refused(
                f"{person.name} holds a privileged role: an administrator enables them, with a "
                "second person's approval"
            )

    def give_roles(self, person: str) -> None:
        """Make a person's grants of this provider what its groups give now.

        Raises Refused when too few could approve then.
        """
        subject, approvers = f"user:{person}", self.service.approvers
        counts = self._gives_a_say() and approvers.too_few_without(self.connection, subject)
        provided_roles.give_by_scim(
            self.service,
            self.connection,
            person,
            self.provider,
            self._caller.request_id,
            actor_of(self._caller.principal),
        )
        if counts and not approvers.may_give(self.connection, subject, HOME):
            raise Refused(
                "without this role too few could approve anything here: an administrator revokes "
                "it, with a second person's approval"
            )

    def _gives_a_say(self) -> bool:
        """Whether groups of this provider give a role by which one approves."""
        approving = roles_with(self.service.policy.rules, {GIVE})
        return any(role in approving for _, role, _ in self.settings.roles_of_groups())

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
