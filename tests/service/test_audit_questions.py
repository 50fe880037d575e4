"""Auditors ask the log by name; what they asked is itself in the log."""

from __future__ import annotations

from hashlib import sha256

import pytest

from secvault.audit.query import Question, events
from secvault.audit.questions.own import OwnQuestion
from secvault.audit.questions.saved import Asked, Page
from secvault.crypto.canonical import canonical_json
from secvault.crypto.secret import Secret
from secvault.errors import InvalidInput, NotAuthenticated, NotFound, Refused
from secvault.service import Service, audit_questions, authentication, people
from secvault.service.spine import Caller
from tests.running_service import House

MINE = OwnQuestion("reads-of-payroll", "Who reads payroll", ("record.",), resource="hr/payroll")


@pytest.fixture
def callers(service: Service, house: House) -> dict[str, Caller]:
    """Everybody of the house."""
    return {
        name: Caller(authentication.authenticate(service, token))
        for name, token in house.tokens.items()
    }


def test_an_auditor_asks_by_name_and_that_is_an_event_of_its_own(
    service: Service, callers: dict[str, Caller]
) -> None:
    auditor = callers["auditor"]
    me = auditor.principal.subject
    two = Page(None, 2)
    for _ in range(3):
        audit_questions.list_questions(service, auditor)
    found = audit_questions.ask(service, auditor, "what-did", Asked(who="user:auditor"), two)
    assert [row["who"] for row in found.rows] == [me, me]
    assert found.asked.actor == me
    older = audit_questions.ask(service, auditor, "what-did", Asked(who=me), Page(found.next, 2))
    assert older.rows[0]["seq"] < found.rows[-1]["seq"]  # type: ignore[operator]
    service.audit.drain()
    asking = Question(kind="audit.read", actor=me, facts=(("question", "what-did"),))
    [first, _] = events(service.store, asking)
    assert first.event.count == 2
    told = canonical_json(found.asked.told())
    assert first.event.detail["digest"] == sha256(told).hexdigest()


@pytest.mark.parametrize("who", ["admin", "clerk", "head", "system"])
def test_nobody_else_asks_or_saves(service: Service, callers: dict[str, Caller], who: str) -> None:
    for act in (
        lambda: audit_questions.list_questions(service, callers[who]),
        lambda: audit_questions.ask(service, callers[who], "exports", Asked()),
        lambda: audit_questions.keep_question(service, callers[who], MINE),
        lambda: audit_questions.drop_question(service, callers[who], MINE.name),
    ):
        with pytest.raises(Refused):
            act()


def test_every_shipped_question_is_answered(service: Service, callers: dict[str, Caller]) -> None:
    auditor = callers["auditor"]
    for saved in audit_questions.list_questions(service, auditor).shipped:
        asked = Asked(
            who="user:admin" if "who" in saved.needs else "",
            on="hr/payroll/p" if "on" in saved.needs else "",
        )
        found = audit_questions.ask(service, auditor, saved.name, asked, Page(limit=1000))
        assert found.columns == saved.columns
        assert all(set(row) == set(saved.columns) for row in found.rows), saved.name


def test_what_is_not_there_and_what_cannot_be_asked_is_said_so(
    service: Service, callers: dict[str, Caller]
) -> None:
    auditor = callers["auditor"]
    with pytest.raises(NotFound):
        audit_questions.ask(service, auditor, "who-knows", Asked())
    for asked in (Asked(who="user:nobody"), Asked(who="admin"), Asked()):
        with pytest.raises(InvalidInput) as refused:
            audit_questions.ask(service, auditor, "what-did", asked)
        assert refused.value.fields[0].field == "who"
    # Somebody who is gone is known by the id alone.
    gone = "0" * len(callers["admin"].principal.id)
    assert not audit_questions.ask(service, auditor, "what-did", Asked(who=f"user:{gone}")).rows


def test_dormant_accounts_are_those_never_used_and_those_disabled_that_still_have_grants(
    service: Service, callers: dict[str, Caller]
) -> None:
    auditor, admin = callers["auditor"], callers["admin"]
    people.disable_person(service, admin, "clerk")
    rows = audit_questions.ask(service, auditor, "dormant-accounts", Asked(days=1)).rows
    disabled = [row for row in rows if row["state"] == "disabled"]
    assert {row["name"] for row in disabled} <= {"clerk"}
    with pytest.raises(InvalidInput):
        audit_questions.ask(service, auditor, "dormant-accounts", Asked(days=0))


def test_a_saved_question_is_asked_by_whoever_may_read_the_log_until_it_is_forgotten(
    service: Service, callers: dict[str, Caller]
) -> None:
    auditor = callers["auditor"]
    operator = Caller(authentication.local_operator(service))
    kept = audit_questions.keep_question(service, auditor, MINE)
    assert kept.kept_by == auditor.principal.subject
    assert audit_questions.list_questions(service, operator).own == (kept,)
    found = audit_questions.ask(service, operator, MINE.name, Asked())
    assert found.title == MINE.title
    assert {str(row["what"]).partition(".")[0] for row in found.rows} <= {"record"}
    changed = OwnQuestion(
        MINE.name,
        "Reveals",
        ("record.reveal",),
        ("denied",),
        facts=(("collection", "payroll"),),
        after_hours=True,
        columns=("time", "who", "collection"),
    )
    audit_questions.keep_question(service, operator, changed)
    [own] = audit_questions.list_questions(service, auditor).own
    assert (own.title, own.columns) == ("Reveals", changed.columns)
    assert audit_questions.ask(service, auditor, MINE.name, Asked()).asked.after_hours is not None
    audit_questions.drop_question(service, auditor, MINE.name)
    assert audit_questions.list_questions(service, auditor).own == ()
    with pytest.raises(NotFound):
        audit_questions.drop_question(service, auditor, MINE.name)
    service.audit.drain()
    deeds = [
        (one.event.kind, one.event.outcome, one.event.detail.get("question"))
        for one in events(service.store, Question(kinds=("audit.",)))
        if one.event.kind.endswith("_question")
    ]
    assert deeds == [
        ("audit.keep_question", "ok", MINE.name),
        ("audit.keep_question", "ok", MINE.name),
        ("audit.drop_question", "ok", MINE.name),
        ("audit.drop_question", "error", None),
    ]


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("name", {"name": "Not a name"}),
        ("name", {"name": "exports"}),
        ("title", {"title": ""}),
        ("title", {"title": "two\nlines"}),
        ("kinds", {"kinds": ("no.such",)}),
        ("kinds", {"kinds": ("nothing.",)}),
        ("outcomes", {"outcomes": ("perhaps",)}),
        ("actor", {"actor": "a\0"}),
        ("facts", {"facts": (("unknown", "x"),)}),
        ("facts", {"facts": (("plan", ""),)}),
        ("columns", {"columns": ()}),
        ("columns", {"columns": ("who", "who")}),
        ("columns", {"columns": ("password",)}),
    ],
)
def test_a_question_that_is_not_in_order_is_not_saved(
    service: Service, callers: dict[str, Caller], field: str, change: dict[str, object]
) -> None:
    given = {"name": "mine", "title": "Mine", **change}
    with pytest.raises(InvalidInput) as refused:
        audit_questions.keep_question(service, callers["auditor"], OwnQuestion(**given))  # type: ignore[arg-type]
    assert refused.value.fields[0].field == field
    assert audit_questions.list_questions(service, callers["auditor"]).own == ()


def test_failed_sign_ins_name_the_network_that_they_came_from(
    service: Service, callers: dict[str, Caller]
) -> None:
    for address in ("203.0.113.7", "203.0.113.8", "2001:db8::1"):
        with pytest.raises(NotAuthenticated):
            authentication.sign_in(
                service, "clerk", Secret.of("wrong"), Secret.of("000000"), address=address
            )
    rows = audit_questions.ask(service, callers["auditor"], "failed-sign-ins", Asked()).rows
    found = {row["network"]: row["failures"] for row in rows}
    assert found == {"203.0.113.0/24": 2, "2001:db8::/48": 1}
