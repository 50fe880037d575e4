"""Watching the epochs: what this process may still believe of the things that it remembers."""

from __future__ import annotations

from threading import Event, Lock, Thread

from secvault.clock import Clock
from secvault.store.engine import Store
from secvault.store.epoch import Epochs, read_epochs

POLL_SECONDS = 0.2
FRESH_SECONDS = 0.8


class EpochWatch:
    """Reads the epochs again and again, and at once after each change by this process.

    So a change by another process is seen after about `POLL_SECONDS`. When the store does not
    answer, nothing is known any more after `fresh_seconds`: together they keep below the second
    in which a change is promised to take effect everywhere.
    """

    def __init__(self, store: Store, clock: Clock, fresh_seconds: float = FRESH_SECONDS) -> None:
        """Start watching; `close` ends it. fresh_seconds: `FRESH_SECONDS` at most."""
        self._store = store
        self._clock = clock
        self._fresh = min(fresh_seconds, FRESH_SECONDS)
        self._lock = Lock()
        self._seen = Epochs()
        self._seen_at = float("-inf")
        self._closing = Event()
        store.on_epoch.append(self._look_or_forget)
        self._thread = Thread(target=self._run, name="epoch-watch", daemon=True)
        self._thread.start()

    def present(self) -> Epochs | None:
        """The epochs as they were less than `fresh_seconds` ago; None when that is not known."""
        fresh = self._clock.monotonic() - self._seen_at < self._fresh
        return self._seen if fresh else None

    def look(self) -> None:
        """Read the epochs now. Raises Unavailable or Damaged."""
        began = self._clock.monotonic()
        with self._store.read() as connection:
            found = read_epochs(connection)
        with self._lock:
            # Two threads may have looked at once: the later look is the one that counts.
            if began >= self._seen_at:
                self._seen = found
                self._seen_at = began

    def close(self) -> None:
        """Stop watching; nothing is known from then on."""
        self._store.on_epoch.remove(self._look_or_forget)
        self._closing.set()
        self._thread.join()
        self._forget()

    def _look_or_forget(self) -> None:
        # What was to be announced is committed: it must not fail because it cannot be read here.
        try:
            self.look()
        except Exception:  # noqa: BLE001 - whatever it was, nothing is known now
            self._forget()

    def _forget(self) -> None:
        with self._lock:
            self._seen_at = float("-inf")

    def _run(self) -> None:
        while not self._closing.wait(POLL_SECONDS):
            self._look_or_forget()
