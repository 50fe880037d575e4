"""What is asked and what is answered, in the terms of AuthZEN 1.0 (section 5)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from secvault.access import Decision
from secvault.errors import InvalidInput

NOTHING: Mapping[str, Any] = MappingProxyType({})
LONGEST = 512
MOST_EVALUATIONS = 1000


@dataclass(frozen=True)
class Thing:
    """A subject or a resource, as callers name it. id: empty where it is what is searched for."""

    type: str
    id: str = ""
    properties: Mapping[str, Any] = field(default_factory=lambda: NOTHING)


@dataclass(frozen=True)
class Evaluation:
    """May `subject` do `action` to `resource`? context: what the caller says of the occasion."""

    subject: Thing
    action: str
    resource: Thing
    context: Mapping[str, Any] = field(default_factory=lambda: NOTHING)


@dataclass(frozen=True)
class Fault:
    """Why a question has no answer. status: as of HTTP; 400 not understood, 404 not there."""

    status: int
    message: str


@dataclass(frozen=True)
class Answer:
    """decision: None when there was nothing to decide. fault: then, and when the thing is gone.

    explained: whether the caller may see the reasons that are for administrators.
    """

    decision: Decision | None
    fault: Fault | None = None
    explained: bool = False

    @property
    def allowed(self) -> bool:
        """Whether this is a yes."""
        return self.fault is None and self.decision is not None and self.decision.allowed


class Semantic(StrEnum):
    """When several evaluations end (section 7.1.2.1)."""

    EXECUTE_ALL = "execute_all"
    DENY_ON_FIRST_DENY = "deny_on_first_deny"
    PERMIT_ON_FIRST_PERMIT = "permit_on_first_permit"


@dataclass(frozen=True)
class Page:
    """token: from the page before; empty for the first. limit: results at most; None for as many as
    a page has, or as were asked for with the token's page.
    """

    token: str = ""
    limit: int | None = None


@dataclass(frozen=True)
class Found:
    """What a search has found, by id or by name; next_token is empty at the end."""

    results: tuple[str, ...]
    next_token: str


class Unknown(Exception):
    """A name that leads to nothing here. message: for the caller; it repeats nothing of them."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


def text_of(value: object, at: str) -> str:
    """A name or id out of JSON. Raises InvalidInput at `at`."""
    if not isinstance(value, str) or not value or len(value) > LONGEST:
        raise InvalidInput.at(at, f"must be a text of 1 to {LONGEST} characters")
    return value
