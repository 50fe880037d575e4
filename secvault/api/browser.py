"""What a browser brings and keeps: a session's cookie, and the proof that a page of ours asks.

A browser sends the cookie whoever wrote the page that makes it ask. So what comes by cookie and
may change something passes three gates, each of which alone would do in a browser without faults:

- the cookie is `SameSite=Strict`: other sites' pages ask without it;
- `Sec-Fetch-Site` says `same-origin`, or where a browser does not send it, `Origin` is one of ours;
- the CSRF token of the session comes along, in a header or a form's field (`identity.csrf`).

What only looks (GET, HEAD) is refused to pages of other origins, too, by `Sec-Fetch-Site`.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request, Response
from fastapi.security import APIKeyCookie

from secvault.audit.event import Event
from secvault.errors import ForeignPage, NotAuthenticated
from secvault.identity import Principal
from secvault.identity.csrf import HEADER_NAME
from secvault.identity.sign_in import SignedIn
from secvault.service import Service, authentication
from secvault.service.origin import Origin
from secvault.service.spine import Caller, actor_of

COOKIE_NAME = "__Host-secvault"
"""`__Host-`: a browser takes it only with Secure, for `/`, and for no other host (RFC 6265bis)."""

LOOKING = frozenset({"GET", "HEAD", "OPTIONS"})
"""The methods that change nothing (RFC 9110, 9.2.1)."""

# Not "cookies": that would clear those of every host of the domain, other programs' too.
CLEARED = '"cache", "storage"'

_cookie = APIKeyCookie(
    name=COOKIE_NAME,
    auto_error=False,
    description=f"A session that was asked for as a cookie. Other methods than GET need the "
    f"session's CSRF token as {HEADER_NAME}, and a page of this service's own origin.",
)

SessionCookie = Annotated[str | None, Depends(_cookie)]


def set_cookie(response: Response, signed_in: SignedIn) -> None:
    """Have the browser keep the session, until it is closed, and show it to no script."""
    response.set_cookie(
        COOKIE_NAME,
        signed_in.token.text(),
        path="/",
        secure=True,
        httponly=True,
        samesite="strict",
    )


def clear_cookie(response: Response) -> None:
    """Have the browser forget the session, and what pages of ours have kept."""
    response.delete_cookie(COOKIE_NAME, path="/", secure=True, httponly=True, samesite="strict")
    response.headers["Clear-Site-Data"] = CLEARED


def require_own_page(request: Request, service: Service) -> None:
    """Return when a page of ours made this request, as far as the browser says.

    Browsers say `Origin: null` for forms of pages with our Referrer-Policy; that alone is no proof,
    and with `Sec-Fetch-Site: same-origin` no objection. Raises ForeignPage.
    """
    site = request.headers.get("Sec-Fetch-Site")
    origin = request.headers.get("Origin")
    ours = service.settings.public_origins
    if site is None:
        allowed = origin in ours
    else:
        allowed = site == "same-origin" and (origin in (None, "null") or origin in ours)
    if not allowed:
        raise ForeignPage(
            "this request was not made by a page of this service; if it was, server.public_origin "
            "does not name the address that the browser shows"
        )


def principal_of_page(
    request: Request, service: Service, cookie: str, presented: str | None
) -> Principal:
    """Whose session the browser brings, once it is sure that a page of ours asks.

    presented: the CSRF token: the header of a script's request, or the field of a form. Not
    looked at for methods that change nothing. Raises NotAuthenticated, ForeignPage.
    """
    principal = authentication.authenticate_cookie(service, cookie)
    try:
        if request.method in LOOKING:
            refuse_other_pages(request)
        else:
            require_own_page(request, service)
            _require_token(service, principal, presented)
    except ForeignPage:
        _record(request, service, principal)
        raise
    return principal


def end_session_before(request: Request, service: Service) -> None:
    """End the session that the browser had until a new one was opened in its place."""
    before = session_before(request, service)
    if before is None:
        return
    try:
        authentication.sign_out(service, Caller(before, request.state.request_id))
    except NotAuthenticated:
        # Somebody else has ended it meanwhile.
        return


def session_before(request: Request, service: Service) -> Principal | None:
    """Whose session the browser has now; None without one that is open."""
    cookie = request.cookies.get(COOKIE_NAME)
    if not cookie:
        return None
    try:
        return authentication.authenticate_cookie(service, cookie)
    except NotAuthenticated:
        return None


def refuse_other_pages(request: Request) -> None:
    """Return unless a page of another origin makes the browser ask. Raises ForeignPage."""
    # A person who types the address says `none`; programs and old browsers say nothing.
    if request.headers.get("Sec-Fetch-Site", "none") not in ("same-origin", "none"):
        raise ForeignPage("a page of another origin may not ask with your session")


def _require_token(service: Service, principal: Principal, presented: str | None) -> None:
    if presented is None or not authentication.is_csrf_token(service, principal, presented):
        raise ForeignPage(
            f"send the session's CSRF token as {HEADER_NAME}; GET /api/v1/sessions/self gives it"
        )


def _record(request: Request, service: Service, principal: Principal) -> None:
    refused = Event(
        kind="access.refused",
        outcome="denied",
        actor=actor_of(principal),
        resource="it/sessions",
        department="it",
        request=request.state.request_id,
        detail={"reason": ForeignPage.code},
        personal=Origin(
            request.client.host if request.client else "", request.headers.get("User-Agent", "")
        ).personal(principal.name),
    )
    service.audit.record(refused)
