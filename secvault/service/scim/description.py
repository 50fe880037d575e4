"""What this service says of itself by SCIM: its resources, and what it can and cannot do."""

from __future__ import annotations

from typing import Annotated, Any

from scim2_models import (
    URN,
    AuthenticationScheme,
    Bulk,
    ChangePassword,
    ETag,
    Filter,
    Group,
    GroupMember,
    Patch,
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

    active: bool | None = None
    """Whether the person may sign in."""


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


__all__ = ["LARGEST_PAGE", "Group", "GroupMember", "User", "describe"]
