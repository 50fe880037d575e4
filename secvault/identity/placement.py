"""Who somebody is in the company, and in which teams: what makes a record theirs.

It opens what is sensitive (`own_record`, `own_team`), so it is said by an operation of its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, select, update

from secvault.errors import Conflict, InvalidInput, VersionMismatch
from secvault.identity import names, people
from secvault.identity.people import Person
from secvault.store.tables import person

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


NOWHERE = Placement()


def placement_of(connection: Connection, person_id: str) -> Placement:
    """Where somebody is placed now; nowhere when there is no such person."""
    question = select(person.c.employee, person.c.teams).where(person.c.id == person_id)
    row = connection.execute(question).one_or_none()
    return NOWHERE if row is None else Placement(row.employee, tuple(row.teams.splitlines()))


def place(connection: Connection, person_id: str, version: int, to: Placement) -> Person:
    """Say who somebody is from now on, if nobody changed them since `version` was read.

    Durable with the caller's transaction; counts for decisions at once. Raises NotFound,
    VersionMismatch; Conflict when the number is somebody else's.
    """
    before = people.read_person(connection, person_id)
    if to.employee is not None:
        require_free(connection, to.employee, person_id)
    changed = connection.execute(
        update(person)
        .where(person.c.id == person_id, person.c.version == version)
        .values(employee=to.employee, teams="\n".join(to.teams), version=version + 1)
    )
    if changed.rowcount != 1:
        raise VersionMismatch(
            f"this person has version {before.version}, not {version}: read them again, then "
            "change them"
        )
    return people.read_person(connection, person_id)


def require_free(connection: Connection, employee: str, person_id: str) -> None:
    """Return when nobody else has this number. Raises Conflict."""
    others = select(person.c.id).where(person.c.employee == employee, person.c.id != person_id)
    if connection.execute(others).first() is not None:
        raise Conflict(f"the number {employee} is somebody else's; take it from them first")
