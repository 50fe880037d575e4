"""The work of a restore, here or by the worker, through kills; and under whose rights it is."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event

import msgspec
from sqlalchemy import Connection

from secvault.backup.restic import Cancel, Progress
from secvault.backup.restores import restoring, row
from secvault.backup.restores.order import Folder, Into, Order, Original
from secvault.backup.restores.parts import Goal, Parts, looked_into
from secvault.backup.restores.restoring import Restored
from secvault.backup.restores.row import RestoreRun
from secvault.crypto import aead
from secvault.crypto.secret import Secret
from secvault.errors import Cancelled, Damaged, SecvaultError
from secvault.identity.principal import Principal
from secvault.service.backup_restore_goals import goal_of
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation, Outcome

RESTORE = "restore"
"""The kind of job."""
LOOKING = "looking into the snapshot"
"""The first phase."""
NOTED_SECONDS = 1.0
"""At most so often progress is written down, and looked whether somebody wants it to stop."""

Tell = Callable[[str, Progress | None], None]
"""Told of the phase, and how far it is where that is known."""


class Commission(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Sealed on the row, so that nobody who can write to the database restores anything by it.

    The work is done with the rights that the principal's subject has by then; what needed another
    person's approval had it when this was written.
    """

    order: Order
    principal: Principal
    address: str = ""
    ticket: str = ""

    def caller(self) -> Caller:
        """Whoever asked, as the one that the program acts for."""
        return Caller(self.principal, address=self.address, ticket=self.ticket, commissioned=True)


def key_of(service: Service) -> Secret:
    """What seals commissions; made at first use, in a transaction of its own."""
    return service.keyring.internal("restore-orders")


def sealed(commission: Commission, key: Secret, run: str, random: aead.Random) -> bytes:
    """The commission as it is kept."""
    return aead.seal(msgspec.json.encode(commission), key, _place(run), random)


def read_commission(connection: Connection, key: Secret, run: str) -> Commission:
    """The commission of a restore. Raises NotFound; Damaged when it is not that of this row."""
    opened = aead.open_sealed(row.terms_of(connection, run), key, _place(run))
    try:
        found = msgspec.json.decode(opened, type=Commission)
    except msgspec.DecodeError:
        raise Damaged(f"the terms of the restore {run} cannot be read") from None
    if found.order.plan != row.read(connection, run).plan:
        raise Damaged(f"the restore {run} is damaged: its row and its terms do not agree")
    return found


def restored(
    service: Service, work: str, parts: Parts, goal: Goal, tell: Tell, cancel: Cancel
) -> Restored:
    """Do it. Raises what `restoring.restore` raises."""
    phase = ""

    def on_phase(now: str) -> None:
        nonlocal phase
        phase = now
        tell(phase, None)

    return restoring.restore(
        service.backups,
        work,
        parts,
        goal,
        on_phase=on_phase,
        on_progress=lambda now: tell(phase, now),
        cancel=cancel,
    )


def do_requested_restore(service: Service, run: str, cancel: Event) -> RestoreRun:
    """Do what was asked for; after a kill, anew, which comes to the same.

    cancel: set when this process must stop soon. Raises Cancelled then, and whatever keeps the
    restore from being done; somebody's wish that it stop is no error.
    """
    key = key_of(service)
    with service.store.read() as connection:
        commission = read_commission(connection, key, run)
        found = row.read(connection, run)
    if found.result is not None:
        # Done by a process that was killed before it could say so.
        return found
    caller, order = commission.caller(), commission.order
    operation = operation_on(order.plan)
    decision = service.spine.decide(caller, operation)
    begun = Outcome(None, count=0, detail={**detail_of(order), "run": run, "reason": "begun"})
    service.spine.change(caller, operation, lambda _: begun)
    watched = _Watched(service, run, cancel)
    try:
        with service.spine.concerning(caller, operation, decision):
            watched.tell(LOOKING, None)
            with looked_into(service.backups, run, order, watched) as parts:
                goal = goal_of(service, parts, anywhere=False)
                done = restored(service, run, parts, goal, watched.tell, watched)
    except Cancelled:
        if cancel.is_set() or not watched.is_set():
            raise
    else:
        # First on record: what is killed in between is done again, to the same effect.
        service.spine.conclude(caller, operation, decision, outcome_of(order, done, run))
        with service.store.write() as connection:
            row.conclude(connection, run, done)
    with service.store.read() as connection:
        return row.read(connection, run)


class _Watched:
    """Writes down how far it is, and knows whether it is to stop, without asking too often."""

    def __init__(self, service: Service, run: str, cancel: Event) -> None:
        self._service, self._run, self._cancel = service, run, cancel
        self._phase, self._noted, self._looked = "", float("-inf"), float("-inf")
        self._stopped = False

    def tell(self, phase: str, now: Progress | None) -> None:
        moment = self._service.clock.monotonic()
        if phase == self._phase and moment - self._noted < NOTED_SECONDS:
            return
        self._phase, self._noted = phase, moment
        with self._service.store.write() as connection:
            row.note(connection, self._run, phase, now)

    def is_set(self) -> bool:
        moment = self._service.clock.monotonic()
        if not self._stopped and moment - self._looked >= NOTED_SECONDS:
            self._looked = moment
            try:
                with self._service.store.read() as connection:
                    self._stopped = row.is_stopped(connection, self._run)
            except SecvaultError:
                # A store that does not answer now is asked again; nobody has said stop.
                self._stopped = False
        return self._stopped or self._cancel.is_set()


def operation_on(plan: str, action: str = "backup.restore") -> Operation:
    """The operation on a plan's backups."""
    return Operation(action, "it", plan, f"it/backups/{plan}")


def detail_of(order: Order) -> dict[str, str | int | bool]:
    """What the log says of an order."""
    match order.place:
        case Original():
            target = "original"
        case Into(name):
            target = name
        case Folder():
            # A path is no id, and may tell of people.
            target = "folder"
    return {
        "plan": order.plan,
        "repository": order.repository,
        "snapshot": order.snapshot,
        "target": target,
    }


def outcome_of(order: Order, done: Restored, run: str | None = None) -> Outcome[Restored]:
    """What the log says of a restore that was done."""
    detail = {**detail_of(order), "files": done.checked, "bytes": done.bytes}
    return Outcome(done, detail=detail if run is None else {**detail, "run": run})


def _place(run: str) -> bytes:
    return aead.bind("secvault/restore-order", run)
