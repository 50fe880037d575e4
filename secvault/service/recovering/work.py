"""The work of bringing secvault back, step after step; and rehearsing it, unattended.

The same functions serve a rehearsal and the guided recovery (`guided`). Each step is put down as it
ends. A step that finds the newest snapshot damaged says so loudly and goes on with the one before:
the service comes back then, and the rehearsal has not passed.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass
from pathlib import Path

import uuid_utils

from secvault import __version__
from secvault.backup.drills import evidence
from secvault.backup.drills.exercise import BroughtBack, ExerciseFigures, RehearsalResult
from secvault.backup.restic import find_restic
from secvault.backup.restic_process import Cancel
from secvault.clock import Clock, system_clock
from secvault.crypto.aead import Random
from secvault.crypto.evidence import SignedEvidence, sign_evidence
from secvault.errors import Damaged
from secvault.keyring import FileSeal
from secvault.recovery.opening import open_kit
from secvault.service.recovering import finding, papers, rebuilding
from secvault.service.recovering import incident as incidents
from secvault.service.recovering import place as places
from secvault.service.recovering.fetching import NEVER
from secvault.service.recovering.place import Place
from secvault.service.recovering.recording import Record, Tell
from secvault.service.recovering.storage import Candidate
from secvault.service.recovering.under_way import Order, Work, day, opened

__all__ = ["Order", "Rehearsed", "bring_back_from", "open_the_kit", "rehearse", "result_of"]


@dataclass(frozen=True)
class Rehearsed:
    """What a rehearsal came to. signed: by the vault's evidence key; None where not asked for.

    papers: the files of the evidence, the signed document first.
    """

    result: RehearsalResult
    signed: SignedEvidence | None
    place: Place
    papers: tuple[Path, ...] = ()


def rehearse(
    order: Order, clock: Clock, random: Random, tell: Tell, cancel: Cancel = NEVER
) -> Rehearsed:
    """Bring everything back into an empty folder, start it, ask it, and state what came of it.

    Nothing is written outside of the folder and the database that was named; nobody is told
    anything. What came back stays there. Raises SecvaultError where it does not come so far as to
    have a vault that could sign: too few shares, no repository, no whole snapshot.
    """
    place = Place(order.folder, order.seal_key)
    places.begin(place)
    try:
        return _rehearsed(order, place, clock, random, tell, cancel)
    except BaseException:
        if order.remove:
            # The key that opens it lies there by now.
            places.remove_all_but(place, place.incident)
        raise


def _rehearsed(
    order: Order, place: Place, clock: Clock, random: Random, tell: Tell, cancel: Cancel
) -> Rehearsed:
    record = Record(clock, incidents.opened(place.incident, clock, order.requested_by), tell)
    work = open_the_kit(order, place, record, clock, random, rehearsal=True, cancel=cancel)
    try:
        bring_back(work)
        came = rebuilding.finish(work)
        signed, written = None, tuple[Path, ...]()
        if order.serve:
            rebuilding.serve_and_ask(work)
        if order.other_plans:
            finding.bring_others(work)
        result = result_of(work, came)
        if order.sign:
            signed = sign(work, result)
            written = papers.write(place.folder / "evidence", signed)
    finally:
        places.remove(place.scratch)
    return Rehearsed(result, signed, place, written)


def open_the_kit(
    order: Order,
    place: Place,
    record: Record,
    clock: Clock,
    random: Random,
    *,
    rehearsal: bool,
    cancel: Cancel = NEVER,
) -> Work:
    """Open the kit with the shares. Raises InvalidInput, Damaged."""
    started_at, began = clock.micros(), clock.monotonic()
    if order.opened is not None:
        head, secrets = order.opened
        record.untested("kit-opened", f"kit {head.kit}: the shares of its holders were not used")
    else:
        with record.step("kit-opened", "open", "Opening the recovery kit") as seen:
            head, secrets = open_kit(order.kit, order.shares, order.key)
            seen.words = (
                f"kit {head.kit} of {head.company}, issued {day(head.issued_at)}, opened by "
                f"{head.shares.threshold} shares"
            )
    restic = find_restic(
        order.restic,
        place.scratch / "cache",
        place.scratch / "tmp",
        # restic dates what it reads by the clock of the machine.
        system_clock(),
        order.environment,
    )
    return Work(
        order=order,
        place=place,
        record=record,
        clock=clock,
        random=random,
        rehearsal=rehearsal,
        head=head,
        secrets=secrets,
        restic=restic,
        id=uuid_utils.uuid7().hex,
        started_at=started_at,
        began=began,
        cancel=cancel,
    )


def bring_back(work: Work) -> None:
    """Everything up to a vault that opens: fetched, loaded, sealed anew, joined with its keys."""
    finding.reach(work)
    bring_back_from(work, finding.find(work))


def bring_back_from(work: Work, left: tuple[Candidate, ...]) -> None:
    """The same from one of these snapshots, of the repositories that were reached."""
    while True:
        left = finding.fetch(work, left)
        work.heed()
        try:
            rebuilding.load_database(work)
            break
        except Damaged as damage:
            _told_damaged(work, work.here.candidate, damage)
            if not left:
                raise
    rebuilding.look_at_log(work)
    rebuilding.join(work)
    rebuilding.write_settings(work)


def result_of(work: Work, came: tuple[BroughtBack, ...]) -> RehearsalResult:
    """What it came to, as of now."""
    here, plan = work.here, work.plan
    now = work.clock.micros()
    # By the clock that never goes back; but no such clock saw what was before this process.
    seconds = work.clock.monotonic() - work.began
    if work.resumed:
        seconds = max(seconds, (now - work.started_at) / 1_000_000)
    return RehearsalResult(
        id=work.id,
        mode="rehearsal" if work.rehearsal else "recovery",
        company=work.head.company,
        kit=work.head.kit,
        kit_issued_at=work.head.issued_at,
        threshold=work.head.shares.threshold,
        shares=len(work.order.shares),
        machine=platform.node() or "unknown",
        version=__version__,
        database=here.head.database,
        seal=FileSeal(work.place.seal_key).kind,
        plan=plan.name,
        repository=here.candidate.reached.name,
        snapshot=here.candidate.snapshot.id,
        snapshot_at=here.candidate.snapshot.time_micros,
        requested_by=work.order.requested_by,
        started_at=work.started_at,
        finished_at=now,
        steps=tuple(work.record.steps),
        brought_back=came,
        figures=ExerciseFigures(
            data_at=here.head.data_at,
            rpo_seconds=max(0, work.started_at - here.head.data_at) // 1_000_000,
            rpo_target_seconds=plan.rpo_hours * 3600,
            rto_seconds=seconds,
            rto_target_seconds=plan.rto_minutes * 60,
            phases=dict(work.record.phases),
            files=here.compared.checked,
            bytes=here.compared.bytes,
        ),
        skipped=tuple(work.record.skipped),
        faults=tuple(work.record.faults),
        not_tested=tuple(work.record.not_tested),
    )


def sign(work: Work, result: RehearsalResult) -> SignedEvidence:
    """The result, signed by the evidence key of the vault that came back: the same as before."""
    with opened(work) as service:
        return sign_evidence(evidence.document(result), service.signing.evidence)


def _told_damaged(work: Work, candidate: Candidate, damage: Damaged) -> None:
    work.record.fault(
        "snapshot-not-newest",
        work.plan.name,
        f"the snapshot {candidate.snapshot.id[:8]} in {candidate.reached.name}: {damage.detail}",
    )
    places.remove(work.place.data)
    work.fetched = None
