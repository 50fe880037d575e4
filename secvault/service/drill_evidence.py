"""Evidence of drills, scenarios and rehearsals: signed, and written into the data folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from secvault.backup.drills import evidence, files, stored
from secvault.backup.drills.evidence import EarlierDrill
from secvault.backup.drills.exercise import RehearsalResult, ScenarioResult
from secvault.backup.drills.result import DrillResult
from secvault.backup.drills.stored import Drill
from secvault.backup.engine import in_words
from secvault.crypto.evidence import SignedEvidence, sign_evidence, verify_evidence
from secvault.errors import BackupFailed
from secvault.service.service import Service


def sign(
    service: Service,
    result: DrillResult | ScenarioResult | RehearsalResult,
    earlier: Sequence[EarlierDrill] = (),
) -> SignedEvidence:
    """The result as a document signed by the vault's key of evidence. earlier: oldest first."""
    made = evidence.document(result, earlier=earlier)
    return sign_evidence(made, service.signing.evidence)


def earlier_than(service: Service, result: DrillResult) -> tuple[EarlierDrill, ...]:
    """The drills of the plan before this one that came to their end, the oldest first."""
    done = stored.newest_drills(
        service.backups, evidence.MOST_EARLIER + 1, plan=result.plan, state="done"
    )
    return tuple(
        EarlierDrill(
            one.id,
            one.started_at,
            bool(one.passed),
            one.rpo_seconds,
            _recovery_time(one),
            one.bytes_per_second,
        )
        for one in reversed(done)
        if one.id != result.id
    )


def write_files(service: Service, document: bytes, note: bytes) -> tuple[Path, ...]:
    """Write evidence into the data folder: document, note, pages, and what verifies them.

    Raises Damaged where it is not what was signed, and BackupFailed where it cannot be written:
    it is stored, and to be had by its id.
    """
    verified = verify_evidence(document, note, service.signing.evidence.verifier())
    try:
        return files.write(service.backups.evidence, document, note, verified)
    except OSError as error:
        raise BackupFailed(
            f"the drill is done and its finding stored, but not written to a file: "
            f"{in_words(error)}"
        ) from error


def _recovery_time(one: Drill) -> float | None:
    """Seconds; of a sample, what the whole was estimated to take."""
    estimate = one.figures.estimate_ms
    return one.rto_seconds if estimate is None else estimate / 1000
