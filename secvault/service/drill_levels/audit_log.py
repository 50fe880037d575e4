"""The audit log of a copy: whole in itself, and proven to be what the live one began with.

Its entries are hashed again, and the root that they give is tied to what the live log shows outside
of the copy: its signed head, and every checkpoint that others hold, by consistency proofs of RFC
6962. So a copy of another log, of one that went on otherwise, or whose entries somebody rewrote
with all hashes and checkpoints, is found for that.
"""

from __future__ import annotations

from itertools import islice

from sqlalchemy import Connection, func, select

from secvault.audit import rollback
from secvault.audit import signing_keys as rows
from secvault.audit.append import LOG
from secvault.audit.nodes import range_hash
from secvault.audit.personal_check import check_personal
from secvault.audit.personal_keys import PERSONAL, SubjectKeys
from secvault.audit.proofs import prove_beginning
from secvault.audit.rollback import Shown
from secvault.audit.verify import AuditReport, verify
from secvault.backup.drills.ground import Ground
from secvault.backup.drills.result import FaultCode
from secvault.clock import timestamp
from secvault.crypto.checkpoint import Checkpoint, verify_by_name
from secvault.crypto.merkle import EMPTY_ROOT
from secvault.errors import Damaged, SecvaultError
from secvault.service.audit_rollback import shown_outside
from secvault.service.drill_levels.findings import Findings
from secvault.service.drill_levels.own_copy import OwnCopy
from secvault.service.log_signing import sign_now
from secvault.service.service import Service
from secvault.store.tables import audit_checkpoint, audit_event, audit_head, record

SKEW = 5 * 60 * 1_000_000
"""How far clocks of one installation may be apart, in microseconds."""

_NOT_OURS: FaultCode = "audit-log-not-of-the-live-one"
_NAMED = 5
_AT_ONCE = 2000


def look_at_audit_log(
    service: Service, ground: Ground, copy: OwnCopy, found: Findings
) -> int | None:
    """How many entries the live log has beyond the copy's; None when that cannot be said."""
    if not _is_of_this_log(service, copy, found):
        return None
    _look_at_times(service, copy, found)
    report = _verified(service, copy, found)
    ground.heed()
    found.fact("audit-entries", report.size)
    if report.size != ground.manifest.audit_size:
        found.fault(
            "audit-log-damaged",
            "audit log",
            f"the copy has {report.size} entries; when it was saved there were "
            f"{ground.manifest.audit_size}",
        )
    if not report.intact:
        return None
    signed = _live_head(service, found)
    if signed is None:
        return None
    if signed.size < report.size:
        words = f"the copy has {report.size} entries, the live log only {signed.size}"
        found.fault(_NOT_OURS, "audit log", words)
        return None
    _look_at_personal(service, copy, found)
    ground.heed()
    _prove_beginning(service, report, signed, found)
    _compare_checkpoints(service, copy, found)
    _compare_with_shown(service, copy, report, signed, found)
    _look_for_older_state(service, ground, report, found)
    found.fact("audit-entries-lost", signed.size - report.size)
    return signed.size - report.size


def _is_of_this_log(service: Service, copy: OwnCopy, found: Findings) -> bool:
    live = {key.vkey for key in service.signing.audit_keys()}
    with copy.store.read() as connection:
        copied = rows.audit_keys(connection)
    if not copied or any(key.vkey in live for key in copied):
        return True
    origin = copied[0].verifier.name
    found.fault(_NOT_OURS, f"log {origin}", "none of its keys signs or signed the live log")
    return False


def _verified(service: Service, copy: OwnCopy, found: Findings) -> AuditReport:
    """The copy's log, verified by the live vault's public keys and not by its own."""
    known = service.signing.audit_verifiers
    origin = known[0].name
    report = verify(
        copy.store,
        [each for each in known if each.name == origin],
        origin=origin,
        former=[each for each in known if each.name != origin],
    )
    for problem in report.problems[:_NAMED]:
        where = "audit log" if problem.seq is None else f"audit log, entry {problem.seq}"
        found.fault("audit-log-damaged", where, problem.what)
    if report.problem_count > _NAMED:
        words = f"{report.problem_count - _NAMED} more problems"
        found.fault("audit-log-damaged", "audit log", words)
    if report.hashes_only:
        found.leave_open(
            f"archived entries of the audit log by more than hashes: number left "
            f"{report.hashes_only}"
        )
    return report


def _look_at_personal(service: Service, copy: OwnCopy, found: Findings) -> None:
    """What is personal in the log opens with its keys, and is what the leaves are bound to."""
    purpose = copy.keyring.internal(PERSONAL)
    keys = SubjectKeys(copy.store, service.clock, purpose, service.random)
    report = check_personal(copy.store, keys)
    found.fact("personal-parts", report.here)
    for problem in report.problems[:_NAMED]:
        where = "audit log" if problem.seq is None else f"audit log, entry {problem.seq}"
        found.fault("audit-log-damaged", where, problem.what)


def _live_head(service: Service, found: Findings) -> Checkpoint | None:
    """The live log as it is now, signed. A live log that signs nothing proves nothing."""
    try:
        service.audit.drain()
        signed = sign_now(service)
    except Damaged as damage:
        found.fault(_NOT_OURS, "the live audit log", f"nothing proves it: {damage.detail}")
        return None
    return verify_by_name(signed.note, service.signing.audit_verifiers)


def _prove_beginning(
    service: Service, report: AuditReport, signed: Checkpoint, found: Findings
) -> None:
    if not report.size:
        return
    with service.store.read() as connection:
        try:
            prove_beginning(connection, report.size, report.root, signed)
        except Damaged:
            found.fault(
                _NOT_OURS,
                f"audit log, size {report.size}",
                f"no proof leads from it to the live log's signed head of size {signed.size}",
            )


def _compare_checkpoints(service: Service, copy: OwnCopy, found: Findings) -> None:
    """Each checkpoint of the copy says what the live one of its size says."""
    checkpoint = audit_checkpoint.c
    compared = 0
    with copy.store.read() as copied, service.store.read() as live:
        stored = copied.execution_options(yield_per=_AT_ONCE).execute(
            select(checkpoint.size, checkpoint.root).order_by(checkpoint.size)
        )
        while some := {row.size: row.root for row in islice(stored, _AT_ONCE)}:
            asked = select(checkpoint.size, checkpoint.root).where(
                checkpoint.size.between(min(some), max(some))
            )
            known = {row.size: row.root for row in live.execute(asked)}
            for size, root in some.items():
                if known.get(size) != root:
                    where = f"audit log, checkpoint of size {size}"
                    found.fault(_NOT_OURS, where, "the live log has no such checkpoint")
            compared += len(some)
    found.fact("checkpoints-compared", compared)


def _compare_with_shown(
    service: Service, copy: OwnCopy, report: AuditReport, signed: Checkpoint, found: Findings
) -> None:
    """What others hold of the log continues the copy, or the copy continues it."""
    settings, environment = service.settings, service.backups.environment
    shown, unread = shown_outside(settings, signed.origin, environment, signed.size)
    for one in unread:
        found.leave_open(f"a published checkpoint that could not be read: {one}")
    for each in shown:
        try:
            outside = verify_by_name(each.note, service.signing.audit_verifiers)
        except Damaged as damage:
            found.leave_open(f"a checkpoint that is not of this log: {each.where}, {damage.detail}")
            continue
        # Of before an accepted break, after which the log goes on under another origin.
        if outside.origin == signed.origin:
            _compare_with(service, copy, report, outside, each, found)


def _compare_with(
    service: Service,
    copy: OwnCopy,
    report: AuditReport,
    outside: Checkpoint,
    shown: Shown,
    found: Findings,
) -> None:
    where = f"audit log, checkpoint of size {outside.size}"
    try:
        if outside.size <= report.size:
            with copy.store.read() as connection:
                same = _root_at(connection, outside.size) == outside.root
        else:
            with service.store.read() as connection:
                same = outside.size <= rollback.size_of(connection)
                if same and report.size:
                    prove_beginning(connection, report.size, report.root, outside)
    except Damaged:
        same = False
    except SecvaultError as error:
        found.leave_open(f"a published checkpoint: {shown.where}, {error.detail}")
        return
    if not same:
        found.fault(_NOT_OURS, where, f"contradicted by {shown.where}")


def _root_at(connection: Connection, size: int) -> bytes:
    return range_hash(connection, (0, size)) if size else EMPTY_ROOT


def _look_at_times(service: Service, copy: OwnCopy, found: Findings) -> None:
    """Nothing in a copy was written after now: where it was, a clock was wrong, then or now."""
    now = service.clock.micros()
    asked = (
        (
            "the newest entry of the audit log",
            select(func.max(audit_head.c.last_t)).where(audit_head.c.log == LOG),
        ),
        ("the newest record", select(func.max(record.c.updated_at))),
    )
    with copy.store.read() as connection:
        for what, question in asked:
            newest = connection.execute(question).scalar_one() or 0
            if newest > now + SKEW:
                words = f"it is of {timestamp(newest)}, and now is {timestamp(now)}"
                found.fault("snapshot-from-the-future", what, words)


def _look_for_older_state(
    service: Service, ground: Ground, report: AuditReport, found: Findings
) -> None:
    """The copy has what the live log had by the moment that the copy claims to be of."""
    now = service.clock.micros()
    if ground.manifest.data_at > now + SKEW:
        words = f"it is of {timestamp(ground.manifest.data_at)}, and now is {timestamp(now)}"
        found.fault("snapshot-from-the-future", "the copy by its manifest", words)
        return
    claimed = ground.manifest.data_at - SKEW
    event = audit_event.c
    with service.store.read() as connection:
        missing = connection.execute(
            select(event.seq, event.t.label("written_at"))
            .where(event.seq >= report.size, event.t < claimed)
            .order_by(event.seq)
            .limit(1)
        ).one_or_none()
    if missing is not None:
        found.fault(
            "snapshot-not-newest",
            f"audit log, entry {missing.seq}",
            f"the copy claims to be of {timestamp(ground.manifest.data_at)}, and lacks an entry "
            f"of {timestamp(missing.written_at)}",
        )
