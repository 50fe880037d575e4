"""The test files, `tests/*.toml` beside the policy, read strictly or not at all.

A name that does not exist would test nothing, so it is refused with file and place.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from secvault.access.conditions import AccessContext, read_condition
from secvault.access.grants import Grant, check_grantable
from secvault.access.obligations import MOST_PEOPLE
from secvault.access.policytest import invariant
from secvault.access.policytest.asking import Names, read_case, read_matrix
from secvault.access.policytest.facts import read_facts
from secvault.access.policytest.invariant import Duty, Invariant, Scope
from secvault.access.policytest.place import Entry, read_entries
from secvault.access.policytest.suite import Justified, Subject, Suite
from secvault.access.rules import Rules
from secvault.access.vocabulary import (
    ACTIONS,
    ALL,
    CLASSES,
    DEPARTMENTS,
    LOCAL_SUBJECTS,
    department_of,
    is_subject,
)
from secvault.errors import InvalidInput

_INVARIANTS = (
    "only",
    "never",
    "nobody",
    "everybody",
    "needs",
    "exactly",
    "second_person",
    "privileged",
)
_KEYS = ("title", "now", "subjects", "matrix", "case", *_INVARIANTS, "justified")
_SCOPE = ("actions", "departments", "objects", "fields")
_MAY = (*_SCOPE, "leaving_out")


def read_suite(file: str, text: str, rules: Rules) -> Suite:
    """One file. rules: the policy that it speaks of. Raises ConfigurationError."""
    whole, entries = read_entries(file, text)
    whole.only(*_KEYS)
    for key in ("matrix", "case", *_INVARIANTS, "justified"):
        if key in whole.found and key not in entries:
            whole.fault(f"{key} must be a list of tables: write [[{key}]]")
    title, at = whole.text("title"), whole.moment("now")
    subjects = whole.table("subjects")
    asking: dict[str, Subject] = {}
    contexts: dict[str, AccessContext] = {}
    for name, value in subjects.found.items():
        entry = subjects.within(name, value)
        asking[name] = _subject(entry, name, rules, at)
        contexts[name] = AccessContext(at, **read_facts(entry.table("facts"), at))
    named = {one.id: one.name for one in asking.values()}
    if len(named) < len(asking):
        subjects.fault("two subjects have one id")
    names = Names(rules, asking, contexts, at)
    assertions = [one for entry in entries.get("matrix", []) for one in read_matrix(entry, names)]
    assertions += [one for entry in entries.get("case", []) for one in read_case(entry, names)]
    reader = _Reader(rules)
    invariants: list[Invariant] = []
    duties: list[Duty] = []
    for key in _INVARIANTS:
        for entry in entries.get(key, []):
            found = reader.read(key, entry)
            if isinstance(found, invariant.SecondPerson | invariant.Privileged):
                duties.append(found)
            else:
                invariants.append(found)
    justified = tuple(_justified(entry) for entry in entries.get("justified", []))
    return Suite(
        file,
        title,
        at,
        tuple(asking.values()),
        tuple(assertions),
        tuple(invariants),
        tuple(duties),
        justified,
    )


def _subject(entry: Entry, name: str, rules: Rules, at: int) -> Subject:
    entry.only("id", "grants", "facts")
    subject = entry.text("id", f"user:{name}")
    if not is_subject(subject):
        entry.fault(
            f"id {subject!r} must be user:<id>, svc:<id> or one of "
            f"{', '.join(sorted(LOCAL_SUBJECTS))}"
        )
    listed = entry.found.get("grants", [])
    if not isinstance(listed, list):
        entry.fault("grants must be a list of roles")
    grants = [one for value in listed for one in _grants(entry, value, subject, rules, at)]
    # Named as a person would look for them in an explanation.
    numbered = enumerate(grants, start=1)
    return Subject(
        name, subject, tuple(replace(one, id=f"{name}-{number}") for number, one in numbered)
    )


def _grants(entry: Entry, value: object, subject: str, rules: Rules, at: int) -> Iterator[Grant]:
    given = entry.within("grants", {"role": value} if isinstance(value, str) else value)
    given.only("role", "department", "from", "until")
    role = given.one_of("role", rules.roles)
    start = given.moment("from", 0)
    until = given.moment("until") if "until" in given.found else None
    for department in given.names("department") or (department_of(role),):
        try:
            check_grantable(rules, subject, role, department)
        except InvalidInput as error:
            given.fault(error.detail)
        yield Grant("", subject, role, department, start, until, "user:0", at)


def _conditions(entry: Entry, key: str, *, required: bool = False) -> frozenset[str]:
    names = entry.names(key, required=required)
    for one in names:
        try:
            read_condition(one)
        except ValueError as error:
            entry.fault(f"{key}: {one!r} {error}")
    return frozenset(names)


def _justified(entry: Entry) -> Justified:
    entry.only("mutant", "reason")
    return Justified(entry.place, entry.text("mutant"), entry.text("reason"))


@dataclass(frozen=True)
class _Reader:
    """Reads invariants, by the key that they stand under."""

    rules: Rules

    @property
    def _holders(self) -> frozenset[str]:
        return self.rules.roles | LOCAL_SUBJECTS

    def read(self, key: str, entry: Entry) -> Invariant | Duty:
        read: Mapping[str, Callable[[Entry], Invariant | Duty]] = {
            "only": self._only,
            "never": self._never,
            "nobody": self._nobody,
            "everybody": self._everybody,
            "needs": self._needs,
            "exactly": self._exactly,
            "second_person": self._second_person,
            "privileged": self._privileged,
        }
        return read[key](entry)

    def _only(self, entry: Entry) -> Invariant:
        entry.only("title", "roles", *_MAY)
        return invariant.Only(
            entry.place, self._scope(entry), entry.names("roles", self._holders, required=True)
        )

    def _never(self, entry: Entry) -> Invariant:
        entry.only("title", "roles", "even_with_other_roles", *_MAY)
        roles = entry.names("roles", self._holders, required=True)
        return invariant.Never(
            entry.place, self._scope(entry), roles, entry.flag("even_with_other_roles")
        )

    def _nobody(self, entry: Entry) -> Invariant:
        entry.only("title", "may", "and")
        scopes = []
        for key in ("may", "and"):
            half = entry.table(key)
            half.only(*_MAY)
            scopes.append(self._scope(half))
        return invariant.Nobody(entry.place, *scopes)

    def _everybody(self, entry: Entry) -> Invariant:
        entry.only("title", *_SCOPE)
        return invariant.Everybody(entry.place, self._scope(entry))

    def _needs(self, entry: Entry) -> Invariant:
        entry.only("title", "conditions", "except", *_SCOPE)
        conditions = _conditions(entry, "conditions", required=True)
        exempt = entry.names("except", self._holders)
        return invariant.Needs(entry.place, self._scope(entry), conditions, exempt)

    def _exactly(self, entry: Entry) -> Invariant:
        entry.only("title", "role", "actions", "granted_in")
        granted_in = entry.names("granted_in", (ALL, *DEPARTMENTS))
        return invariant.Exactly(
            entry.place,
            entry.one_of("role", self._holders),
            entry.names("actions", ACTIONS, required=True),
            granted_in,
        )

    def _second_person(self, entry: Entry) -> Duty:
        entry.only("title", "actions", "people")
        people: Any = entry.found.get("people", 1)
        if type(people) is not int or not 1 <= people <= MOST_PEOPLE:
            entry.fault(f"people must be 1 to {MOST_PEOPLE}")
        return invariant.SecondPerson(
            entry.place, entry.names("actions", ACTIONS, required=True), people
        )

    def _privileged(self, entry: Entry) -> Duty:
        entry.only("title", "roles")
        return invariant.Privileged(
            entry.place, entry.names("roles", self.rules.roles, required=True)
        )

    def _scope(self, entry: Entry) -> Scope:
        return Scope(
            entry.names("actions", ACTIONS, required=True),
            entry.names("departments", DEPARTMENTS),
            entry.names("objects", self._objects()),
            entry.names("fields", self._fields()),
            _conditions(entry, "leaving_out"),
        )

    def _objects(self) -> Collection[str]:
        named = {rule.obj for rule in self.rules.rules}
        return {ALL, *ACTIONS.values(), *self.rules.collections, *named}

    def _fields(self) -> Collection[str]:
        named = {one for classes in self.rules.fields.values() for one in classes}
        return {ALL, *named, *(f"class:{one}" for one in CLASSES)}
