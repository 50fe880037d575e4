"""Who can do, or will be able to do, what the rules of separation keep apart.

Looks at what somebody effectively has: through inherited roles, grants for all departments, grants
that only overlap for a while, now or later, and grants that somebody may still get. Pure: rules and
grants in, conflicts out. Start at `conflicts`; `role_conflicts` finds roles that break a rule by
themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from secvault.access.breach import Breaches, Side
from secvault.access.grants import Grant
from secvault.access.reach import Place
from secvault.access.rules import Rules
from secvault.access.separation import (
    Holders,
    Mode,
    Prerequisite,
    Scope,
    Separation,
)
from secvault.access.separation_exceptions import AgreedException
from secvault.access.vocabulary import (
    ALL,
    DEPARTMENTS,
    GRANTED_EVERYWHERE,
    IN_ANY_DEPARTMENT,
    RESERVED_ROLES,
    department_of,
)


@dataclass(frozen=True)
class Way:
    """One way by which somebody has one side of a conflict.

    what: the permission, or the role. policy_rule: of `roles.csv`; empty for a role. path: from the
    subject through the grant to the role. department: where. grant: None for what everybody has.
    """

    what: str
    policy_rule: str
    path: tuple[str, ...]
    department: str
    grant: Grant | None


@dataclass(frozen=True)
class Conflict:
    """One rule broken by one subject from `begins_at` until before `ends_at` (None: for ever).

    subject: empty when there are too many holders of a role. department: `*` for several, or where
    the rule is about any. sides: what must not come together, each with every way to it; for a
    prerequisite the role alone. missing: the roles that it needs. exception: the id of the one that
    was agreed on, else empty.
    """

    rule: str
    mode: Mode
    subject: str
    department: str
    sides: tuple[tuple[Way, ...], ...]
    begins_at: int
    ends_at: int | None
    missing: tuple[str, ...] = ()
    exception: str = ""

    @property
    def grants(self) -> frozenset[str]:
        """The ids of all grants that play a part."""
        return frozenset(way.grant.id for side in self.sides for way in side if way.grant)

    def covers(self, at: int) -> bool:
        """Whether the rule is broken at the moment `at`."""
        return self.begins_at <= at and (self.ends_at is None or at < self.ends_at)


@dataclass(frozen=True)
class _Held:
    grant: Grant
    place: Place
    begins: int
    ends: int | None


def conflicts(
    rules: Rules,
    grants: Iterable[Grant],
    separation: Separation,
    *,
    would_be: Iterable[Grant] = (),
    exceptions: Iterable[AgreedException] = (),
    since: int = 0,
) -> tuple[Conflict, ...]:
    """Every breach of the rules from the moment `since` on, by subject, rule and time.

    grants: counted from their start until their end or revocation. would_be: what somebody may
    still get (asked for, or theirs to activate), as grants whose ids say so; counted likewise.
    exceptions: a breach that one covers is reported with its id.
    """
    return _Search(rules, separation, exceptions, since).run((*grants, *would_be))


def role_conflicts(rules: Rules, separation: Separation) -> tuple[Conflict, ...]:
    """The breaches by one role alone, which nobody could be granted; `subject` is the role."""
    search = _Search(rules, separation, (), 0)
    found: list[Conflict] = []
    for role in sorted(rules.roles - RESERVED_ROLES):
        wheres = DEPARTMENTS if role in IN_ANY_DEPARTMENT else (department_of(role),)
        if role in GRANTED_EVERYWHERE:
            wheres = (ALL,)
        for where in wheres:
            alone = Grant("", role, role, where, 0, None, "", 0)
            found += [
                one
                for one in search.run((alone,))
                if not isinstance(separation.rule(one.rule), Holders | Prerequisite)
            ]
    return tuple(found)


class _Search:
    """One search, with what it remembers of sets of roles that many people have."""

    def __init__(
        self,
        rules: Rules,
        separation: Separation,
        exceptions: Iterable[AgreedException],
        since: int,
    ) -> None:
        self._separation = separation
        self._since = since
        self._breaches = Breaches(rules, separation)
        self._exceptions: dict[str, list[AgreedException]] = {}
        for one in exceptions:
            if one.over_at > one.begins_at:
                self._exceptions.setdefault(one.subject, []).append(one)

    def run(self, grants: Iterable[Grant]) -> tuple[Conflict, ...]:
        by_subject: dict[str, list[_Held]] = {}
        for grant in grants:
            held = _held(grant)
            if held.ends is None or held.ends > max(held.begins, self._since):
                by_subject.setdefault(grant.subject, []).append(held)
        found: list[Conflict] = []
        holders: list[Conflict] = []
        for subject in sorted(by_subject):
            for one in _joined(self._of_subject(subject, by_subject[subject])):
                is_cap = isinstance(self._separation.rule(one.rule), Holders)
                (holders if is_cap else found).append(one)
        found += self._too_many(holders)
        order = {rule.id: at for at, rule in enumerate(self._separation.rules)}
        return tuple(sorted(found, key=lambda one: (one.subject, order[one.rule], one.begins_at)))

    def _of_subject(self, subject: str, held: list[_Held]) -> Iterator[Conflict]:
        """Every rule that is broken, stretch by stretch; of a cap on holders, that one is held."""
        agreed = self._exceptions.get(subject, [])
        moments = {self._since}
        for one in held:
            moments |= {one.begins, one.ends if one.ends is not None else one.begins}
        for each in agreed:
            moments |= {each.begins_at, each.over_at}
        stretches = sorted(moment for moment in moments if moment >= self._since)
        for begins, ends in zip(stretches, (*stretches[1:], None), strict=True):
            now = [
                one
                for one in held
                if one.begins <= begins and (one.ends is None or begins < one.ends)
            ]
            if not now:
                continue
            for breach in self._breaches.by(frozenset(one.place for one in now)):
                excused = next(
                    (
                        each.id
                        for each in agreed
                        if each.rule == breach.rule.id and each.begins_at <= begins < each.over_at
                    ),
                    "",
                )
                yield Conflict(
                    breach.rule.id,
                    breach.rule.mode,
                    subject,
                    breach.department,
                    tuple(self._ways(subject, side, now) for side in breach.sides),
                    begins,
                    ends,
                    breach.missing,
                    excused,
                )

    def _ways(self, subject: str, side: Side, now: list[_Held]) -> tuple[Way, ...]:
        ways: list[Way] = []
        for source in side.sources:
            what, rule, path = self._breaches.way(side, source)
            held: list[Grant | None] = [one.grant for one in now if one.place == source.place]
            for grant in held or [None]:
                by = (f"grant {grant.id}",) if grant else ()
                ways.append(Way(what, rule, (subject, *by, *path), source.department, grant))
        return tuple(ways)

    def _too_many(self, holders: list[Conflict]) -> Iterator[Conflict]:
        """Where more hold a role than a rule lets, from who holds it when."""
        groups: dict[tuple[str, str], list[Conflict]] = {}
        for one in holders:
            if one.exception:
                continue
            # Held in all departments is held in each.
            rule = self._separation.rule(one.rule)
            each = rule is not None and rule.scope is Scope.DEPARTMENT and one.department == ALL
            for department in DEPARTMENTS if each else (one.department,):
                groups.setdefault((one.rule, department), []).append(one)
        for (rule_id, department), held in groups.items():
            rule = self._separation.rule(rule_id)
            if isinstance(rule, Holders) and len({one.subject for one in held}) > rule.most:
                yield from _joined(_crowded(rule, department, held))


def _crowded(rule: Holders, department: str, held: list[Conflict]) -> Iterator[Conflict]:
    moments = {one.begins_at for one in held} | {
        one.ends_at for one in held if one.ends_at is not None
    }
    stretches = sorted(moments)
    for begins, ends in zip(stretches, (*stretches[1:], None), strict=True):
        now = [one for one in held if one.covers(begins)]
        if len({one.subject for one in now}) > rule.most:
            ways = tuple(way for one in now for way in one.sides[0])
            yield Conflict(rule.id, rule.mode, "", department, (ways,), begins, ends)


def _joined(parts: Iterable[Conflict]) -> Iterator[Conflict]:
    """The same conflicts with stretches that follow on each other made one."""
    open_ones: dict[object, Conflict] = {}
    for part in parts:
        key = (part.rule, part.department, part.exception, part.missing, part.sides)
        before = open_ones.get(key)
        if before is not None and before.ends_at == part.begins_at:
            open_ones[key] = replace(before, ends_at=part.ends_at)
            continue
        if before is not None:
            yield before
        open_ones[key] = part
    yield from open_ones.values()


def _held(grant: Grant) -> _Held:
    ends = [moment for moment in (grant.expires_at, grant.revoked_at) if moment is not None]
    return _Held(grant, (grant.role, grant.department), grant.not_before, min(ends, default=None))
