"""`auth/token/`: what a Vault client does with the token that it holds, and with those below it.

The accessor of a token is its key id: it names the token, and lets nobody in.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends
from fastapi.responses import Response

from secvault.api.caller import shown_credential, vault_caller
from secvault.api.declared import operation
from secvault.api.vault import body_of, read_body, seconds_of, vault_answer, vault_responses, writes
from secvault.clock import timestamp
from secvault.errors import InvalidInput, NotAuthenticated, NotFound, Refused
from secvault.identity.token_tree import NewChild
from secvault.identity.tokens import MICROS, Token
from secvault.service import Service, authentication, token_tree
from secvault.service.spine import Caller

router = APIRouter(prefix="/v1/auth/token", tags=["transit"], responses=vault_responses())

Authenticated = Annotated[tuple[Service, Caller], Depends(vault_caller)]
Shown = Annotated[str, Depends(shown_credential)]
Body = Annotated[bytes, Depends(body_of)]

_RESOURCE = "it/tokens/{key_id}"
_TYPES = ("", "default", "service", "default-service")


class CreateBody(msgspec.Struct):
    """The token that is to be made. ttl, period, explicit_max_ttl: seconds, or such as 24h."""

    ttl: str | int = 0
    lease: str | int = 0
    period: str | int = 0
    explicit_max_ttl: str | int = 0
    num_uses: int = 0
    display_name: str = ""
    meta: dict[str, str] = {}
    renewable: bool = True
    policies: list[str] = []
    no_parent: bool = False
    no_default_policy: bool = False
    id: str = ""
    type: str = ""


class TokenBody(msgspec.Struct):
    """Which token: its text, or where a path says so its accessor. increment: of a renewal."""

    token: str = ""
    accessor: str = ""
    increment: str | int = 0


@writes(router, "/create", CreateBody)
@operation("it/tokens/self", "token.create")
def auth_token_create(at: Authenticated, body: Body) -> Response:
    """Make a token of the same system below the caller's; it ends with it at the latest."""
    service, who = at
    given = read_body(body, CreateBody)
    asked = given.body
    _refuse_what_is_not_offered(asked)
    wanted = NewChild(
        display_name=f"token-{asked.display_name}" if asked.display_name else "token",
        ttl=seconds_of(asked.ttl or asked.lease, "ttl"),
        period=seconds_of(asked.period, "period"),
        latest=seconds_of(asked.explicit_max_ttl, "explicit_max_ttl"),
        uses=asked.num_uses,
        renewable=asked.renewable,
        meta=asked.meta,
    )
    made = token_tree.create_child(service, who, wanted)
    asked_for = wanted.period or wanted.ttl
    warnings = list(given.warnings)
    if asked_for and made.token.expires_at - made.token.created_at < asked_for * MICROS:
        warnings.append("the token ends earlier than asked: with its parent, or at its own maximum")
    auth = _auth(made.token, made.text.text())
    return vault_answer(who, None, warnings=warnings, auth=auth)


@router.get("/lookup-self")
@operation("it/tokens/self", "session.self")
def auth_token_lookup_self(at: Authenticated, shown: Shown) -> Response:
    """What is known of the credential that the caller holds."""
    service, who = at
    if who.principal.kind == "svc":
        found = token_tree.read_token(service, who, who.principal.credential)
        return vault_answer(who, _known(service, found, shown))
    principal = authentication.whoami(service, who)
    return vault_answer(
        who,
        {
            "accessor": principal.credential,
            "creation_time": 0,
            "creation_ttl": 0,
            "display_name": principal.name,
            "entity_id": principal.subject,
            "expire_time": None,
            "explicit_max_ttl": 0,
            "id": shown,
            "meta": {"department": principal.department},
            "num_uses": 0,
            "orphan": True,
            "path": f"auth/userpass/login/{principal.name}",
            "policies": [],
            "renewable": False,
            "ttl": 0,
            "type": "service",
        },
    )


@writes(router, "/lookup", TokenBody)
@operation(_RESOURCE, "session.self", "token.read")
def auth_token_lookup(at: Authenticated, body: Body) -> Response:
    """What is known of the token with this text."""
    service, who = at
    given = read_body(body, TokenBody)
    try:
        found = token_tree.read_token(service, who, _named(at, given.body))
    except NotFound:
        # The peer's answer for any token that it does not know, also one that has ended.
        raise Refused("bad token") from None
    return vault_answer(who, _known(service, found, given.body.token), warnings=given.warnings)


@writes(router, "/lookup-accessor", TokenBody)
@operation(_RESOURCE, "session.self", "token.read")
def auth_token_lookup_accessor(at: Authenticated, body: Body) -> Response:
    """The same by the accessor."""
    service, who = at
    given = read_body(body, TokenBody)
    try:
        found = token_tree.read_token(service, who, _accessor(given.body))
    except NotFound:
        raise InvalidInput("invalid accessor") from None
    return vault_answer(who, _known(service, found), warnings=given.warnings)


@writes(router, "/renew-self", TokenBody)
@operation(_RESOURCE, "token.renew", "token.extend")
def auth_token_renew_self(at: Authenticated, shown: Shown, body: Body) -> Response:
    """Let the caller's own token last longer."""
    return _renew(at, body, lambda _: at[1].principal.credential, shown)


@writes(router, "/renew", TokenBody)
@operation(_RESOURCE, "token.renew", "token.extend")
def auth_token_renew(at: Authenticated, body: Body) -> Response:
    """Let the token with this text last longer."""
    return _renew(at, body, lambda asked: _named(at, asked))


@writes(router, "/renew-accessor", TokenBody)
@operation(_RESOURCE, "token.renew", "token.extend")
def auth_token_renew_accessor(at: Authenticated, body: Body) -> Response:
    """The same by the accessor."""
    return _renew(at, body, _accessor)


@writes(router, "/revoke-self", TokenBody)
@operation(_RESOURCE, "token.end", "token.revoke")
def auth_token_revoke_self(at: Authenticated) -> Response:
    """End the caller's own token, and all below it."""
    service, who = at
    token_tree.end(service, who, who.principal.credential)
    return Response(status_code=204)


@writes(router, "/revoke", TokenBody)
@operation(_RESOURCE, "token.end", "token.revoke")
def auth_token_revoke(at: Authenticated, body: Body) -> Response:
    """End the token with this text, and all below it."""
    service, who = at
    token_tree.end(service, who, _named(at, read_body(body, TokenBody).body))
    return Response(status_code=204)


@writes(router, "/revoke-accessor", TokenBody)
@operation(_RESOURCE, "token.end", "token.revoke")
def auth_token_revoke_accessor(at: Authenticated, body: Body) -> Response:
    """The same by the accessor."""
    service, who = at
    token_tree.end(service, who, _accessor(read_body(body, TokenBody).body))
    return Response(status_code=204)


def _renew(
    at: Authenticated, body: bytes, which: Callable[[TokenBody], str], shown: str = ""
) -> Response:
    service, who = at
    given = read_body(body, TokenBody)
    seconds = seconds_of(given.body.increment, "increment")
    renewed = token_tree.renew(service, who, which(given.body), seconds)
    auth = _auth(renewed, shown or given.body.token)
    return vault_answer(who, None, warnings=given.warnings, auth=auth)


def _refuse_what_is_not_offered(asked: CreateBody) -> None:
    if asked.policies:
        raise InvalidInput(
            "policies: a token has the roles of its system; make a system with fewer roles instead"
        )
    if asked.no_parent:
        raise InvalidInput("no_parent: a token made by a token ends with it")
    if asked.id:
        raise InvalidInput("id: the text of a token is always made here")
    if asked.type not in _TYPES:
        raise InvalidInput("type: only service tokens are offered")


def _named(at: tuple[Service, Caller], asked: TokenBody) -> str:
    """The key id of the token whose text was given."""
    if not asked.token:
        raise InvalidInput("missing token")
    try:
        return token_tree.key_id_of(at[0], asked.token)
    except NotAuthenticated:
        # In the peer's words, and not as if the caller's own token were at fault.
        raise NotFound("bad token") from None


def _accessor(asked: TokenBody) -> str:
    if not asked.accessor:
        raise InvalidInput("missing accessor")
    return asked.accessor


def _seconds_left(service: Service, token: Token) -> int:
    return max(0, token.expires_at - service.clock.micros()) // MICROS


def _auth(token: Token, shown: str) -> dict[str, Any]:
    """A credential that was made or renewed a moment ago, as the peer's clients read it."""
    since = token.created_at if token.renewed_at is None else token.renewed_at
    return {
        "client_token": shown,
        "accessor": token.key_id,
        "policies": [],
        "token_policies": [],
        "metadata": json.loads(token.meta) or None,
        "lease_duration": (token.expires_at - since) // MICROS,
        "renewable": token.renewable,
        "entity_id": f"svc:{token.account}",
        "token_type": "service",
        "orphan": token.parent is None,
        "mfa_requirement": None,
        "num_uses": token.uses_left or 0,
    }


def _known(service: Service, token: Token, shown: str = "") -> dict[str, Any]:
    """What a look-up shows. shown: the token, where the one who asks has shown it."""
    latest = token.latest_end
    known: dict[str, Any] = {
        "accessor": token.key_id,
        "creation_time": token.created_at // MICROS,
        "creation_ttl": token.ttl_seconds,
        "display_name": token.display_name,
        "entity_id": f"svc:{token.account}",
        "expire_time": timestamp(token.expires_at),
        "explicit_max_ttl": (latest - token.created_at) // MICROS if latest else 0,
        "id": shown,
        "issue_time": timestamp(token.created_at),
        "meta": json.loads(token.meta) or None,
        "num_uses": token.uses_left or 0,
        "orphan": token.parent is None,
        "path": "auth/token/create",
        "policies": [],
        "renewable": token.renewable,
        "ttl": _seconds_left(service, token),
        "type": "service",
    }
    if token.renewed_at is not None:
        known["last_renewal"] = timestamp(token.renewed_at)
        known["last_renewal_time"] = token.renewed_at // MICROS
    if token.period_seconds:
        known["period"] = token.period_seconds
    return known
