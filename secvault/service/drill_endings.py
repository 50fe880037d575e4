"""What is done when a drill has ended: its evidence as files, and the word to those who answer."""

from __future__ import annotations

from pathlib import Path

from secvault.backup.claims import TakenOver, reason_of
from secvault.backup.drills import evidence, files, stored
from secvault.backup.drills.scenarios import stored as scenarios
from secvault.backup.drills.stored import Drill
from secvault.errors import Cancelled
from secvault.service import drill_evidence, drill_notices
from secvault.service.service import Service
from secvault.store import tables


def drill_done(service: Service, done: Drill) -> None:
    """The drill came to its end: write its evidence, and tell where it did not pass.

    Done again, it does no harm. Raises BackupFailed where the files cannot be written.
    """
    if done.passed is not True:
        # The first fault says most: the levels go from the repository up.
        reason = done.faults[0].code if done.faults else drill_notices.DAMAGE
        drill_notices.tell_failed(service, done.plan, done.id, reason, passed=False)
    write_evidence(service, done.id)


def drill_failed(service: Service, plan: str, drill_id: str, error: BaseException) -> None:
    """The drill did not come to its end, and is not tried again."""
    if isinstance(error, TakenOver):
        return
    service.backups.end(tables.drill, drill_id, "failed", reason_of(error))
    if isinstance(error, Cancelled):
        # Whoever stopped it knows; that the plan is not proven is told when it is overdue.
        return
    drill_notices.tell_failed(service, plan, drill_id, drill_notices.code_of(error))


def scenario_failed(service: Service, plan: str, work: str, error: BaseException) -> None:
    """The same for a scenario drill."""
    if isinstance(error, TakenOver):
        return
    service.backups.end(tables.drill_scenario, work, "failed", reason_of(error))
    if isinstance(error, Cancelled):
        return
    found = scenarios.find(service.backups, work)
    drill_notices.tell_failed(
        service,
        plan,
        work,
        drill_notices.code_of(error),
        scenario="" if found is None else found.scenario,
    )


def evidence_files(service: Service, drill_id: str) -> tuple[Path, ...]:
    """Where the evidence of a drill lies in the data folder: document, note, pages."""
    return tuple(
        service.backups.evidence / name
        for name in files.names({"kind": evidence.DRILL, "id": drill_id})
    )


def write_evidence(service: Service, drill_id: str) -> None:
    """Write the evidence of a finished drill into the data folder, again if need be."""
    drill_evidence.write_files(service, *stored.evidence(service.backups, drill_id))


def scenario_evidence_files(service: Service, work: str) -> tuple[Path, ...]:
    """The same of a scenario drill."""
    return tuple(
        service.backups.evidence / name
        for name in files.names({"kind": evidence.SCENARIO, "id": work})
    )


def write_scenario_evidence(service: Service, work: str) -> None:
    """The same of a scenario drill."""
    signed = scenarios.evidence(service.backups, work)
    drill_evidence.write_files(service, signed.document, signed.note)
