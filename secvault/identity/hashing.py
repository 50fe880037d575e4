"""The threads in which passwords are hashed: few, of low priority, and with a bounded queue.

A hash takes one core for a tenth of a second. What else the process does, encryption above all,
must not wait for it: so hashes have threads of their own that the kernel lets run when nobody else
wants to, no more of them than there are cores for, and beyond a number that wait, people are told
to come again instead of being kept.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from secvault.errors import Overloaded

T = TypeVar("T")

LOWEST_PRIORITY = 19
RETRY_SECONDS = 1


class HashingThreads:
    """Runs one piece of work after another in threads of its own; to be closed at the end.

    threads: how many hashes run at once. waiting: how many sign-ins may wait for one beyond that.
    """

    def __init__(self, threads: int, waiting: int) -> None:
        self._pool = ThreadPoolExecutor(threads, "hashing", initializer=_step_back)
        self._places = threading.BoundedSemaphore(threads + waiting)

    def run(self, work: Callable[[], T]) -> T:
        """What the work gives or raises, done in one of the threads."""
        return self._pool.submit(work).result()

    @contextmanager
    def waiting_room(self) -> Iterator[None]:
        """Have a place in the queue while the block runs. Raises Overloaded when there is none."""
        if not self._places.acquire(blocking=False):
            raise Overloaded(
                "too many people sign in at this moment; try again in a second",
                retry_after=RETRY_SECONDS,
            )
        try:
            yield
        finally:
            self._places.release()

    def close(self) -> None:
        """End the threads; work that has begun is finished."""
        self._pool.shutdown()


def at_once(work: Callable[[], T]) -> T:
    """Do the work in the caller's own thread."""
    return work()


def _step_back() -> None:
    # On Linux priorities belong to threads; elsewhere this would slow the whole process down.
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), LOWEST_PRIORITY)
