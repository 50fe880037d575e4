"""`auth/approle/role/`: AppRoles and their role ids; the settings are the peer's, and `system`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any

import msgspec
from fastapi import Depends, Path
from fastapi.responses import Response

from secvault.api.caller import vault_caller
from secvault.api.declared import operation
from secvault.api.routing import Routes
from secvault.api.vault import (
    body_of,
    lists,
    read_body,
    seconds_of,
    texts_of,
    vault_answer,
    vault_responses,
    writes,
)
from secvault.errors import InvalidInput, NotFound
from secvault.identity.approles import RoleSettings
from secvault.identity.networks import read_networks
from secvault.service import Service, approles
from secvault.service.approles import RoleView
from secvault.service.spine import Caller

PREFIX = "/v1/auth/approle"
router = Routes(prefix=PREFIX, tags=["transit"], responses=vault_responses())

Authenticated = Annotated[tuple[Service, Caller], Depends(vault_caller)]
Body = Annotated[bytes, Depends(body_of)]
Role = Annotated[str, Path(pattern=r"^[A-Za-z0-9_.-]{1,128}$", examples=["payroll-sync"])]

_RESOURCE = "it/approles/{role}"
_TYPES = ("", "default", "service", "default-service")


class RoleBody(msgspec.Struct):
    """The settings of an AppRole; what is left out stays as it is.

    system: name or id of the service account that it is for; else that of the role's own name.
    """

    system: str = ""
    policies: list[str] | str | None = None
    token_policies: list[str] | str | None = None
    token_no_default_policy: bool | None = None
    bind_secret_id: bool | None = None
    secret_id_bound_cidrs: list[str] | str | None = None
    token_bound_cidrs: list[str] | str | None = None
    secret_id_ttl: str | int | None = None
    secret_id_num_uses: int | None = None
    period: str | int | None = None
    token_period: str | int | None = None
    token_ttl: str | int | None = None
    token_max_ttl: str | int | None = None
    token_explicit_max_ttl: str | int | None = None
    token_num_uses: int | None = None
    token_type: str = ""
    token_strictly_bind_ip: bool = False
    local_secret_ids: bool = False


class RoleIdBody(msgspec.Struct):
    """The role id."""

    role_id: str = ""


@lists(router, "/role")
@operation("it/approles", "approle.list")
def approle_list(at: Authenticated) -> Response:
    """The names of the AppRoles."""
    service, who = at
    names = [each.role.name for each in approles.list_approles(service, who)]
    if not names:
        raise NotFound("there is no AppRole")
    return vault_answer(who, {"keys": names})


@writes(router, "/role/{role}", RoleBody, status_code=204)
@operation(_RESOURCE, "approle.write")
def approle_write(at: Authenticated, role: Role, body: Body) -> Response:
    """Make an AppRole, or change it. What its tokens are narrowed to shrinks living ones too."""
    service, who = at
    asked = read_body(body, RoleBody).body
    if asked.token_type == "batch":  # noqa: S105 - a kind of token
        raise InvalidInput("'token_type': batch tokens are not offered: they cannot be revoked")
    if asked.token_type not in _TYPES:
        raise InvalidInput(f"invalid 'token_type' value; use one of {', '.join(_TYPES[1:])}")
    if asked.token_strictly_bind_ip:
        raise InvalidInput("'token_strictly_bind_ip' is not offered: name networks instead")
    if asked.local_secret_ids:
        raise InvalidInput("'local_secret_ids' is not offered: there is one store")
    approles.write_approle(service, who, role, _changing(asked), asked.system)
    return Response(status_code=204)


@router.get("/role/{role}")
@operation(_RESOURCE, "approle.read")
def approle_read(at: Authenticated, role: Role) -> Response:
    """One AppRole."""
    service, who = at
    return vault_answer(who, _shown(approles.read_approle(service, who, role)))


@router.delete("/role/{role}", status_code=204)
@operation(_RESOURCE, "approle.delete")
def approle_delete(at: Authenticated, role: Role) -> Response:
    """Remove an AppRole, and end its secret ids and tokens."""
    service, who = at
    try:
        approles.delete_approle(service, who, role)
    except NotFound:
        # As the peer: it is gone.
        return Response(status_code=204)
    return Response(status_code=204)


@router.get("/role/{role}/role-id")
@operation(_RESOURCE, "approle.read")
def approle_role_id(at: Authenticated, role: Role) -> Response:
    """The role id, which a system shows beside its secret id."""
    service, who = at
    found = approles.read_approle(service, who, role)
    return vault_answer(who, {"role_id": found.role.role_id})


@writes(router, "/role/{role}/role-id", RoleIdBody, status_code=204)
@operation(_RESOURCE, "approle.write")
def approle_set_role_id(at: Authenticated, role: Role, body: Body) -> Response:
    """Replace the role id."""
    service, who = at
    wanted = read_body(body, RoleIdBody).body.role_id
    if not wanted:
        raise InvalidInput("missing role_id")
    approles.set_role_id(service, who, role, wanted)
    return Response(status_code=204)


def _changing(asked: RoleBody) -> Callable[[RoleSettings], RoleSettings]:
    given: dict[str, Any] = {
        "no_default_policy": asked.token_no_default_policy,
        "bind_secret_id": asked.bind_secret_id,
        "secret_id_num_uses": asked.secret_id_num_uses,
        "token_num_uses": asked.token_num_uses,
    }
    policies = asked.policies if asked.token_policies is None else asked.token_policies
    if policies is not None:
        given["policies"] = tuple(texts_of(policies))
    period = asked.period if asked.token_period is None else asked.token_period
    for field, value in (
        ("secret_id_ttl", asked.secret_id_ttl),
        ("token_ttl", asked.token_ttl),
        ("token_max_ttl", asked.token_max_ttl),
        ("token_explicit_max_ttl", asked.token_explicit_max_ttl),
        ("token_period", period),
    ):
        given[field] = None if value is None else seconds_of(value, field)
    for field, blocks in (
        ("secret_id_bound_cidrs", asked.secret_id_bound_cidrs),
        ("token_bound_cidrs", asked.token_bound_cidrs),
    ):
        given[field] = None if blocks is None else read_networks(texts_of(blocks), field)
    changes = {field: value for field, value in given.items() if value is not None}
    return lambda present: replace(present, **changes)


def _shown(view: RoleView) -> dict[str, Any]:
    settings = view.role.settings
    return {
        "bind_secret_id": settings.bind_secret_id,
        "local_secret_ids": False,
        "secret_id_bound_cidrs": list(settings.secret_id_bound_cidrs) or None,
        "secret_id_num_uses": settings.secret_id_num_uses,
        "secret_id_ttl": settings.secret_id_ttl,
        "system": view.system,
        "token_bound_cidrs": list(settings.token_bound_cidrs),
        "token_explicit_max_ttl": settings.token_explicit_max_ttl,
        "token_max_ttl": settings.token_max_ttl,
        "token_no_default_policy": settings.no_default_policy,
        "token_num_uses": settings.token_num_uses,
        "token_period": settings.token_period,
        "token_policies": list(settings.policies),
        "token_strictly_bind_ip": False,
        "token_ttl": settings.token_ttl,
        "token_type": "default",
    }
