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
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Protocol

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError

from secvault.errors import Damaged, Overloaded, Unavailable
from secvault.hash_program import HASH_BYTES

RETRY_SECONDS = 1
_PROGRAM = (sys.executable, "-m", "secvault.hash_program")
# Nothing that the service was told in its environment, which may be a secret.
_PASSED = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH")
# With glibc the memory of one hash serves the next, in huge pages where there are any: to have it
# mapped anew, page by page, takes a third of a hash's time. The library wipes it after each.
_KEPT = {
    "MALLOC_MMAP_THRESHOLD_": str(1 << 30),
    "MALLOC_TRIM_THRESHOLD_": str((1 << 31) - 1),
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
}
_CLOSING_SECONDS = 5.0


@dataclass(frozen=True)
class Argon2Cost:
    """What one guess costs. memory: KiB. passes: over that memory. lanes: threads at once.

    OWASP ASVS 5.0, appendix C, wants at least 19 MiB with 2 passes, or 46 MiB with one.
    """

    memory: int
    passes: int
    lanes: int = 1


class Hashing(Protocol):
    """Computes argon2id. Texts are argon2's own, `$argon2id$v=19$...`."""

    def hash(self, secret: bytes, salt: bytes, cost: Argon2Cost) -> str:
        """The hash as a text, of 32 bytes."""
        ...

    def verify(self, stored: str, secret: bytes) -> bool:
        """Whether `stored` is of this secret. Raises Damaged when it is no hash."""
        ...


class Here:
    """Hashes in the caller's own thread."""

    def hash(self, secret: bytes, salt: bytes, cost: Argon2Cost) -> str:
        """See `Hashing`."""
        return argon2(cost).hash(secret, salt=salt)

    def verify(self, stored: str, secret: bytes) -> bool:
        """See `Hashing`."""
        try:
            return PasswordHasher().verify(stored, secret)
        except VerifyMismatchError:
            return False
        except (InvalidHashError, VerificationError):
            raise no_hash() from None


class HashingProcesses:
    """Hashes in processes of its own, each started when it is first needed; to be closed."""

    def __init__(self, processes: int) -> None:
        self._free: queue.LifoQueue[subprocess.Popen[bytes] | None] = queue.LifoQueue()
        self._count = processes
        for _ in range(processes):
            self._free.put(None)

    def hash(self, secret: bytes, salt: bytes, cost: Argon2Cost) -> str:
        """See `Hashing`. Raises Unavailable when the processes end as soon as they are started."""
        asked = {**vars(cost), "secret": _text(secret), "salt": _text(salt)}
        return str(self._ask(asked)["hash"])

    def verify(self, stored: str, secret: bytes) -> bool:
        """See `Hashing`. Raises Unavailable, too."""
        said = self._ask({"stored": stored, "secret": _text(secret)})
        if "damaged" in said:
            raise no_hash()
        return said["right"] is True

    def close(self) -> None:
        """End the processes; waits for hashes that have begun."""
        for _ in range(self._count):
            process = self._free.get()
            if process is not None:
                _end(process)

    def _ask(self, asked: dict[str, Any]) -> dict[str, Any]:
        process = self._free.get()
        try:
            if process is not None:
                said = _answer(process, asked)
                if said is not None:
                    return said
                # Somebody has ended it since: once more, with another.
                _end(process)
            process = _started()
            said = _answer(process, asked)
            if said is None:
                raise Unavailable("passwords cannot be checked now: the hashing process ends")
            return said
        finally:
            self._free.put(process)


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


def argon2(cost: Argon2Cost) -> PasswordHasher:
    """The library's own, at this cost."""
    return PasswordHasher(
        time_cost=cost.passes,
        memory_cost=cost.memory,
        parallelism=cost.lanes,
        hash_len=HASH_BYTES,
        type=Type.ID,
    )


def no_hash() -> Damaged:
    """The error for a stored text that is no hash."""
    return Damaged("A stored password hash is damaged. Set a new password for this person.")


def _started() -> subprocess.Popen[bytes]:
    passed = {name: os.environ[name] for name in _PASSED if name in os.environ}
    return subprocess.Popen(
        _PROGRAM, env={**passed, **_KEPT}, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )


def _answer(process: subprocess.Popen[bytes], asked: dict[str, Any]) -> dict[str, Any] | None:
    """What the process says; None when it has ended."""
    assert process.stdin is not None  # noqa: S101 - narrows: it was started with pipes
    assert process.stdout is not None  # noqa: S101
    try:
        process.stdin.write(json.dumps(asked).encode() + b"\n")
        process.stdin.flush()
    except OSError:
        return None
    line = process.stdout.readline()
    said: dict[str, Any] | None = json.loads(line) if line else None
    return said


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
