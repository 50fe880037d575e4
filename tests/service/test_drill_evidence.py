"""Evidence that the service signs: with the drills before it, and read again by its id."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from sqlalchemy import insert

from secvault.backup.drills import evidence, files
from secvault.errors import BackupFailed, Damaged, NotFound
from secvault.service import Service, authentication, drill_evidence, drill_reports
from secvault.service.spine import Caller
from secvault.store import tables
from tests.backup.drills.results import AT, DAY, PASSED, RANSOMWARE
from tests.running_service import House
from tests.service.test_drill_standing import drilled


@pytest.fixture
def auditor(service: Service, house: House) -> Caller:
    return Caller(authentication.authenticate(service, house.tokens["auditor"]))


def test_evidence_states_the_drills_of_the_plan_before_it(service: Service) -> None:
    now = service.clock.micros()
    for days, more in (
        (1, {"rto_seconds": 12, "rpo_seconds": 3}),
        # Of a sample, what the whole was estimated to take.
        (2, {"rto_seconds": 1, "figures": json.dumps({"estimate_ms": 90_500})}),
        (3, {"passed": False, "plan": "another"}),
        (4, {"state": "failed", "passed": None}),
        (5, {"passed": False}),
    ):
        drilled(service, days * DAY, f"drill-{days}", **more)
    result = replace(PASSED, started_at=now, finished_at=now)
    made = drill_evidence.sign(service, result, drill_evidence.earlier_than(service, result))
    earlier = json.loads(made.document)["earlier"]
    assert [one["id"] for one in earlier] == ["drill-5", "drill-2", "drill-1"]
    assert [one["rto_ms"] for one in earlier] == [None, 90_500, 12_000]
    assert [one["passed"] for one in earlier] == [False, True, True]


def test_a_scenario_is_reported_by_its_id_like_a_drill(service: Service, auditor: Caller) -> None:
    made = drill_evidence.sign(service, RANSOMWARE)
    with service.store.write() as connection:
        connection.execute(
            insert(tables.drill_scenario).values(
                id=RANSOMWARE.id,
                scenario=RANSOMWARE.scenario,
                plan=RANSOMWARE.plan,
                state="done",
                phase="done",
                requested_by="user:thu",
                started_at=AT,
                finished_at=AT,
                passed=True,
                document=made.document,
                note=made.note,
                node="n",
                beat_at=AT,
            )
        )
    said, document, note = drill_reports.read_evidence(service, auditor, RANSOMWARE.id)
    assert (said["kind"], document, note) == (evidence.SCENARIO, made.document, made.note)
    report = drill_reports.read_report(service, auditor, RANSOMWARE.id, "html", "vi")
    assert "Mã độc tống tiền" in report.content.decode()
    with pytest.raises(NotFound):
        drill_reports.read_evidence(service, auditor, "nothing")


def test_files_are_written_of_what_was_signed_alone(service: Service) -> None:
    made = drill_evidence.sign(service, PASSED)
    written = drill_evidence.write_files(service, made.document, made.note)
    assert written[0].read_bytes() == made.document
    assert (service.backups.evidence / files.VERIFIER).exists()
    with pytest.raises(Damaged):
        drill_evidence.write_files(service, made.document + b" ", made.note)
    for file in service.backups.evidence.iterdir():
        file.unlink()
    service.backups.evidence.rmdir()
    service.backups.evidence.write_text("in the way", "utf-8")
    with pytest.raises(BackupFailed, match="not written to a file"):
        drill_evidence.write_files(service, made.document, made.note)
