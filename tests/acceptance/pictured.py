"""A company fit to be shown: believable names and numbers, nothing that tries a page's limits.

For the pictures of the docs. What tries the limits is in `company`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy import insert

from secvault.access import add_grant
from secvault.audit.query import Question
from secvault.backup.drills.result import DrillResult
from secvault.crypto.secret import Secret
from secvault.identity.people import find_person
from secvault.sample import back_office
from secvault.service import (
    Service,
    audit_log,
    authentication,
    drill_evidence,
    records,
    reveals,
)
from secvault.service.authentication import local_operator
from secvault.service.spine import Caller
from secvault.store import tables
from tests.acceptance.furnished import answering
from tests.acceptance.installation import (
    ADMINISTRATOR,
    PASSWORD,
    SEED,
    Installation,
    code_of,
    new_installation,
)
from tests.backup.drills.results import PASSED
from tests.backup_rows import add_run
from tests.running_service import PASSWORD as THEIRS
from tests.running_service import add_person

DAY = 86_400 * 1_000_000
HOUR = DAY // 24
REASON = "Đối chiếu với ngân hàng, kỳ lương tháng 1"
PLANS = """
[backup.plans.accounting]
repository = "here"
keep_daily = 30

[backup.plans.designs]
repository = "here"
keep_daily = 30
"""
ROLES = {"tuyet": ("hr", "role:hr.head", "hr"), "hoa": ("it", "role:it.auditor", "*")}


@dataclass(frozen=True)
class Pictured:
    """The company as it answers. seeds: of everybody's device. facts: what paths name."""

    installation: Installation
    seeds: dict[str, str]
    facts: dict[str, str]

    @property
    def address(self) -> str:
        """Where it answers."""
        return f"http://localhost:{self.installation.port}"

    def password(self, who: str) -> str:
        """What they sign in with beside a code."""
        return PASSWORD if who == ADMINISTRATOR else THEIRS


@contextmanager
def pictured(folder: Path) -> Iterator[Pictured]:
    """A new one in this folder, which answers."""
    installation = new_installation(folder, PLANS)
    seeds, facts = {ADMINISTRATOR: SEED}, {}
    with installation.opened() as service:
        for name in ROLES:
            seeds[name] = _person(service, name)
        facts["record"] = _work(service, _signed_in(service, "tuyet", seeds))
        auditor = _signed_in(service, "hoa", seeds)
        seen = audit_log.read_events(service, auditor, Question(kind="record.reveal"), None, 1)
        facts["reveal"] = str(seen.events[0].seq)
        _back_up(service)
        facts["drill"] = _drill(service)
    with answering(installation):
        yield Pictured(installation, seeds, facts)


def _person(service: Service, name: str) -> str:
    department, role, where = ROLES[name]
    seed = add_person(service, name, department)
    with service.store.write() as connection:
        # Not by the operation: a role over all departments asks for a second person.
        add_grant(
            connection,
            service.policy.rules,
            subject=find_person(connection, name).subject,
            role=role,
            department=where,
            granted_by=local_operator(service).subject,
            at=service.clock.micros(),
        )
    return seed


def _signed_in(service: Service, name: str, seeds: dict[str, str]) -> Caller:
    """With a code of the step before, so that the page has the present one."""
    code = Secret.of(code_of(seeds[name], 1))
    return Caller(authentication.sign_in(service, name, Secret.of(THEIRS), code).principal)


def _work(service: Service, head: Caller) -> str:
    """Payslips, one of whose accounts was revealed: its id."""
    payslips = [one for one in back_office() if one.collection == "payroll"][:40]
    for one in payslips:
        records.create_record(service, head, one.collection, one.id, one.values)
    reveals.reveal_field(service, head, "payroll", payslips[0].id, "bank_account", REASON)
    return payslips[0].id


def _back_up(service: Service) -> None:
    """Runs of three months: a plan that keeps its promise, and one whose last run failed."""
    now, failed = service.clock.micros(), {"state": "failed", "snapshot": None}
    bad = {("nightly", 31), ("accounting", 0), ("accounting", 47), ("designs", 12)}
    with service.store.write() as connection:
        for plan, size in (("nightly", 900), ("accounting", 2_400), ("designs", 41_000)):
            for back in range(88):
                if (plan, back) in (("designs", 40), ("designs", 41)):
                    continue
                at = now - back * DAY - 7 * HOUR
                more = {"bytes": (size - back * size // 300) << 20, "bytes_added": size << 14}
                went = {**failed, "bytes": None} if (plan, back) in bad else {}
                run = f"backup:{plan}:{back}"
                add_run(connection, run, at, plan=plan, repository="here", **{**more, **went})


def _drill(service: Service) -> str:
    """A drill of each week, all of which passed; the newest."""
    now = service.clock.micros()
    for plan in ("nightly", "accounting", "designs"):
        for back in range(6):
            at = now - (5 - back) * 7 * DAY - 3 * HOUR
            _add_drill(service, replace(PASSED, id=f"drill:{plan}:{back}", plan=plan), at)
    return "drill:nightly:5"


def _add_drill(service: Service, result: DrillResult, at: int) -> None:
    took = result.finished_at - result.started_at
    data_at = at - result.figures.rpo_seconds * 1_000_000
    figures = replace(result.figures, data_at=data_at)
    done = replace(
        result,
        started_at=at,
        finished_at=at + took,
        snapshot_at=data_at,
        repository="here",
        requested_by="schedule",
        figures=figures,
    )
    signed = drill_evidence.sign(service, done)
    row = {
        "id": done.id,
        "plan": done.plan,
        "repository": done.repository,
        "snapshot": done.snapshot,
        "chosen": done.chosen,
        "extent": done.extent,
        "state": "done",
        "phase": "done",
        "requested_by": done.requested_by,
        "started_at": at,
        "finished_at": at + took,
        "passed": True,
        "complete": True,
        "rto_seconds": int(figures.rto_seconds),
        "rpo_seconds": figures.rpo_seconds,
        "levels": json.dumps({level.name: level.verdict for level in done.levels}),
        "phases": json.dumps({name: int(took * 1000) for name, took in figures.phases.items()}),
        "figures": json.dumps(
            {
                "rto_target_seconds": figures.rto_target_seconds,
                "rpo_target_seconds": figures.rpo_target_seconds,
            }
        ),
        "files": figures.files,
        "bytes": figures.bytes,
        "document": signed.document,
        "note": signed.note,
        "node": "n",
        "beat_at": at + took,
    }
    with service.store.write() as connection:
        connection.execute(insert(tables.drill).values(row))
