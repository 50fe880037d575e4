"""The worker process: the calendar, the long jobs, key rotation, the audit log's checkpoints."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import structlog

from secvault.audit import checkpoints
from secvault.clock import Clock
from secvault.config import Settings
from secvault.errors import SecvaultError
from secvault.jobs import Place, Worker
from secvault.service import opening
from secvault.service.key_rotation import rotate_due_keys
from secvault.service.service import Service
from secvault.service.workflows import schedules, workflows

LOOK_SECONDS = 1.0
ROTATION_SECONDS = 60.0


def work(settings: Settings, clock: Clock) -> None:
    """Work until SIGTERM or SIGINT. Raises what keeps the worker from starting or going on."""
    stopping = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopping.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    log = structlog.get_logger("secvault.worker")
    with opening.opened(settings, clock, program="worker") as service:
        worker = Worker(
            service.store,
            clock,
            workflows(service),
            _place(settings.data_folder),
            log.info,
            schedules=schedules(service),
        )
        worker.start()
        failure: BaseException | None = None
        try:
            failure = _watch(service, worker, stopping, log.error)
        finally:
            left = worker.stop()
    if left:
        if failure is not None:
            log.error("worker.failed", error=type(failure).__name__)
        # Threads of the workflow engine would keep the interpreter waiting for unfinished work,
        # which the next start takes up again.
        os._exit(os.EX_TEMPFAIL)
    if failure is not None:
        raise failure


def _watch(
    service: Service, worker: Worker, stopping: threading.Event, log: Callable[..., object]
) -> BaseException | None:
    """Sign the log's head and rotate keys when due, until told to stop.

    Returns what ended the worker, if something did.
    """
    clock = service.clock
    due = rotation = clock.monotonic()
    while not stopping.wait(LOOK_SECONDS):
        failure = worker.failure()
        if failure is not None:
            return failure
        if clock.monotonic() >= due:
            due = clock.monotonic() + service.settings.audit.checkpoint_seconds
            _checkpoint(service, log)
        if clock.monotonic() >= rotation:
            rotation = clock.monotonic() + ROTATION_SECONDS
            _rotate(service, log)
    return None


def _rotate(service: Service, log: Callable[..., object]) -> None:
    try:
        rotate_due_keys(service)
    except SecvaultError as error:
        # The next turn tries again.
        log("key.rotation_failed", code=error.code, detail=error.detail)


def _place(data: Path) -> Place:
    return Place(database=data / "jobs.db", lock=data / "worker.lock")


def _checkpoint(service: Service, log: Callable[..., object]) -> None:
    try:
        signer = service.signing.audit
        checkpoints.sign_head(service.store, service.clock, signer, origin=signer.name)
    except SecvaultError as error:
        # The next turn tries again; a log that does not match its last checkpoint stays unsigned.
        log("audit.checkpoint_failed", code=error.code, detail=error.detail)
