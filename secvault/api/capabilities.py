"""What a credential may do with a path, in the peer's words, by the routes' own declarations."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from fastapi import Depends, Request
from fastapi.responses import Response
from fastapi.routing import iter_route_contexts
from starlette.routing import compile_path

from secvault.access.vocabulary import ACTIONS
from secvault.api.caller import vault_caller
from secvault.api.declared import Declaration, declaration_of, operation
from secvault.api.routing import Routes
from secvault.api.vault import body_of, read_body, vault_answer, vault_responses, writes
from secvault.errors import InvalidInput, NotAuthenticated, NotFound, SecvaultError
from secvault.service import Service, token_tree, transit
from secvault.service.spine import Caller, Operation

router = Routes(prefix="/v1/sys", tags=["transit"], responses=vault_responses())

Authenticated = Annotated[tuple[Service, Caller], Depends(vault_caller)]
Body = Annotated[bytes, Depends(body_of)]

MOST_PATHS = 100
_ORDER = ("create", "delete", "list", "read", "update")
_OF_METHOD: Mapping[str, str] = {"GET": "read", "LIST": "list", "DELETE": "delete"}


class PathsBody(msgspec.Struct):
    """The paths that are asked about, without `/v1/`. path: the older name of it."""

    paths: list[str] | str = []
    path: list[str] | str = []


@dataclass(frozen=True)
class _Route:
    pattern: re.Pattern[str]
    methods: frozenset[str]
    declared: Declaration


class TokenPathsBody(PathsBody):
    """The same of a token, by its text or its accessor."""

    token: str = ""
    accessor: str = ""


@writes(router, "/capabilities-self", PathsBody)
# It asks about every action, and does none of them.
@operation("it/session", "session.self", *sorted(ACTIONS))
def capabilities_self(request: Request, at: Authenticated, body: Body) -> Response:
    """What the caller may do with each path; `deny` where nothing."""
    service, who = at
    given = read_body(body, PathsBody)
    shown = _shown(request, service, who, _paths(given.body))
    transit.note_own_capabilities(service, who, len(shown))
    return vault_answer(who, shown, warnings=given.warnings, doubled=True)


@writes(router, "/capabilities", TokenPathsBody)
@operation("it/tokens/{key_id}", "session.self", *sorted(ACTIONS))
def capabilities_of_token(request: Request, at: Authenticated, body: Body) -> Response:
    """What the bearer of a token may do with each path: the caller's own, one below it, or any
    for those who administer tokens.
    """
    service, who = at
    given = read_body(body, TokenPathsBody)
    asked = _paths(given.body)
    if not given.body.token:
        raise InvalidInput("no token found")
    try:
        key_id = token_tree.key_id_of(service, given.body.token)
        other = token_tree.standing_for(service, who, key_id)
    except (NotAuthenticated, NotFound):
        raise InvalidInput("invalid token") from None
    shown = _shown(request, service, other, asked)
    return vault_answer(who, shown, warnings=given.warnings, doubled=True)


@writes(router, "/capabilities-accessor", TokenPathsBody)
@operation("it/tokens/{key_id}", "session.self", *sorted(ACTIONS))
def capabilities_of_accessor(request: Request, at: Authenticated, body: Body) -> Response:
    """The same by the accessor."""
    service, who = at
    given = read_body(body, TokenPathsBody)
    asked = _paths(given.body)
    if not given.body.accessor:
        raise InvalidInput("missing accessor")
    try:
        other = token_tree.standing_for(service, who, given.body.accessor)
    except NotFound:
        raise InvalidInput("invalid accessor") from None
    shown = _shown(request, service, other, asked)
    return vault_answer(who, shown, warnings=given.warnings, doubled=True)


def _shown(request: Request, service: Service, who: Caller, asked: list[str]) -> dict[str, Any]:
    routes = tuple(_routes(request))
    shown: dict[str, Any] = {path: _capabilities(service, who, routes, path) for path in asked}
    # The peer repeats it under this name where it was asked about one path.
    if len(asked) == 1:
        shown["capabilities"] = shown[asked[0]]
    return shown


def _paths(body: PathsBody) -> list[str]:
    given = body.paths or body.path
    paths = [given] if isinstance(given, str) else given
    if not paths:
        raise InvalidInput("paths must be supplied")
    if len(paths) > MOST_PATHS:
        raise InvalidInput(f"paths: ask for {MOST_PATHS} at most")
    return paths


def _routes(request: Request) -> Iterator[_Route]:
    for route in iter_route_contexts(request.app.routes):
        declared = declaration_of(route.endpoint)
        if declared is not None and route.path and route.path.startswith("/v1/"):
            pattern, _, _ = compile_path(route.path)
            yield _Route(pattern, frozenset(route.methods or ()), declared)


def _capabilities(
    service: Service, who: Caller, routes: tuple[_Route, ...], path: str
) -> list[str]:
    found: set[str] = set()
    for method in ("GET", "LIST", "DELETE", "POST"):
        # The first that matches is the one that would answer.
        for route in routes:
            place = route.pattern.match(f"/v1/{path.strip('/')}")
            if place is not None and method in route.methods:
                found |= set(_allowed(service, who, route, method, place.groupdict()))
                break
    return [name for name in _ORDER if name in found] or ["deny"]


def _allowed(
    service: Service, who: Caller, route: _Route, method: str, place: dict[str, str]
) -> Iterator[str]:
    if route.declared.open_because:
        yield _OF_METHOD.get(method, "update")
        return
    # In the order in which the route declares them: the first is always asked for.
    actions = route.declared.ordered
    allowed = [action for action in actions if _may(service, who, action, place)]
    if method in _OF_METHOD:
        if actions[0] in allowed:
            # Some lists can also be had by GET.
            yield "list" if actions[0].endswith(".list") else _OF_METHOD[method]
        return
    if actions[0] in allowed:
        yield "update"
    if actions[-1] in allowed:
        yield "create"


def _may(service: Service, who: Caller, action: str, place: dict[str, str]) -> bool:
    try:
        if "mount" in place:
            asked = transit.operation_on(service, action, place["mount"], place.get("name", "*"))
        elif action.startswith("mount.") and "path" in place:
            asked = transit.operation_on_mount(service, action, place["path"].rstrip("/"))
        else:
            asked = Operation(action, "it", ACTIONS[action], "it/session")
    except SecvaultError:
        # There is no such mount, or there can be no such key.
        return False
    return service.spine.ask(who, asked).allowed
