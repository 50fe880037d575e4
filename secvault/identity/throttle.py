"""How guessing is slowed down. Numbers from NIST SP 800-63B-4, 3.2.2, which allows up to 100."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass

from secvault.identity.refusal import SignInDelayed

_MICROS = 1_000_000


@dataclass(frozen=True)
class AttemptLimits:
    """What failures in a row cost.

    free: failures without a delay; after the n-th failure from there on, 2**n seconds pass before
    the next attempt is looked at, at most `longest_delay` seconds. lock_after: wrong codes that
    lock a TOTP device, until an administrator unlocks it.
    """

    free: int = 3
    longest_delay: int = 15 * 60
    lock_after: int = 10

    def delay(self, failures: int) -> int:
        """Seconds to wait after so many failures in a row."""
        if failures < self.free:
            return 0
        # The exponent is bounded only to keep the number small.
        return min(1 << min(failures, 32), self.longest_delay)


@dataclass(frozen=True)
class Attempts:
    """Attempts without a success since, and the moment (microseconds) of the next one allowed."""

    failures: int = 0
    next_try_at: int = 0

    def counted(self, now: int, limits: AttemptLimits, person: str = "") -> Attempts:
        """These and one more, which starts now. Raises SignInDelayed when it is too early.

        The attempt counts as failed until it has succeeded: attempts that run side by side
        cannot all be the first.
        """
        if self.next_try_at > now:
            raise SignInDelayed(-((now - self.next_try_at) // _MICROS), person)
        failures = self.failures + 1
        return Attempts(failures, now + limits.delay(failures) * _MICROS)


class Setbacks:
    """Counts failures of what cannot be guessed, to slow down whoever tries all the same.

    Only failures count, by what was tried from where: many who are right at the same moment do not
    hold each other up, and nobody elsewhere can shut them out. In this process only, at most
    `capacity` of them, the longest unseen forgotten first.
    """

    def __init__(self, capacity: int = 10_000) -> None:
        self._capacity = capacity
        self._failed: OrderedDict[bytes, Attempts] = OrderedDict()
        self._lock = threading.Lock()

    def check(self, place: bytes, now: int) -> None:
        """Return when an attempt is looked at now. Raises SignInDelayed when it is too early."""
        with self._lock:
            known = self._failed.get(place)
        if known is not None and known.next_try_at > now:
            raise SignInDelayed(-((now - known.next_try_at) // _MICROS))

    def add(self, place: bytes, now: int, limits: AttemptLimits) -> None:
        """Count one failure."""
        with self._lock:
            failures = self._failed.get(place, Attempts()).failures + 1
            self._failed[place] = Attempts(failures, now + limits.delay(failures) * _MICROS)
            self._failed.move_to_end(place)
            if len(self._failed) > self._capacity:
                self._failed.popitem(last=False)

    def forget(self, place: bytes) -> None:
        """Forget the failures: somebody was right."""
        with self._lock:
            self._failed.pop(place, None)
