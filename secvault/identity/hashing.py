"""Where passwords are hashed: in processes of lower priority, few, with a bounded queue.

What else the service does, encryption above all, must not wait for hashes. So there are no more of
these processes than cores for them, and beyond a number that wait, people are told to come again.
"""

from __future__ import annotations

import base64
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from secvault.crypto.argon2id import Argon2Cost
from secvault.errors import Overloaded, Unavailable

RETRY_SECONDS = 1
_PROGRAM = (sys.executable, "-m", "secvault.hash_program")
# Nothing that the service was told in its environment, which may be a secret.
_PASSED = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH")
_CLOSING_SECONDS = 5.0


Hashing = Callable[[bytes, bytes, Argon2Cost], bytes]
"""As `crypto.argon2id.argon2id`."""


class HashingProcesses:
    """Hashes in processes of its own, each started when it is first needed; to be closed."""

    def __init__(self, processes: int) -> None:
        self._free: queue.LifoQueue[subprocess.Popen[bytes] | None] = queue.LifoQueue()
        self._count = processes
        for _ in range(processes):
            self._free.put(None)

    def argon2id(self, secret: bytes, salt: bytes, cost: Argon2Cost) -> bytes:
        """See `crypto.argon2id`. Raises Unavailable when the processes end as they begin."""
        asked = {**vars(cost), "secret": _text(secret), "salt": _text(salt)}
        line = json.dumps(asked).encode() + b"\n"
        process = self._free.get()
        try:
            if process is not None:
                said = _answer(process, line)
                if said:
                    return base64.b64decode(said)
                # Somebody has ended it since: once more, with another.
                _end(process)
                process = None
            process = _started()
            said = _answer(process, line)
            if not said:
                raise Unavailable("passwords cannot be checked now: the hashing process ends")
            return base64.b64decode(said)
        finally:
            self._free.put(process)

    def close(self) -> None:
        """End the processes; waits for hashes that have begun."""
        for _ in range(self._count):
            process = self._free.get()
            if process is not None:
                _end(process)


class WaitingRoom:
    """How many may wait at a time for what takes long; beyond that people are turned away."""

    def __init__(self, places: int) -> None:
        self._places = threading.BoundedSemaphore(places)

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Have a place while the block runs. Raises Overloaded when there is none."""
        if not self._places.acquire(blocking=False):
            raise Overloaded(
                "too many people sign in at this moment; try again in a second",
                retry_after=RETRY_SECONDS,
            )
        try:
            yield
        finally:
            self._places.release()


def _started() -> subprocess.Popen[bytes]:
    """Raises Unavailable."""
    passed = {name: os.environ[name] for name in _PASSED if name in os.environ}
    try:
        return subprocess.Popen(_PROGRAM, env=passed, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    except OSError as error:
        raise Unavailable(
            f"passwords cannot be checked now: no process can be started ({error.strerror})"
        ) from None


def _answer(process: subprocess.Popen[bytes], line: bytes) -> bytes:
    """What the process says; nothing when it has ended."""
    assert process.stdin is not None  # noqa: S101 - narrows: it was started with pipes
    assert process.stdout is not None  # noqa: S101
    try:
        process.stdin.write(line)
        process.stdin.flush()
    except OSError:
        return b""
    return process.stdout.readline()


def _end(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None  # noqa: S101 - narrows: it was started with pipes
    assert process.stdout is not None  # noqa: S101
    # What could not be written to one that has ended is of no use to anybody.
    with suppress(OSError):
        process.stdin.close()
    try:
        process.wait(_CLOSING_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    process.stdout.close()


def _text(secret: bytes) -> str:
    return base64.b64encode(secret).decode()
