"""What a user would decide with instead: pycasbin's enforcer, and Cedar by `cedarpy`.

Both are loaded once with what is in force at the moment of the requests, as a program would.
"""

from __future__ import annotations

import json
from typing import Any

import casbin
import cedarpy
from casbin.util.log import disabled_logging

from benchmarks.access_policy import AT, FIELDS, Subject
from secvault.access import AccessRequest
from secvault.access.rows import Rule
from secvault.access.vocabulary import field_matches

_FRESH = 300


class Pycasbin:
    """`casbin.Enforcer` with the shipped model and all the rows, asked as its manual says."""

    def __init__(self, subject: Subject) -> None:
        disabled_logging()
        rows = casbin.Enforcer.new_model(text=subject.rules.model)
        # Row by row through its interface it would take minutes to load.
        rows["p"]["p"].policy = [
            [r.sub, r.dom, r.obj, r.fld, r.act, r.cond, r.eft, r.id] for r in subject.rules.rules
        ]
        rows["g"]["g"].policy = [
            *([one.member, one.role, one.department] for one in subject.rules.links),
            *([g.subject, g.role, g.department] for g in subject.grants if g.valid(AT)),
        ]
        enforcer = casbin.Enforcer(rows)
        enforcer.build_role_links()
        enforcer.add_named_matching_func("g", None)
        enforcer.add_function("fieldMatch", _field_match)
        enforcer.add_function("condHolds", _condition_holds)
        self._enforcer: Any = enforcer

    def allows(self, request: AccessRequest) -> bool:
        """Its answer."""
        return bool(
            self._enforcer.enforce(
                request.subject,
                request.department,
                request.object,
                request.field,
                request.action,
                request.context,
            )
        )


class Cedar:
    """A parsed set of policies and parsed entities; roles and fields are parents of entities."""

    def __init__(self, subject: Subject) -> None:
        self._policies = cedarpy.PolicySet.from_str(
            "\n".join(_policy(rule) for rule in subject.rules.rules)
        )
        self._entities = cedarpy.Entities.from_json_str(json.dumps(_entities(subject)))

    def allows(self, request: AccessRequest) -> bool:
        """Its answer."""
        age = (AT - (request.context.second_factor_at or 0)) // 1_000_000
        asked = {
            "principal": {"type": "User", "id": request.subject},
            "action": {"type": "Action", "id": request.action},
            "resource": {"type": "Field", "id": f"{request.object}/{request.field}"},
            "context": {"age": age},
        }
        return bool(cedarpy.is_authorized(asked, self._policies, self._entities).allowed)


def _policy(rule: Rule) -> str:
    group = rule.fld
    if rule.fld == "*":
        group = "everything" if rule.eft == "deny" else "open"
    when = f" when {{ context.age <= {_FRESH} }}" if rule.cond != "always" else ""
    effect = "permit" if rule.eft == "allow" else "forbid"
    return (
        f'@id("{rule.id}") {effect}(principal in Role::"{rule.sub}", '
        f'action == Action::"{rule.act}", resource in Group::"{rule.obj}/{group}"){when};'
    )


def _entities(subject: Subject) -> list[dict[str, Any]]:
    parents: dict[tuple[str, str], list[str]] = {}
    for link in subject.rules.links:
        parents.setdefault(("Role", link.member), []).append(link.role)
    for grant in subject.grants:
        if grant.valid(AT):
            parents.setdefault(("User", grant.subject), []).append(grant.role)
    found = [
        _entity(kind, name, [("Role", one) for one in dict.fromkeys(roles)])
        for (kind, name), roles in parents.items()
    ]
    for collection, fields in FIELDS.items():
        for field, known in {"*": "", **fields}.items():
            groups = ["everything", *([f"class:{known}"] if known else [])]
            if known in ("", "normal"):
                groups.append("open")
            above = [("Group", f"{collection}/{group}") for group in groups]
            found.append(_entity("Field", f"{collection}/{field}", above))
    return found


def _entity(kind: str, name: str, parents: list[tuple[str, str]]) -> dict[str, Any]:
    above = [{"type": one, "id": role} for one, role in parents]
    return {"uid": {"type": kind, "id": name}, "attrs": {}, "parents": above}


def _field_match(obj: str, field: str, pattern: str, effect: str) -> bool:
    return field_matches(FIELDS, obj, field, pattern, effect)


def _condition_holds(name: str, _effect: str, context: Any) -> bool:
    return name == "always" or context.at - context.second_factor_at <= _FRESH * 1_000_000
