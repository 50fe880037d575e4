"""Scopes of tokens: the actions, departments and objects that one is limited to.

A scope is a layer of a narrowing (see `narrowing`) that holds no roles but words such as
`action:data.encrypt`, `department:hr` and `object:transit/payroll`. Of each sort that it names one
must fit the request; a sort that it does not name is not limited. So it only ever takes away.
"""

from __future__ import annotations

from collections.abc import Iterable

from secvault.access.rows import Case
from secvault.access.vocabulary import ACTIONS, DEPARTMENTS
from secvault.errors import InvalidInput

Layer = frozenset[str]

MOST_WORDS = 32
_ACTION, _DEPARTMENT, _OBJECT = "action:", "department:", "object:"
_SORTS = (_ACTION, _DEPARTMENT, _OBJECT)
_LONGEST_OBJECT = 512


def scope(
    actions: Iterable[str] = (), departments: Iterable[str] = (), objects: Iterable[str] = ()
) -> Layer | None:
    """The layer that limits to these; None when nothing is limited.

    objects: as rules name them, such as `transit/payroll` or `employees`; compared as written.
    Raises InvalidInput at `actions`, `departments` or `objects`.
    """
    given = {_ACTION: set(actions), _DEPARTMENT: set(departments), _OBJECT: set(objects)}
    for action in given[_ACTION]:
        if action not in ACTIONS:
            raise InvalidInput.at("actions", "names no action; write such as data.encrypt")
    for department in given[_DEPARTMENT]:
        if department not in DEPARTMENTS:
            raise InvalidInput.at("departments", f"use some of {', '.join(DEPARTMENTS)}")
    for name in given[_OBJECT]:
        if not 0 < len(name) <= _LONGEST_OBJECT or not name.isprintable() or "*" in name:
            raise InvalidInput.at("objects", "write names such as transit/payroll, no patterns")
    words = frozenset(f"{sort}{word}" for sort, chosen in given.items() for word in chosen)
    if len(words) > MOST_WORDS:
        raise InvalidInput.at("actions", f"a scope takes {MOST_WORDS} words at most")
    return words or None


def is_scope(layer: Layer) -> bool:
    """Whether the layer is a scope, not roles; an empty layer is no roles."""
    return bool(layer) and all(word.startswith(_SORTS) for word in layer)


def admits(layer: Layer, case: Case) -> bool:
    """Whether the scope leaves room for this request."""
    asked = {_ACTION: case.action, _DEPARTMENT: case.department, _OBJECT: case.object}
    return all(
        f"{sort}{word}" in layer
        for sort, word in asked.items()
        if any(each.startswith(sort) for each in layer)
    )


def admits_department(layer: Layer, department: str) -> bool:
    """Whether the scope leaves room for anything in this department."""
    named = [word for word in layer if word.startswith(_DEPARTMENT)]
    return not named or f"{_DEPARTMENT}{department}" in named


def words_of(narrowing: Iterable[Layer]) -> tuple[str, ...]:
    """The words of all scopes in a narrowing, sorted; for showing."""
    found = {word for layer in narrowing if is_scope(layer) for word in layer}
    return tuple(sorted(found))
