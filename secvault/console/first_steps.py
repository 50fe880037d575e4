"""The first steps: what a new vault lacks before a company can rely on it, each with its page.

Shown on the first page to those who can do them, until all are done.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from secvault.console.visitor import Visitor
from secvault.service.first_steps import STEPS, Step, first_steps

PLACES: dict[Step, str] = {
    "spare": "/account#factors",
    "administrator": "/invite",
    "kit": "/recovery",
    "plan": "/new-plan",
    "backup": "/backups",
    "drill": "/drills",
    "publication": "/audit/integrity",
    "department": "/people",
}
"""The page on which each is done, or which says how."""


@dataclass(frozen=True)
class Guide:
    """What is left to do, as (step, page). done, all: how many of how many."""

    left: tuple[tuple[Step, str], ...]
    done: int
    all: int


def guide_for(at: Visitor) -> Guide:
    """The first steps that the visitor can do and nobody has done; of none, an empty guide."""
    left = first_steps(at.service, replace(at.caller, actions=None))
    return Guide(tuple((step, PLACES[step]) for step in left), len(STEPS) - len(left), len(STEPS))
