"""`auth/token/`: what a Vault client does with the token that it holds, and with those below it.

The accessor of a token is its key id: it names the token, and lets nobody in.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import msgspec
from fastapi import Depends
from fastapi.responses import Response

from secvault.api.caller import shown_credential, vault_caller
from secvault.api.declared import operation
from secvault.api.routing import Routes
from secvault.api.token_answers import known_session, known_token, new_token
from secvault.api.vault import (
    Given,
    body_of,
    lists,
    read_body,
    seconds_of,
    vault_answer,
    vault_responses,
    writes,
)
from secvault.errors import InvalidInput, NotAuthenticated, NotFound, Refused
from secvault.identity.token_tree import NewChild
from secvault.identity.tokens import MICROS
from secvault.service import Service, authentication, token_tree
from secvault.service.spine import Caller

router = Routes(prefix="/v1/auth/token", tags=["transit"], responses=vault_responses())

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
    policies: list[str] | str = []
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
@operation("it/tokens/self", "token.create", "token.issue")
def auth_token_create(at: Authenticated, body: Body) -> Response:
    """Make a token of the same system below the caller's; it ends with it at the latest.

    policies: the roles that it is narrowed to. no_parent: for those who may issue tokens.
    """
    given = read_body(body, CreateBody)
    if given.body.no_parent and not token_tree.may_issue(*at):
        raise InvalidInput(
            "root or sudo privileges required to create orphan token: it takes who may issue tokens"
        )
    return _create(at, given, orphan=given.body.no_parent)


@writes(router, "/create-orphan", CreateBody)
@operation("it/tokens", "token.issue")
def auth_token_create_orphan(at: Authenticated, body: Body) -> Response:
    """Make a token of the same system that is below none, for those who may issue tokens."""
    return _create(at, read_body(body, CreateBody), orphan=True)


@lists(router, "/accessors")
@operation("it/tokens", "token.read")
def auth_token_accessors(at: Authenticated) -> Response:
    """The accessors of all living tokens, for those who administer tokens."""
    service, who = at
    return vault_answer(who, {"keys": list(token_tree.list_accessors(service, who))})


@router.get("/lookup-self")
@operation("it/tokens/self", "session.self", "token.read")
def auth_token_lookup_self(at: Authenticated, shown: Shown) -> Response:
    """What is known of the credential that the caller holds."""
    service, who = at
    if who.principal.kind == "svc":
        found = token_tree.read_token(service, who, who.principal.credential)
        return vault_answer(who, known_token(service, found, shown))
    session = authentication.own_session(service, who)
    return vault_answer(who, known_session(service, who.principal, session, shown))


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
    return vault_answer(who, known_token(service, found, given.body.token), warnings=given.warnings)


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
    return vault_answer(who, known_token(service, found), warnings=given.warnings)


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
@operation(_RESOURCE, "token.end", "token.revoke", "session.self")
def auth_token_revoke_self(at: Authenticated) -> Response:
    """End the caller's own token, and all below it; a person's session, which is signing out."""
    service, who = at
    if who.principal.kind == "user":
        authentication.sign_out(service, who)
        return Response(status_code=204)
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
    auth = new_token(service, renewed, shown or given.body.token)
    return vault_answer(who, None, warnings=given.warnings, auth=auth)


def _create(at: tuple[Service, Caller], given: Given[CreateBody], *, orphan: bool) -> Response:
    service, who = at
    asked = given.body
    if asked.id:
        raise InvalidInput("id: the text of a token is always made here")
    if asked.type not in _TYPES:
        raise InvalidInput("type: only service tokens are offered")
    wanted = NewChild(
        display_name=f"token-{asked.display_name}" if asked.display_name else "token",
        ttl=seconds_of(asked.ttl or asked.lease, "ttl"),
        period=seconds_of(asked.period, "period"),
        latest=seconds_of(asked.explicit_max_ttl, "explicit_max_ttl"),
        uses=asked.num_uses,
        renewable=asked.renewable,
        meta=asked.meta,
        orphan=orphan,
    )
    # One text is one name, as in the peer: commas do not part names here.
    names = [asked.policies] if isinstance(asked.policies, str) else asked.policies
    made = token_tree.create_child(service, who, wanted, names, no_default=asked.no_default_policy)
    asked_for = wanted.period or wanted.ttl
    warnings = list(given.warnings)
    if asked_for and made.token.expires_at - made.token.created_at < asked_for * MICROS:
        warnings.append("the token ends earlier than asked: with its parent, or at its own maximum")
    auth = new_token(service, made.token, made.text.text())
    return vault_answer(who, None, warnings=warnings, auth=auth)


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
