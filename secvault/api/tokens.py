"""Service accounts and their tokens over HTTP, for those who administer them."""

from __future__ import annotations

from typing import Annotated

from fastapi import Body, Depends, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from secvault.access.scope import scope, words_of
from secvault.api.caller import caller
from secvault.api.declared import operation
from secvault.api.problem import problem_responses
from secvault.api.routing import Routes
from secvault.clock import timestamp
from secvault.identity.networks import read_networks
from secvault.identity.service_accounts import ServiceAccount
from secvault.identity.token_rotation import MOST_HOURS
from secvault.identity.tokens import Token
from secvault.service import Service, systems, token_life
from secvault.service.spine import Caller
from secvault.service.systems import ListedSystem

router = Routes(prefix="/api/v1", tags=["systems"], responses=problem_responses())

Authenticated = Annotated[tuple[Service, Caller], Depends(caller)]
KeyId = Annotated[str, Path(pattern="^[A-Za-z0-9]{10}$")]


class _Given(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class NewAccount(_Given):
    """A calling system."""

    name: str = Field(max_length=200)
    department: str = Field(max_length=63)
    owner: str = Field(max_length=200, description="Sign-in name or id of the person in charge.")
    roles: list[str] = Field(default=[], max_length=20)


class NewToken(_Given):
    """A token to issue."""

    account: str = Field(max_length=200)
    display_name: str = Field(max_length=200)
    days: int | None = Field(None, ge=1, le=365)
    roles: list[str] = Field(
        default=[], max_length=20, description="What the token is narrowed to; else all."
    )
    actions: list[str] = Field(
        default=[], max_length=32, description="Limit it to these; else all."
    )
    departments: list[str] = Field(default=[], max_length=32)
    objects: list[str] = Field(default=[], max_length=32, examples=[["transit/payroll"]])
    networks: list[str] = Field(
        default=[],
        max_length=64,
        description="Where alone it may be used from, CIDR blocks; else everywhere.",
        examples=[["10.1.0.0/16", "2001:db8::/32"]],
    )


class NewOwner(_Given):
    """Who is to answer for a calling system."""

    owner: str = Field(max_length=200, description="Sign-in name or id of an active person.")


class Rotation(_Given):
    """How a token is rotated."""

    overlap_hours: int | None = Field(
        None, ge=0, le=MOST_HOURS, description="How long the old one is valid; 24 unless stated."
    )
    days: int | None = Field(None, ge=1, le=365, description="Of the new one.")


class AccountAnswer(BaseModel):
    """A calling system. A system whose owner is not active gets no tokens until handed over."""

    id: str
    name: str
    department: str
    owner: str
    state: str
    created_at: str


class ListedAccount(AccountAnswer):
    """A calling system with who answers for it."""

    owner_name: str
    owner_active: bool


class AccountList(BaseModel):
    """All calling systems."""

    systems: list[ListedAccount]


class TokenAnswer(BaseModel):
    """A token without its secret."""

    key_id: str
    account: str
    display_name: str
    created_at: str
    expires_at: str
    last_used_at: str | None = Field(description="Within five minutes.")
    last_used_network: str | None
    revoked_at: str | None
    narrowed: bool
    scope: list[str]
    networks: list[str]
    replaces: str | None
    replaced_by: str | None


class TokenList(BaseModel):
    """Tokens."""

    tokens: list[TokenAnswer]


class IssuedToken(TokenAnswer):
    """A new token; `token` is shown once."""

    token: str


class RotatedToken(IssuedToken):
    """The new token. `ended`: key id of one from before the last rotation, which ended now."""

    former_expires_at: str
    ended: str | None


@router.get("/systems")
@operation("it/service-accounts", "service_account.read")
def system_list(at: Authenticated) -> AccountList:
    """All calling systems."""
    service, who = at
    return AccountList(systems=[_listed(one) for one in systems.list_accounts(service, who)])


@router.post("/systems", status_code=201)
@operation("it/service-accounts", "service_account.create", "grant.add")
def system_create(at: Authenticated, new: Annotated[NewAccount, Body()]) -> AccountAnswer:
    """Make a service account for a calling system, with its roles."""
    service, who = at
    made = systems.create_account(
        service,
        who,
        name=new.name,
        department=new.department,
        owner=new.owner,
        roles=tuple(new.roles),
    )
    return _account(made)


@router.post("/systems/{account}/disable", status_code=204)
@operation("it/service-accounts/{account}", "service_account.disable")
def system_disable(
    at: Authenticated, account: Annotated[str, Path(min_length=1, max_length=64)]
) -> None:
    """Shut a calling system out and revoke its tokens."""
    service, who = at
    systems.disable_account(service, who, account)


@router.patch("/systems/{account}")
@operation("it/service-accounts/{account}", "service_account.update")
def system_hand_over(
    at: Authenticated,
    account: Annotated[str, Path(min_length=1, max_length=64)],
    new: Annotated[NewOwner, Body()],
) -> ListedAccount:
    """Let another person answer for a calling system."""
    service, who = at
    return _listed(systems.hand_over(service, who, account, new.owner))


@router.get("/tokens")
@operation("it/tokens", "token.read")
def token_list(at: Authenticated) -> TokenList:
    """All tokens of all systems, without their secrets."""
    service, who = at
    return TokenList(tokens=[_token(one) for one in systems.list_tokens(service, who)])


@router.post("/tokens", status_code=201)
@operation("it/tokens", "token.issue")
def token_issue(at: Authenticated, new: Annotated[NewToken, Body()]) -> IssuedToken:
    """Issue a token; it is shown once."""
    service, who = at
    issued = systems.issue_token(
        service,
        who,
        account=new.account,
        display_name=new.display_name,
        days=new.days,
        roles=tuple(new.roles),
        scope=scope(new.actions, new.departments, new.objects),
        networks=read_networks(new.networks, "networks"),
    )
    return IssuedToken(**_token(issued.token).model_dump(), token=issued.text.text())


@router.get("/tokens/expiring")
@operation("it/tokens", "token.read")
def token_expiring(at: Authenticated, days: Annotated[int, Query(ge=1, le=365)] = 30) -> TokenList:
    """The issued tokens that end within so many days, soonest first."""
    service, who = at
    return TokenList(tokens=[_token(one) for one in token_life.expiring_tokens(service, who, days)])


@router.post("/tokens/{key_id}/rotation", status_code=201)
@operation("it/tokens/{key_id}", "token.rotate")
def token_rotate(
    at: Authenticated, key_id: KeyId, how: Annotated[Rotation, Body()]
) -> RotatedToken:
    """Issue the token that replaces this one, which stays valid for the overlap."""
    service, who = at
    done = token_life.rotate_token(service, who, key_id, hours=how.overlap_hours, days=how.days)
    return RotatedToken(
        **_token(done.issued.token).model_dump(),
        token=done.issued.text.text(),
        former_expires_at=timestamp(done.former.expires_at),
        ended=done.ended,
    )


@router.delete("/tokens/{key_id}", status_code=204)
@operation("it/tokens/{key_id}", "token.revoke")
def token_revoke(at: Authenticated, key_id: KeyId) -> None:
    """End a token for ever."""
    service, who = at
    systems.revoke_token(service, who, key_id)


def _account(account: ServiceAccount) -> AccountAnswer:
    return AccountAnswer(
        id=account.id,
        name=account.name,
        department=account.department,
        owner=account.owner,
        state=account.state,
        created_at=timestamp(account.created_at),
    )


def _listed(system: ListedSystem) -> ListedAccount:
    return ListedAccount(
        **_account(system).model_dump(),
        owner_name=system.owner_name,
        owner_active=system.owner_active,
    )


def _token(token: Token) -> TokenAnswer:
    return TokenAnswer(
        key_id=token.key_id,
        account=token.account,
        display_name=token.display_name,
        created_at=timestamp(token.created_at),
        expires_at=timestamp(token.expires_at),
        last_used_at=_time(token.last_used_at),
        last_used_network=token.last_used_network or None,
        revoked_at=_time(token.revoked_at),
        narrowed=bool(token.layers),
        scope=list(words_of(token.layers)),
        networks=list(token.networks),
        replaces=token.replaces,
        replaced_by=token.replaced_by,
    )


def _time(micros: int | None) -> str | None:
    return None if micros is None else timestamp(micros)
