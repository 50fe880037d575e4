"""What a provider says of itself (OpenID Connect Discovery 1.0), pinned to its issuer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from secvault.errors import Unavailable
from secvault.identity.oidc.exchange import Exchange

PATH = "/.well-known/openid-configuration"


@dataclass(frozen=True)
class Discovery:
    """The addresses of a provider; empty where it has none.

    names_issuer: whether its answers to the browser say who they come from (RFC 9207).
    """

    authorization: str
    token: str
    keys: str
    userinfo: str
    end_session: str
    names_issuer: bool


def discover(exchange: Exchange, issuer: str) -> Discovery:
    """Ask the provider. Raises Unavailable when it cannot be reached or names another issuer, or
    hosts that are not its own.
    """
    answer = exchange.get(issuer.rstrip("/") + PATH)
    said = answer.body
    if answer.status != 200 or said.get("issuer") != issuer:
        raise Unavailable(
            f"identity.oidc.{exchange.provider}.issuer: what answers there does not name itself so"
        )
    return Discovery(
        authorization=_address(exchange, said, "authorization_endpoint", needed=True),
        token=_address(exchange, said, "token_endpoint", needed=True),
        keys=_address(exchange, said, "jwks_uri", needed=True),
        userinfo=_address(exchange, said, "userinfo_endpoint"),
        end_session=_address(exchange, said, "end_session_endpoint"),
        names_issuer=said.get("authorization_response_iss_parameter_supported") is True,
    )


def _address(
    exchange: Exchange, said: Mapping[str, Any], name: str, *, needed: bool = False
) -> str:
    url = said.get(name)
    if url is None and not needed:
        return ""
    if not isinstance(url, str) or not exchange.allows(url):
        raise Unavailable(
            f"identity.oidc.{exchange.provider}.hosts: the provider's {name} is on none of its "
            "hosts; name that host if it is the provider's"
        )
    return url
