from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from sqlite3 import Cursor

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event

from secvault.audit import Actor, AuditLog, Event
from secvault.audit.append import append, lock_head
from secvault.audit.leaf import Number, StoredEvent, draft, event_id
from secvault.audit.query import FEW_BELOW, Question, event_at, page
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
        question.kind in ("", event.kind)
        and question.outcome in (None, event.outcome)
        and question.actor in ("", event.actor.subject)
        and question.department in ("", event.department)
        and (not path or event.resource == path or event.resource.startswith(f"{path}/"))
        and (question.since is None or stored.t >= question.since)
        and (question.until is None or stored.t < question.until)
    )


questions = st.builds(
    Question,
    kind=st.sampled_from(("", *KINDS, "key.rotate")),
    outcome=st.sampled_from((None, *OUTCOMES, "error")),
    actor=st.sampled_from(("", "user:u-1", "user:u-2", "svc:u-1")),
    resource=st.sampled_from((*RESOURCES, "hr/", "hr/employees/", "h", "hr/100", "hr/a")),
    department=st.sampled_from(("", "hr", "it")),
)


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
        question = Question(
            question.kind, question.outcome, question.actor, question.resource,
            question.department, since=moments[0], until=moments[1],
        )  # fmt: skip
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
    assert any(index in step for step in plan)
    assert not any(step.startswith("SCAN audit_event") for step in plan)
