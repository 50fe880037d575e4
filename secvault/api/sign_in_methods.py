"""`sys/auth`: the ways to sign in, which are built in."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any

from fastapi import Depends, Path
from fastapi.responses import Response

from secvault.api.caller import vault_caller
from secvault.api.declared import operation
from secvault.api.routing import Routes
from secvault.api.vault import vault_answer, vault_responses
from secvault.errors import InvalidInput
from secvault.service import Service, authentication
from secvault.service.spine import Caller

router = Routes(prefix="/v1/sys/auth", tags=["transit"], responses=vault_responses())

Authenticated = Annotated[tuple[Service, Caller], Depends(vault_caller)]
Method = Annotated[str, Path(pattern=r"^[A-Za-z0-9_./-]{1,128}$", examples=["approle"])]

METHODS: Mapping[str, str] = MappingProxyType(
    {
        "approle": "systems, by a role id and a secret id",
        "token": "token based credentials",
        "userpass": "people, by password and code",
    }
)
_RESOURCE = "it/auth"
# The peer's default, which clients show: every credential says its own.
_LEASE_SECONDS = 2_764_800


@router.get("")
@operation(_RESOURCE, "session.self")
def auth_list(at: Authenticated) -> Response:
    """The ways to sign in."""
    service, who = at
    authentication.whoami(service, who)
    return vault_answer(who, {f"{name}/": _shown(name) for name in METHODS}, doubled=True)


@router.get("/{path}/tune")
@operation(_RESOURCE, "session.self")
def auth_tuning(at: Authenticated, path: Method) -> Response:
    """What can be tuned of one of them in the peer; here nothing."""
    service, who = at
    authentication.whoami(service, who)
    name = _known(path)
    tuning = {
        "default_lease_ttl": _LEASE_SECONDS,
        "description": METHODS[name],
        "force_no_cache": False,
        "max_lease_ttl": _LEASE_SECONDS,
        "token_type": "default-service",
    }
    return vault_answer(who, tuning, doubled=True)


@router.get("/{path}")
@operation(_RESOURCE, "session.self")
def auth_read(at: Authenticated, path: Method) -> Response:
    """One of them."""
    service, who = at
    authentication.whoami(service, who)
    return vault_answer(who, _shown(_known(path)), doubled=True)


def _known(path: str) -> str:
    name = path.strip("/")
    if name not in METHODS:
        raise InvalidInput(f"No auth engine at {name}/")
    return name


def _shown(name: str) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "accessor": f"auth_{name}_builtin",
        "config": {
            "default_lease_ttl": 0,
            "force_no_cache": False,
            "max_lease_ttl": 0,
            "token_type": "default-service",
        },
        "deprecation_status": "supported",
        "description": METHODS[name],
        "external_entropy_access": False,
        "local": False,
        "options": {},
        "plugin_version": "",
        "running_plugin_version": "",
        "running_sha256": "",
        "seal_wrap": False,
        "type": name,
        "uuid": "",
    }
    if name == "token":
        shown["options"] = None
        del shown["deprecation_status"]
    return shown
