"""The sealer's process: opens what needs nobody, renews what must be renewed, until it is ended."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType

import structlog

from secvault.clock import Clock
from secvault.config import Settings
from secvault.errors import SecvaultError
from secvault.process import keep_memory_private
from secvault.service.sealing.sealer import Sealer
from secvault.store import open_store
from secvault.store.migrate import require_current

RETRY_SECONDS = 5.0
"""How often a seal that needs nobody is tried again, whose server or HSM is away."""
MOST_SECONDS_TO_RENEWAL = 3600.0


def run_sealer(settings: Settings, clock: Clock) -> None:
    """Serve until SIGTERM or SIGINT. Raises StoreVersion, ConfigurationError, Unavailable."""
    stopping = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopping.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    log = structlog.get_logger("secvault.sealer")
    store = open_store(settings.store_url)
    try:
        require_current(store)
        sealer = Sealer(settings, store, clock, log.info)
        sealer.start()
        locked = keep_memory_private()
        log.info("sealer.started", memory_locked=locked)
        try:
            _tend(sealer, clock, stopping, log.warning)
        finally:
            sealer.close()
    finally:
        store.close()


def _tend(
    sealer: Sealer, clock: Clock, stopping: threading.Event, log: Callable[..., object]
) -> None:
    """Open what opens by itself; then renew the credentials of the seal in time."""
    said = ""
    renewal = clock.monotonic()
    while not stopping.is_set():
        if sealer.sealed:
            said = _try_to_open(sealer, said, log)
        elif clock.monotonic() >= renewal:
            renewal = clock.monotonic() + _renew(sealer, log)
        stopping.wait(RETRY_SECONDS)


def _try_to_open(sealer: Sealer, said: str, log: Callable[..., object]) -> str:
    try:
        sealer.open_unattended()
    except SecvaultError as error:
        # Each new reason once: it may stay for days.
        if error.detail != said:
            log("sealer.still_sealed", code=error.code, detail=error.detail)
        return error.detail
    return ""


def _renew(sealer: Sealer, log: Callable[..., object]) -> float:
    try:
        lives = sealer.renew_credentials()
    except SecvaultError as error:
        log("sealer.not_renewed", code=error.code, detail=error.detail)
        return RETRY_SECONDS * 6
    return min(MOST_SECONDS_TO_RENEWAL, lives / 3) if lives else MOST_SECONDS_TO_RENEWAL
