"""`auth/approle/`: the secret ids of AppRoles, and the log-in of systems by them."""

from __future__ import annotations

import json
from typing import Annotated, Any

import msgspec
from fastapi import Depends, Request
from fastapi.responses import Response

from secvault.api import token_answers
from secvault.api.approle import PREFIX, Role
from secvault.api.caller import address_of, refuse_wrapping, service_of, vault_caller
from secvault.api.declared import open_to_all, operation
from secvault.api.routing import Routes
from secvault.api.vault import (
    body_of,
    lists,
    read_body,
    seconds_of,
    texts_of,
    vault_answer,
    vault_envelope,
    vault_responses,
    writes,
)
from secvault.clock import timestamp
from secvault.crypto.secret import Secret
from secvault.errors import InvalidInput, NotFound
from secvault.identity.approle_log_in import LogInRefused, Presented
from secvault.identity.networks import read_networks
from secvault.identity.secret_ids import NewSecretId, NoSecretId, SecretId
from secvault.service import Service, approles
from secvault.service.spine import Caller

router = Routes(prefix=PREFIX, tags=["transit"], responses=vault_responses())

Authenticated = Annotated[tuple[Service, Caller], Depends(vault_caller)]
Body = Annotated[bytes, Depends(body_of)]

_ROLE = "/role/{role}"
_RESOURCE = "it/approles/{role}"
_BAD_META = "failed to parse metadata: failed to parse the input: invalid <key,value> format"


_NONE: dict[int | str, dict[str, Any]] = {204: {"description": "There is no such secret id."}}


class SecretIdBody(msgspec.Struct):
    """A secret id to be made. metadata: JSON of texts, or a=b,c=d; secret_id: one that was drawn
    elsewhere, on the path for it.
    """

    secret_id: str = ""
    metadata: str = ""
    cidr_list: list[str] | str | None = None
    token_bound_cidrs: list[str] | str | None = None
    num_uses: int | None = None
    ttl: str | int | None = None


class WhichBody(msgspec.Struct):
    """Which secret id: its text, or where a path says so its accessor."""

    secret_id: str = ""
    secret_id_accessor: str = ""


class LogInBody(msgspec.Struct):
    """What a system shows."""

    role_id: str = ""
    secret_id: str = ""


@writes(router, "/login", LogInBody)
@open_to_all("signing in is how a system becomes somebody")
def approle_login(request: Request, body: Body) -> Response:
    """A token for a role id and one of its secret ids."""
    service = service_of(request)
    refuse_wrapping(request)
    given = read_body(body, LogInBody)
    asked = given.body
    if not asked.role_id:
        raise InvalidInput("missing role_id")
    secret = Secret.of(asked.secret_id) if asked.secret_id else None
    presented = Presented(asked.role_id, secret, address_of(request))
    request_id = request.state.request_id
    try:
        done = approles.log_in(service, presented, request_id)
    except LogInRefused as refusal:
        # Alike for every role id, so that it does not tell which there are.
        raise InvalidInput(refusal.detail if secret else "missing secret_id") from None
    token = done.issued.token
    auth = token_answers.new_token(service, token, done.issued.text.text())
    return vault_envelope(request_id, None, warnings=given.warnings, auth=auth)


@lists(router, f"{_ROLE}/secret-id")
@operation(_RESOURCE, "secret_id.list")
def secret_id_list(at: Authenticated, role: Role) -> Response:
    """The accessors of the living secret ids."""
    service, who = at
    found = approles.list_secret_ids(service, who, role)
    if not found:
        raise NotFound("the role has no secret id")
    return vault_answer(who, {"keys": [each.accessor for each in found]})


@writes(router, f"{_ROLE}/secret-id", SecretIdBody)
@operation(_RESOURCE, "secret_id.create")
def secret_id_create(at: Authenticated, role: Role, body: Body) -> Response:
    """Make a secret id; it is shown this once."""
    given = read_body(body, SecretIdBody)
    return _create(at, role, given.body, None, given.warnings)


@writes(router, f"{_ROLE}/custom-secret-id", SecretIdBody)
@operation(_RESOURCE, "secret_id.create")
def secret_id_adopt(at: Authenticated, role: Role, body: Body) -> Response:
    """Take a secret id that was drawn elsewhere; one that is easy to guess is refused."""
    given = read_body(body, SecretIdBody)
    if not given.body.secret_id:
        raise InvalidInput("missing secret_id")
    return _create(at, role, given.body, Secret.of(given.body.secret_id), given.warnings)


@writes(router, f"{_ROLE}/secret-id/lookup", WhichBody, responses=_NONE)
@operation(_RESOURCE, "secret_id.read")
def secret_id_lookup(at: Authenticated, role: Role, body: Body) -> Response:
    """What is known of the secret id with this text; 204 when there is none, as in the peer."""
    service, who = at
    text = _text(read_body(body, WhichBody).body)
    try:
        found = approles.read_secret_id(service, who, role, text=text)
    except NoSecretId:
        return Response(status_code=204)
    return vault_answer(who, _shown(found))


@writes(router, f"{_ROLE}/secret-id/destroy", WhichBody, status_code=204)
@router.delete(f"{_ROLE}/secret-id/destroy", status_code=204, include_in_schema=False)
@operation(_RESOURCE, "secret_id.destroy")
def secret_id_destroy(at: Authenticated, role: Role, body: Body) -> Response:
    """End the secret id with this text, and the tokens that it made."""
    service, who = at
    text = _text(read_body(body, WhichBody).body)
    try:
        approles.destroy_secret_id(service, who, role, text=text)
    except NoSecretId:
        return Response(status_code=204)
    return Response(status_code=204)


@writes(router, f"{_ROLE}/secret-id-accessor/lookup", WhichBody)
@operation(_RESOURCE, "secret_id.read")
def secret_id_lookup_accessor(at: Authenticated, role: Role, body: Body) -> Response:
    """What is known of the secret id with this accessor."""
    service, who = at
    accessor = _accessor(read_body(body, WhichBody).body)
    return vault_answer(who, _shown(approles.read_secret_id(service, who, role, accessor=accessor)))


@writes(router, f"{_ROLE}/secret-id-accessor/destroy", WhichBody, status_code=204)
@router.delete(f"{_ROLE}/secret-id-accessor/destroy", status_code=204, include_in_schema=False)
@operation(_RESOURCE, "secret_id.destroy")
def secret_id_destroy_accessor(at: Authenticated, role: Role, body: Body) -> Response:
    """End the secret id with this accessor, and the tokens that it made."""
    service, who = at
    accessor = _accessor(read_body(body, WhichBody).body)
    approles.destroy_secret_id(service, who, role, accessor=accessor)
    return Response(status_code=204)


@writes(router, "/tidy/secret-id", status_code=202)
@operation("it/approles", "secret_id.destroy")
def secret_id_tidy(at: Authenticated) -> Response:
    """Remove the secret ids that have ended; they are of no use before that, either."""
    service, who = at
    gone = approles.tidy(service, who)
    return vault_answer(who, None, status=202, warnings=[f"secret ids removed: {gone}"])


def _create(
    at: tuple[Service, Caller],
    role: str,
    asked: SecretIdBody,
    text: Secret | None,
    warnings: tuple[str, ...],
) -> Response:
    service, who = at
    wanted = NewSecretId(
        text=text,
        ttl=None if asked.ttl is None else seconds_of(asked.ttl, "ttl"),
        uses=asked.num_uses,
        meta=_meta(asked.metadata),
        cidr_list=read_networks(texts_of(asked.cidr_list), "cidr_list"),
        token_bound_cidrs=read_networks(texts_of(asked.token_bound_cidrs), "token_bound_cidrs"),
    )
    made = approles.create_secret_id(service, who, role, wanted)
    shown = {
        "secret_id": made.text.text(),
        "secret_id_accessor": made.known.accessor,
        "secret_id_num_uses": made.known.uses_left or 0,
        "secret_id_ttl": made.known.ttl,
    }
    return vault_answer(who, shown, warnings=warnings)


def _meta(text: str) -> dict[str, str]:
    if not text:
        return {}
    if text.lstrip().startswith("{"):
        try:
            return msgspec.json.decode(text, type=dict[str, str])
        except (msgspec.MsgspecError, RecursionError):
            raise InvalidInput(_BAD_META) from None
    pairs = [pair.partition("=") for pair in text.split(",")]
    if not all(equals and key.strip() for key, equals, _ in pairs):
        raise InvalidInput(_BAD_META)
    return {key.strip(): value.strip() for key, _, value in pairs}


def _text(asked: WhichBody) -> Secret:
    if not asked.secret_id:
        raise InvalidInput("missing secret_id")
    return Secret.of(asked.secret_id)


def _accessor(asked: WhichBody) -> str:
    if not asked.secret_id_accessor:
        raise InvalidInput("missing secret_id_accessor")
    return asked.secret_id_accessor


def _shown(found: SecretId) -> dict[str, Any]:
    return {
        "cidr_list": list(found.cidr_list),
        "creation_time": timestamp(found.created_at),
        "expiration_time": timestamp(found.expires_at),
        "last_updated_time": timestamp(found.updated_at),
        "metadata": json.loads(found.meta),
        "secret_id_accessor": found.accessor,
        "secret_id_num_uses": found.uses_left or 0,
        "secret_id_ttl": found.ttl,
        "token_bound_cidrs": list(found.token_bound_cidrs),
    }
