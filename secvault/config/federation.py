"""The settings of identity providers: single sign-on by OpenID Connect, and SCIM."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr, model_validator

from secvault.config.section import Section, UsablePath, file_content

Algorithm = Literal[
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "Ed25519",
    "EdDSA",
]

_ADDRESS = re.compile(
    r"(?:https://[A-Za-z0-9.-]+|http://(?:127\.0\.0\.1|\[::1\]|localhost))"
    r"(?::[1-9][0-9]{0,4})?"
)
_HOST = re.compile(r"[a-z0-9.-]+(?::[1-9][0-9]{0,4})?")
_GROUP = re.compile(r"(.{1,200}?)\s*=\s*([a-z]+\.[a-z0-9_]+)@([a-z]+|\*)")


def _issuer(text: str) -> str:
    head = _ADDRESS.match(text)
    rest = text[head.end() :] if head else ""
    if head is None or len(text) > 512 or not re.fullmatch(r"(?:/[A-Za-z0-9._~/-]*)?", rest):
        raise ValueError("write https://host/path exactly as the provider names itself")
    return text


def _host(text: str) -> str:
    if not _HOST.fullmatch(text):
        raise ValueError("write host or host:port, in lower case")
    return text


def _group(text: str) -> str:
    if not _GROUP.fullmatch(text):
        raise ValueError("write 'name of the group = department.role@department'")
    return text


Issuer = Annotated[str, AfterValidator(_issuer)]
Host = Annotated[str, AfterValidator(_host)]
GroupRole = Annotated[str, AfterValidator(_group)]
Claim = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[\x21-\x7e]+$")]


class MappedGroups(Section):
    """What groups of a provider give: `name of the group = hr.clerk@hr`."""

    groups: tuple[GroupRole, ...] = ()
    privileged_roles: bool = False
    # Of the people that the provider brings.
    department: str = Field("administration", pattern=r"^[a-z]+$")

    def roles_of_groups(self) -> tuple[tuple[str, str, str], ...]:
        """Group, role (`role:hr.clerk`) and department of each entry."""
        found = (_GROUP.fullmatch(text) for text in self.groups)
        return tuple((each[1], f"role:{each[2]}", each[3]) for each in found if each)


class OidcSettings(MappedGroups):
    """One provider of OpenID Connect."""

    issuer: Issuer
    client_id: str = Field(min_length=1, max_length=512)
    client_secret: SecretStr = SecretStr("")
    client_secret_file: UsablePath | None = None
    client_key_file: UsablePath | None = None
    scopes: tuple[Claim, ...] = ("openid", "profile")
    algorithms: tuple[Algorithm, ...] = ("RS256", "PS256", "ES256")
    hosts: tuple[Host, ...] = ()
    ca_file: UsablePath | None = None
    second_factor: Literal["local", "provider"] = "local"
    acr_values: tuple[Claim, ...] = ()
    amr_values: tuple[Claim, ...] = ()
    max_age_minutes: int = Field(0, ge=0, le=24 * 60)
    unknown_people: Literal["refuse", "create"] = "refuse"
    name_claim: Claim = "preferred_username"
    groups_claim: Claim = "groups"
    groups_from: Literal["id_token", "userinfo"] = "id_token"
    loopback_port: int = Field(0, ge=0, le=65535)

    @model_validator(mode="after")
    def _fits(self) -> OidcSettings:
        if self.client_secret.get_secret_value() and self.client_secret_file:
            raise ValueError(
                "client_secret and client_secret_file say the same thing; set one of them"
            )
        if self.second_factor == "provider" and not (self.acr_values or self.amr_values):
            raise ValueError(
                "second_factor = 'provider' needs acr_values or amr_values: what the provider says "
                "when it has seen a second factor"
            )
        if "openid" not in self.scopes:
            raise ValueError("scopes: openid must be among them")
        if not self.algorithms:
            raise ValueError("algorithms: name at least one")
        return self

    def secret(self, key: str) -> str:
        """The client's secret, read from its file when one is set; empty without one.

        key: of this table, for errors. Raises ConfigurationError.
        """
        if self.client_secret_file is None:
            return self.client_secret.get_secret_value()
        return file_content(self.client_secret_file, f"{key}.client_secret_file")


class ScimSettings(MappedGroups):
    """One provider that brings people and groups by SCIM."""

    # The calling system (service account) whose tokens it comes with.
    account: str = Field(min_length=2, max_length=64)
    # Which attribute an OIDC provider of the same name gives as `sub`.
    subject: Literal["none", "external_id", "user_name"] = "none"
