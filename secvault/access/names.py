"""The names in a request: what does not exist is refused before any rule is looked at."""

from __future__ import annotations

from collections.abc import Mapping

from secvault.access.explain import Finding, refusal
from secvault.access.rows import Case
from secvault.access.vocabulary import (
    ACTIONS,
    COLLECTION,
    DEPARTMENTS,
    FIELD_ACTIONS,
    NO_FIELD,
    FieldClasses,
    is_object,
    is_subject,
)
from secvault.access.words import reason


def unknown_subject(case: Case) -> Finding | None:
    """A refusal when the subject is none; nothing unknown is looked up."""
    return None if is_subject(case.subject) else _unknown("subject", case.subject)


def misplaced(case: Case, fields: FieldClasses, collections: Mapping[str, str]) -> Finding | None:
    """A refusal when department, action, object or field do not exist, or not together."""
    if case.department not in DEPARTMENTS:
        return _unknown("department", case.department)
    if case.action not in ACTIONS:
        return _unknown("action", case.action)
    if not is_object(case.action, case.object, collections):
        return _unknown("object", case.object)
    if case.field != NO_FIELD and not (
        case.action in FIELD_ACTIONS and case.field in fields.get(case.object, {})
    ):
        return _unknown("field", case.field)
    home = collections.get(case.object, case.department)
    if ACTIONS[case.action] != COLLECTION or home == case.department:
        return None
    return refusal(
        "wrong_department",
        reason("wrong_department_object", object=case.object, department=case.department),
        f"{case.object} belongs to {home}, the request says {case.department}",
    )


def _unknown(what: str, name: str) -> Finding:
    # The name is quoted, so that it cannot forge a line of a log.
    return refusal("unknown_name", reason(f"unknown_{what}"), f"unknown {what} {name[:80]!a}")
