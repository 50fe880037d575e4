from __future__ import annotations

import threading

import pytest

from secvault.errors import Conflict, InvalidInput, NotFound
from secvault.jobs import Job, queue, request
from secvault.store import Store


@pytest.fixture
def store(any_store: Store) -> Store:
    """A store of each engine."""
    return any_store


def ask(store: Store, plan: str = "nightly", *, kind: str = "backup", now: int = 1) -> str:
    with store.write() as connection:
        return request(connection, kind=kind, plan=plan, requested_by="user:thu", now=now)


def claim(store: Store, limit: int = 10, *, now: int = 100) -> list[str]:
    with store.write() as connection:
        return [job.id for job in queue.claim(connection, limit, now=now)]


def state(store: Store, id_: str) -> Job:
    with store.read() as connection:
        return queue.get(connection, id_)


def test_a_request_is_part_of_the_transaction_that_asks(store: Store) -> None:
    with pytest.raises(ZeroDivisionError), store.write() as connection:  # noqa: PT012
        id_ = request(connection, kind="backup", plan="nightly", requested_by="user:thu", now=1)
        _ = 1 // 0
    with store.read() as connection, pytest.raises(NotFound):
        queue.get(connection, id_)


def test_asking_twice_by_one_id_is_one_job(store: Store) -> None:
    for now in (1, 2):
        with store.write() as connection:
            id_ = request(
                connection, kind="drill", plan="nightly", requested_by="user:thu", now=now, id="d-1"
            )
            assert id_ == "d-1"
    assert state(store, "d-1").requested_at == 1
    with store.write() as connection, pytest.raises(Conflict):
        request(connection, kind="drill", plan="other", requested_by="u", now=3, id="d-1")


def test_requests_without_an_id_are_jobs_of_their_own(store: Store) -> None:
    assert ask(store) != ask(store)


@pytest.mark.parametrize(
    ("kind", "plan", "id_", "field"),
    [
        ("Back up", "nightly", "x", "kind"),
        ("", "nightly", "x", "kind"),
        ("backup", "", "x", "plan"),
        ("backup", "a\nb", "x", "plan"),
        ("backup", "nightly", "", "id"),
        ("backup", "nightly", "x" * 301, "id"),
    ],
)
def test_a_bad_request_names_its_field(
    store: Store, kind: str, plan: str, id_: str, field: str
) -> None:
    with store.write() as connection, pytest.raises(InvalidInput) as refused:
        request(connection, kind=kind, plan=plan, requested_by="u", now=1, id=id_)
    assert refused.value.fields[0].field == field


def test_work_of_one_kind_on_one_plan_is_claimed_one_at_a_time_in_order(store: Store) -> None:
    first, second = ask(store, now=1), ask(store, now=2)
    drill, other = ask(store, kind="drill", now=3), ask(store, "weekly", now=4)
    assert claim(store) == [first, drill, other]
    assert claim(store) == []
    with store.write() as connection:
        assert queue.finish(connection, first, "failed", now=5, error="backup-failed: disk full")
        assert not queue.finish(connection, first, "done", now=6)
    ended = state(store, first)
    assert (ended.state, ended.finished_at, ended.error) == (
        "failed", 5, "backup-failed: disk full",
    )  # fmt: skip
    assert claim(store) == [second]


def test_no_more_is_claimed_than_there_is_room_for(store: Store) -> None:
    asked = [ask(store, f"plan-{n}", now=n) for n in range(3)]
    assert claim(store, 2) == asked[:2]
    with store.read() as connection:
        assert [job.id for job in queue.started(connection)] == asked[:2]
        assert queue.waiting(connection)
    assert claim(store, 2) == asked[2:]
    with store.read() as connection:
        assert not queue.waiting(connection)


def test_a_job_is_claimed_once_by_ten_that_try_at_once(store: Store) -> None:
    asked = {ask(store, f"plan-{n}") for n in range(20)}
    claimed: list[str] = []
    threads = [threading.Thread(target=lambda: claimed.extend(claim(store, 3))) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert len(claimed) == len(set(claimed)) == 20
    assert set(claimed) == asked


def test_the_list_is_newest_first_and_can_be_narrowed(store: Store) -> None:
    old, new = ask(store, now=1), ask(store, now=2)
    drill = ask(store, kind="drill", now=3)
    with store.read() as connection:
        assert [job.id for job in queue.jobs(connection)] == [drill, new, old]
        assert [job.id for job in queue.jobs(connection, kind="backup", limit=1)] == [new]
        assert queue.jobs(connection, state="done") == ()


def add(store: Store, *jobs: Job) -> None:
    with store.write() as connection:
        queue.add(connection, jobs)


def waiting(id_: str, plan: str, **more: int) -> Job:
    return Job(id_, "backup", plan, "schedule", 1, 1, "requested", **more)  # type: ignore[arg-type]


def test_of_those_that_wait_the_lower_number_begins_first_and_what_people_ask_before_all(
    store: Store,
) -> None:
    add(store, waiting("b", "two", priority=50), waiting("a", "one", priority=50))
    add(store, waiting("urgent", "three", priority=7))
    asked = ask(store, "four", now=90)
    assert claim(store) == [asked, "urgent", "a", "b"]


def test_a_job_begins_only_between_its_moments(store: Store) -> None:
    add(store, waiting("n", "nightly", not_before=10, not_after=20))
    assert claim(store, now=9) == []
    assert claim(store, now=20) == []
    with store.read() as connection:
        assert queue.closed(connection, 19) == ()
        [late] = queue.closed(connection, 20)
    with store.write() as connection:
        queue.move(connection, late, not_before=30, not_after=40)
        # Whoever read it before it was moved changes nothing.
        queue.move(connection, late, not_before=1, not_after=2)
    assert claim(store, now=29) == []
    assert claim(store, now=30) == ["n"]


def test_what_a_schedule_asked_for_is_given_up_and_what_a_person_asked_for_is_not(
    store: Store,
) -> None:
    add(store, waiting("n", "nightly"), waiting("other", "other"))
    asked = ask(store)
    with store.write() as connection:
        gone = queue.give_up(connection, ("backup",), "nightly", "schedule", now=5, error="paused")
    assert gone == 1
    assert (state(store, "n").state, state(store, "n").error) == ("missed", "paused")
    assert (state(store, asked).state, state(store, "other").state) == ("requested", "requested")


def test_what_was_not_begun_can_be_withdrawn_and_what_was_begun_cannot(store: Store) -> None:
    with store.write() as connection:
        for plan in ("nightly", "weekly"):
            queue.request(
                connection, kind="backup", plan=plan, requested_by="user:thu", now=1, id=plan
            )
        (begun,) = queue.claim(connection, 1, now=2)
        left = "weekly" if begun.id == "nightly" else "nightly"
        assert queue.withdraw(connection, left, now=3, why="cancelled by user:thu")
        assert not queue.withdraw(connection, left, now=4, why="again")
        assert not queue.withdraw(connection, begun.id, now=4, why="too late")
        found = queue.get(connection, left)
        assert (found.state, found.finished_at) == ("missed", 3)
        assert found.error == "cancelled by user:thu"


def test_claiming_can_be_narrowed_to_kinds_or_to_all_but_them(store: Store) -> None:
    with store.write() as connection:
        for kind in ("backup", "check", "notice"):
            queue.request(connection, kind=kind, plan="nightly", requested_by="user:thu", now=1)
        others = queue.claim(connection, 9, now=2, but={"backup", "check"})
        assert [job.kind for job in others] == ["notice"]
        only = queue.claim(connection, 9, now=2, only={"check"})
        assert [job.kind for job in only] == ["check"]
