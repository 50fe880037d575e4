"""Matrices and cases: many answers in a table that its readers can check, or one by one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product

from secvault.access.conditions import AccessContext
from secvault.access.policytest.facts import read_facts
from secvault.access.policytest.place import Entry
from secvault.access.policytest.suite import Answer, Assertion, Subject
from secvault.access.policytest.universe import any_field, new_collection
from secvault.access.rows import Case
from secvault.access.rules import Rules
from secvault.access.vocabulary import (
    ACTIONS,
    ALL,
    CLASSES,
    COLLECTION,
    DEPARTMENTS,
    FIELD_ACTIONS,
    KEY,
    NO_FIELD,
    PLAN,
    is_object,
)

_READ = "record.read"
_NEW = "new"


@dataclass(frozen=True)
class Names:
    """What a file may speak of. contexts: the circumstances of each subject."""

    rules: Rules
    subjects: Mapping[str, Subject]
    contexts: Mapping[str, AccessContext]
    at: int


@dataclass(frozen=True)
class _Expected:
    """How an entry says that the answers must come about."""

    kind: str | None
    rule: str | None


def read_matrix(entry: Entry, names: Names) -> Iterator[Assertion]:
    """Every answer of a `[[matrix]]`: actions or fields down, subjects across.

    actions: a table from action to answers, or a list with `fields` or `answer` beside it.
    """
    entry.only(
        "title", "subjects", "department", "objects", "actions", "fields", "answer", "kind", "rule"
    )
    subjects = entry.names("subjects", names.subjects, required=True)
    departments = entry.names("department", (ALL, *DEPARTMENTS), required=True)
    if ALL in departments:
        departments = DEPARTMENTS
    expected = _expected(entry, names)
    for action, field, value in _rows(entry):
        if action not in ACTIONS:
            entry.unknown("actions", action, ACTIONS)
        for department, (subject, answer) in product(
            departments,
            zip(subjects, _answers(entry, field or action, value, subjects), strict=True),
        ):
            for obj in _objects(entry, names, action, department):
                case = _case(entry, names, subject, (department, obj, field, action))
                context = names.contexts[subject]
                yield _assertion(entry, names.subjects[subject], case, context, answer, expected)


def read_case(entry: Entry, names: Names) -> Iterator[Assertion]:
    """The answer of a `[[case]]`: one subject, one action, at a moment or with facts of its own."""
    entry.only(
        "title", "subject", "department", "object", "field", "action", "answer", "kind", "rule",
        "at", "facts",
    )  # fmt: skip
    subject = entry.one_of("subject", names.subjects)
    department = entry.one_of("department", DEPARTMENTS)
    action = entry.one_of("action", ACTIONS)
    obj = _named(entry.text("object", _usual_object(action)), department)
    case = _case(entry, names, subject, (department, obj, entry.text("field", NO_FIELD), action))
    at = entry.moment("at", names.at)
    own = names.contexts[subject]
    # What a subject's facts state as an age stays that old at another moment.
    moved = {
        key: value + at - names.at
        for key, value in vars_of(own).items()
        if key.endswith("_at") and isinstance(value, int)
    }
    context = replace(own, at=at, **{**moved, **read_facts(entry.table("facts"), at)})
    answer = Answer(entry.one_of("answer", set(Answer)))
    yield _assertion(entry, names.subjects[subject], case, context, answer, _expected(entry, names))


def vars_of(context: AccessContext) -> Mapping[str, object]:
    """The facts of a context by name."""
    return {name: getattr(context, name) for name in AccessContext.__dataclass_fields__}


def _rows(entry: Entry) -> Iterator[tuple[str, str, object]]:
    actions = entry.found.get("actions")
    if isinstance(actions, dict):
        if {"fields", "answer"} & entry.found.keys():
            entry.fault("actions that have answers go without fields and answer")
        for action, value in actions.items():
            yield action, NO_FIELD, value
        return
    listed = entry.names("actions", ACTIONS, required=True)
    if ("fields" in entry.found) is ("answer" in entry.found):
        entry.fault("say what is answered: by fields, or by one answer")
    rows = entry.table("fields").found if "fields" in entry.found else {}
    for action in listed:
        if not rows:
            yield action, NO_FIELD, entry.found.get("answer")
        for field, value in rows.items():
            yield action, field, value


def _answers(
    entry: Entry, row: str, value: object, subjects: tuple[str, ...]
) -> tuple[Answer, ...]:
    listed = value if isinstance(value, list) else [value] * len(subjects)
    if len(listed) != len(subjects):
        entry.fault(f"{row} has {len(listed)} answers for {len(subjects)} subjects")
    known = {one.value: one for one in Answer}
    found = [known.get(one) if isinstance(one, str) else None for one in listed]
    answers = tuple(one for one in found if one is not None)
    if len(answers) < len(found):
        entry.fault(f"{row}: the answers are {', '.join(known)}, not {value!r}")
    return answers


def _objects(entry: Entry, names: Names, action: str, department: str) -> tuple[str, ...]:
    listed = entry.names("objects")
    if not listed:
        return (_usual_object(action),)
    if ACTIONS[action] != COLLECTION:
        return listed
    # `*` is a request about no single collection, as for a search over several.
    listed = tuple(_named(name, department) for name in listed)
    for name in listed:
        home = names.rules.collections.get(name, department)
        if home != department and len(entry.names("department")) == 1:
            entry.fault(f"objects: {name} belongs to {home}, not to {department}")
    return tuple(
        name for name in listed if names.rules.collections.get(name, department) == department
    )


def _named(name: str, department: str) -> str:
    return new_collection(department) if name == _NEW else name


def _usual_object(action: str) -> str:
    kind = ACTIONS[action]
    return ALL if kind in (COLLECTION, KEY, PLAN) else kind


def _case(entry: Entry, names: Names, subject: str, asked: tuple[str, str, str, str]) -> Case:
    department, obj, field, action = asked
    if not is_object(action, obj, names.rules.collections):
        entry.fault(f"{obj!r} cannot be the object of {action} ({ACTIONS[action]})")
    prefix, colon, known = field.partition(":")
    if colon:
        if prefix != "class" or known not in CLASSES:
            entry.unknown("fields", field, [f"class:{one}" for one in CLASSES])
        field = any_field(known)
    if field != NO_FIELD:
        if action not in FIELD_ACTIONS:
            entry.fault(f"{action} is about no field; write '*' or leave the fields out")
        if field not in names.rules.fields.get(obj, {}):
            entry.fault(f"fields: {obj} has no field {field!r}")
    return Case(names.subjects[subject].id, department, obj, field, action)


def _assertion(
    entry: Entry,
    subject: Subject,
    case: Case,
    context: AccessContext,
    answer: Answer,
    expected: _Expected,
) -> Assertion:
    if answer is Answer.MASKED and case.action != _READ:
        entry.fault(f"masked is an answer to {_READ}, not to {case.action}")
    kind = expected.kind if answer is Answer.DENY else None
    decides = expected.rule if answer is not Answer.DENY or kind == "deny_rule" else None
    return Assertion(entry.place, subject, case, context, answer, kind, decides)


def _expected(entry: Entry, names: Names) -> _Expected:
    kind = entry.text("kind") if "kind" in entry.found else None
    rule = None
    if "rule" in entry.found:
        rule = entry.one_of("rule", {one.id for one in names.rules.rules})
    return _Expected(kind, rule)
