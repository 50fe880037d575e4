"""Operations on restore drills: run, request, list, look at one, read the evidence."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import uuid_utils
from sqlalchemy import Connection

from secvault.backup import run
from secvault.backup.claims import Again
from secvault.backup.drills import order as orders
from secvault.backup.drills import stored, work
from secvault.backup.drills.order import AS_SET, DrillOrder
from secvault.backup.drills.scenarios import stored as scenarios
from secvault.backup.drills.stored import Drill
from secvault.backup.restic import Cancel, Progress
from secvault.crypto.canonical import JsonValue
from secvault.crypto.evidence import verify_evidence
from secvault.errors import InvalidInput
from secvault.jobs import JobContext, Workflow, queue
from secvault.service import drill_endings, watching
from secvault.service.backup_steps import jobs_caller, patient, tried_again, unseen
from secvault.service.drill_means import means
from secvault.service.plan_schedules import DRILL
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation, Outcome
from secvault.service.watching import Watch

OnProgress = Callable[[Progress], None]


def run_drill(
    service: Service,
    caller: Caller,
    plan: str,
    on_progress: OnProgress,
    cancel: Cancel,
    order: DrillOrder = AS_SET,
) -> Drill:
    """Drill the plan now, in this process; what was found, which is signed and kept.

    Raises NotFound, InvalidInput at a field of the order, and what `work.run_drill` raises.
    """
    orders.require_sound(order, service.backups.plan(plan))
    drill_id = uuid_utils.uuid7().hex

    def act() -> Outcome[Drill]:
        subject = caller.principal.subject
        done = _drilled(service, plan, drill_id, subject, order, on_progress, cancel)
        return Outcome(done, detail=_detail(done))

    return service.spine.work(caller, _operation("drill.run", plan), act)


def request_drill(service: Service, caller: Caller, plan: str, order: DrillOrder = AS_SET) -> str:
    """Ask the worker for a drill; the id of the job, which is the id of the drill."""
    orders.require_sound(order, service.backups.plan(plan))

    def act(connection: Connection) -> Outcome[str]:
        now = service.clock.micros()
        job = queue.request(
            connection,
            kind=DRILL,
            plan=plan,
            requested_by=caller.principal.subject,
            now=now,
        )
        if order != AS_SET:
            orders.keep(connection, job, plan, order, now)
        # The outcome of the work itself is another entry, by whoever does it.
        return Outcome(job, detail={"plan": plan, "run": job, "reason": "requested"})

    return service.spine.change(caller, _operation("drill.run", plan), act)


def workflow(service: Service) -> Workflow:
    """A drill as durable work: one step, which begins anew after a kill."""
    return Workflow(DRILL, (patient("drill", lambda context, _: _do_requested(service, context)),))


def list_drills(
    service: Service, caller: Caller, limit: int, plan: str | None = None
) -> tuple[Drill, ...]:
    """The newest drills, newest first: of all plans, unless one is named."""
    if not 1 <= limit <= 500:
        raise InvalidInput.at("limit", "use 1 to 500")
    return service.spine.read(
        caller,
        _operation("drill.read", plan or "*"),
        lambda _: Outcome(stored.newest_drills(service.backups, limit, plan=plan)),
    )


def read_drill(service: Service, caller: Caller, drill_id: str) -> Drill:
    """One drill, also one under way. Raises NotFound."""

    def act(_: object) -> Outcome[Drill]:
        return Outcome(stored.read_drill(service.backups, drill_id), detail={"run": drill_id})

    return service.spine.read(caller, _operation("drill.read", "*"), act)


def watch(service: Service, caller: Caller, drill_id: str) -> tuple[Watch[Drill], Drill]:
    """Begin to watch a drill, and what is seen at once. Raises NotFound, Refused."""

    def read(connection: Connection) -> Drill:
        return stored.drill_in(connection, drill_id)

    return watching.watch(service, caller, _operation("drill.read", "*"), read)


def read_evidence(
    service: Service, caller: Caller, drill_id: str
) -> tuple[dict[str, JsonValue], bytes, bytes]:
    """The verified finding of a drill, also of a scenario drill, with its exact bytes and note.

    Raises NotFound, Damaged.
    """

    def act(_: object) -> Outcome[tuple[dict[str, JsonValue], bytes, bytes]]:
        if scenarios.find(service.backups, drill_id) is not None:
            signed = scenarios.evidence(service.backups, drill_id)
            document, note = signed.document, signed.note
        else:
            document, note = stored.evidence(service.backups, drill_id)
        verified = verify_evidence(document, note, service.signing.evidence.verifier())
        return Outcome((verified, document, note))

    return service.spine.read(caller, _operation("drill.read", "*"), act)


def _do_requested(service: Service, context: JobContext) -> JsonValue:
    """Do a drill that was asked for, unless it is done already.

    A process that was killed after it had stored the result leaves the rest to the next one.
    """

    def again(error: BaseException) -> bool:
        return tried_again(context, error)

    def act() -> Outcome[Drill | None]:
        present = stored.find_drill(service.backups, context.job)
        if present is not None and present.state == "done":
            drill_endings.drill_done(service, present)
            return Outcome(present, detail=_detail(present))
        if not run.newest_runs(service.backups, 1, plan=context.plan, state="done"):
            # A schedule comes round before the first backup; there is nothing to drill.
            return Outcome(None, detail={"plan": context.plan, "reason": "nothing saved yet"})
        with service.store.read() as connection:
            order = orders.kept(connection, context.job)
        done = _drilled(
            service,
            context.plan,
            context.job,
            context.requested_by,
            order,
            unseen,
            context.cancel,
            again,
        )
        return Outcome(done, detail=_detail(done))

    done = service.spine.work(jobs_caller(), _operation("drill.run", context.plan), act)
    return None if done is None else {"passed": done.passed is True}


def _drilled(
    service: Service,
    plan: str,
    drill_id: str,
    requested_by: str,
    order: DrillOrder,
    on_progress: OnProgress,
    cancel: Cancel,
    again: Again = lambda _error: False,
) -> Drill:
    try:
        work.run_drill(
            service.backups,
            plan,
            drill_id,
            order=order,
            requested_by=requested_by,
            means=means(service),
            on_progress=on_progress,
            cancel=cancel,
            again=again,
        )
    except BaseException as error:
        if not again(error):
            drill_endings.drill_failed(service, plan, drill_id, error)
        raise
    done = stored.read_drill(service.backups, drill_id)
    drill_endings.drill_done(service, done)
    return done


def _detail(done: Drill) -> Mapping[str, str | int | bool]:
    return {
        "plan": done.plan,
        "run": done.id,
        "snapshot": done.snapshot or "",
        "passed": done.passed is True,
        "seconds": done.rto_seconds or 0,
    }


def _operation(action: str, plan: str) -> Operation:
    return Operation(action, "it", plan, f"it/backups/{plan}")
