"""Paths of the peer that are refused on purpose, each with its reason (docs/reference)."""

from __future__ import annotations

from fastapi import Depends
from fastapi.responses import Response

from secvault.api.caller import vault_caller
from secvault.api.declared import operation
from secvault.api.routing import Routes
from secvault.errors import InvalidInput, NotFound

# Whoever is not known learns nothing, not even what is not there.
router = Routes(
    prefix="/v1", dependencies=[Depends(vault_caller)], include_in_schema=False, tags=["transit"]
)

_WRITING = ["POST", "PUT"]
_ROLES = (
    "there are no token roles: a token never has more than the one that makes it, so name policies "
    "on create, or make an AppRole"
)


@router.route("/auth/token/roles", ["GET", "LIST"])
@router.route("/auth/token/roles/{role}", ["GET", "DELETE"])
@operation("it/tokens", "session.self")
def token_role_read() -> Response:
    """There is none to be read."""
    raise NotFound(_ROLES)


@router.route("/auth/token/roles/{role}", _WRITING)
@router.route("/auth/token/create/{role}", _WRITING)
@operation("it/tokens", "session.self")
def token_role_write() -> Response:
    """None is made, and none is used."""
    raise InvalidInput(f"unknown role: {_ROLES}")


@router.route("/auth/token/tidy", _WRITING)
@operation("it/tokens", "session.self")
def token_tidy() -> Response:
    """Nothing is ever left over."""
    raise InvalidInput(
        "there is nothing to tidy: a token and what hangs on it change in one transaction, and "
        "ended tokens are kept to be shown"
    )


@router.route("/auth/token/revoke-orphan", _WRITING)
@operation("it/tokens", "session.self")
def token_revoke_orphan() -> Response:
    """No child is left without its parent."""
    raise InvalidInput("no token outlives the one that made it: use revoke, which ends all below")


@router.route("/sys/auth/{path:path}", [*_WRITING, "DELETE"])
@operation("it/auth", "session.self")
def auth_method_change() -> Response:
    """The ways to sign in stay as they are."""
    raise InvalidInput(
        "the ways to sign in (approle, token, userpass) are built in; none is added or removed"
    )
