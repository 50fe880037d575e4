"""How far a run is, on its row: written at most once a second, whatever restic says how often."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import suppress

from sqlalchemy import Table

from secvault.backup.claims import Claims
from secvault.backup.restic_answers import Progress
from secvault.errors import SecvaultError

EVERY_SECONDS = 1.0
RATE_SECONDS = 10.0
"""The rate is that of the last seconds, so that it follows what the storage does now."""


class Meter:
    """Takes the progress of a phase, passes it on, and writes it on the row now and then."""

    def __init__(
        self, claims: Claims, table: Table, row_id: str, pass_on: Callable[[Progress], None]
    ) -> None:
        self._claims = claims
        self._table = table
        self._row_id = row_id
        self._pass_on = pass_on
        self._written: float | None = None
        self._seen: deque[tuple[float, int]] = deque()

    def __call__(self, now: Progress) -> None:
        """Take what was done so far. A store that does not answer is no fault of the run."""
        self._pass_on(now)
        moment = self._claims.clock.monotonic()
        if self._written is not None and moment - self._written < EVERY_SECONDS:
            return
        self._written = moment
        rate = self._rate(moment, now.bytes_done)
        with suppress(SecvaultError):
            self._claims.mark(
                self._table,
                self._row_id,
                bytes_done=now.bytes_done,
                bytes_expected=now.bytes_total,
                files_done=now.files_done,
                files_expected=now.files_total,
                rate=rate,
                seconds_left=_seconds_left(now, rate),
            )

    def _rate(self, moment: float, done: int) -> int | None:
        self._seen.append((moment, done))
        while moment - self._seen[0][0] > RATE_SECONDS:
            self._seen.popleft()
        since, before = self._seen[0]
        if moment <= since:
            return None
        return max(0, int((done - before) / (moment - since)))


def _seconds_left(now: Progress, rate: int | None) -> int | None:
    if now.seconds_left is not None:
        return now.seconds_left
    if now.bytes_total is None or not rate:
        return None
    return max(0, now.bytes_total - now.bytes_done) // rate
