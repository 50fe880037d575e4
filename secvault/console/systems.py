"""Calling systems: who answers for each, its tokens, and making, changing and ending them.

A token is shown once, on the answer of the form that made it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import quote

from fastapi import Path, Request
from starlette.responses import Response

from secvault.api.declared import operation
from secvault.api.routing import Routes
from secvault.console.page import page
from secvault.console.visitor import Visiting, Visitor
from secvault.errors import NotFound
from secvault.identity.tokens import Token
from secvault.service import held_grants, systems
from secvault.service.held_grants import HeldGrant
from secvault.service.spine import Operation
from secvault.service.systems import ListedSystem

router = Routes(include_in_schema=False)

PATH = "/systems"
READ = Operation("service_account.read", "it", "service-accounts", "it/service-accounts")
CREATE = Operation("service_account.create", "it", "service-accounts", "it/service-accounts")
READ_TOKENS = Operation("token.read", "it", "tokens", "it/tokens")
SOON = 14 * 86_400 * 1_000_000

_OF_ACCOUNTS = ("service_account.update", "service_account.disable")
_OF_TOKENS = ("token.issue", "token.rotate", "token.revoke")

SystemName = Annotated[str, Path(min_length=1, max_length=64)]


@dataclass(frozen=True)
class Row:
    """A system in the list. tokens: those that work; None where the visitor may not know.

    next_end: when the first of them ends.
    """

    system: ListedSystem
    tokens: int | None
    next_end: int | None


@dataclass(frozen=True)
class About:
    """A system as the visitor may know it; None for what they may not. acts: what they may do."""

    system: ListedSystem
    tokens: tuple[Token, ...] | None
    replaced: Mapping[str, str]
    grants: tuple[HeldGrant, ...] | None
    acts: frozenset[str]


@router.get(PATH)
@operation("it/service-accounts", "service_account.read", "service_account.create", "token.read")
def system_list(request: Request, at: Visiting) -> Response:
    """All calling systems, with who answers for them and when their tokens end."""
    found = systems.list_accounts(at.service, at.caller)
    now = at.service.clock.micros()
    working: dict[str, list[Token]] | None = None
    if at.may(READ_TOKENS):
        working = {}
        for token in systems.list_tokens(at.service, at.caller):
            if token.live(now):
                working.setdefault(token.account, []).append(token)
    return page(
        request,
        "systems/list.html",
        visitor=at,
        rows=[_row(one, working) for one in found],
        may_create=at.could(CREATE),
        now=now,
        soon=now + SOON,
    )


@router.get(f"{PATH}/{{system}}")
@operation(
    "it/service-accounts",
    "service_account.read",
    "token.read",
    "grant.read",
    *_OF_ACCOUNTS,
    *_OF_TOKENS,
)
def system_page(request: Request, at: Visiting, system: SystemName) -> Response:
    """One calling system: its tokens by key id, its roles, and what can be done about it."""
    return shown(request, at, system)


def shown(
    request: Request, at: Visitor, system: str, status: int = 200, **values: object
) -> Response:
    """The page of a system. values: what a form repeats that was not taken."""
    now = at.service.clock.micros()
    return page(
        request,
        "systems/system.html",
        status,
        visitor=at,
        about=_about(at, system),
        now=now,
        soon=now + SOON,
        usual_days=at.service.settings.identity.token_days,
        most_days=at.service.settings.identity.token_most_days,
        **{"typed": {}, "fault": None, **values},
    )


def path_of(system: str) -> str:
    """The path of a system's page."""
    return f"{PATH}/{quote(system, safe='')}"


def _row(system: ListedSystem, working: Mapping[str, list[Token]] | None) -> Row:
    if working is None:
        return Row(system, None, None)
    own = working.get(system.id, [])
    return Row(system, len(own), min((one.expires_at for one in own), default=None))


def _about(at: Visitor, system: str) -> About:
    found = next(
        (
            one
            for one in systems.list_accounts(at.service, at.caller)
            if system in (one.name, one.id)
        ),
        None,
    )
    if found is None:
        raise NotFound(f"there is no service account {system!r}")
    tokens = None
    if at.may(READ_TOKENS):
        listed = systems.list_tokens(at.service, at.caller)
        tokens = tuple(one for one in reversed(listed) if one.account == found.id)
    wanted = (
        *(Operation(one, "it", "service-accounts", "it/service-accounts") for one in _OF_ACCOUNTS),
        *(Operation(one, "it", "tokens", "it/tokens") for one in _OF_TOKENS),
    )
    return About(
        found,
        tokens,
        {one.replaces: one.key_id for one in tokens or () if one.replaces},
        held_grants.grants_of(at.service, at.caller, found.subject)
        if at.may(held_grants.READ)
        else None,
        frozenset(one.action for one in wanted if at.could(one)),
    )
