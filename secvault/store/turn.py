"""Taking turns at writing one SQLite file.

SQLite makes a writer that finds the file locked sleep for longer and longer, up to a tenth of a
second, whatever the lock's holder does meanwhile: with several busy processes most of the time
goes there. A lock beside the file is looked at much more often.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from secvault.clock import Clock
from secvault.errors import Unavailable

_LOOK_SECONDS = 0.0003


class Turns:
    """A lock between processes, held for one transaction; the kernel frees what a killed one held.

    It only shortens the waiting: that there is one writer is SQLite's own promise.
    """

    def __init__(self, file: Path, patience: float, clock: Clock) -> None:
        """file: made when it is missing, mode 0600. patience: seconds until Unavailable."""
        self._file = file
        self._patience = patience
        self._clock = clock

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Hold the turn. Raises Unavailable when it does not come in time."""
        try:
            handle = os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise Unavailable(f"{self._file} cannot be opened: {error.strerror}") from None
        try:
            self._wait(handle)
            yield
        finally:
            os.close(handle)

    def _wait(self, handle: int) -> None:
        deadline = self._clock.monotonic() + self._patience
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if self._clock.monotonic() >= deadline:
                    raise Unavailable(
                        "the database is busy: another process writes; try again"
                    ) from None
                self._clock.sleep(_LOOK_SECONDS)
            else:
                return
