"""The groups of a provider, as it reads and writes them, and the roles that follow."""

from __future__ import annotations

from scim2_models import (
    InvalidValueException,
    NotFoundException,
    PreconditionFailedException,
    Reference,
    UniquenessException,
)

from secvault.errors import InvalidInput
from secvault.identity import names, scim_groups
from secvault.identity.scim_groups import ScimGroup
from secvault.service.scim.description import Group, Member
from secvault.service.scim.people import People
from secvault.service.scim.source import Source, with_meta

MOST_MEMBERS = 10_000


class Groups:
    """The provider's groups."""

    def __init__(self, source: Source, people: People) -> None:
        self._source = source
        self._people = people

    def get(self, id_: str, *, hold: bool) -> Group:
        """One of them. hold: until the transaction ends. Raises NotFoundException."""
        return _shown(self._find(id_, hold=hold))

    def count(self) -> int:
        """How many there are."""
        return scim_groups.count(self._source.connection, self._source.provider)

    def page(self, skip: int, limit: int | None) -> list[Group]:
        """Some of them, the oldest first."""
        found = scim_groups.page(
            self._source.connection, self._source.provider, skip=skip, limit=limit
        )
        return [_shown(group) for group in found]

    def create(self, given: Group) -> Group:
        """Make a group of these people."""
        source = self._source
        name, members = self._named(given, ""), self._members(given)
        id_ = scim_groups.create(
            source.connection, source.service.clock, source.provider, name, given.external_id
        )
        scim_groups.set_members(source.connection, id_, members)
        self._follow(members)
        source.touched = id_
        return self.get(id_, hold=False)

    def update(self, given: Group, expected_version: str | None) -> Group:
        """Make a group what is given; roles follow its name and its members."""
        source, id_ = self._source, given.id or ""
        present = self._find(id_, hold=True)
        _check_version(_shown(present), expected_version)
        name, members = self._named(given, id_), self._members(given)
        scim_groups.change(source.connection, source.service.clock, id_, name, given.external_id)
        scim_groups.set_members(source.connection, id_, members)
        renamed = name != present.display_name
        self._follow(members | present.people if renamed else members ^ present.people)
        source.touched = id_
        return self.get(id_, hold=False)

    def delete(self, id_: str, expected_version: str | None) -> None:
        """Remove a group, and what it gave."""
        present = self._find(id_, hold=True)
        _check_version(_shown(present), expected_version)
        scim_groups.remove(self._source.connection, id_)
        self._follow(present.people)
        self._source.touched = id_

    def _find(self, id_: str, *, hold: bool) -> ScimGroup:
        found = None
        if names.is_id(id_):
            found = scim_groups.find(self._source.connection, self._source.provider, id_, hold=hold)
        if found is None:
            raise NotFoundException(detail="there is no such group of yours")
        return found

    def _named(self, given: Group, id_: str) -> str:
        try:
            name = names.display_name(given.display_name or "", "displayName")
        except InvalidInput as error:
            raise InvalidValueException(detail=error.detail) from None
        taken = scim_groups.by_name(self._source.connection, self._source.provider, name)
        if taken not in (None, id_):
            raise UniquenessException(detail="another group has this displayName")
        return name

    def _members(self, given: Group) -> frozenset[str]:
        members = given.members or []
        if len(members) > MOST_MEMBERS:
            raise InvalidValueException(detail=f"a group has at most {MOST_MEMBERS} members")
        if any((member.type or "User").casefold() != "user" for member in members):
            raise InvalidValueException(detail="members are people: groups in groups are not kept")
        wanted = frozenset(member.value or "" for member in members)
        if self._people.brought(wanted) != wanted:
            raise InvalidValueException(detail="members: not all of them are people of yours")
        return wanted

    def _follow(self, people: frozenset[str]) -> None:
        for person in sorted(people):
            self._source.give_roles(person)


def _shown(group: ScimGroup) -> Group:
    shown = Group(
        id=group.id,
        external_id=group.external_id,
        display_name=group.display_name,
        members=[
            Member(value=id_, type="User", ref=Reference(f"Users/{id_}")) for id_ in group.members
        ]
        or None,
    )
    with_meta(shown, "Group", group.created_at, group.changed_at)
    return shown


def _check_version(present: Group, expected: str | None) -> None:
    assert present.meta is not None  # noqa: S101 - `with_meta`
    if expected is not None and present.meta.version != expected:
        raise PreconditionFailedException
