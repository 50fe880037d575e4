"""The usage of keys over HTTP."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Path, Query
from pydantic import BaseModel, Field

from secvault.api.caller import caller
from secvault.api.declared import operation
from secvault.api.problem import problem_responses
from secvault.api.routing import Routes
from secvault.clock import timestamp
from secvault.keyring.key_usage import KeySummary, Use
from secvault.service import Service, key_limits, key_usage
from secvault.service.spine import Caller

router = Routes(prefix="/api/v1", tags=["keys"], responses=problem_responses())

Authenticated = Annotated[tuple[Service, Caller], Depends(caller)]
_MOUNT = r"^[A-Za-z0-9_./-]{1,512}$"
Mount = Annotated[str, Path(pattern=_MOUNT, examples=["transit"])]
Name = Annotated[str, Path(pattern=r"^[A-Za-z0-9_.-]{1,128}$", examples=["payroll"])]


class KeySummaryAnswer(BaseModel):
    """A key and its use as a whole; `last_at` is null where it was never used."""

    mount: str
    name: str
    kind: str
    latest_version: int
    created_at: str
    rotated_at: str = Field(description="When the latest version was made.")
    auto_rotate_seconds: int = Field(description="How long a version is the latest; 0: any time.")
    messages: int = Field(description="Sealed by the latest version, or more.")
    operations: int
    items: int
    first_at: str | None
    last_at: str | None


class UsageList(BaseModel):
    """Keys with their use."""

    keys: list[KeySummaryAnswer]


class UseAnswer(BaseModel):
    """One subject's use of one version for one operation."""

    version: int
    subject: str
    operation: str
    operations: int
    items: int
    first_at: str
    last_at: str


class VersionAnswer(BaseModel):
    """A version, and how many messages it has sealed, or may have."""

    version: int
    created_at: str
    messages: int


class UsageAnswer(BaseModel):
    """A key, its versions, and who used them, newest first."""

    mount: str
    name: str
    latest_version: int
    near_limit: bool
    versions: list[VersionAnswer]
    uses: list[UseAnswer]


@router.get("/keys/usage")
@operation("{department}/{mount}", "key.list")
def usage_list(
    at: Authenticated,
    mount: Annotated[str | None, Query(pattern=_MOUNT)] = None,
    unused_days: Annotated[
        int | None, Query(ge=0, le=key_usage.MOST_DAYS, description="Not used for so many days.")
    ] = None,
) -> UsageList:
    """The keys of a mount, or of all that the caller may list, and when they were used."""
    service, who = at
    found = key_usage.list_usage(service, who, mount, unused_days)
    return UsageList(keys=[_summary(each) for each in found])


@router.get("/keys/{mount:path}/{name}/usage")
@operation("{department}/{mount}/{name}", "key.read")
def usage_read(
    at: Authenticated,
    mount: Mount,
    name: Name,
    version: Annotated[int | None, Query(ge=1, description="Only of this version.")] = None,
) -> UsageAnswer:
    """Who used which version of a key, for what, and when last."""
    service, who = at
    found = key_usage.read_usage(service, who, mount, name)
    key = found.key
    return UsageAnswer(
        mount=key.mount,
        name=key.name,
        latest_version=key.latest_version,
        near_limit=key_limits.near_limit(service, key) is not None,
        versions=[
            VersionAnswer(
                version=number, created_at=timestamp(made), messages=key.messages.get(number, 0)
            )
            for number, made in key.created.items()
        ],
        uses=[_use(each) for each in found.uses if version in (None, each.version)],
    )


def _summary(key: KeySummary) -> KeySummaryAnswer:
    times = {
        "created_at": timestamp(key.created_at),
        "rotated_at": timestamp(key.rotated_at),
        "first_at": None if key.first_at is None else timestamp(key.first_at),
        "last_at": None if key.last_at is None else timestamp(key.last_at),
    }
    return KeySummaryAnswer(**{**vars(key), **times})


def _use(use: Use) -> UseAnswer:
    times = {"first_at": timestamp(use.first_at), "last_at": timestamp(use.last_at)}
    return UseAnswer(**{**vars(use), **times})
