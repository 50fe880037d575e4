"""The worker process: the calendar, the long jobs, key rotation, the audit log's checkpoints."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import FrameType

import structlog

from secvault.access import last_use
from secvault.audit import nodes
from secvault.clock import Clock
from secvault.config import Settings
from secvault.errors import SecvaultError
from secvault.jobs import Apart, Place, Worker
from secvault.keyring.root import Root
from secvault.nursery import Nursery
from secvault.service import (
    audit_witnesses,
    backup_watch,
    backup_watching,
    controls,
    detecting,
    drill_means,
    drill_watch,
    notice_delivery,
    opening,
    plan_schedules,
    recovery_kit_watch,
    seals,
    stream_delivery,
)
from secvault.service.approvals.operations import quorums_of
from secvault.service.attachment_collection import collect_due
from secvault.service.audit_publications import Publisher
from secvault.service.backup_pings import Pinging, ask
from secvault.service.break_glass import watching
from secvault.service.grant_ends import keep_enough, warn_of_ends
from secvault.service.heartbeats import beat
from secvault.service.key_rotation import Told, rotate_due_keys
from secvault.service.log_signing import sign_now
from secvault.service.policies.first import look_at_folder
from secvault.service.record_imports.requests import forget_stale
from secvault.service.reviews import lapsing
from secvault.service.sealing.access import BySealer
from secvault.service.sealing.client import SealerClient
from secvault.service.sealing.follower import Follower
from secvault.service.service import Service
from secvault.service.token_life import warn_of_expiring
from secvault.service.workflows import BACKUP_KINDS, schedules, workflows

LOOK_SECONDS = 1.0
LOOKS = 20
"""Sealing must not wait for the next look."""
ROTATION_SECONDS = 60.0
HOUR_SECONDS = 3600.0
FOLLOW_SECONDS = 5.0
JOBS_AT_ONCE = 2
"""Beside one for each stream, and beside backups (`backup.at_once`), which take long."""


class Turns:
    """Between the follower, which hears the sealer, and the main thread, which works.

    opened, renewed and sealed are the follower's; the other names are the main thread's.
    """

    def __init__(self) -> None:
        self.stopping = threading.Event()
        self.sealing = threading.Event()
        self.service: Service | None = None
        self._root: Root | None = None
        self._came = threading.Event()
        self._at_rest = threading.Event()
        self._at_rest.set()

    def opened(self, root: Root) -> None:
        """Let the main thread work with this root."""
        self.sealing.clear()
        self._root = root
        self._came.set()

    def renewed(self, root: Root) -> None:
        """Work on with a root that was rotated; what is not open yet asks for it by itself."""
        service = self.service
        if service is not None:
            service.keyring.roots.adopt(root)

    def sealed(self) -> None:
        """Return when the main thread works no more and holds nothing."""
        self.sealing.set()
        self._root = None
        self._came.clear()
        self._at_rest.wait()

    def take(self, seconds: float) -> Root | None:
        """The root to work with, as soon as there is one; `rest` must follow."""
        if not self._came.wait(seconds):
            return None
        self._at_rest.clear()
        root, self._root = self._root, None
        self._came.clear()
        if root is None:
            self._at_rest.set()
        return root

    def rest(self) -> None:
        """Say that nothing of the root is left."""
        self.service = None
        self._at_rest.set()

    def over(self) -> bool:
        """Whether the work is to end, for good or until the vault is opened again."""
        return self.stopping.is_set() or self.sealing.is_set()


def work(settings: Settings, clock: Clock, nursery: Nursery | None = None) -> None:
    """Work while the vault is open, until SIGTERM or SIGINT.

    nursery: where drills have restored services from. Raises what keeps the worker from starting or
    going on.
    """
    turns = Turns()

    def stop(_number: int, _frame: FrameType | None) -> None:
        turns.stopping.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    log = structlog.get_logger("secvault.worker")
    follower = Follower(
        settings.data_folder,
        "worker",
        opened=turns.opened,
        renewed=turns.renewed,
        sealed=turns.sealed,
        log=log.warning,
    )
    follower.start()
    while not turns.stopping.is_set():
        root = turns.take(LOOK_SECONDS)
        if root is not None:
            _work_with(settings, clock, root, turns, nursery, log)
            turns.rest()
    follower.stop()


def _work_with(
    settings: Settings,
    clock: Clock,
    root: Root,
    turns: Turns,
    nursery: Nursery | None,
    log: structlog.stdlib.BoundLogger,
) -> None:
    sealer = SealerClient(settings.data_folder)
    access = BySealer(sealer)
    with opening.opened(settings, clock, program="worker", access=access, root=root) as opened:
        service = replace(opened, nursery=nursery)
        turns.service = service
        # A key that is none is told before anything relies on it.
        audit_witnesses.witnesses_of(settings)
        _warn_of_quorum(service, log.warning)
        _warn_of_files(service, log.warning)
        # What drills left that were killed with the worker before this one.
        _guarded(log.warning, "drill.sweeping_failed", lambda: drill_means.sweep(service))
        worker = Worker(
            service.store,
            clock,
            workflows(service),
            _place(settings.data_folder),
            log.info,
            schedules=schedules(service),
            kept_schedules=lambda connection: plan_schedules.of_store(service, connection),
            capacity=JOBS_AT_ONCE + len(service.settings.audit.streams),
            apart=Apart(BACKUP_KINDS, service.settings.backup.at_once),
        )
        worker.start()
        failure: BaseException | None = None
        try:
            with Pinging(service, log.error, ask):
                failure = _watch(service, worker, sealer, turns, log.error)
        finally:
            # Sealing waits for nobody: what is under way is taken up again after the unsealing.
            left = worker.stop(finish=0, cancel=3) if turns.sealing.is_set() else worker.stop()
    if left:
        if failure is not None:
            log.error("worker.failed", error=type(failure).__name__)
        # Threads of the workflow engine would keep the interpreter waiting for unfinished work,
        # which the next start takes up again.
        os._exit(os.EX_TEMPFAIL)
    if failure is not None:
        raise failure


def _warn_of_quorum(service: Service, log: Callable[..., object]) -> None:
    """Say so when approvals are needed that too few people could give."""
    with service.store.read() as connection:
        if not service.approvers.latched(connection):
            return
        unmet = [one.action for one in quorums_of(service, connection) if not one.met]
    if unmet:
        log("approvals.too_few_people", actions=unmet)


def _warn_of_files(service: Service, log: Callable[..., object]) -> None:
    """Say so when the policies folder holds something else than what is in force."""
    with service.store.read() as connection:
        folder = look_at_folder(service.settings, connection)
    if not folder.same:
        in_force = folder.version.number if folder.version else 0
        log("policy.files_differ", in_force=in_force, fault=folder.fault or None)


def _watch(
    service: Service,
    worker: Worker,
    sealer: SealerClient,
    turns: Turns,
    log: Callable[..., object],
) -> BaseException | None:
    """Sign the log's head and rotate keys when due, until told to stop or to seal.

    Returns what ended the worker, if something did.
    """
    clock = service.clock
    due = rotation = hourly = clock.monotonic()
    told = Told()
    publisher = Publisher(service)
    alive = clock.monotonic() + service.settings.audit.heartbeat_seconds
    while not _waited(turns):
        failure = worker.failure()
        if failure is not None:
            return failure
        if clock.monotonic() >= due:
            due = clock.monotonic() + service.settings.audit.checkpoint_seconds
            _checkpoint(service, log)
        if clock.monotonic() >= alive:
            alive = clock.monotonic() + service.settings.audit.heartbeat_seconds
            _guarded(log, "audit.heartbeat_failed", lambda: beat(service))
        _guarded(log, "audit.publishing_failed", lambda: publisher.turn(turns.over))
        if clock.monotonic() >= rotation:
            rotation = clock.monotonic() + ROTATION_SECONDS
            _rotate(service, told, log)
            _guarded(log, "seal.recording_failed", lambda: seals.record_owed(service, sealer))
            _guarded(log, "review.following_failed", lambda: _note_uses(service, turns))
            _guarded(log, "review.failed", lambda: lapsing.look_after(service, turns.over))
            _guarded(log, "break_glass.failed", lambda: watching.look_after(service))
            _guarded(log, "backup.watching_failed", lambda: backup_watching.look_after(service))
            _guarded(log, "audit.controls_failed", lambda: controls.watch_controls(service))
            _guarded(log, "backup.watching_failed", lambda: backup_watch.look_after(service))
            _guarded(log, "drill.watching_failed", lambda: drill_watch.look_after(service))
            _guarded(
                log, "recovery.watching_failed", lambda: recovery_kit_watch.look_after(service)
            )
        if clock.monotonic() >= hourly:
            hourly = clock.monotonic() + HOUR_SECONDS
            _guarded(log, "token.warning_failed", lambda: warn_of_expiring(service))
            _guarded(log, "grant.keeping_failed", lambda: keep_enough(service))
            _guarded(log, "grant.warning_failed", lambda: warn_of_ends(service))
            _guarded(log, "attachment.collecting_failed", lambda: collect_due(service))
            _guarded(log, "notice.forgetting_failed", lambda: notice_delivery.forget_old(service))
            _guarded(log, "notice.forgetting_failed", lambda: _forget_deliveries(worker))
            _guarded(log, "audit.forgetting_failed", lambda: _forget_sendings(worker))
            _guarded(log, "backup.forgetting_failed", lambda: _forget_catalogues(worker))
            _guarded(log, "recovery.forgetting_failed", lambda: _forget_kit_jobs(worker))
            _guarded(log, "import.forgetting_failed", lambda: forget_stale(service))
        _guarded(log, "audit.detection_failed", lambda: _detect(service, turns))
        _guarded(log, "audit.stream_failed", lambda: stream_delivery.look_after(service))
        _guarded(log, "notice.following_failed", lambda: notice_delivery.tell(service))
    return None


def _guarded(log: Callable[..., object], event: str, do: Callable[[], object]) -> None:
    try:
        do()
    except SecvaultError as error:
        # The next turn tries again.
        log(event, code=error.code, detail=error.detail)


def _note_uses(service: Service, turns: Turns) -> int:
    """Read on in the log, but not so long that the worker's other duties wait."""
    end = service.clock.monotonic() + FOLLOW_SECONDS

    def over() -> bool:
        return turns.over() or service.clock.monotonic() >= end

    return last_use.follow(service.store, service.clock, service.policy, over)


def _detect(service: Service, turns: Turns) -> bool:
    """Look on in the log, but not so long that the worker's other duties wait."""
    end = service.clock.monotonic() + FOLLOW_SECONDS

    def over() -> bool:
        return turns.over() or service.clock.monotonic() >= end

    return detecting.look_after(service, over)


def _forget_deliveries(worker: Worker) -> int:
    return worker.forget_ended(notice_delivery.KIND, keep=notice_delivery.KEPT_JOBS)


def _forget_sendings(worker: Worker) -> int:
    return worker.forget_ended(stream_delivery.KIND, keep=stream_delivery.KEPT_JOBS)


def _forget_catalogues(worker: Worker) -> int:
    return worker.forget_ended(backup_watch.CATALOGUE, keep=backup_watch.KEPT_JOBS)


def _forget_kit_jobs(worker: Worker) -> int:
    return worker.forget_ended(recovery_kit_watch.KIT, keep=recovery_kit_watch.KEPT_JOBS)


def _waited(turns: Turns) -> bool:
    """Whether the work is over, before the next look is due."""
    for _ in range(LOOKS):
        if turns.over() or turns.stopping.wait(LOOK_SECONDS / LOOKS):
            break
    return turns.over()


def _rotate(service: Service, told: Told, log: Callable[..., object]) -> None:
    try:
        turn = rotate_due_keys(service, told)
    except SecvaultError as error:
        # The next turn tries again.
        log("key.rotation_failed", code=error.code, detail=error.detail)
        return
    for failed in turn.failed:
        log("key.rotation_failed", key=failed.key, code=failed.code, detail=failed.detail)


def _place(data: Path) -> Place:
    return Place(database=data / "jobs.db", lock=data / "worker.lock")


def _checkpoint(service: Service, log: Callable[..., object]) -> None:
    try:
        sign_now(service)
        nodes.keep_nodes(service.store)
        audit_witnesses.have_head_cosigned(service)
    except SecvaultError as error:
        # The next turn tries again; a log that does not match its last checkpoint stays unsigned.
        log("audit.checkpoint_failed", code=error.code, detail=error.detail)
