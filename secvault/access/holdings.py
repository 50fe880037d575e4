"""Who holds which role, where and when: the grants of a policy, by whom they are for.

Kept for all moments at once. What changes between two looks into the store is little, so new
holdings are made from those before; and a grant's start or end changes nothing here at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from operator import attrgetter

from secvault.access.explain import Step
from secvault.access.grants import Grant, check_grantable
from secvault.access.rows import Link
from secvault.access.rules import Rules
from secvault.errors import InvalidInput

_AGE = attrgetter("created_at", "id")


@dataclass(frozen=True)
class Holdings:
    """The grants that are not revoked.

    by_subject: those that can be, of subjects without a fault, oldest first. faults: why a grant
    of a subject cannot be. moments: when any of them starts or ends, sorted.
    """

    grants: Mapping[str, Grant]
    by_subject: Mapping[str, tuple[Grant, ...]]
    faults: Mapping[str, str]
    moments: tuple[int, ...]


def hold(
    rules: Rules, grants: Iterable[Grant], before: Holdings | None = None
) -> tuple[Holdings, frozenset[str]]:
    """The holdings of these grants, and the subjects of whom they differ from `before`.

    before: holdings under the same rules; without it, everybody differs.
    """
    now = {grant.id: grant for grant in grants if grant.revoked_at is None}
    old: Mapping[str, Grant] = before.grants if before else {}
    # What the store gave again is the same object, see `grants.read_live`.
    differing = [grant for name, grant in now.items() if old.get(name) is not grant]
    gone = [grant for name, grant in old.items() if name not in now]
    subjects = frozenset(grant.subject for grant in (*differing, *gone))
    replaced = [old[grant.id] for grant in differing if grant.id in old]
    subjects |= frozenset(grant.subject for grant in replaced)
    if before and not subjects:
        return before, subjects
    theirs: dict[str, list[Grant]] = {subject: [] for subject in subjects}
    for grant in now.values():
        if grant.subject in subjects:
            theirs[grant.subject].append(grant)
    by_subject = dict(before.by_subject) if before else {}
    faults = dict(before.faults) if before else {}
    for subject, held in theirs.items():
        by_subject.pop(subject, None)
        faults.pop(subject, None)
        if fault := _fault(rules, held):
            faults[subject] = fault
        elif held:
            by_subject[subject] = tuple(sorted(held, key=_AGE))
    return Holdings(now, by_subject, faults, _moments(now.values())), subjects


class StepsAt(Mapping[str, tuple[Step, ...]]):
    """From subjects and roles to roles within one department, at one moment."""

    def __init__(
        self,
        links: Mapping[str, tuple[Step, ...]],
        by_subject: Mapping[str, tuple[Grant, ...]],
        department: str,
        at: int,
    ) -> None:
        """links: those of the rules, by member."""
        self._links = links
        self._by_subject = by_subject
        self._department = department
        self._at = at

    def __getitem__(self, member: str) -> tuple[Step, ...]:
        granted = tuple(
            Step(grant.role, grant.id)
            for grant in self._by_subject.get(member, ())
            if grant.department == self._department and grant.valid(self._at)
        )
        steps = self._links.get(member, ()) + granted
        if not steps:
            raise KeyError(member)
        return steps

    def __iter__(self) -> Iterator[str]:
        everybody = dict.fromkeys((*self._links, *self._by_subject))
        return (member for member in everybody if member in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)


class DormantAt(Mapping[str, tuple[Grant, ...]]):
    """The grants that have not started, or have ended, at one moment, by subject."""

    def __init__(self, by_subject: Mapping[str, tuple[Grant, ...]], at: int) -> None:
        self._by_subject = by_subject
        self._at = at

    def __getitem__(self, subject: str) -> tuple[Grant, ...]:
        asleep = tuple(one for one in self._by_subject[subject] if not one.valid(self._at))
        if not asleep:
            raise KeyError(subject)
        return asleep

    def __iter__(self) -> Iterator[str]:
        return (subject for subject in self._by_subject if subject in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)


class LiveAt(Mapping[str, Grant]):
    """The grants in force at one moment, by id."""

    def __init__(self, grants: Mapping[str, Grant], at: int) -> None:
        self._grants = grants
        self._at = at

    def __getitem__(self, name: str) -> Grant:
        if not (found := self._grants[name]).valid(self._at):
            raise KeyError(name)
        return found

    def __iter__(self) -> Iterator[str]:
        return (name for name, grant in self._grants.items() if grant.valid(self._at))

    def __len__(self) -> int:
        return sum(1 for _ in self)


def steps_of(links: Iterable[Link]) -> Mapping[str, Mapping[str, tuple[Step, ...]]]:
    """The steps that the links of the rules are, by department, then by member."""
    found: dict[str, dict[str, tuple[Step, ...]]] = {}
    for link in links:
        members = found.setdefault(link.department, {})
        members[link.member] = (*members.get(link.member, ()), Step(link.role))
    return found


def _fault(rules: Rules, grants: Iterable[Grant]) -> str:
    found = ""
    for grant in grants:
        try:
            check_grantable(rules, grant.subject, grant.role, grant.department)
        except InvalidInput as error:
            found = f"grant {grant.id} cannot be: {error.detail}; revoke it"
    return found


def _moments(grants: Iterable[Grant]) -> tuple[int, ...]:
    found: set[int] = set()
    for grant in grants:
        found.add(grant.not_before)
        if grant.expires_at is not None:
            found.add(grant.expires_at)
    return tuple(sorted(found))
