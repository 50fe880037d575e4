"""What this service says of itself by SCIM: its resources, and what it can and cannot do."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field
from scim2_models import (
    URN,
    AuthenticationScheme,
    Bulk,
    CaseExact,
    ChangePassword,
    ComplexAttribute,
    ETag,
    Filter,
    Mutability,
    Patch,
    Reference,
    Required,
    Resource,
    ScimPolicy,
    ScimProvider,
    ServiceProviderConfig,
    Sort,
    Uniqueness,
)
from scim2_server.service import ScimService

LARGEST_PAGE = 200


class User(Resource[Any]):
    """The part of RFC 7643, 4.1 that is kept here; the rest is accepted and forgotten."""

    __schema__ = URN("urn:ietf:params:scim:schemas:core:2.0:User")

    user_name: Annotated[str | None, Uniqueness.server, Required.true] = None
    """The sign-in name."""

    display_name: str | None = None
    """The name for people to read."""

    active: Annotated[bool, Required.true] = True
    """Whether the person may sign in; they may, where a provider leaves it out."""


class Member(ComplexAttribute):
    """Somebody who is in a group."""

    value: Annotated[str | None, Mutability.immutable, CaseExact.true] = None
    """The id of the person."""

    ref: Annotated[Reference[User] | None, Mutability.immutable] = Field(
        None, serialization_alias="$ref", validation_alias="$ref"
    )
    """Where the person is to be found."""

    type: Annotated[str | None, Mutability.immutable] = Field(None, examples=["User"])
    """What it is: a person, always."""


class Group(Resource[Any]):
    """RFC 7643, 4.2. Its name is what the settings give roles to."""

    __schema__ = URN("urn:ietf:params:scim:schemas:core:2.0:Group")

    display_name: Annotated[str | None, Uniqueness.server, Required.true] = None
    """The name."""

    members: list[Member] | None = None
    """Who is in it."""


def describe() -> ScimService:
    """The protocol for these resources."""
    config = ServiceProviderConfig(
        patch=Patch(supported=True),
        bulk=Bulk(supported=False, max_operations=0, max_payload_size=0),
        filter=Filter(supported=True, max_results=LARGEST_PAGE),
        change_password=ChangePassword(supported=False),
        sort=Sort(supported=False),
        etag=ETag(supported=True),
        authentication_schemes=[
            AuthenticationScheme(
                type=AuthenticationScheme.Type.oauthbearertoken,
                name="Bearer token",
                description="A token of the calling system that the settings name (svt_...).",
                primary=True,
            )
        ],
    )
    # Providers send more than is kept here, and Microsoft Entra removes members by value.
    tolerant = ScimPolicy(
        unknown=ScimPolicy.Unknown.ignore,
        remove_value_as_filter=ScimPolicy.RemoveValue.apply,
        unmatched_path_filter=ScimPolicy.UnmatchedPathFilter.create,
    )
    return ScimService(ScimProvider(models=[User, Group], config=config, policy=tolerant))
