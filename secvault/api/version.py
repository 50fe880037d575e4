"""Which version a change is based on: by the ETag of what was seen; or that there is none."""

from __future__ import annotations

from typing import Annotated

from fastapi import Header

from secvault.errors import InvalidInput, PreconditionRequired

IfMatch = Annotated[
    str | None,
    Header(
        description='The version the change is based on, as in the ETag: "3".', examples=['"3"']
    ),
]

IfNoneMatch = Annotated[
    str | None,
    Header(description="*: only when there is no such thing yet.", examples=["*"]),
]


def version_of(if_match: str | None) -> int:
    """The version in the header. Raises PreconditionRequired without one, InvalidInput."""
    if if_match is None:
        raise PreconditionRequired(
            'say which version the change is based on: If-Match: "<version>" as in the ETag'
        )
    text = if_match.strip().removeprefix('"').removesuffix('"')
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise InvalidInput.at("If-Match", 'give the version as in the ETag, for instance "3"')
    return int(text)


def requires_none(if_none_match: str | None) -> bool:
    """Whether there must be no such thing yet. Raises InvalidInput for anything but *."""
    if if_none_match is not None and if_none_match.strip() != "*":
        raise InvalidInput.at("If-None-Match", "only * is understood here: there is none yet")
    return if_none_match is not None


def tag_of(version: int) -> str:
    """The ETag of this version."""
    return f'"{version}"'
