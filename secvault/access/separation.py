"""The reviewed file `separation.toml`: what nobody may be able to do both of, and who holds what.

Four kinds of rules. `[[duties]]`: whoever may do one of `a` may not do one of `b`. `[[exclusive]]`:
at most so many roles of a set. `[[holders]]`: at most so many who hold a role. `[[prerequisite]]`:
whoever holds a role holds others, too. They speak of what somebody effectively has, by inheritance
and in whichever department; `conflicts` finds who breaks them. Read strictly or not at all: a name
that does not exist would keep nothing apart.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

from secvault.access.rules import Rules
from secvault.access.vocabulary import (
    ACTIONS,
    ALL,
    CLASSES,
    FIELD_ACTIONS,
    RESERVED_ROLES,
    is_object,
)
from secvault.errors import ConfigurationError

FILE = "separation.toml"
LANGUAGES = ("en", "vi")
MOST_HOLDERS = 1_000_000
MOST_RULES = 200

_ID = re.compile(r"[a-z][a-z0-9-]{0,63}")
_HEADING = frozenset({"id", "title", "scope", "mode"})

_Option = TypeVar("_Option", bound=StrEnum)


class Mode(StrEnum):
    """deny: what breaks the rule is refused. warn: it is done, and put on record."""

    DENY = "deny"
    WARN = "warn"


class Scope(StrEnum):
    """department: both in one department. anywhere: each in any department."""

    DEPARTMENT = "department"
    ANYWHERE = "anywhere"


@dataclass(frozen=True)
class Permission:
    """An action, on one object or any (`*`), on fields of one class or any request (`*`)."""

    action: str
    object: str = ALL
    sensitivity: str = ALL

    def __str__(self) -> str:
        on = "" if self.object == ALL else f" on {self.object}"
        of = "" if self.sensitivity == ALL else f", class {self.sensitivity}"
        return f"{self.action}{on}{of}"


@dataclass(frozen=True)
class SeparationRule:
    """What all kinds of rules have. title: by language, why; `en` and `vi`."""

    id: str
    title: Mapping[str, str]
    scope: Scope
    mode: Mode


@dataclass(frozen=True)
class Duties(SeparationRule):
    """Nobody may do one of `a` and, at the same moment, one of `b`."""

    a: tuple[Permission, ...]
    b: tuple[Permission, ...]


@dataclass(frozen=True)
class Exclusive(SeparationRule):
    """Nobody holds more than `most` of the roles at one moment."""

    roles: tuple[str, ...]
    most: int


@dataclass(frozen=True)
class Holders(SeparationRule):
    """The role is held by `most` people and systems at most, at each moment."""

    role: str
    most: int


@dataclass(frozen=True)
class Prerequisite(SeparationRule):
    """Whoever holds the role holds every one of `needs` at the same moment."""

    role: str
    needs: tuple[str, ...]


@dataclass(frozen=True)
class Separation:
    """The rules in the order of the file. digest: SHA-256 in hex of the file's text."""

    rules: tuple[SeparationRule, ...]
    digest: str

    def rule(self, rule_id: str) -> SeparationRule | None:
        """The rule with this id, or None."""
        return next((rule for rule in self.rules if rule.id == rule_id), None)


NOTHING_APART = Separation((), hashlib.sha256(b"").hexdigest())
"""No rule at all."""


def load_separation(folder: Path, rules: Rules) -> Separation:
    """Read the file in `folder`, against the policy whose names it uses.

    Raises ConfigurationError that names the fault and the mend.
    """
    file = folder / FILE
    try:
        text = file.read_bytes().decode()
    except OSError as error:
        raise ConfigurationError(f"{file}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{file}: is not UTF-8 at byte {error.start}") from error
    return parse_separation(text, rules)


def parse_separation(text: str, rules: Rules) -> Separation:
    """The same from the text of the file."""
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise _fault(f"is not TOML: {error}") from None
    kinds = {"duties": _duties, "exclusive": _exclusive, "holders": _holders}
    kinds["prerequisite"] = _prerequisite
    _only(document, {"version", *kinds}, "the file")
    if document.get("version") != 1:
        raise _fault("begin it with version = 1")
    found: list[SeparationRule] = []
    for kind, read in kinds.items():
        for number, entry in enumerate(_tables(document.get(kind, []), kind), 1):
            where = f"{kind} {number}"
            rule = read(entry, where, rules)
            if any(rule.id == other.id for other in found):
                raise _fault(f"{where}: there is a rule {rule.id!r} already")
            found.append(rule)
    if len(found) > MOST_RULES:
        raise _fault(f"holds {len(found)} rules; {MOST_RULES} are the most")
    return Separation(tuple(found), hashlib.sha256(text.encode()).hexdigest())


def _duties(entry: Mapping[str, Any], where: str, rules: Rules) -> Duties:
    _only(entry, _HEADING | {"a", "b"}, where)
    sides = [
        tuple(
            _permission(one, f"{where}, {side}", rules)
            for one in _tables(entry.get(side), f"{where}, {side}")
        )
        for side in ("a", "b")
    ]
    if not all(sides):
        raise _fault(f'{where}: write both sides, as a = [{{ action = "record.create" }}]')
    for one in sides[0]:
        for other in sides[1]:
            if _overlap(one, other):
                raise _fault(
                    f"{where}: {one} is on both sides, so that nobody could have it; take it out "
                    "of one"
                )
    return Duties(**_heading(entry, where), a=sides[0], b=sides[1])


def _exclusive(entry: Mapping[str, Any], where: str, rules: Rules) -> Exclusive:
    _only(entry, _HEADING | {"roles", "most"}, where)
    roles = _roles(entry.get("roles"), f"{where}, roles", rules)
    most = _number(entry.get("most", 1), f"{where}, most", len(roles) - 1)
    return Exclusive(**_heading(entry, where), roles=roles, most=most)


def _holders(entry: Mapping[str, Any], where: str, rules: Rules) -> Holders:
    _only(entry, _HEADING | {"role", "most"}, where)
    (role,) = _roles([entry.get("role")], f"{where}, role", rules)
    most = _number(entry.get("most"), f"{where}, most", MOST_HOLDERS)
    return Holders(**_heading(entry, where), role=role, most=most)


def _prerequisite(entry: Mapping[str, Any], where: str, rules: Rules) -> Prerequisite:
    _only(entry, _HEADING | {"role", "needs"}, where)
    (role,) = _roles([entry.get("role")], f"{where}, role", rules)
    needs = _roles(entry.get("needs"), f"{where}, needs", rules)
    if role in needs:
        raise _fault(f"{where}: {role} cannot be needed by itself")
    return Prerequisite(**_heading(entry, where), role=role, needs=needs)


def _heading(entry: Mapping[str, Any], where: str) -> dict[str, Any]:
    name = entry.get("id")
    if not isinstance(name, str) or not _ID.fullmatch(name):
        raise _fault(f"{where}: id must be a letter, then a-z, 0-9 and '-', 64 at most")
    title = entry.get("title")
    _only(title, set(LANGUAGES), f"{where}, title")
    for language in LANGUAGES:
        text = title.get(language) if isinstance(title, dict) else None
        if not isinstance(text, str) or not text.isprintable() or not text.strip():
            raise _fault(f"{where}: say why in a line of text, title.{language}")
    return {
        "id": name,
        "title": title,
        "scope": _option(Scope, entry.get("scope"), f"{where}, scope"),
        "mode": _option(Mode, entry.get("mode"), f"{where}, mode"),
    }


def _permission(entry: Mapping[str, Any], where: str, rules: Rules) -> Permission:
    _only(entry, {"action", "object", "class"}, where)
    action, name = entry.get("action"), entry.get("object", ALL)
    if not isinstance(action, str) or action not in ACTIONS:
        raise _fault(f"{where}: there is no action {action!r}")
    if not isinstance(name, str) or not (name == ALL or is_object(action, name, rules.collections)):
        raise _fault(f"{where}: {name!r} cannot be the object of {action} ({ACTIONS[action]})")
    sensitivity = entry.get("class", ALL)
    if sensitivity != ALL and action not in FIELD_ACTIONS:
        raise _fault(f"{where}: {action} is about no field; leave class out")
    if sensitivity not in (ALL, *CLASSES):
        raise _fault(f"{where}: class {sensitivity!r}: there are {', '.join(CLASSES)}")
    return Permission(action, name, sensitivity)


def _overlap(one: Permission, other: Permission) -> bool:
    return one.action == other.action and all(
        ALL in (mine, yours) or mine == yours
        for mine, yours in (
            (one.object, other.object),
            (one.sensitivity, other.sensitivity),
        )
    )


def _roles(found: object, where: str, rules: Rules) -> tuple[str, ...]:
    if not isinstance(found, list) or not found:
        raise _fault(f"{where}: must be a list of roles")
    for role in found:
        if role not in rules.roles - RESERVED_ROLES:
            raise _fault(f"{where}: there is no role {role!r} that could be granted")
    if len(set(found)) < len(found):
        raise _fault(f"{where}: names a role twice")
    return tuple(found)


def _number(found: object, where: str, most: int) -> int:
    if type(found) is not int or not 1 <= found <= most:
        raise _fault(f"{where}: must be a whole number, 1 to {most}")
    return found


def _option(options: type[_Option], found: object, where: str) -> _Option:
    for option in options:
        if found == option.value:
            return option
    raise _fault(f"{where}: must be one of {', '.join(options)}")


def _tables(found: object, where: str) -> list[dict[str, Any]]:
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise _fault(f"{where}: must be a list of tables")
    return found


def _only(table: object, keys: Iterable[str], where: str) -> None:
    if not isinstance(table, dict):
        raise _fault(f"{where}: must be a table")
    unknown = sorted(table.keys() - set(keys))
    if unknown:
        raise _fault(f"{where}: {unknown[0]!r} is not known; there are {', '.join(sorted(keys))}")


def _fault(text: str) -> ConfigurationError:
    return ConfigurationError(f"{FILE}: {text}")
