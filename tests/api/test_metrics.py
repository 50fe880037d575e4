"""`/metrics`: what a monitoring system is told, and who is one."""

from __future__ import annotations

import pytest
from prometheus_client.openmetrics import parser as open_metrics
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import func, insert, select

from secvault.service import Service, backup_watch
from secvault.store import tables
from tests.backup_rows import HOUR, add_numbers, add_run
from tests.running_service import Front, House, system_token

READERS = ("monitor", "admin", "auditor")


@pytest.fixture
def watched(house: House) -> House:
    """With a run that failed after a good one of yesterday, and a token for the monitor."""
    with house.open() as service:
        house.tokens["monitor"] = system_token(service, "prometheus", "it", "role:it.monitor")
        now = service.clock.micros()
        with service.store.write() as connection:
            for number in range(3):
                add_run(connection, f"run-{number}", now - (30 - number) * HOUR)
                add_numbers(connection, f"run-{number}", now - (30 - number) * HOUR)
            add_run(connection, "run-3", now - 27 * HOUR)
            add_numbers(connection, "run-3", now - 27 * HOUR, bytes=1_000)
            add_run(connection, "run-4", now - HOUR, state="failed", snapshot=None)
            add_run(connection, "other", now - HOUR, plan="one that there is no more")
            drill = {"plan": "nightly", "phase": "done", "requested_by": "x", "node": "n"}
            for name, passed in (("d-1", True), ("d-2", False)):
                row = {"id": name, "state": "done", "passed": passed, "started_at": now, **drill}
                row["complete"] = True
                connection.execute(insert(tables.drill).values(finished_at=now, beat_at=now, **row))
        backup_watch.judge_runs(service)
    return house


def values(text: str) -> dict[tuple[str, ...], float]:
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_a_monitor_sees_when_the_last_good_backup_was_and_what_is_wrong(
    front: Front, watched: House
) -> None:
    with front.serving(watched) as api:
        answer = api("GET", "/metrics", "monitor")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    got = values(answer.text)
    data_at = watched.hands.seconds - 27 * 3600
    plan = "nightly"
    assert got["secvault_backup_last_success_timestamp_seconds", plan] == data_at
    assert got["secvault_backup_due_timestamp_seconds", plan] == data_at + 26 * 3600
    assert got["secvault_backup_behind", plan] == 1
    assert got["secvault_backup_failures_since_success", plan] == 1
    assert got["secvault_backup_duration_seconds", plan] == 60
    assert got["secvault_backup_size_bytes", plan] == 1_000
    assert got["secvault_backup_anomalies_total", plan, "size_collapse"] == 1
    assert got["secvault_backup_anomalies_total", plan, "mass_change"] == 0
    last_drill = got["secvault_restore_drill_last_success_timestamp_seconds", plan]
    assert last_drill == watched.hands.seconds
    assert got["secvault_restore_drill_failures_total", plan] == 1
    assert got["secvault_audit_tree_size",] > 0
    assert got["secvault_jobs", "requested"] == 0
    assert "one that there is no more" not in answer.text


def test_only_who_may_read_metrics_gets_them_and_a_refusal_alone_is_on_record(
    front: Front, watched: House
) -> None:
    opened: list[Service] = []

    def kept(service: Service) -> Service:
        opened.append(service)
        return service

    with front.serving(watched, kept) as api:
        for who in READERS:
            assert api("GET", "/metrics", who).status_code == 200
        before = _recorded(opened[0])
        for who in ("clerk", "head", "system"):
            assert api("GET", "/metrics", who).status_code == 403
        assert api("GET", "/metrics").status_code == 401
        assert api("GET", "/metrics", "svt_wrong").status_code == 401
        assert (before, _recorded(opened[0])) == (0, 3)
        # The monitor reads nothing else, not even what the metrics count.
        assert api("GET", "/api/v1/backups/status", "monitor").status_code == 403


def test_openmetrics_are_given_to_who_asks_for_them(front: Front, watched: House) -> None:
    accept = {"Accept": "application/openmetrics-text; version=1.0.0; charset=utf-8"}
    with front.serving(watched) as api:
        answer = api("GET", "/metrics", "monitor", headers=accept)
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    families = list(open_metrics.text_string_to_metric_families(answer.text))
    assert {"secvault_backup_anomalies", "secvault_build_info"} <= {one.name for one in families}


def test_every_process_tells_the_same(front: Front, watched: House) -> None:
    texts = []
    for _ in range(2):
        with front.serving(watched) as api:
            texts.append(values(api("GET", "/metrics", "monitor").text))
    first, second = texts
    # Opening the service is itself on record.
    grew = ("secvault_audit_tree_size",)
    assert {key: value for key, value in first.items() if key != grew} == {
        key: value for key, value in second.items() if key != grew
    }


def _recorded(service: Service) -> int:
    service.audit.drain()
    asked = select(func.count()).select_from(tables.audit_event)
    with service.store.read() as connection:
        found = asked.where(tables.audit_event.c.kind == "metrics.read")
        return connection.execute(found).scalar_one()
