"""Who looks at a page: the session of the cookie, or nobody, who is sent to sign in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Annotated
from urllib.parse import quote

from fastapi import Depends, Form, Request

from secvault.api.browser import LOOKING, SessionCookie, principal_of_page
from secvault.api.caller import address_of, agent_of, service_of
from secvault.api.declared import declaration_of
from secvault.errors import NotAuthenticated, StepUpRequired
from secvault.identity import Principal
from secvault.service import Service, authentication
from secvault.service.spine import Caller, Operation


class SignInFirst(Exception):
    """The page is for those who signed in. to: the path of the sign-in page."""

    def __init__(self, to: str) -> None:
        super().__init__(to)
        self.to = to


LONGEST_PLACE = 500
"""Characters of a path that a form sends along, to come back to."""


@dataclass(frozen=True)
class Visitor:
    """Somebody who signed in, and the service that they look at. csrf: for each form."""

    service: Service
    caller: Caller
    csrf: str

    @property
    def name(self) -> str:
        """The sign-in name."""
        return self.caller.principal.name

    def may(self, operation: Operation) -> bool:
        """Whether it would be allowed; without a record, for what is left out of a page.

        The route must declare the action.
        """
        return self.service.spine.ask(self.caller, operation).allowed

    def may_each(self, operations: Iterable[Operation]) -> frozenset[Operation]:
        """Those of them that would be allowed, all by one policy; as `may`."""
        asked = {one: one for one in operations}
        return frozenset(self.service.spine.allowed(self.caller, asked))

    def could(self, operation: Operation) -> bool:
        """Whether it would be allowed, if need be after a factor is shown again; without a record.

        For what a page offers, whatever its own route declares.
        """
        asking = replace(self.caller, actions=None)
        decision = self.service.spine.ask(asking, operation)
        return decision.allowed or decision.step_up is not None

    def require_fresh(self, operation: Operation) -> None:
        """Ask for a fresher factor now if the operation needs one, and not once a form is filled
        in for it. Raises StepUpRequired.
        """
        decision = self.service.spine.ask(replace(self.caller, actions=None), operation)
        if not decision.allowed and decision.step_up is not None:
            raise StepUpRequired(decision.reason_user, max_age=decision.step_up)

    def renewed(self, principal: Principal, csrf: str) -> Visitor:
        """The same after their session went on under a new token."""
        return replace(self, caller=replace(self.caller, principal=principal), csrf=csrf)


def place_of(request: Request) -> str:
    """Where the visitor is, to come back to: the path with its query, unless that is long."""
    path, query = request.url.path, request.url.query
    whole = f"{path}?{query}" if query and request.method in LOOKING else path
    return whole if len(whole) <= LONGEST_PLACE else path


def visitor(
    request: Request,
    cookie: SessionCookie,
    csrf: Annotated[str | None, Form()] = None,
    approval_reason: Annotated[str, Form(max_length=2000)] = "",
) -> Visitor:
    """Who looks. csrf, approval_reason: fields of a form; with the second, others are asked when
    what the form does needs an approval. Raises SignInFirst, ForeignPage, Sealed.
    """
    service = service_of(request)
    looking = request.method in LOOKING
    place = place_of(request)
    back = f"?next={quote(place)}" if looking and place != "/" else ""
    if cookie is None:
        raise SignInFirst(f"/sign-in{back}")
    try:
        principal = principal_of_page(request, service, cookie, csrf)
    except NotAuthenticated:
        raise SignInFirst(f"/sign-in{back}") from None
    declared = declaration_of(request.scope["endpoint"])
    caller = Caller(
        principal,
        request.state.request_id,
        declared.actions if declared else frozenset(),
        # On one line: people break lines where programs must not.
        " ".join(approval_reason.split()),
        address_of(request),
        agent=agent_of(request),
    )
    found = Visitor(service, caller, authentication.csrf_token(service, principal).text())
    # For the pages that are shown in the place of this one: see `furnish`.
    request.state.visitor = found
    return found


Visiting = Annotated[Visitor, Depends(visitor)]
