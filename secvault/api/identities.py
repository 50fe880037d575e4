"""One's own accounts at identity providers over HTTP, and signing out there, too."""

from __future__ import annotations

from fastapi.responses import Response
from pydantic import BaseModel

from secvault.api.browser_step import keep_browser
from secvault.api.declared import operation
from secvault.api.oidc import ProviderName
from secvault.api.problem import problem_responses
from secvault.api.routing import Routes
from secvault.api.session import Authenticated
from secvault.clock import timestamp
from secvault.service import federation

router = Routes(prefix="/api/v1", tags=["session"], responses=problem_responses())


class Account(BaseModel):
    """An account at a provider that leads to you. origin: linked, created or provisioned."""

    provider: str
    origin: str
    created_at: str
    last_sign_in_at: str | None


class AccountList(BaseModel):
    """Your accounts at providers."""

    identities: list[Account]


class LinkBegun(BaseModel):
    """Where the same browser goes now, within ten minutes."""

    url: str


class SignedOut(BaseModel):
    """The session is over. url: where the provider signs you out, too; null without one."""

    url: str | None


@router.get("/identities")
@operation("it/people/{person}/identities", "identity.read")
def identity_list(at: Authenticated) -> AccountList:
    """Your accounts at identity providers."""
    service, who = at
    return AccountList(
        identities=[
            Account(
                provider=each.provider,
                origin=each.origin,
                created_at=timestamp(each.created_at),
                last_sign_in_at=timestamp(each.last_sign_in_at) if each.last_sign_in_at else None,
            )
            for each in federation.own_identities(service, who)
        ]
    )


@router.post("/identities/{provider}", status_code=201)
@operation("it/people/{person}/identities", "identity.link")
def identity_link(at: Authenticated, provider: ProviderName, response: Response) -> LinkBegun:
    """Begin to link your account at a provider."""
    service, who = at
    begun = federation.begin_link(service, who, provider)
    keep_browser(response, begun.browser)
    return LinkBegun(url=begun.url)


@router.delete("/identities/{provider}", status_code=204)
@operation("it/people/{person}/identities", "identity.unlink")
def identity_unlink(at: Authenticated, provider: ProviderName) -> None:
    """Cut the link to your account at a provider."""
    service, who = at
    federation.unlink(service, who, provider)


@router.post("/sessions/self/sign-out")
@operation("it/sessions/self", "session.self")
def session_sign_out_everywhere(at: Authenticated) -> SignedOut:
    """Sign out, and say where the provider does the same."""
    service, who = at
    return SignedOut(url=federation.sign_out_there(service, who) or None)
