"""The answers of a policy, by looking up: a number for what is said, a number for who asks.

An answer is right for every moment from `since` on: grants that start or end later are kept with
their moments, and held against that of the request. Casbin is the reference (`engine`), and
`self_check` and the tests hold the two to the same answers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from secvault.access.compiled import Cell, CompiledRules, first_of
from secvault.access.conditions import AccessContext, fires, outcome
from secvault.access.grants import Grant
from secvault.access.holdings import Holdings
from secvault.access.layers import Layers
from secvault.access.narrowing import Narrowing
from secvault.access.rows import Case
from secvault.access.vocabulary import ALL, DEPARTMENTS, is_grantee

REFUSED = -1
_NEVER = 1 << 63


class Timed(NamedTuple):
    """Bits of roles held all the time, and others from a moment until before another."""

    mask: int
    windows: tuple[tuple[int, int, int], ...]


Masks = Mapping[tuple[str, str], int | Timed]
"""The bits of the roles that a subject holds in a department; alike for all others there."""


@dataclass(frozen=True, eq=False)
class Table:
    """The rules, and who holds which roles. since: the first moment that it knows."""

    rules: CompiledRules
    holdings: Holdings
    masks: Masks
    layers: Layers
    since: int

    def mask(self, subject: str, department: str, at: int) -> int:
        """The bits of the roles that the subject has there at a moment; none with a fault."""
        if subject in self.holdings.faults:
            return 0
        held = self.masks.get((subject, department))
        if held is None:
            return self.rules.everybody[department] if is_grantee(subject) else 0
        if type(held) is not Timed:
            return held  # type: ignore[return-value]
        mask = held.mask
        for bits, start, end in held.windows:
            if start <= at < end:
                mask |= bits
        return mask

    def allowing(self, case: Case, context: AccessContext, narrowing: Narrowing = ()) -> int:
        """The number of the rule by which this is allowed, the first that fires; else REFUSED."""
        subject, department, obj, field, action = case
        cell = self.rules.cell(department, obj, field, action)
        if cell is None or not cell.allows:
            return REFUSED
        mask = self.mask(subject, department, context.at)
        left = mask & self.layers.mask(narrowing, department, obj, action) if narrowing else mask
        return answer(cell, mask, left, context)

    def allowing_fields(
        self, case: Case, fields: Iterable[str], context: AccessContext, narrowing: Narrowing = ()
    ) -> Iterator[int]:
        """The same for each of these fields, instead of that of the case."""
        subject, department, obj, _, action = case
        mask = left = 0
        if department in DEPARTMENTS:
            mask = self.mask(subject, department, context.at)
            left = mask
            if narrowing:
                left &= self.layers.mask(narrowing, department, obj, action)
        for field in fields:
            cell = self.rules.cell(department, obj, field, action)
            yield REFUSED if cell is None else answer(cell, mask, left, context)


def answer(cell: Cell, mask: int, left: int, context: AccessContext) -> int:
    """The number of the first rule of a cell that allows, if none denies; else REFUSED.

    mask: the bits of the roles that denies count for; left: of those that allows count for.
    """
    if not left:
        return REFUSED
    for group in cell.denies:
        if mask & group.mask and (group.always or fires(outcome(group.condition, context), "deny")):
            return REFUSED
    found = REFUSED
    for group in cell.allows:
        if (hit := left & group.mask) and (
            group.always or fires(outcome(group.condition, context), "allow")
        ):
            order = first_of(hit, group)
            if order < found or found == REFUSED:
                found = order
    return found


def make_table(
    rules: CompiledRules,
    holdings: Holdings,
    since: int,
    before: Table | None = None,
    changed: Iterable[str] = (),
) -> Table:
    """The table of these holdings, right from the moment `since` on.

    before: a table of the same rules, from which the holdings differ for the subjects `changed`
    only: its own beginning counts then. Without it, everything is worked out.
    """
    if before is None:
        masks: dict[tuple[str, str], int | Timed] = {}
        subjects: Iterable[str] = {**dict.fromkeys(rules.named), **holdings.by_subject}
        layers = Layers(rules)
    else:
        masks = dict(before.masks)
        subjects, layers = changed, before.layers
        # New grants begin later, so that requests which came before them find the table still.
        since = before.since
    for subject in subjects:
        if before is not None:
            for department in DEPARTMENTS:
                masks.pop((subject, department), None)
        masks.update(masks_of(rules, subject, holdings.by_subject.get(subject, ()), since))
    return Table(rules, holdings, masks, layers, since)


def masks_of(
    rules: CompiledRules, subject: str, grants: tuple[Grant, ...], since: int
) -> dict[tuple[str, str], int | Timed]:
    """The masks that grants give to a subject, in each department where they give any."""
    found: dict[tuple[str, str], int | Timed] = {}
    theirs = {grant.department for grant in grants}
    whole = ALL in theirs or subject in rules.named
    for department in DEPARTMENTS if whole else theirs:
        mask = rules.linked.get((subject, department), 0)
        if is_grantee(subject):
            mask |= rules.everybody[department]
        windows = []
        for grant in grants:
            if grant.department not in (department, ALL):
                continue
            bits = rules.closure(department, grant.department, grant.role)
            end = _NEVER if grant.expires_at is None else grant.expires_at
            if grant.not_before <= since and end == _NEVER:
                mask |= bits
            elif end > since:
                windows.append((bits, grant.not_before, end))
        shared = rules.shared(mask)
        found[subject, department] = Timed(shared, tuple(windows)) if windows else shared
    return found
