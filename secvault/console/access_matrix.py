"""The access matrix: what each role of a department may do there, from the policy in force."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated

from fastapi import Query, Request
from starlette.responses import Response

from secvault.access import ALL, DEPARTMENTS
from secvault.access.conditions import ALWAYS
from secvault.access.remedies import can_be_given
from secvault.access.rows import Rule
from secvault.access.rules import Rules
from secvault.access.vocabulary import ACTIONS, FIELD_ACTIONS, SIGNED_IN
from secvault.access.words import class_name
from secvault.api.declared import operation
from secvault.api.routing import Routes
from secvault.console.access_words import condition_in
from secvault.console.language import language_of
from secvault.console.page import page
from secvault.console.visitor import Visiting
from secvault.errors import InvalidInput
from secvault.service.entitlements import WHO_CAN
from secvault.service.policies import operations as policies

router = Routes(include_in_schema=False)

PATH = "/access/matrix"
_CLASS = "class:"
_SINGLE = frozenset(ACTIONS.values())
"""Objects that are the only one of their sort, which so say nothing more."""


@dataclass(frozen=True)
class Part:
    """Something that a role may do alike. when: in words; empty for always.

    objects: on which alone; none for all. classes: of fields, in words; none where the action is
    not one on fields.
    """

    when: str
    objects: tuple[str, ...]
    classes: tuple[str, ...]


@dataclass(frozen=True)
class Cell:
    """What a role may do by an action. never: it is forbidden, and nothing lifts that.

    denied: ids of rules that take part of it away. through: the inherited roles that all of it
    comes by; none where some is the role's own.
    """

    parts: tuple[Part, ...]
    never: bool
    denied: tuple[str, ...]
    through: tuple[str, ...]


@dataclass(frozen=True)
class Matrix:
    """Roles by actions; a cell is None where the role may not."""

    roles: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell | None, ...]], ...]


@router.get(PATH)
@operation("it/policy", "policy.read", "access.who_can")
def access_matrix(
    request: Request, at: Visiting, department: Annotated[str, Query(max_length=63)] = ""
) -> Response:
    """The matrix of one department; the visitor's own unless another is named."""
    shown = policies.show(at.service, at.caller)
    chosen = department or at.caller.principal.department
    if chosen not in DEPARTMENTS:
        raise InvalidInput.at("department", f"use one of {', '.join(DEPARTMENTS)}")
    return page(
        request,
        "access/matrix.html",
        visitor=at,
        department=chosen,
        departments=DEPARTMENTS,
        matrix=matrix_of(at.service.policy.rules, chosen, language_of(request).code),
        version=shown.version,
        may_who_can=at.may(WHO_CAN),
        may_matrix=True,
    )


def matrix_of(rules: Rules, department: str, language: str) -> Matrix:
    """What each role that can be given in the department may do there."""
    held = {
        role: _with_inherited(rules, role, department)
        for role in sorted(rules.roles)
        if role == SIGNED_IN or can_be_given(role, department)
    }
    there = [one for one in rules.rules if one.dom in (ALL, department)]
    roles = tuple(role for role, having in held.items() if any(one.sub in having for one in there))
    by_action: dict[str, list[Rule]] = {}
    for one in there:
        by_action.setdefault(one.act, []).append(one)
    rows = []
    for action in ACTIONS:
        about = [*by_action.get(action, ()), *by_action.get(ALL, ())]
        cells = tuple(_cell(role, held[role], about, language) for role in roles)
        if any(cells):
            rows.append((action, cells))
    return Matrix(roles, tuple(rows))


def _with_inherited(rules: Rules, role: str, department: str) -> frozenset[str]:
    """The role and all that it inherits; ways never go through both a department and `*`."""
    found = {role}
    for domain in (department, ALL):
        waiting = [role]
        for member in waiting:
            for link in rules.links:
                if link.member == member and link.department == domain and link.role not in waiting:
                    waiting.append(link.role)
        found.update(waiting)
    return frozenset(found)


def _cell(role: str, having: frozenset[str], about: Iterable[Rule], language: str) -> Cell | None:
    own = [one for one in about if one.sub in having]
    denied = [one for one in own if one.eft == "deny"]
    if any(one.cond == ALWAYS and one.obj == ALL and one.fld == ALL for one in denied):
        return Cell((), never=True, denied=(), through=_through(role, denied))
    allowed = [one for one in own if one.eft == "allow"]
    if not allowed:
        return None
    return Cell(
        tuple(_parts(allowed, language)),
        never=False,
        denied=tuple(one.id for one in denied),
        through=_through(role, allowed),
    )


def _parts(allowed: Iterable[Rule], language: str) -> Iterator[Part]:
    """What is allowed under the same condition on the same objects, put together."""
    objects: dict[tuple[str, str], set[str]] = {}
    for one in allowed:
        objects.setdefault((one.cond, one.fld if one.act in FIELD_ACTIONS else ""), set()).add(
            ALL if one.obj in _SINGLE else one.obj
        )
    fields: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for (cond, field), on in objects.items():
        of_what = () if ALL in on else tuple(sorted(on))
        fields.setdefault((cond, of_what), []).append(field)
    for (cond, of_what), patterns in sorted(fields.items(), key=lambda one: one[0][0] != ALWAYS):
        shown = tuple(_field(one, language) for one in patterns if one)
        yield Part(condition_in(cond, language), of_what, shown)


def _field(pattern: str, language: str) -> str:
    if pattern == ALL:
        return class_name("normal", language)
    if pattern.startswith(_CLASS):
        return class_name(pattern.removeprefix(_CLASS), language)
    return pattern


def _through(role: str, rules: Iterable[Rule]) -> tuple[str, ...]:
    """The roles that all of it comes by, where none of it is the role's own."""
    by = {one.sub for one in rules}
    return () if role in by else tuple(sorted(by))
