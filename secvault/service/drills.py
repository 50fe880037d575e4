"""Operations on restore drills: run, list, read and check the evidence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import uuid_utils
from sqlalchemy import Connection, func, select

from secvault.audit.verify import verify as verify_audit
from secvault.backup import drill
from secvault.backup.drill import Drill
from secvault.backup.engine import in_words
from secvault.backup.finding import Finding
from secvault.backup.rejoin import rejoin
from secvault.backup.report import WORDS, drill_page
from secvault.backup.restic import Cancel, Progress
from secvault.crypto.canonical import JsonValue
from secvault.crypto.evidence import verify_evidence
from secvault.errors import BackupFailed, Damaged, InvalidInput
from secvault.jobs import queue
from secvault.records.record import read_records
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation, Outcome
from secvault.store import Store, tables


@dataclass(frozen=True)
class _RestoredProofs:
    """The proofs beyond files: the restored audit log verifies, its data keys come back, restored
    fields decrypt.
    """

    service: Service

    def audit_log(self, restored: Store) -> str:
        known = self.service.signing.audit_verifiers
        origin = known[0].name
        report = verify_audit(
            restored,
            [each for each in known if each.name == origin],
            origin=origin,
            former=[each for each in known if each.name != origin],
        )
        if not report.ok:
            raise Damaged(f"the restored audit log is damaged: {report.problems[0].what}")
        return f"{report.size} entries, whole"

    def data_keys(self, restored: Store, files: Sequence[Path]) -> str:
        keyring = self.service.keyring.over(restored)
        with restored.write() as connection:
            found = rejoin(
                connection,
                keyring,
                files,
                self.service.clock.micros(),
                without_deleted=True,
                random=self.service.random,
            )
        return (
            f"{found.keys} data keys brought back; {found.erased} records left out that were "
            f"erased since, {found.left_out} that were deleted since"
        )

    def sample_of_fields(self, restored: Store) -> str:
        service, opened, records = self.service, 0, 0
        keyring = service.keyring.over(restored)
        wanted = service.settings.backup.drill_sample
        with restored.read() as connection:
            for collection in service.collections.values():
                table = tables.record
                share = max(1, wanted // len(service.collections))
                ids = connection.execute(
                    select(table.c.id)
                    .where(table.c.collection == collection.name)
                    .order_by(func.random())
                    .limit(share)
                ).scalars()
                for record in read_records(connection, keyring, collection, ids):
                    records += 1
                    for field in record.sealed:
                        record.value(field)
                        opened += 1
        return f"{opened} fields of {records} records decrypted with the current keys"


def run_drill(
    service: Service,
    caller: Caller,
    plan: str,
    on_progress: Callable[[Progress], None],
    cancel: Cancel,
) -> Finding:
    """Restore the plan's newest snapshot in a scratch place, prove it, sign the finding."""
    service.backups.plan(plan)
    drill_id = uuid_utils.uuid7().hex

    def act() -> Outcome[Finding]:
        requested_by = caller.principal.subject
        finding = _drilled(service, plan, drill_id, requested_by, on_progress, cancel)
        _write_evidence(service, drill_id)
        detail = _detail(plan, drill_id, finding.snapshot, passed=finding.passed)
        return Outcome(finding, detail=detail)

    return service.spine.work(caller, _operation("drill.run", plan), act)


def do_requested_drill(
    service: Service,
    caller: Caller,
    plan: str,
    drill_id: str,
    requested_by: str,
    on_progress: Callable[[Progress], None],
    cancel: Cancel,
) -> bool:
    """Do a drill that was asked for, unless it is done already; whether it passed.

    A process that was killed after it had signed the finding leaves the rest to the next one.
    """

    def act() -> Outcome[bool]:
        present = drill.find_drill(service.backups, drill_id)
        if present is None or present.state != "done":
            _drilled(service, plan, drill_id, requested_by, on_progress, cancel)
        verified = _write_evidence(service, drill_id)
        passed = verified["passed"] is True
        detail = _detail(plan, drill_id, str(verified["snapshot"]), passed=passed)
        return Outcome(passed, detail=detail)

    return service.spine.work(caller, _operation("drill.run", plan), act)


def _drilled(
    service: Service,
    plan: str,
    drill_id: str,
    requested_by: str,
    on_progress: Callable[[Progress], None],
    cancel: Cancel,
) -> Finding:
    return drill.run_drill(
        service.backups,
        plan,
        drill_id,
        requested_by=requested_by,
        proofs=_RestoredProofs(service),
        signer=service.signing.evidence,
        on_progress=on_progress,
        cancel=cancel,
    )


def _detail(
    plan: str, drill_id: str, snapshot: str, *, passed: bool
) -> dict[str, str | int | bool]:
    return {"plan": plan, "run": drill_id, "snapshot": snapshot, "passed": passed}


def request_drill(service: Service, caller: Caller, plan: str) -> str:
    """Ask the worker for a drill; the id of the job, which is the id of the drill."""
    service.backups.plan(plan)

    def act(connection: Connection) -> Outcome[str]:
        job = queue.request(
            connection,
            kind="drill",
            plan=plan,
            requested_by=caller.principal.subject,
            now=service.clock.micros(),
        )
        # The outcome of the work itself is another entry, by whoever does it.
        return Outcome(job, detail={"plan": plan, "run": job, "reason": "requested"})

    return service.spine.change(caller, _operation("drill.run", plan), act)


def list_drills(service: Service, caller: Caller, limit: int) -> tuple[Drill, ...]:
    """The newest drills of all plans, newest first."""
    if not 1 <= limit <= 500:
        raise InvalidInput.at("limit", "use 1 to 500")
    return service.spine.read(
        caller,
        _operation("drill.read", "*"),
        lambda _: Outcome(drill.newest_drills(service.backups, limit)),
    )


def read_evidence(
    service: Service, caller: Caller, drill_id: str
) -> tuple[dict[str, JsonValue], bytes, bytes]:
    """The verified finding of a drill, with its exact bytes and signed note. Raises Damaged."""

    def act(_: object) -> Outcome[tuple[dict[str, JsonValue], bytes, bytes]]:
        document, note = drill.evidence(service.backups, drill_id)
        verified = verify_evidence(document, note, service.signing.evidence.verifier())
        return Outcome((verified, document, note))

    return service.spine.read(caller, _operation("drill.read", "*"), act)


def read_page(service: Service, caller: Caller, drill_id: str, language: str) -> str:
    """The finding as an HTML page. language: `en` or `vi`."""
    if language not in WORDS:
        raise InvalidInput.at("language", f"use one of {', '.join(WORDS)}")
    verified, _, note = read_evidence(service, caller, drill_id)
    return drill_page(verified, note.decode(), language)


def evidence_files(service: Service, drill_id: str) -> tuple[Path, ...]:
    """Where the evidence of a drill lies in the data folder."""
    name = drill_id.replace(":", "-")
    return tuple(
        service.backups.evidence / f"drill-{name}{ending}"
        for ending in (".json", ".note", ".en.html", ".vi.html")
    )


def _write_evidence(service: Service, drill_id: str) -> dict[str, JsonValue]:
    document, note = drill.evidence(service.backups, drill_id)
    verified = verify_evidence(document, note, service.signing.evidence.verifier())
    pages = [drill_page(verified, note.decode(), language).encode() for language in ("en", "vi")]
    try:
        service.backups.evidence.mkdir(parents=True, exist_ok=True, mode=0o700)
        for file, content in zip(
            evidence_files(service, drill_id), (document, note, *pages), strict=True
        ):
            beside = file.with_name(f".{file.name}.new")
            beside.write_bytes(content)
            beside.replace(file)
    except OSError as error:
        raise BackupFailed(
            f"the drill is done and its finding stored, but not written to a file: "
            f"{in_words(error)}"
        ) from error
    return verified


def _operation(action: str, plan: str) -> Operation:
    return Operation(action, "it", plan, f"it/backups/{plan}")
