"""Service accounts and their tokens over HTTP, for those who administer them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Depends, Path
from pydantic import BaseModel, ConfigDict, Field

from secvault.api.caller import caller
from secvault.api.declared import operation
from secvault.api.problem import problem_responses
from secvault.clock import timestamp
from secvault.identity.service_accounts import ServiceAccount
from secvault.identity.tokens import Token
from secvault.service import Service, systems
from secvault.service.spine import Caller

router = APIRouter()
native = APIRouter(prefix="/api/v1", tags=["systems"], responses=problem_responses())

Authenticated = Annotated[tuple[Service, Caller], Depends(caller)]


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


class AccountAnswer(BaseModel):
    """A calling system."""

    id: str
    name: str
    department: str
    owner: str
    state: str
    created_at: str


class AccountList(BaseModel):
    """All calling systems."""

    systems: list[AccountAnswer]


class TokenAnswer(BaseModel):
    """A token without its secret."""

    key_id: str
    account: str
    display_name: str
    created_at: str
    expires_at: str
    last_used_at: str | None
    revoked_at: str | None
    narrowed: bool


class TokenList(BaseModel):
    """All tokens."""

    tokens: list[TokenAnswer]


class IssuedToken(TokenAnswer):
    """A new token; `token` is shown once."""

    token: str


@native.get("/systems")
@operation("it/service-accounts", "service_account.read")
def system_list(at: Authenticated) -> AccountList:
    """All calling systems."""
    service, who = at
    return AccountList(systems=[_account(one) for one in systems.list_accounts(service, who)])


@native.post("/systems", status_code=201)
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


@native.post("/systems/{account}/disable", status_code=204)
@operation("it/service-accounts/{account}", "service_account.disable")
def system_disable(
    at: Authenticated, account: Annotated[str, Path(min_length=1, max_length=64)]
) -> None:
    """Shut a calling system out and revoke its tokens."""
    service, who = at
    systems.disable_account(service, who, account)


@native.get("/tokens")
@operation("it/tokens", "token.read")
def token_list(at: Authenticated) -> TokenList:
    """All tokens of all systems, without their secrets."""
    service, who = at
    return TokenList(tokens=[_token(one) for one in systems.list_tokens(service, who)])


@native.post("/tokens", status_code=201)
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
    )
    return IssuedToken(**_token(issued.token).model_dump(), token=issued.text.text())


@native.delete("/tokens/{key_id}", status_code=204)
@operation("it/tokens/{key_id}", "token.revoke")
def token_revoke(
    at: Authenticated, key_id: Annotated[str, Path(pattern="^[A-Za-z0-9]{10}$")]
) -> None:
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


def _token(token: Token) -> TokenAnswer:
    return TokenAnswer(
        key_id=token.key_id,
        account=token.account,
        display_name=token.display_name,
        created_at=timestamp(token.created_at),
        expires_at=timestamp(token.expires_at),
        last_used_at=_time(token.last_used_at),
        revoked_at=_time(token.revoked_at),
        narrowed=bool(token.layers),
    )


def _time(micros: int | None) -> str | None:
    return None if micros is None else timestamp(micros)


router.include_router(native)
