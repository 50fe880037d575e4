"""What Casbin is given: the rows of a policy, and the names in a request."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple


@dataclass(frozen=True)
class Rule:
    """One p row: `sub` may do `act` on `fld` of `obj` in `dom` while `cond` holds (eft allow),
    or may never do it (eft deny)."""

    sub: str
    dom: str
    obj: str
    fld: str
    act: str
    cond: str
    eft: str
    id: str
    line: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Link:
    """One g row: `member`, a role or a local subject, has all that `role` has in `department`."""

    member: str
    role: str
    department: str
    line: int = field(default=0, compare=False)

    @property
    def between_roles(self) -> bool:
        """Whether this is inheritance."""
        return self.member.startswith("role:")


class Case(NamedTuple):
    """The names in a request."""

    subject: str
    department: str
    object: str
    field: str
    action: str
