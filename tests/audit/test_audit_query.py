from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from sqlite3 import Cursor

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace as changed
from sqlalchemy import event

from secvault.audit import Actor, AuditLog, DecisionNote, Event, reaching
from secvault.audit.append import append, lock_head
from secvault.audit.leaf import Number, StoredEvent, draft, event_id
from secvault.audit.query import AfterHours, Question, event_at, events, page
from secvault.audit.reaching import FEW_BELOW, NARROW
from secvault.clock import Clock
from secvault.errors import InvalidInput
from secvault.store import Store

KINDS = ("record.read", "record.update", "auth.sign_in")
OUTCOMES = ("ok", "denied")
ACTORS = ("u-1", "u-2")
RESOURCES = (
    "hr", "hr/employees", "hr/employees/e-1", "hr/employees/e-10", "hr/Employees/e-1",
    "hr-archive", "hr0", "hr/100%", "hr/1000", "hr/a_b", "hr/axb", "hr/Nguy\u1ec5n", "",
)  # fmt: skip
DEPARTMENTS = ("", "hr")


@dataclass(frozen=True)
class Written:
    """A store and all that is in it, oldest first."""

    store: Store
    events: Sequence[StoredEvent]


@pytest.fixture
def written(log: AuditLog, any_store: Store) -> Written:
    every = [
        Event(kind, outcome, Actor("user", actor), resource, department)  # type: ignore[arg-type]
        for number, resource in enumerate(RESOURCES * 4)
        for kind, outcome, actor, department in [
            (
                KINDS[number % 3],
                OUTCOMES[number // 2 % 2],
                ACTORS[number // 3 % 2],
                DEPARTMENTS[number // 5 % 2],
            )
        ]
    ]
    log.record_many(every)
    return Written(any_store, page(any_store, limit=1_000, newest_first=False).events)


def _answers(question: Question, stored: StoredEvent) -> bool:
    """The question, answered the slow way."""
    event = stored.event
    path = question.resource.rstrip("/")
    return (
        (question.kind in ("", event.kind) or _begins(event.kind, question.kind))
        and (not question.kinds or any(_begins(event.kind, one) for one in question.kinds))
        and (not question.outcomes or event.outcome in question.outcomes)
        and question.outcome in (None, event.outcome)
        and (question.actor in ("", event.actor.subject) or _sort(event, question.actor))
        and question.department in ("", event.department)
        and (
            not path
            or event.resource == path
            or (question.below and event.resource.startswith(f"{path}/"))
            or event.resource in question.also_at
        )
        and (question.since is None or stored.t >= question.since)
        and (question.until is None or stored.t < question.until)
    )


def _begins(kind: str, asked: str) -> bool:
    return kind == asked or (asked.endswith(".") and kind.startswith(asked))


def _sort(event: Event, asked: str) -> bool:
    return asked.endswith(":") and event.actor.subject.startswith(asked)


questions = st.builds(
    Question,
    kind=st.sampled_from(("", *KINDS, "key.rotate", "record.")),
    kinds=st.sampled_from(((), ("record.",), ("auth.sign_in", "record.read"), ("key.rotate",))),
    outcomes=st.sampled_from(((), ("ok",), ("denied", "error"))),
    below=st.booleans(),
    also_at=st.sampled_from(((), ("hr", "hr0"))),
    outcome=st.sampled_from((None, *OUTCOMES, "error")),
    actor=st.sampled_from(("", "user:u-1", "user:u-2", "svc:u-1", "user:", "svc:")),
    resource=st.sampled_from((*RESOURCES, "hr/", "hr/employees/", "h", "hr/100", "hr/a")),
    department=st.sampled_from(("", "hr", "it")),
)


@pytest.fixture(autouse=True)
def no_span_is_narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short logs are read as long ones are."""
    monkeypatch.setattr(reaching, "NARROW", 0)


@pytest.fixture(params=[0, NARROW], ids=["by indexes", "one after the other"])
def narrow(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways."""
    monkeypatch.setattr(reaching, "NARROW", request.param)


@pytest.mark.usefixtures("narrow")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    question=questions,
    limit=st.sampled_from((1, 3, 7, 1_000)),
    newest_first=st.booleans(),
    window=st.tuples(st.integers(-2, 60), st.integers(-2, 60)) | st.none(),
)
def test_pages_together_are_the_whole_answer(
    written: Written,
    question: Question,
    limit: int,
    newest_first: bool,
    window: tuple[int, int] | None,
) -> None:
    if window is not None:
        moments = [written.events[min(max(at, 0), 51)].t + min(at, 0) for at in window]
        question = replace(question, since=moments[0], until=moments[1])
    expected = [e for e in written.events if _answers(question, e)]
    if newest_first:
        expected.reverse()
    found: list[StoredEvent] = []
    after = None
    while True:
        part = page(written.store, question, after=after, limit=limit, newest_first=newest_first)
        found += part.events
        if part.next is None:
            break
        assert len(part.events) == limit
        after = part.next
    assert found == expected
    assert [*events(written.store, question, oldest_first=not newest_first)] == expected
    _walk_back(written.store, question, expected, limit, newest_first=newest_first)


def _walk_back(
    store: Store,
    question: Question,
    expected: Sequence[StoredEvent],
    limit: int,
    *,
    newest_first: bool,
) -> None:
    """From behind the last event back to the first."""
    before = -1 if newest_first else 10_000
    found: list[StoredEvent] = []
    while True:
        part = page(store, question, before=before, limit=limit, newest_first=newest_first)
        found = [*part.events, *found]
        if part.previous is None:
            break
        before = part.previous
    assert found == expected


def test_an_event_is_found_by_its_number(written: Written) -> None:
    assert event_at(written.store, 7) == written.events[7]
    assert event_at(written.store, 52) is None


def test_a_resource_with_most_of_the_log_below_it_is_paged_like_any_other(
    sqlite_store: Store,
) -> None:
    made = [
        Event(KINDS[n % 3], "ok", Actor("user", "u-1"), "hr" if n % 1_000 else f"it/{n}")
        for n in range(FEW_BELOW + 1_000)
    ]
    drafts = [draft(one, id=event_id(n), t=n) for n, one in enumerate(made)]
    with sqlite_store.write() as connection:
        append(connection, lock_head(connection), drafts, Number("n", "s", 0))
    below = [n for n in range(len(made)) if n % 1_000]
    first = page(sqlite_store, Question(resource="hr"), limit=1_000, newest_first=False)
    assert [e.seq for e in first.events] == below[:1_000]
    of_kind = page(sqlite_store, Question(resource="hr", kind=KINDS[1]), limit=500)
    assert [e.seq for e in of_kind.events] == [n for n in below[::-1] if n % 3 == 1][:500]


@pytest.mark.parametrize("limit", [0, 1_001])
def test_a_page_has_a_sensible_size(sqlite_store: Store, limit: int) -> None:
    with pytest.raises(InvalidInput, match="limit"):
        page(sqlite_store, limit=limit)


@pytest.mark.parametrize(
    ("question", "index"),
    [
        (Question(actor="user:u-1"), "ix_audit_event_actor_seq"),
        (
            Question(actor="user:u-1", kind="record.read", outcome="ok"),
            "ix_audit_event_actor_kind_seq",
        ),
        (Question(resource="hr/employees/e-1"), "ix_audit_event_resource_seq"),
        (Question(kind="record.read", outcome="denied"), "ix_audit_event_kind_outcome_seq"),
        (Question(outcome="denied"), "ix_audit_event_not_ok"),
        (Question(department="hr"), "ix_audit_event_department_seq"),
        (Question(resource="hr/employees", department="it"), "ix_audit_event_elsewhere"),
    ],
)
def test_common_questions_are_answered_from_an_index_in_order(
    sqlite_store: Store, stepping: Clock, question: Question, index: str
) -> None:
    plan: list[str] = []

    def explain(
        _c: object, cursor: Cursor, statement: str, parameters: tuple[object, ...], *_: object
    ) -> None:
        if "audit_event.body" in statement:
            rows = cursor.connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
            plan.extend(row[3] for row in rows)

    event.listen(sqlite_store.reader, "before_cursor_execute", explain)
    page(sqlite_store, question)
    assert any(index in step for step in plan), plan
    assert not any(step.startswith("SCAN audit_event") for step in plan)


def test_a_page_says_what_is_before_and_behind_it(written: Written) -> None:
    first = page(written.store, limit=10)
    assert (first.next, first.previous) == (42, None)
    second = page(written.store, after=42, limit=10)
    assert (second.next, second.previous) == (32, 41)
    assert page(written.store, before=41, limit=10) == first
    with pytest.raises(InvalidInput, match="both"):
        page(written.store, after=1, before=2)


def test_events_are_found_by_request_decision_and_facts(
    log: AuditLog, any_store: Store, reading: Callable[[int], Event]
) -> None:
    decision = "0190aabbccdd" + "7" * 20
    log.record_many(
        [
            *(reading(number) for number in range(30)),
            changed(reading(30), detail={"collection": "pay_ments", "version": 3}),
            changed(reading(31), decision=DecisionNote("r", "ab" * 32, decision)),
            changed(reading(32), detail={"collection": "payXments", "version": 33}),
        ]
    )

    def found(question: Question) -> list[int]:
        assert [one.seq for one in page(any_store, question, newest_first=False).events] == [
            one.seq for one in events(any_store, question)
        ]
        return [one.seq for one in events(any_store, question)]

    # One request is no beginning of another, a number no part of a longer one.
    assert found(Question(request="r-3")) == [3]
    assert found(Question(facts=(("collection", "pay_ments"),))) == [30]
    assert found(Question(facts=(("version", "3"),), first=30)) == [30, 31]
    assert found(Question(decisions=("d-4", "d-7"))) == [4, 7]
    assert found(Question(first=5, end=8)) == [5, 6, 7]
    assert found(Question(facts=(("nothing", "3"),))) == []


def test_a_request_is_found_by_the_moment_that_its_id_begins_with(
    log: AuditLog, any_store: Store, reading: Callable[[int], Event]
) -> None:
    # The clock of the tests begins at 1,790,000,000 s.
    then = f"{1_790_000_000_000:012x}"
    request = f"{then[:8]}-{then[8:]}-7000-8000-000000000001"
    log.record_many([reading(1), changed(reading(2), request=request), reading(3)])
    assert [one.seq for one in events(any_store, Question(request=request))] == [1]


def test_only_what_was_recorded_after_hours(written: Written) -> None:
    open_until = written.events[40].t
    closed = AfterHours(lambda at: at < open_until, "not then", "Asia/Ho_Chi_Minh")
    question = Question(after_hours=closed, outcomes=("ok", "denied"))
    assert [*events(written.store, question)] == [*written.events[40:]]
    assert page(written.store, question, limit=5).next == 47
    assert question.told()["after_hours"] == "not then"


def test_reading_everything_ends_while_the_log_grows(
    log: AuditLog, any_store: Store, reading: Callable[[int], Event]
) -> None:
    log.record_many([reading(number) for number in range(5)])
    seen = 0
    for stored in events(any_store, Question(kinds=("record.",))):
        log.record(reading(stored.seq))
        seen += 1
    assert seen == 5
