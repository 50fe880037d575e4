"""A browser between the service and a provider of OpenID Connect, and what came of it here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx2

from secvault.api.browser import COOKIE_NAME
from tests.running_service import Api
from tests.signing_provider import CLIENT, SECRET, SigningProvider

OIDC = "/api/v1/sign-in/oidc"
GROUPS = ["Payroll = hr.clerk@hr", "Payroll leads = hr.head@hr"]


def variables(provider: SigningProvider, name: str = "CORP", **more: Any) -> dict[str, str]:
    """The settings that declare this provider."""
    given = {
        "issuer": provider.issuer,
        "client_id": CLIENT,
        "client_secret": SECRET,
        "groups": GROUPS,
        "privileged_roles": True,
        "second_factor": "provider",
        "amr_values": ["mfa"],
        "unknown_people": "create",
        "department": "hr",
        **more,
    }
    return {
        f"SECVAULT_IDENTITY__OIDC__{name}__{key.upper()}": value
        if isinstance(value, str)
        else json.dumps(value)
        for key, value in given.items()
    }


@dataclass
class Signing:
    """A browser between the service and the provider. session: the token that its cookie holds."""

    api: Api
    provider: SigningProvider
    name: str = "corp"
    cookies: dict[str, str] = field(default_factory=dict)
    session: str = ""

    def begin(self, **query: str) -> str:
        """Where the service sends the browser."""
        kept = {"Cookie": f"{COOKIE_NAME}={self.session}"} if self.session else {}
        answer = self.api.client.get(
            f"{OIDC}/{self.name}", params=query, headers=kept, follow_redirects=False
        )
        assert answer.status_code == 303, answer.text
        self.keep(answer)
        return answer.headers["location"]

    def keep(self, answer: httpx2.Response) -> None:
        """Keep the cookies, also those that this connection is too open for."""
        for line in answer.headers.get_list("set-cookie"):
            name, _, rest = line.partition("=")
            value, *attributes = [part.strip() for part in rest.split(";")]
            site = "SameSite=strict" if name == COOKIE_NAME else "SameSite=lax"
            assert name.startswith("__Host-")
            assert {"Secure", "HttpOnly", "Path=/", site} <= set(attributes)
            assert not any(each.startswith("Domain") for each in attributes)
            if name == COOKIE_NAME:
                self.session = value
            else:
                self.cookies[name] = value

    def back(self, brought: Mapping[str, str], name: str = "", **headers: str) -> httpx2.Response:
        """The browser comes back with this, and from another site: without what is Strict."""
        kept = "; ".join(f"{each}={value}" for each, value in self.cookies.items())
        return self.api(
            "GET",
            f"{OIDC}/{name or self.name}/callback",
            params=dict(brought),
            headers={"Cookie": kept, **headers},
        )

    def __call__(self, **query: str) -> httpx2.Response:
        """All of it: there and back."""
        return self.back(self.provider.visit(self.begin(**query)))


def events(api: Api, kind: str) -> list[dict[str, Any]]:
    """What the audit log has of this kind, newest first."""
    found: list[dict[str, Any]] = api.ok("GET", f"/api/v1/audit/events?kind={kind}", "auditor")[
        "events"
    ]
    return found


def reasons(api: Api) -> list[str]:
    """Why nobody was let in, newest first."""
    return [
        each["detail"]["reason"]
        for each in events(api, "auth.sign_in")
        if "reason" in each["detail"]
    ]


def roles(api: Api, subject: str) -> set[tuple[str, str]]:
    """The roles of somebody, and where each comes from."""
    listed = api.ok("GET", "/api/v1/grants", "auditor")["grants"]
    return {(each["role"], each["source"]) for each in listed if each["subject"] == subject}


def link(signing: Signing, api: Api, who: str) -> httpx2.Response:
    """Have an account at the provider lead to somebody."""
    begun = api("POST", f"/api/v1/identities/{signing.name}", who)
    assert begun.status_code == 201, begun.text
    signing.keep(begun)
    return signing.back(signing.provider.visit(begun.json()["url"]))
