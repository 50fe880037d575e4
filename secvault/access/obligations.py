"""The reviewed file `obligations.toml`: which actions need how many other people.

Read strictly or not at all: a name that does not exist would ask nobody.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from secvault.access.rules import Rules
from secvault.access.vocabulary import (
    ACTIONS,
    CLASSES,
    DEPARTMENTS,
    IN_CLEAR,
    RESERVED_ROLES,
    is_role,
)
from secvault.errors import ConfigurationError, FieldError

FILE = "obligations.toml"
GIVE, GIVE_ROLE = "approval.give", "approval.give_role"
MOST_PEOPLE = 9

MAY_NEED_APPROVAL = frozenset(
    {
        "approle.write",
        "audit.rotate_key",
        "exception.add",
        "eligibility.add",
        "factor.reset",
        "grant.activate",
        "grant.add",
        "grant.request",
        "grant.revoke",
        "hardware_token.assign",
        "hold.lift",
        "hold.place",
        "key.backup",
        "key.delete",
        "key.export",
        "key.restore",
        "key.update",
        "kit.issue",
        "mount.delete",
        "password.reset",
        "person.disable",
        "person.enable",
        "person.import",
        "person.place",
        "record.erase",
        "retention.run",
        "review.decide",
        "plan.add",
        "plan.change",
        "plan.remove",
        "policy.apply",
        "record.export",
        "record.export_deidentified",
        "root.rotate",
        "secret_id.create",
        "service_account.create",
        "token.issue",
        "token.rotate",
        "vault.reseal",
    }
)
"""Actions whose operations must say what they are about to do, or that it needs nobody."""

MAY_BREAK_GLASS = frozenset({"person.disable"})
"""Actions that an obligation can be lifted from for who has broken the glass. They only take away,
and can be undone: none of them gives anybody an account, a role, a key or a code."""
SELF_SERVICE = frozenset({"grant.activate", "grant.request"})
"""Actions by which anybody may come to a role: never without approvals, whatever else is so. Their
slots are those of the role, of a `role_request` of the file.
"""

# An action of which only one operation says so; the others are work that no transaction holds.
_ALSO = frozenset({"backup.restore"})
# Needs what the other one needs, unless the file says something else: an older file does not.
_AS = {"eligibility.add": "grant.add"}
_ACTIONS = (MAY_NEED_APPROVAL | _ALSO) - SELF_SERVICE


@dataclass(frozen=True)
class Slot:
    """So many people who may approve in a department. department: None for the operation's own.

    action: by which they may; `approval.give_role` for those who answer for a department.
    """

    people: int
    department: str | None = None
    action: str = GIVE

    def where(self, department: str) -> str:
        """The department that counts for an operation in `department`."""
        return self.department or department


@dataclass(frozen=True)
class RoleRequest:
    """Who approves that somebody gets a role which they asked for, or activate.

    Fits by all that is said: the department that the role is asked for in, the role, and whether it
    is privileged; None for any.
    """

    slots: tuple[Slot, ...]
    departments: frozenset[str] | None = None
    roles: frozenset[str] | None = None
    privileged: bool | None = None

    def fits(self, role: str, department: str, *, privileged: bool) -> bool:
        """Whether this is about the role there."""
        return (
            (self.departments is None or department in self.departments)
            and (self.roles is None or role in self.roles)
            and (self.privileged is None or privileged is self.privileged)
        )


@dataclass(frozen=True)
class Obligations:
    """What needs whom. privileged_actions, privileged_classes: what makes a role privileged.

    break_glass: what who has broken the glass does without the second person. role_requests: the
    first that fits counts.
    """

    slots: Mapping[str, tuple[Slot, ...]]
    privileged_actions: frozenset[str]
    privileged_classes: frozenset[str]
    break_glass: frozenset[str] = frozenset()
    role_requests: tuple[RoleRequest, ...] = ()

    def needed(self, action: str) -> tuple[Slot, ...]:
        """The slots of an action; empty when it needs nobody."""
        return self.slots.get(action) or self.slots.get(_AS.get(action, ""), ())

    def needed_for_role(self, rules: Rules, role: str, department: str) -> tuple[Slot, ...]:
        """The slots of a request for the role there; empty when it cannot be asked for."""
        privileged = self.is_privileged(rules, role)
        for each in self.role_requests:
            if each.fits(role, department, privileged=privileged):
                return each.slots
        return ()

    def is_privileged(self, rules: Rules, role: str) -> bool:
        """Whether to give this role needs what `grant.add` needs."""
        return role in roles_with(rules, self.privileged_actions) or any(
            rule.eft == "allow"
            and rule.act in IN_CLEAR
            and rule.fld.removeprefix("class:") in self.privileged_classes
            and rule.sub in _reached(rules, role)
            for rule in rules.rules
        )


def roles_with(rules: Rules, actions: Iterable[str]) -> frozenset[str]:
    """The roles that may be granted and that allow one of the actions, inherited ones too."""
    wanted = frozenset(actions)
    allowing = {rule.sub for rule in rules.rules if rule.eft == "allow" and rule.act in wanted}
    return frozenset(
        role
        for role in rules.roles - RESERVED_ROLES
        if not allowing.isdisjoint(_reached(rules, role))
    )


def load_obligations(folder: Path) -> Obligations:
    """Read the file in `folder`. Raises ConfigurationError that names the fault and the mend."""
    file = folder / FILE
    try:
        text = file.read_bytes().decode()
    except OSError as error:
        raise ConfigurationError(f"{file}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{file}: is not UTF-8 at byte {error.start}") from error
    return parse_obligations(text)


def parse_obligations(text: str) -> Obligations:
    """The same from the text of the file."""
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise _fault(f"is not TOML: {error}") from None
    _only(
        document,
        {"version", "obligation", "privileged", "break_glass", "role_request"},
        "the file",
    )
    if document.get("version") != 1:
        raise _fault("begin it with version = 1")
    slots: dict[str, tuple[Slot, ...]] = {}
    faults: list[ConfigurationError] = []
    for number, entry in enumerate(_tables(document.get("obligation", []), "obligation"), 1):
        try:
            _add_obligation(entry, f"obligation {number}", slots)
        except ConfigurationError as error:
            faults.append(error)
    privileged = document.get("privileged", {})
    actions, classes, lifted = [], [], []
    asked: tuple[RoleRequest, ...] = ()
    try:
        _only(privileged, {"actions", "classes"}, "privileged")
        actions = _names(privileged.get("actions", []), "privileged, actions", ACTIONS)
        classes = _names(privileged.get("classes", []), "privileged, classes", CLASSES)
        lifted = _lifted(document)
        entries = enumerate(_tables(document.get("role_request", []), "role_request"), 1)
        asked = tuple(_role_request(entry, f"role_request {number}") for number, entry in entries)
    except ConfigurationError as error:
        faults.append(error)
    if faults:
        every = tuple(fault for error in faults for fault in error.fields)
        raise ConfigurationError("; ".join(error.detail for error in faults), fields=every)
    powers = frozenset({GIVE, GIVE_ROLE, *slots, *actions})
    return Obligations(slots, powers, frozenset(classes), frozenset(lifted), asked)


def _lifted(document: Mapping[str, Any]) -> list[str]:
    glass = document.get("break_glass", {})
    _only(glass, {"actions"}, "break_glass")
    lifted = _names(glass.get("actions", []), "break_glass, actions")
    for action in lifted:
        if action not in MAY_BREAK_GLASS:
            known = ", ".join(sorted(MAY_BREAK_GLASS))
            raise _fault(f"break_glass, actions: {action!r} always waits; there is only {known}")
    return lifted


def _add_obligation(
    entry: Mapping[str, Any], where: str, slots: dict[str, tuple[Slot, ...]]
) -> None:
    _only(entry, {"actions", "slots"}, where)
    given = _slots(entry, where)
    for action in _names(entry.get("actions"), f"{where}, actions"):
        if action not in _ACTIONS:
            known = ", ".join(sorted(_ACTIONS))
            raise _fault(f"{where}: {action!r} cannot wait for an approval; there are {known}")
        if action in slots:
            raise _fault(f"{where}: {action} is in two obligations; keep one")
        slots[action] = given


def _reached(rules: Rules, role: str) -> frozenset[str]:
    found, waiting = {role}, [role]
    for member in waiting:
        for link in rules.links:
            if link.member == member and link.role not in found:
                found.add(link.role)
                waiting.append(link.role)
    return frozenset(found)


def _role_request(entry: Mapping[str, Any], where: str) -> RoleRequest:
    _only(entry, {"departments", "roles", "privileged", "slots"}, where)
    slots = _slots(entry, where, {GIVE, GIVE_ROLE})
    privileged = entry.get("privileged")
    if privileged is not None and not isinstance(privileged, bool):
        raise _fault(f"{where}: privileged must be true or false")
    # Else whoever made somebody up would give them a privileged role alone.
    if privileged is not False and sum(slot.people for slot in slots) < 2:
        raise _fault(
            f"{where}: a privileged role takes two people to give; add a slot, or say "
            "privileged = false"
        )
    return RoleRequest(
        slots,
        _chosen(entry, "departments", where, DEPARTMENTS),
        _chosen(entry, "roles", where, None),
        privileged,
    )


def _chosen(
    entry: Mapping[str, Any], key: str, where: str, known: Iterable[str] | None
) -> frozenset[str] | None:
    if key not in entry:
        return None
    found = _names(entry[key], f"{where}, {key}", known)
    for name in found:
        if key == "roles" and not is_role(name):
            raise _fault(f"{where}, roles: {name!r} is not a role such as role:hr.clerk")
    return frozenset(found)


def _slots(
    entry: Mapping[str, Any], where: str, actions: Iterable[str] = (GIVE,)
) -> tuple[Slot, ...]:
    found = _tables(entry.get("slots"), f"{where}, slots")
    if not found:
        raise _fault(f"{where}: say how many people approve, as slots = [{{ people = 1 }}]")
    return tuple(_slot(one, where, frozenset(actions)) for one in found)


def _slot(entry: Mapping[str, Any], where: str, actions: frozenset[str]) -> Slot:
    _only(entry, {"people", "department", "action"}, f"{where}, slots")
    action = entry.get("action", GIVE)
    if action not in actions:
        raise _fault(f"{where}: action {action!r}: there are {', '.join(sorted(actions))}")
    people, department = entry.get("people"), entry.get("department")
    if type(people) is not int or not 1 <= people <= MOST_PEOPLE:
        raise _fault(f"{where}: people must be 1 to {MOST_PEOPLE}")
    if department is not None and department not in DEPARTMENTS:
        raise _fault(f"{where}: department {department!r}: there are {', '.join(DEPARTMENTS)}")
    return Slot(people, department, action)


def _tables(found: object, where: str) -> list[dict[str, Any]]:
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise _fault(f"{where}: must be a list of tables")
    return found


def _names(found: object, where: str, known: Iterable[str] | None = None) -> list[str]:
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise _fault(f"{where}: must be a list of names")
    if known is not None:
        for name in found:
            if name not in known:
                raise _fault(f"{where}: there is no {name!r}")
    return found


def _only(table: object, keys: set[str], where: str) -> None:
    if not isinstance(table, dict):
        raise _fault(f"{where}: must be a table")
    unknown = sorted(table.keys() - keys)
    if unknown:
        raise _fault(f"{where}: {unknown[0]!r} is not known; there are {', '.join(sorted(keys))}")


def _fault(text: str) -> ConfigurationError:
    where, colon, mend = text.partition(": ")
    at = f"{FILE}: {where}" if colon and where.startswith(("obligation", "privileged")) else FILE
    return ConfigurationError(
        f"{FILE}: {text}", fields=(FieldError(at, mend if at != FILE else text),)
    )
