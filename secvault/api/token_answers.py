"""How credentials are shown on the Vault-compatible paths: new ones, and what is known of them.

The accessor of a token is its key id: it names the token, and lets nobody in.
"""

from __future__ import annotations

import json
from typing import Any

from secvault.clock import timestamp
from secvault.identity.networks import networks_of
from secvault.identity.principal import Principal
from secvault.identity.sessions import KnownSession
from secvault.identity.sign_in import SignedIn
from secvault.identity.tokens import MICROS, Token
from secvault.service import Service
from secvault.service.token_policies import Policies, policies_of

MFA_METHOD = "0b7c58a2-6a0e-4d0b-9d5c-5ec0a17707b5"
"""The id of the one method of second factors; `totp` is its name, and taken as well."""
MFA_NAME = "totp"
MFA_WARNING = (
    "A login request was issued that is subject to MFA validation. Please make sure to validate "
    "the login by sending another request to mfa/validate endpoint."
)

_PATHS = {True: "auth/approle/login", False: "auth/token/create"}


def new_token(service: Service, token: Token, shown: str) -> dict[str, Any]:
    """A token that was made or renewed a moment ago, as the peer's clients read it."""
    since = token.created_at if token.renewed_at is None else token.renewed_at
    return {
        "client_token": shown,
        "accessor": token.key_id,
        **_policies(policies_of(service, token.subject, token.layers)),
        "metadata": json.loads(token.meta) or None,
        "lease_duration": (token.expires_at - since) // MICROS,
        "renewable": token.renewable,
        "entity_id": token.subject,
        "token_type": "service",
        "orphan": token.parent is None,
        "mfa_requirement": None,
        "num_uses": token.uses_left or 0,
    }


def known_token(service: Service, token: Token, shown: str = "") -> dict[str, Any]:
    """What a look-up shows. shown: the token, where the one who asks has shown it."""
    latest = token.latest_end
    # What a token makes is named after it: only a log-in gives this name with an AppRole.
    signed_in = token.approle is not None and token.display_name == "approle"
    known: dict[str, Any] = {
        "accessor": token.key_id,
        "creation_time": token.created_at // MICROS,
        "creation_ttl": token.ttl_seconds,
        "display_name": token.display_name,
        "entity_id": token.subject,
        "expire_time": timestamp(token.expires_at),
        "explicit_max_ttl": (latest - token.created_at) // MICROS if latest else 0,
        "id": shown,
        "issue_time": timestamp(token.created_at),
        "meta": json.loads(token.meta) or None,
        "num_uses": token.uses_left or 0,
        "orphan": token.parent is None,
        "path": _PATHS[signed_in],
        **_known_policies(policies_of(service, token.subject, token.layers)),
        "renewable": token.renewable,
        "ttl": max(0, token.expires_at - service.clock.micros()) // MICROS,
        "type": "service",
    }
    if token.bound_cidrs is not None:
        known["bound_cidrs"] = list(networks_of(token.bound_cidrs))
    if token.renewed_at is not None:
        known["last_renewal"] = timestamp(token.renewed_at)
        known["last_renewal_time"] = token.renewed_at // MICROS
    if token.period_seconds:
        known["period"] = token.period_seconds
    return known


def new_session(service: Service, signed_in: SignedIn) -> dict[str, Any]:
    """A session of a person, as what a log-in gives."""
    who = signed_in.principal
    left = signed_in.expires_at - service.clock.micros()
    return {
        "client_token": signed_in.token.text(),
        "accessor": who.credential,
        **_policies(policies_of(service, who.subject, who.narrowing)),
        "metadata": {"username": who.name},
        "lease_duration": max(0, left) // MICROS,
        "renewable": False,
        "entity_id": who.subject,
        "token_type": "service",
        "orphan": True,
        "mfa_requirement": None,
        "num_uses": 0,
    }


def known_session(
    service: Service, who: Principal, session: KnownSession, shown: str
) -> dict[str, Any]:
    """What a look-up shows of the caller's session. shown: its text."""
    return {
        "accessor": who.credential,
        "creation_time": session.created_at // MICROS,
        "creation_ttl": (session.expires_at - session.created_at) // MICROS,
        "display_name": f"userpass-{who.name}",
        "entity_id": who.subject,
        "expire_time": timestamp(session.expires_at),
        "explicit_max_ttl": (session.expires_at - session.created_at) // MICROS,
        "id": shown,
        "issue_time": timestamp(session.created_at),
        "meta": {"username": who.name},
        "num_uses": 0,
        "orphan": True,
        "path": f"auth/userpass/login/{who.name}",
        **_known_policies(policies_of(service, who.subject, who.narrowing)),
        "renewable": False,
        "ttl": max(0, session.expires_at - service.clock.micros()) // MICROS,
        "type": "service",
    }


def mfa_needed(request: str) -> dict[str, Any]:
    """What the first step of two gives: no credential, and what the second step must show."""
    method = {"type": "totp", "id": MFA_METHOD, "uses_passcode": True, "name": MFA_NAME}
    return {
        "client_token": "",
        "accessor": "",
        "policies": None,
        "metadata": None,
        "lease_duration": 0,
        "renewable": False,
        "entity_id": "",
        "token_type": "default",
        "orphan": False,
        "mfa_requirement": {
            "mfa_request_id": request,
            "mfa_constraints": {"second_factor": {"any": [method]}},
        },
        "num_uses": 0,
    }


def _policies(policies: Policies) -> dict[str, Any]:
    shown = {"policies": list(policies.all), "token_policies": list(policies.token)}
    return shown | ({"identity_policies": list(policies.identity)} if policies.identity else {})


def _known_policies(policies: Policies) -> dict[str, Any]:
    shown: dict[str, Any] = {"policies": list(policies.token)}
    if policies.identity:
        shown |= {
            "identity_policies": list(policies.identity),
            "external_namespace_policies": {},
        }
    return shown
