"""How guessing at the unsealing is slowed down, for those who come over the network.

Who comes over the socket of the machine itself is not slowed down: nobody outside can keep the
owners from unsealing by guessing.
"""

from __future__ import annotations

import math

from secvault.clock import Clock
from secvault.errors import TooManyAttempts

FREE = 5
"""Failures in a row without a delay."""
LONGEST_SECONDS = 60


class Throttle:
    """Counts failures in a row; each from `FREE` on doubles the wait, to a minute at most."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failures = 0
        self._next = -math.inf

    def require(self) -> None:
        """Return when an attempt may be made now. Raises TooManyAttempts."""
        left = self._next - self._clock.monotonic()
        if left > 0:
            seconds = math.ceil(left)
            raise TooManyAttempts(
                f"too many wrong keys; try again in {seconds} s", retry_after=seconds
            )

    def failed(self) -> None:
        """Note an attempt that failed."""
        self._failures += 1
        if self._failures >= FREE:
            wait = min(LONGEST_SECONDS, 1 << min(16, self._failures - FREE))
            self._next = self._clock.monotonic() + wait

    def succeeded(self) -> None:
        """Forget the failures."""
        self._failures = 0
        self._next = -math.inf
