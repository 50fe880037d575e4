"""What other programs call people, things and actions when they ask for decisions: `authzen.toml`.

The file stands in the policy folder, is reviewed like it, and may be left out; then only secvault's
own names are known. It also says which facts of a caller are believed. What callers can ask, and an
example of the file: docs/reference/authzen.md.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from secvault.access.vocabulary import ACTIONS, COLLECTION, DEPARTMENTS, KEY, PLAN
from secvault.errors import ConfigurationError

FILE = "authzen.toml"

RECORD = "record"
"""Our own type of a single record; the other types are the kinds of things in `vocabulary`."""
PERSON, SYSTEM = "user", "svc"
"""The kinds of subjects, and the types that they have where the file says nothing else."""
IDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {PERSON: ("name", "id", "external", "employee"), SYSTEM: ("name", "id")}
)
"""How the subjects of each kind can be named."""

FACTS = ("owner", "employee", "team")
"""What a caller may say of a thing of its own: whose it is, by the id of a subject or by their
number in the company, and which team's."""
CIRCUMSTANCES = ("second_factor_age", "ip_address", "ticket")
"""What a caller may say of how somebody asks it: see `service.authzen.circumstances`."""

_FIXED = frozenset(ACTIONS.values()) - {COLLECTION, KEY, PLAN}
_MOST = 200
_LONGEST = 128


@dataclass(frozen=True)
class SubjectType:
    """kind: PERSON or SYSTEM. ids: what ids of this type are, of IDS; the first is answered with.

    `external` is the name that an identity provider has for a person.
    """

    kind: str
    ids: tuple[str, ...]


@dataclass(frozen=True)
class ResourceType:
    """A foreign type of things. actions: the caller's names to ours, in the order of the file.

    collection: its things are records of it, by their ids. With facts (a fact of FACTS to the
    name of the property that holds it) the things are the caller's own: nothing is looked up here,
    and the collection only names what the rules are about. object, department: otherwise, one thing
    for all ids, as rules name it.
    """

    actions: Mapping[str, str]
    collection: str = ""
    facts: Mapping[str, str] | None = None
    object: str = ""
    department: str = ""


@dataclass(frozen=True)
class Names:
    """The file. callers: by the sign-in name of a system, what of CIRCUMSTANCES is believed."""

    subjects: Mapping[str, SubjectType]
    resources: Mapping[str, ResourceType]
    callers: Mapping[str, frozenset[str]]


_OWN_SUBJECTS = {
    PERSON: SubjectType(PERSON, ("name", "id")),
    SYSTEM: SubjectType(SYSTEM, ("name", "id")),
}
OWN_NAMES = Names(MappingProxyType(_OWN_SUBJECTS), MappingProxyType({}), MappingProxyType({}))
"""Without a file."""


def load_names(folder: Path, collections: Mapping[str, str]) -> Names:
    """Read the file in `folder`; OWN_NAMES without one. collections: to their departments.

    Raises ConfigurationError that names the fault and the mend.
    """
    file = folder / FILE
    try:
        text = file.read_bytes().decode()
    except FileNotFoundError:
        return OWN_NAMES
    except OSError as error:
        raise ConfigurationError(f"{file}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{file}: is not UTF-8 at byte {error.start}") from error
    return parse_names(text, collections)


def parse_names(text: str, collections: Mapping[str, str]) -> Names:
    """The same from the text of the file."""
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise _fault(f"is not TOML: {error}") from None
    _only(document, {"version", "subjects", "resources", "callers"}, "the file")
    if document.get("version") != 1:
        raise _fault("begin it with version = 1")
    subjects = {
        name: _subject(table, f"subjects.{name}")
        for name, table in _tables(document, "subjects").items()
    }
    return Names(
        MappingProxyType({**_OWN_SUBJECTS, **subjects}),
        MappingProxyType(
            {
                name: _resource(table, f"resources.{name}", collections)
                for name, table in _tables(document, "resources").items()
            }
        ),
        MappingProxyType(
            {
                name: _caller(table, f"callers.{name}")
                for name, table in _tables(document, "callers").items()
            }
        ),
    )


def actions_of(kind: str) -> tuple[str, ...]:
    """The actions on things of our own type `kind`; a record is one of a collection."""
    if kind == RECORD:
        return tuple(name for name in ACTIONS if name.startswith("record."))
    return tuple(name for name, of in ACTIONS.items() if of == kind)


def _subject(table: Mapping[str, Any], at: str) -> SubjectType:
    _only(table, {"kind", "ids"}, at)
    kind = table.get("kind", PERSON)
    if kind not in IDS:
        raise _fault(f'{at}: kind is "{PERSON}" for people or "{SYSTEM}" for systems')
    ids = _texts(table.get("ids"), f"{at}.ids")
    unknown = [one for one in ids if one not in IDS[kind]]
    if unknown or not ids or len(set(ids)) < len(ids):
        raise _fault(f"{at}.ids: name some of {', '.join(IDS[kind])}, each once")
    return SubjectType(kind, tuple(ids))


def _resource(table: Mapping[str, Any], at: str, collections: Mapping[str, str]) -> ResourceType:
    _only(table, {"collection", "trusted", "object", "department", "actions"}, at)
    if ("collection" in table) is ("object" in table):
        raise _fault(f"{at}: say what it is here by collection or by object, one of the two")
    actions = _texts_by_name(table.get("actions"), f"{at}.actions")
    if not actions:
        raise _fault(f"{at}.actions: name at least one action")
    if "object" in table:
        return _fixed(table, at, actions)
    _only(table, {"collection", "trusted", "actions"}, at)
    collection = table["collection"]
    if collection not in collections:
        raise _fault(f"{at}: there is no collection {collection!r}")
    _each_of(actions, RECORD, f"{at}.actions")
    trusted: Mapping[str, str] | None = None
    if "trusted" in table:
        facts = _texts_by_name(table["trusted"], f"{at}.trusted")
        for fact in facts:
            if fact not in FACTS:
                raise _fault(f"{at}.trusted: {fact!r} is no fact; there are {', '.join(FACTS)}")
        if {"owner", "employee"} <= facts.keys():
            raise _fault(f"{at}.trusted: owner and employee say the same thing; keep one")
        trusted = MappingProxyType(facts)
    return ResourceType(MappingProxyType(actions), collection, trusted)


def _fixed(table: Mapping[str, Any], at: str, actions: Mapping[str, str]) -> ResourceType:
    _only(table, {"object", "department", "actions"}, at)
    thing, department = table["object"], table.get("department", "it")
    if thing not in _FIXED:
        raise _fault(f"{at}: there is no object {thing!r}; there are {', '.join(sorted(_FIXED))}")
    if department not in DEPARTMENTS:
        raise _fault(f"{at}: department {department!r}: there are {', '.join(DEPARTMENTS)}")
    _each_of(actions, thing, f"{at}.actions")
    return ResourceType(MappingProxyType(actions), object=thing, department=department)


def _caller(table: Mapping[str, Any], at: str) -> frozenset[str]:
    _only(table, {"trusted"}, at)
    trusted = _texts(table.get("trusted"), f"{at}.trusted")
    for fact in trusted:
        if fact not in CIRCUMSTANCES:
            known = ", ".join(CIRCUMSTANCES)
            raise _fault(f"{at}.trusted: {fact!r} is none of what can be trusted: {known}")
    return frozenset(trusted)


def _each_of(actions: Mapping[str, str], kind: str, at: str) -> None:
    possible = actions_of(kind)
    for name, action in actions.items():
        if action not in possible:
            known = ", ".join(possible)
            raise _fault(f"{at}.{name}: {action!r} is no action on this; there are {known}")


def _tables(document: Mapping[str, Any], key: str) -> dict[str, Mapping[str, Any]]:
    found = document.get(key, {})
    if not isinstance(found, dict) or len(found) > _MOST:
        raise _fault(f"{key}: must be tables such as [{key}.name], {_MOST} at most")
    for name, table in found.items():
        _name(name, key)
        if not isinstance(table, dict):
            raise _fault(f"{key}.{name}: must be a table")
    return found


def _texts(found: object, at: str) -> list[str]:
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise _fault(f"{at}: must be a list of names")
    return found


def _texts_by_name(found: object, at: str) -> dict[str, str]:
    if not isinstance(found, dict) or not all(isinstance(one, str) for one in found.values()):
        raise _fault(f"{at}: must be a table from names to names")
    for name in (*found, *found.values()):
        _name(name, at)
    return found


def _name(name: str, at: str) -> None:
    if not 0 < len(name) <= _LONGEST or not name.isprintable():
        raise _fault(f"{at}: names have 1 to {_LONGEST} characters that can be shown")


def _only(table: Mapping[str, Any], keys: Iterable[str], at: str) -> None:
    unknown = sorted(table.keys() - set(keys))
    if unknown:
        known = ", ".join(sorted(keys))
        raise _fault(f"{at}: {unknown[0]!r} is not known here; there are {known}")


def _fault(text: str) -> ConfigurationError:
    return ConfigurationError(f"{FILE}: {text}")
