"""The fences around DBOS, proved on real processes that are killed, frozen and upgraded."""

from __future__ import annotations

import random
import signal
import sqlite3
import time
from contextlib import closing

import psycopg
import pytest

from secvault.jobs import queue

from .conftest import Yard, eventually

RELAY = ["first", "second", "third"]


@pytest.mark.slow
def test_a_worker_killed_in_a_step_does_it_again_and_none_before_it(yard: Yard) -> None:
    before = yard.worker().ready()
    job = yard.ask()
    yard.wait_begun(job, "second")
    before.kill()
    after = yard.worker().ready()
    yard.wait_done(job)
    assert yard.begun(job) == ["first", "second", "second", "third"]
    assert (yard.folder / "nightly.outcome").read_text() == (
        '{"first": {"after": []}, "second": {"after": ["first"]}}'
    )
    assert after.stop() == 0


@pytest.mark.slow
def test_jobs_of_a_worker_killed_at_random_moments_all_end_once(yard: Yard) -> None:
    ids = [yard.ask(f"plan-{number}") for number in range(4)]
    recorded: dict[tuple[str, str], int] = {}
    for _ in range(5):
        process = yard.worker(step=0.15)
        time.sleep(random.uniform(0.6, 2.2))
        process.kill()
        if (yard.folder / "jobs.db").exists() and yard.journal():
            for job, step in yard.recorded():
                recorded.setdefault((job, step), yard.begun(job).count(step))
    yard.worker(step=0.05).ready()
    yard.wait_done(*ids)
    for (job, step), times in recorded.items():
        assert yard.begun(job).count(step) == times, "a step with a written result was done again"
    for job in ids:
        assert list(dict.fromkeys(yard.begun(job))) == RELAY
        outcome = (yard.folder / f"{yard.job(job).plan}.outcome").read_text()
        assert outcome == '{"first": {"after": []}, "second": {"after": ["first"]}}'
    ended = [line for p in yard.processes for line in p.said("jobs.done")]
    assert len(ended) <= len(ids)


@pytest.mark.slow
def test_work_of_a_frozen_node_is_taken_over_and_the_woken_node_cannot_write_its_result(
    yard: Yard,
) -> None:
    frozen = yard.worker(host="a", step=0.5, speed=20).ready()
    job = yard.ask()
    yard.wait_begun(job, "second")
    frozen.signal(signal.SIGSTOP)
    rescuer = yard.worker(host="b", step=0.5, speed=20).ready()
    yard.wait_begun(job, "second", times=2)
    frozen.signal(signal.SIGCONT)
    yard.wait_done(job)
    assert [fields["job"] for fields in rescuer.said("jobs.taken_over")] == [job]
    assert yard.begun(job) == ["first", "second", "second", "third"]
    # What is said of it comes by a pipe, after the job itself is done.
    eventually(
        lambda: frozen.said("jobs.done") + rescuer.said("jobs.done"), lambda: "nobody did it"
    )
    assert len(frozen.said("jobs.done") + rescuer.said("jobs.done")) == 1
    eventually(lambda: frozen.said("jobs.lost"), lambda: str(frozen.lines))
    # Both go on working, and end in order.
    assert rescuer.stop() == 0
    later = yard.ask()
    yard.wait_done(later)
    assert frozen.stop() == 0


@pytest.mark.slow
def test_an_upgrade_that_changes_the_steps_begins_unfinished_work_anew(
    yard: Yard,
) -> None:
    first = yard.worker().ready()
    job = yard.ask()
    yard.wait_begun(job, "second")
    first.kill()
    newer = yard.worker(version="jobs-2").ready()
    yard.wait_done(job)
    assert yard.begun(job) == ["first", "second", *RELAY]
    assert newer.stop() == 0


@pytest.mark.slow
def test_a_second_worker_on_the_same_host_is_refused(yard: Yard) -> None:
    running = yard.worker().ready()
    second = yard.worker()
    assert second.stop() == 1
    [refusal] = second.said("refused")
    assert refusal["code"] == "conflict"
    assert "a worker runs already on this host" in str(refusal["detail"])
    job = yard.ask()
    yard.wait_done(job)
    assert yard.begun(job) == RELAY
    assert running.stop() == 0


@pytest.mark.slow
@pytest.mark.parametrize("file", ["jobs.db", "store.db"])
def test_a_locked_database_delays_a_job_and_breaks_nothing(yard: Yard, file: str) -> None:
    process = yard.worker(step=0.2).ready()
    job = yard.ask()
    yard.wait_begun(job, "second")
    with closing(sqlite3.connect(yard.folder / file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        time.sleep(3)
        assert process.child.poll() is None
        other.execute("ROLLBACK")
    yard.wait_done(job)
    assert yard.begun(job) == RELAY
    assert not process.said("jobs.worker_died")
    assert process.stop() == 0


@pytest.mark.slow
def test_a_worker_that_is_stopped_leaves_off_and_the_next_one_continues(yard: Yard) -> None:
    first = yard.worker(step=0.6, speed=30).ready()
    job = yard.ask()
    yard.wait_begun(job, "first")
    assert first.stop() == 0
    assert yard.job(job).state in ("started", "done")
    second = yard.worker().ready()
    yard.wait_done(job)
    assert yard.begun(job) == RELAY
    assert second.stop() == 0


@pytest.mark.slow
def test_two_nodes_share_the_work_and_run_no_job_twice(yard: Yard) -> None:
    nodes = [yard.worker(host=host, step=0.05).ready() for host in ("a", "b")]
    ids = [yard.ask(f"plan-{number}") for number in range(8)]
    yard.wait_done(*ids)
    for job in ids:
        assert yard.begun(job) == RELAY
    done = [str(fields["job"]) for node in nodes for fields in node.said("jobs.done")]
    assert sorted(done) == sorted(ids)
    assert [node.stop() for node in nodes] == [0, 0]


@pytest.mark.real
@pytest.mark.slow
def test_on_postgresql_the_work_of_a_killed_node_is_taken_over(postgresql_yard: Yard) -> None:
    yard = postgresql_yard
    killed = yard.worker(host="a", step=0.5, speed=20).ready()
    job = yard.ask()
    yard.wait_begun(job, "second")
    killed.kill()
    rescuer = yard.worker(host="b", step=0.1, speed=20).ready()
    yard.wait_done(job)
    assert yard.begun(job) == ["first", "second", "second", "third"]
    assert rescuer.stop() == 0


def test_two_processes_that_tick_together_make_one_job_of_each_due_moment(yard: Yard) -> None:
    nodes = [yard.worker(host=host, step=0.01, schedules=20).ready() for host in ("a", "b")]
    with yard.store.write() as connection:
        connection.exec_driver_sql(
            "UPDATE schedule SET next_due = next_due - 10 * 60000000, missed = 'all'"
        )
    eventually(
        lambda: sum(len(node.said("jobs.due")) for node in nodes) >= 20 * 10,
        lambda: str([node.lines for node in nodes]),
    )
    due = [fields["job"] for node in nodes for fields in node.said("jobs.due")]
    assert len(due) == len(set(due))
    with yard.store.read() as connection:
        assert len(queue.jobs(connection, limit=1_000)) >= 20 * 10


@pytest.mark.real
@pytest.mark.slow
def test_on_postgresql_a_job_outlives_the_loss_of_all_connections(
    postgresql_yard: Yard, migrated_postgresql_url: str
) -> None:
    yard = postgresql_yard
    process = yard.worker(step=1.0).ready()
    job = yard.ask()
    yard.wait_begun(job, "second")
    with psycopg.connect(migrated_postgresql_url, autocommit=True) as connection:
        for _ in range(5):
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            time.sleep(0.2)
    yard.wait_done(job)
    assert yard.begun(job) == RELAY
    assert not process.said("jobs.worker_died")
    assert process.stop() == 0
