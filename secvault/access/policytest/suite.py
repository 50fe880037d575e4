"""What a test file says: who asks, what must be answered, and what must hold everywhere."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from secvault.access.conditions import AccessContext
from secvault.access.grants import Grant
from secvault.access.policytest.invariant import Duty, Invariant
from secvault.access.policytest.place import Place
from secvault.access.rows import Case


class Answer(StrEnum):
    """What a test expects. `masked` and the difference to it are for `record.read` only."""

    ALLOW = "allow"
    MASKED = "masked"
    DENY = "deny"


@dataclass(frozen=True)
class Subject:
    """One who asks. name: within the file. id: as policies name them, for instance `user:clerk`."""

    name: str
    id: str
    grants: tuple[Grant, ...]


@dataclass(frozen=True)
class Assertion:
    """One answer that is expected.

    kind: of the refusal, when one is asked for. rule: the id of the rule that must decide.
    """

    place: Place
    subject: Subject
    case: Case
    context: AccessContext
    answer: Answer
    kind: str | None = None
    rule: str | None = None

    def __str__(self) -> str:
        shown = "" if self.case.field == "*" else f", {self.case.field}"
        return (
            f"{self.subject.name} {self.case.action} {self.case.object}{shown} "
            f"in {self.case.department}"
        )


@dataclass(frozen=True)
class Justified:
    """A mutant that may survive, by name, and why."""

    place: Place
    mutant: str
    reason: str


@dataclass(frozen=True)
class Suite:
    """One test file. at: the moment that its answers are for, in microseconds."""

    file: str
    title: str
    at: int
    subjects: tuple[Subject, ...]
    assertions: tuple[Assertion, ...]
    invariants: tuple[Invariant, ...]
    duties: tuple[Duty, ...]
    justified: tuple[Justified, ...]
