"""The questions that ship with the product, asked of logs whose answers are known."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import pytest
from sqlalchemy import insert

from secvault.audit import Actor, AuditLog, Event, query
from secvault.audit.event import Fact, Outcome
from secvault.audit.leaf import StoredEvent
from secvault.audit.question import AfterHours, Question
from secvault.audit.questions.cells import rows_of
from secvault.audit.questions.saved import Asked, Row, nowhere
from secvault.audit.questions.shipped import DORMANT, SHIPPED
from secvault.clock import Clock
from secvault.errors import InvalidInput
from secvault.store import Store
from secvault.store.tables import job

CLOSED = AfterHours(lambda _: False, "never", "Asia/Ho_Chi_Minh")
ASKED = Asked(hours=CLOSED)


def did(
    kind: str,
    who: str = "u-1",
    outcome: Outcome = "ok",
    on: str = "",
    **detail: Fact,
) -> Event:
    """Something that a person did."""
    return Event(kind, outcome, Actor("user", who), on, "hr", detail=detail)


def answer(store: Store, name: str, asked: Asked = ASKED) -> Sequence[Row]:
    """The whole answer, the newest events first."""
    saved = SHIPPED[name]
    question = saved.question(asked)
    if saved.rows is not None:
        return saved.rows(store, question, nowhere)
    return rows_of(query.events(store, question, oldest_first=False), saved.columns)


def test_every_question_can_be_asked_and_told_and_has_words(any_store: Store) -> None:
    for name, saved in SHIPPED.items():
        asked = replace(ASKED, who="user:u-1", on="hr/payroll/p-1")
        asked = replace(asked, who=asked.who if "who" in saved.takes else "")
        asked = replace(asked, on=asked.on if "on" in saved.takes else "")
        question = saved.question(asked).checked()
        assert question.told()
        assert saved.title
        assert saved.told.endswith(".")
        if name != DORMANT:
            assert answer(any_store, name, asked) == () or not answer(any_store, name, asked)


def test_a_question_asks_for_what_it_cannot_do_without() -> None:
    with pytest.raises(InvalidInput) as refused:
        SHIPPED["who-saw"].question(ASKED)
    assert refused.value.fields[0].field == "on"
    with pytest.raises(InvalidInput, match="does not go by it"):
        SHIPPED["backups-and-drills"].question(replace(ASKED, who="user:u-1"))


def test_who_saw_a_record_also_names_who_saw_the_whole_collection(
    log: AuditLog, any_store: Store
) -> None:
    log.record_many(
        [
            did("record.read", "u-1", on="hr/payroll/p-1"),
            did("record.reveal", "u-2", on="hr/payroll/p-1/salary"),
            did("record.read", "u-3", on="hr/payroll/p-10"),
            did("record.export", "u-4", on="hr/payroll"),
            did("record.read", "u-5", "denied", on="hr/payroll/p-1", reason="denied"),
            did("record.update", "u-6", on="hr/payroll/p-1"),
        ]
    )
    rows = answer(any_store, "who-saw", replace(ASKED, on="hr/payroll/p-1"))
    assert [row["who"] for row in rows] == ["user:u-5", "user:u-4", "user:u-2", "user:u-1"]
    assert rows[0]["outcome"] == "denied"
    assert rows[0]["reason"] == "denied"


def test_who_looked_at_a_person(log: AuditLog, any_store: Store) -> None:
    log.record_many(
        [
            did("person.read", "u-1", person="u-7"),
            did("person.read", "u-1", person="u-70"),
            did("session.end", "u-2", person="u-7", session="s"),
            did("person.read", "u-1"),
        ]
    )
    rows = answer(any_store, "who-saw-person", replace(ASKED, who="user:u-7"))
    assert [row["what"] for row in rows] == ["session.end", "person.read"]
    with pytest.raises(InvalidInput, match="name a person"):
        answer(any_store, "who-saw-person", replace(ASKED, who="svc:u-7"))


def test_what_a_person_did(log: AuditLog, any_store: Store) -> None:
    log.record_many([did("record.read", "u-1"), did("key.rotate", "u-2"), did("key.read", "u-1")])
    rows = answer(any_store, "what-did", replace(ASKED, who="user:u-1"))
    assert [row["what"] for row in rows] == ["key.read", "record.read"]


def test_failed_sign_ins_say_how_often_whether_locked_and_whether_somebody_got_in(
    log: AuditLog, any_store: Store
) -> None:
    wrong: Mapping[str, Fact] = {"reason": "wrong_password"}
    log.record_many(
        [
            *(did("auth.sign_in", "u-1", "denied", **wrong) for _ in range(3)),
            did("auth.sign_in", "u-2", "denied", reason="wrong_code"),
            Event("auth.locked", "ok", Actor("system", "secvault"), "it/people/u-2/devices/d-1",
                  detail={"reason": "wrong_code"}),
            did("auth.sign_in", "u-1"),
            did("auth.sign_in", "u-3"),
        ]
    )  # fmt: skip
    first, second = answer(any_store, "failed-sign-ins")
    assert (first["who"], first["failures"], first["reasons"]) == (
        "user:u-1",
        3,
        "wrong_password 3",
    )
    assert first["success_seq"] == 5
    assert first["success_after"] > first["last"]  # type: ignore[operator]
    assert (second["who"], second["locked"], second["success_after"]) == ("user:u-2", 1, "")


def test_failed_sign_ins_are_told_apart_by_network(log: AuditLog, any_store: Store) -> None:
    log.record_many([did("auth.sign_in", "u-1", "denied", reason="r") for _ in range(3)])
    log.record(did("auth.sign_in", "u-1"))

    def networks(events: Sequence[StoredEvent]) -> Mapping[str, str]:
        return {one.id: f"203.0.113.{one.seq % 2}" for one in events}

    saved = SHIPPED["failed-sign-ins"]
    assert saved.rows is not None
    rows = saved.rows(any_store, saved.question(ASKED), networks)
    assert [(row["network"], row["failures"]) for row in rows] == [
        ("203.0.113.0", 2),
        ("203.0.113.1", 1),
    ]
    # Whoever guesses from one network may enter from another.
    assert all(row["success_seq"] == 3 for row in rows)


def test_a_success_long_after_the_failures_is_not_theirs(any_store: Store) -> None:
    at = [1_790_000_000_000_000]
    clock = Clock(wall=lambda: at[0], monotonic=lambda: at[0] / 1e6, sleep=lambda _: None)
    log = AuditLog(any_store, clock, node="n")
    log.record(did("auth.sign_in", "u-1", "denied", reason="r"))
    at[0] += 3_601_000_000
    log.record(did("auth.sign_in", "u-1"))
    log.close()
    [row] = answer(any_store, "failed-sign-ins")
    assert row["success_seq"] is None


def test_changes_of_rights_name_who_approved_them(log: AuditLog, any_store: Store) -> None:
    digest = "ab" * 32
    log.record_many(
        [
            did("approval.ask", "u-1", request="q", operation="grant.add", digest=digest),
            did("approval.give", "u-2", request="q", operation="grant.add", digest=digest,
                requester="user:u-1"),
            did("grant.add", "u-1", grant="g", role="role:hr.head", subject="user:u-9",
                approval="approved", digest=digest, expires_at=1_790_000_000_000_000),
            did("approval.use", "u-1", request="q", operation="grant.add", digest=digest),
            did("grant.read", "u-3"),
            did("grant.revoke", "u-4", grant="h", role="role:hr.clerk", subject="user:u-8"),
        ]
    )  # fmt: skip
    revoked, given = answer(any_store, "privilege-changes")
    assert (revoked["who"], revoked["subject"], revoked["approved_by"]) == (
        "user:u-4",
        "user:u-8",
        "",
    )
    assert (given["who"], given["role"], given["approved_by"]) == (
        "user:u-1",
        "role:hr.head",
        "user:u-2",
    )
    assert given["expires_at"] == "2026-09-21T14:13:20.000000Z"
    [request] = answer(any_store, "four-eyes")
    assert (request["asked_by"], request["approved_by"], request["done_by"]) == (
        "user:u-1",
        "user:u-2",
        "user:u-1",
    )
    assert request["operation"] == "grant.add"
    assert request["digest"] == digest


def test_what_was_opened_after_hours(log: AuditLog, any_store: Store) -> None:
    first = log.record(did("data.decrypt", "u-1"))
    second = log.record(did("data.decrypt", "u-2"))
    assert first != second
    moments = {one.seq: one.t for one in query.events(any_store)}
    evening = AfterHours(lambda at: at < moments[1], "evening", "Asia/Ho_Chi_Minh")
    rows = answer(any_store, "after-hours", replace(ASKED, hours=evening))
    assert [row["who"] for row in rows] == ["user:u-2"]


def test_backups_that_failed_were_cut_off_or_missed_and_drills_that_did_not_pass(
    log: AuditLog, any_store: Store, stepping: Clock
) -> None:
    log.record_many(
        [
            did("backup.run", plan="nightly"),
            did("backup.run", "u-1", "error", plan="nightly", reason="unreachable"),
            did("backup.run", "u-1", "intent", plan="nightly"),
            did("backup.run", "u-1", "unknown", plan="nightly"),
            did("drill.run", plan="nightly", passed=False),
            did("drill.run", plan="nightly", passed=True),
        ]
    )
    due = stepping.micros()
    with any_store.write() as connection:
        for name, state in (("a", "missed"), ("b", "done")):
            connection.execute(
                insert(job).values(
                    id=name, kind="backup", plan="nightly", requested_by="calendar",
                    requested_at=due, due_at=due, state=state,
                )
            )  # fmt: skip
    rows = answer(any_store, "backups-and-drills")
    assert [row["went"] for row in rows] == ["missed", "failed", "cut off", "failed"]
    assert rows[0]["seq"] is None
    assert rows[3]["reason"] == "unreachable"
    assert not answer(any_store, "backups-and-drills", replace(ASKED, since=due + 1))


@pytest.mark.parametrize(
    ("name", "kind", "detail"),
    [
        ("break-glass", "break_glass.start", {"incident": "i-1", "role": "role:it.break_glass"}),
        ("exports", "record.export", {"format": "csv", "bytes": 7}),
        ("keys-and-settings", "key.rotate", {"version": 2, "from_version": 1}),
        ("refusals", "record.read", {"reason": "denied"}),
    ],
)
def test_rare_deeds_are_found_with_what_they_say(
    log: AuditLog,
    any_store: Store,
    reading: Callable[[int], Event],
    name: str,
    kind: str,
    detail: dict[str, Fact],
) -> None:
    log.record_many([reading(1), reading(2)])
    log.record(did(kind, outcome="denied" if name == "refusals" else "ok", **detail))
    [row] = answer(any_store, name)
    assert row["seq"] == 2
    assert detail.items() <= row.items() | {("bytes", 7)}


def test_asking_by_department_and_period(log: AuditLog, any_store: Store) -> None:
    log.record_many([did("key.rotate", f"u-{number}") for number in range(3)])
    [_, middle, last] = query.events(any_store)
    asked = replace(ASKED, department="hr", since=middle.t, until=last.t)
    assert [row["who"] for row in answer(any_store, "keys-and-settings", asked)] == ["user:u-1"]
    assert not answer(any_store, "keys-and-settings", replace(ASKED, department="it"))
    assert Question(kinds=("key.",)).wanted_kinds()
