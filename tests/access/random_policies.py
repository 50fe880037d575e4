"""Random policies, grants and requests, and what plain Casbin says of them.

The oracle is `casbin.Enforcer` with the shipped `model.conf` and the rows added by its own
interface. What `fieldMatch` and `condHolds` mean is written out here once more, from the words of
docs/explanation/decisions.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import casbin
from hypothesis import strategies as st

from secvault.access import AccessContext, AccessRequest, Grant, Narrowing, Rules
from secvault.access.conditions import CONDITIONS, Condition
from secvault.access.rows import Link, Rule
from secvault.access.rules import assemble

AT = 1_700_000_000_000_000
FIELDS = {
    "payroll": {"period": "normal", "gross_salary": "salary", "bank_account": "bank"},
    "employees": {"full_name": "personal", "desk": "normal"},
    "invoices": {"number": "normal", "iban": "bank"},
}
HOME = {"payroll": "hr", "employees": "hr", "invoices": "accounting"}
SIGNED_IN = "role:any.signed_in"
ROLES = [
    "role:hr.a",
    "role:hr.b",
    "role:hr.c",
    "role:hr.d",
    "role:accounting.a",
    "role:it.auditor",
]
SUBJECTS = ["user:1", "user:2", "svc:1", "user:nobody"]
KEYS = ["transit/a", "transit/b", "transit/c"]
ABOUT_RECORDS = ["record.read", "record.update", "record.list"]
ACTIONS = [*ABOUT_RECORDS, "data.encrypt", "session.self"]
CONDITION_NAMES = ["always", "always", "yes", "no", "broken", "unknown", "fresh"]


def _broken(_context: AccessContext) -> bool:
    raise RuntimeError("out of order")


REGISTRY = MappingProxyType(
    {
        "always": CONDITIONS["always"],
        "yes": lambda _parameter: Condition(lambda _context: True),
        "no": lambda _parameter: Condition(lambda _context: False),
        "broken": lambda _parameter: Condition(_broken),
        "fresh": lambda _parameter: Condition(lambda context: context.second_factor_at == AT),
    }
)


@dataclass(frozen=True)
class World:
    """A policy and grants. edges: who holds what, where, from when until before when."""

    rules: Rules
    grants: tuple[Grant, ...]

    def faulty(self) -> frozenset[str]:
        return frozenset(one.subject for one in self.grants if one.role == "role:hr.gone")


@st.composite
def worlds(draw: st.DrawFn, model: str) -> World:
    """Rows of every sort that the language has, circles and repeated ones among them."""
    objects = st.sampled_from([*FIELDS, "*", "*", *KEYS[:2], "session"])
    rows = draw(
        st.lists(
            st.tuples(
                st.sampled_from([*ROLES, SIGNED_IN]),
                st.sampled_from(["hr", "hr", "accounting", "*"]),
                objects,
                st.sampled_from(["*", "*", "class:bank", "class:normal", "full_name", "period"]),
                st.sampled_from([*ACTIONS, "*"]),
                st.sampled_from(CONDITION_NAMES),
                st.sampled_from(["allow", "allow", "allow", "deny"]),
            ),
            min_size=1,
            max_size=14,
        )
    )
    repeated = draw(st.lists(st.sampled_from(rows), max_size=2))
    rules = [Rule(*row, id=f"r{n}") for n, row in enumerate((*rows, *repeated))]
    # Every role has a rule, so that every grant is of a known role.
    rules += [
        Rule(role, "it", "datasets", "*", "record.list", "no", "allow", f"known{n}")
        for n, role in enumerate(ROLES)
    ]
    links = draw(
        st.lists(
            st.tuples(
                st.sampled_from(ROLES),
                st.sampled_from(ROLES),
                st.sampled_from(["hr", "accounting", "*"]),
            ),
            max_size=8,
        )
    )
    everyone = [*links, *(links[:1] if draw(st.booleans()) else ())]
    own = (("local:operator", "role:it.auditor", "*"),)
    policy = assemble(
        model, tuple(rules), tuple(Link(*link) for link in (*everyone, *own)), FIELDS, HOME
    )
    return World(policy, tuple(draw(grants())))


@st.composite
def grants(draw: st.DrawFn) -> list[Grant]:
    windows = st.sampled_from(
        [(0, None), (0, None), (0, AT), (0, AT + 1), (AT, None), (AT + 1, None), (AT, AT + 2)]
    )
    places = [(role, role[5:].partition(".")[0]) for role in ROLES[:-1]]
    given = draw(
        st.lists(
            st.tuples(
                st.sampled_from(SUBJECTS[:3]),
                st.sampled_from(
                    [*places, *places, ("role:it.auditor", "*"), ("role:it.auditor", "hr")]
                ),
                windows,
            ),
            max_size=6,
        )
    )
    if draw(st.integers(0, 9)) == 0:
        given.append(("svc:1", ("role:hr.gone", "hr"), (0, None)))
    return [
        Grant(f"g{n}", subject, role, place, start, end, "local:operator", 0)
        for n, (subject, (role, place), (start, end)) in enumerate(given)
    ]


@st.composite
def requests(draw: st.DrawFn) -> AccessRequest:
    """A request of names that exist, as a rule, at a moment around that of the grants."""
    action = draw(st.sampled_from([*ACTIONS, "record.read"]))
    department = draw(st.sampled_from(["hr", "hr", "accounting", "it"]))
    field = "*"
    if action in ABOUT_RECORDS:
        name = draw(st.sampled_from(list(FIELDS)))
        if draw(st.integers(0, 9)):
            department = HOME[name]
        if action != "record.list":
            field = draw(st.sampled_from(["*", *FIELDS[name], "nonsense"]))
    else:
        name = draw(st.sampled_from([*KEYS, "*"])) if action == "data.encrypt" else "session"
    layer = st.one_of(
        st.frozensets(st.sampled_from([*ROLES, SIGNED_IN]), max_size=3),
        st.sampled_from(
            [
                frozenset({"action:record.read", "action:data.encrypt"}),
                frozenset({"department:hr"}),
                frozenset({"object:payroll", "object:transit/a", "department:hr"}),
            ]
        ),
    )
    narrowing: Narrowing = tuple(draw(st.lists(layer, max_size=2)))
    context = AccessContext(
        AT + draw(st.sampled_from([-1, 0, 0, 0, 1, 2])), draw(st.sampled_from([None, AT]))
    )
    subject = draw(st.sampled_from([*SUBJECTS, "local:operator", "guest:1"]))
    return AccessRequest(subject, department, name, field, action, context, narrowing)


class Oracle:
    """Plain Casbin, loaded with what a world holds at one moment."""

    def __init__(self, model: str, world: World, at: int) -> None:
        self._world = world
        self._model = model
        self._links = [(one.member, one.role, one.department) for one in world.rules.links]
        self._links += [(g.subject, g.role, g.department) for g in world.grants if g.valid(at)]
        self._whole = self._loaded(lambda _rule: True)

    def allows(self, request: AccessRequest) -> bool:
        """Casbin's answer; no for what the language does not have, before Casbin is asked."""
        if not _exists(request) or request.subject in self._world.faulty():
            return False
        if not self._ask(self._whole, request):
            return False
        if not request.narrowing:
            return True
        if not all(_scope_admits(layer, request) for layer in request.narrowing):
            return False
        narrowed = self._loaded(
            lambda rule: (
                rule.eft == "deny"
                or all(self._within(rule.sub, layer, request) for layer in request.narrowing)
            )
        )
        return self._ask(narrowed, request)

    def _within(self, role: str, layer: frozenset[str], request: AccessRequest) -> bool:
        if _is_scope(layer):
            return True
        manager = self._whole.get_role_manager()
        return any(
            manager.has_link(member, role, domain)
            for member in layer
            for domain in (request.department, "*")
        )

    def _loaded(self, keep: Callable[[Rule], bool]) -> Any:
        enforcer = casbin.Enforcer(casbin.Enforcer.new_model(text=self._model))
        enforcer.add_function("fieldMatch", _field_match)
        enforcer.add_function("condHolds", _condition_holds)
        for rule in self._world.rules.rules:
            if keep(rule):
                row = [rule.sub, rule.dom, rule.obj, rule.fld, rule.act, rule.cond, rule.eft]
                enforcer.add_policy(*row, rule.id)
        for link in dict.fromkeys(self._links):
            enforcer.add_grouping_policy(*link)
        for subject in SUBJECTS:
            enforcer.add_grouping_policy(subject, SIGNED_IN, "*")
        enforcer.add_named_matching_func("g", None)
        return enforcer

    @staticmethod
    def _ask(enforcer: Any, request: AccessRequest) -> bool:
        if not enforcer.get_policy():
            return False
        names = (
            request.subject,
            request.department,
            request.object,
            request.field,
            request.action,
        )
        return bool(enforcer.enforce(*names, request.context))


def _exists(request: AccessRequest) -> bool:
    if request.subject.startswith("guest:"):
        return False
    if request.action not in ABOUT_RECORDS:
        return True
    known = HOME[request.object] == request.department
    return known and request.field in ("*", *FIELDS[request.object])


def _is_scope(layer: frozenset[str]) -> bool:
    return bool(layer) and not any(word.startswith("role:") for word in layer)


def _scope_admits(layer: frozenset[str], request: AccessRequest) -> bool:
    if not _is_scope(layer):
        return True
    asked: Mapping[str, str] = {
        "action": request.action,
        "department": request.department,
        "object": request.object,
    }
    limits: dict[str, set[str]] = {}
    for word in layer:
        sort, _, value = word.partition(":")
        limits.setdefault(sort, set()).add(value)
    return all(asked[sort] in values for sort, values in limits.items())


def _field_match(obj: str, field: str, pattern: str, effect: str) -> bool:
    if effect == "deny" and pattern == "*":
        return True
    known = FIELDS.get(obj, {}).get(field)
    if field == "*":
        return pattern == "*"
    if pattern == "*":
        return known == "normal"
    return pattern in (field, f"class:{known}")


def _condition_holds(name: str, effect: str, context: AccessContext) -> bool:
    if name == "fresh":
        return context.second_factor_at == AT
    return {"always": True, "yes": True, "no": False}.get(name, effect == "deny")
