"""A published policy, parsed whole: rules, obligations and collections of one bundle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from sqlalchemy import Connection

from secvault.access.authzen import OWN_NAMES, Names
from secvault.access.obligations import Obligations
from secvault.access.rules import Rules
from secvault.access.separation import NOTHING_APART, Separation

NO_OBLIGATIONS = Obligations({}, frozenset(), frozenset())


@dataclass(frozen=True)
class InForce:
    """What is decided by. number, digest: of the publication; 0 and empty for rules given by hand.

    collections: name to schema; what a schema is, lies above access control. names: what other
    programs call things. rescue: why the
    published policy cannot be read; then this is a substitute that only lets it be replaced.
    """

    number: int
    digest: str
    rules: Rules
    obligations: Obligations = NO_OBLIGATIONS
    separation: Separation = NOTHING_APART
    names: Names = OWN_NAMES
    collections: Mapping[str, Any] = field(default_factory=dict)
    rescue: str = ""


class Source(Protocol):
    """Where published policies come from, parsed."""

    def numbered(self, connection: Connection, number: int) -> InForce:
        """The policy of this number; 0 when none was published yet.

        Raises Unavailable for one that cannot be read by this program.
        """
        ...

    def at(
        self, connection: Connection, at: int, *, epoch: int | None = None
    ) -> tuple[InForce, int]:
        """The policy that was in force at a moment, and the epoch of its publication.

        epoch: as in `publication.version_at`.

        Raises NotFound when none was.
        """
        ...


class GivenByHand:
    """Rules that no store holds: of tests, and of whoever only asks what a policy would say."""

    def __init__(self, rules: Rules) -> None:
        self._in_force = InForce(0, "", rules)

    def put(self, rules: Rules) -> None:
        """Take others from now on."""
        self._in_force = InForce(0, "", rules)

    def numbered(self, connection: Connection, number: int) -> InForce:  # noqa: ARG002
        """The rules, whatever the number."""
        return self._in_force

    def at(
        self,
        connection: Connection,  # noqa: ARG002
        at: int,  # noqa: ARG002
        *,
        epoch: int | None = None,  # noqa: ARG002
    ) -> tuple[InForce, int]:
        """The rules, whatever the moment."""
        return self._in_force, 0
