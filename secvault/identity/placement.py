"""Who somebody is in the company, and in which teams: what makes a record theirs.

It opens what is sensitive (`own_record`, `own_team`), so it is said by an operation of its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import Connection, select, update

from secvault.errors import Conflict, InvalidInput, VersionMismatch
from secvault.identity import names
from secvault.store.tables import person

if TYPE_CHECKING:
    from secvault.identity.people import Person

MOST_TEAMS = 32


@dataclass(frozen=True)
class Placement:
    """A person's number in the company, None for none, and their teams, sorted.

    Both in the form that is compared; see `names.compared`.
    """

    employee: str | None = None
    teams: tuple[str, ...] = ()

    @classmethod
    def of(cls, employee: str, teams: Iterable[str]) -> Placement:
        """From what somebody typed; an empty number for none. Raises InvalidInput."""
        found = sorted({names.team_name(team) for team in teams})
        if len(found) > MOST_TEAMS:
            raise InvalidInput.at("teams", f"takes {MOST_TEAMS} teams at most")
        return cls(names.employee_number(employee) or None, tuple(found))

    @classmethod
    def kept(cls, employee: str | None, teams: str) -> Placement:
        """As the two columns of a person have it."""
        return cls(employee, tuple(teams.splitlines()))

    @property
    def stored(self) -> str:
        """The teams as the row has them."""
        return "\n".join(self.teams)


NOWHERE = Placement()


def placement_of(connection: Connection, person_id: str) -> Placement:
    """Where somebody is placed now; nowhere when there is no such person."""
    question = select(person.c.employee, person.c.teams).where(person.c.id == person_id)
    row = connection.execute(question).one_or_none()
    return NOWHERE if row is None else Placement.kept(row.employee, row.teams)


def place(connection: Connection, before: Person, version: int, to: Placement) -> None:
    """Say who somebody is from now on, if nobody changed them since `version` was read.

    before: the person as they are. Durable with the caller's transaction; counts for decisions at
    once. Raises VersionMismatch; Conflict when the number is somebody else's.
    """
    require_free(connection, to.employee, before.id)
    changed = connection.execute(
        update(person)
        .where(person.c.id == before.id, person.c.version == version)
        .values(employee=to.employee, teams=to.stored, version=version + 1)
    )
    if changed.rowcount != 1:
        raise VersionMismatch(
            f"this person has version {before.version}, not {version}: read them again, then "
            "change them"
        )


def require_free(connection: Connection, employee: str | None, person_id: str = "") -> None:
    """Return when nobody else is the employee with this number. Raises Conflict."""
    others = select(person.c.id).where(person.c.employee == employee, person.c.id != person_id)
    if employee is not None and connection.execute(others).first() is not None:
        raise Conflict(f"the number {employee} is somebody else's; take it from them first")
