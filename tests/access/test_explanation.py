"""An explanation names the kind of the answer and what would mend it, as people thought it out."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from secvault.access import AccessContext, AccessRequest, Grant, Rules, build_snapshot, decide
from secvault.access.explanation import ORDINARY, Circumstances, Explanation, explained
from secvault.access.obligations import Slot, load_obligations
from secvault.access.remedies import Remedy
from secvault.access.vocabulary import DEPARTMENTS, LOCAL_SUBJECTS, SIGNED_IN
from secvault.access.words import LANGUAGES, words
from secvault.clock import timestamp

pytestmark = pytest.mark.slow

POLICIES = Path(__file__).parents[2] / "policies"
AT = 1_700_000_000_000_000
DAY = 86_400_000_000
SETS = tomllib.loads((Path(__file__).with_name("explained.toml")).read_text())["set"]
HOMES = {"lan": "hr", "hoa": "hr", "half": "hr", "soon": "hr", "admin": "it"}


@dataclass(frozen=True)
class Case:
    """One line of the file, with the set that it stands in."""

    of: Mapping[str, Any]
    who: str
    action: str
    department: str
    object: str
    field: str
    age: str
    circumstance: str
    kind: str
    remedy: str

    @property
    def subject(self) -> str:
        if self.who in LOCAL_SUBJECTS:
            return self.who
        return f"svc:{self.who}" if self.who.startswith("svc-") else f"user:{self.who}"


def cases() -> Iterator[Any]:
    for of in SETS:
        for about, lines in of["cases"].items():
            for line in lines.strip().splitlines():
                cells = line.split()
                yield pytest.param(Case(of, *cells), id=f"{about}: {' '.join(cells[:7])}")


def grants_of(of: Mapping[str, Any]) -> list[Grant]:
    made = []
    for name, held in of["people"].items():
        kind = "svc" if name.startswith("svc-") else "user"
        for number, (role, department, *window) in enumerate(held):
            start, end = ([*window, None, None])[:2]
            made.append(
                Grant(
                    f"g-{name}-{number}",
                    f"{kind}:{name}",
                    role,
                    department,
                    0 if start is None else AT + start * DAY,
                    None if end is None else AT + end * DAY,
                    "user:granter",
                    0,
                )
            )
    return made


Explain = Callable[[Case], Explanation]


@pytest.fixture(scope="session")
def explain(shipped: Rules, parse: Callable[[str], Rules]) -> Explain:
    """Explain one case of the file."""
    snapshots = {
        of["name"]: build_snapshot(
            parse(of["policy"].lstrip()) if "policy" in of else shipped,
            grants_of(of),
            epoch=1,
            at=AT,
        )
        for of in SETS
    }
    obligations = load_obligations(POLICIES)

    def explained_(case: Case) -> Explanation:
        snapshot = snapshots[case.of["name"]]
        tokens = {**case.of["tokens"], "recovering": [[SIGNED_IN]]}
        layers = tuple(frozenset(layer) for layer in tokens.get(case.circumstance, ()))
        shown = None if case.age == "-" else AT - int(case.age) * 1_000_000
        request = AccessRequest(
            case.subject,
            case.department,
            case.object,
            case.field,
            case.action,
            AccessContext(AT, shown, recovering=case.circumstance == "recovering"),
            layers,
        )
        slots = obligations.needed(case.action) if case.circumstance == "approvals" else ()
        if slots and not case.subject.startswith("user:"):
            slots = (Slot(slots[0].people + 1, slots[0].department),)
        standing = Circumstances(
            suspended=case.circumstance == "suspended",
            sealed=case.circumstance == "sealed",
            home=HOMES.get(case.who, ""),
            slots=slots,
        )
        return explained(snapshot, request, decide(snapshot, request), standing)

    return explained_


def written(remedies: tuple[Remedy, ...]) -> str:
    """As the file writes them."""

    def one(remedy: Remedy) -> str:
        facts = remedy.facts
        if remedy.type == "wait_until":
            days = [n for n in range(10) if facts["moment"] == timestamp(AT + n * DAY)]
            return f"wait_until:{days[0]}"
        said = {
            "step_up": ("max_age",),
            "lift_deny": ("rule",),
            "enable_subject": (),
            "revoke_grant": (),
        }.get(remedy.type, tuple(facts))
        return ":".join((remedy.type, *(str(facts[name]) for name in said)))

    return "+".join(one(remedy) for remedy in remedies) or "-"


@pytest.mark.parametrize("case", list(cases()))
def test_the_kind_and_the_remedy_are_those_that_a_person_would_give(
    explain: Explain, case: Case
) -> None:
    made = explain(case)
    first = made.near[0].remedies if made.near else ()
    if made.kind in ("sealed", "subject_suspended", "approval_needed"):
        first = made.remedies[:1]
    assert (made.kind, written(first)) == (case.kind, case.remedy), made.reason_admin


def test_there_are_about_two_hundred_cases_of_every_kind() -> None:
    every = [found.values[0] for found in cases()]
    kinds = {case.kind for case in every}
    assert len(every) >= 200
    assert kinds >= {
        *("allow_rule", "deny_rule", "condition_failed", "field_class", "no_rule", "no_role"),
        *("wrong_department", "grant_expired", "grant_not_started", "broken_grant"),
        *("narrowed_token", "unknown_name", "subject_suspended", "sealed", "approval_needed"),
    }


def test_what_somebody_reads_gives_nothing_away(explain: Explain) -> None:
    for found in cases():
        case = found.values[0]
        made = explain(case)
        rules = {one.rule for one in made.matched} | {one.rule for one in made.near} - {""}
        for language in LANGUAGES:
            text = made.for_user(language)
            assert text
            assert "{" not in text
            for word in (*rules, "g-", "user:", "svc:", "granter", "aal2_fresh", "suspended"):
                assert word not in text, (case, text)
            # A role is only named to somebody who is of its department or works there.
            if "role:" in text:
                role = text.rpartition("role:")[2].split()[0]
                own = {HOMES.get(case.who), *(held[1] for held in case.of["people"][case.who])}
                assert "*" in own or role.partition(".")[0] in own, (case, text)


def test_the_english_words_are_those_of_the_decision(explain: Explain) -> None:
    for found in cases():
        made = explain(found.values[0])
        if made.kind == made.decision.kind:
            assert made.reasons["en"] == made.decision.reason_user, found.values[0]


def test_every_language_has_all_the_words() -> None:
    english = {section: set(said) for section, said in words("en").items()}
    for language in LANGUAGES:
        assert {section: set(said) for section, said in words(language).items()} == english
    for section, said in words("en").items():
        for key, text in said.items():
            names = {part.partition("}")[0] for part in text.split("{")[1:]}
            other = words("vi")[section][key]
            assert {part.partition("}")[0] for part in other.split("{")[1:]} == names, key


def _case(**changes: str) -> Case:
    asked = {
        "who": "lan",
        "action": "record.read",
        "department": "hr",
        "object": "payroll",
        "field": "bank_account",
        "age": "-",
        "circumstance": "-",
        "kind": "",
        "remedy": "",
    }
    return Case(SETS[0], **{**asked, **changes})


def test_an_explanation_in_full_names_rule_role_grant_condition_and_values(
    explain: Explain,
) -> None:
    made = explain(
        _case(
            who="admin",
            action="approval.give",
            department="it",
            object="approvals",
            field="*",
            age="912",
        )
    )
    assert (made.verdict, made.kind, made.rule) == (
        "may_not",
        "condition_failed",
        "it-admin-approval-give",
    )
    assert made.condition is not None
    assert dict(made.condition.needed) == {"max_age": 300}
    assert dict(made.condition.actual) == {"age": 912}
    (matched,) = made.matched
    assert (matched.effect, matched.fired) == ("allow", False)
    assert matched.way.roles == ("role:it.admin",)
    assert matched.way.grant is not None
    assert matched.way.grant.id == "g-admin-0"
    assert made.remedies[0].document == {"type": "step_up", "acr": "aal2", "max_age": 300}
    assert "age 912" in made.reason_admin


def test_the_way_that_lasts_longest_is_named(shipped: Rules) -> None:
    grants = [
        Grant("g1", "user:1", "role:hr.clerk", "hr", 0, AT + DAY, "user:2", 0),
        Grant("g2", "user:1", "role:hr.head", "hr", 0, AT + 3 * DAY, "user:2", 0),
    ]
    snapshot = build_snapshot(shipped, grants, epoch=1, at=AT)
    request = AccessRequest("user:1", "hr", "payroll", "period", "record.read", AccessContext(AT))
    made = explained(snapshot, request, decide(snapshot, request), ORDINARY)
    (matched,) = (one for one in made.matched if one.fired)
    assert matched.way.roles == ("role:hr.head", "role:hr.clerk")
    assert matched.way.until == AT + 3 * DAY


def test_roles_of_departments_that_are_not_theirs_are_kept_from_them(explain: Explain) -> None:
    made = explain(_case(department="accounting", object="invoices"))
    assert {one.type for one in made.remedies} == {"request", "step_up"}
    assert made.own_remedies == ()
    moved = explain(_case(who="minh", department="accounting", field="period"))
    assert [one.type for one in moved.remedies] == ["use_other_department", "request"]
    assert moved.own_remedies == ()
    own = explain(_case())
    assert [one.document for one in own.own_remedies] == [
        {"type": "request", "role": "role:hr.head", "department": "hr"},
        {"type": "reveal"},
        {"type": "step_up", "acr": "aal2", "max_age": 300},
    ]
    assert own.for_user("vi").endswith("Hãy xin vai trò role:hr.head ở bộ phận hr.")


def test_a_remedy_that_is_followed_lets_them(shipped: Rules) -> None:
    """A role that is near, granted, and with its condition met, is a yes."""
    checked: set[tuple[str, str]] = set()
    for found in cases():
        case = found.values[0]
        if case.of is not SETS[0] or case.circumstance != "-":
            continue
        grants = grants_of(case.of)
        snapshot = build_snapshot(shipped, grants, epoch=1, at=AT)
        shown = None if case.age == "-" else AT - int(case.age) * 1_000_000
        request = AccessRequest(
            case.subject,
            case.department,
            case.object,
            case.field,
            case.action,
            AccessContext(AT, shown),
        )
        made = explained(snapshot, request, decide(snapshot, request), ORDINARY)
        for miss in made.near[:2]:
            sort = (case.who, written(miss.remedies))
            if {one.type for one in miss.remedies} <= {"request", "step_up"}:
                # Of each sort one will do: a policy takes a while to build.
                if written(miss.remedies) not in {remedy for _, remedy in checked}:
                    again = _followed(shipped, grants, request, miss.remedies)
                    assert again.allowed, (case, miss)
                checked.add(sort)
    assert len(checked) > 40


def _followed(
    rules: Rules, grants: list[Grant], request: AccessRequest, remedies: tuple[Remedy, ...]
) -> Any:
    more, context = list(grants), request.context
    for remedy in remedies:
        if remedy.type == "request":
            role, department = str(remedy.facts["role"]), str(remedy.facts["department"])
            more.append(Grant("g-new", request.subject, role, department, 0, None, "user:2", 0))
        else:
            context = AccessContext(request.context.at, request.context.at)
    assert all(str(one.facts.get("department", "hr")) in DEPARTMENTS for one in remedies)
    snapshot = build_snapshot(rules, more, epoch=2, at=AT)
    asked = AccessRequest(
        request.subject, request.department, request.object, request.field, request.action, context
    )
    return decide(snapshot, asked)
