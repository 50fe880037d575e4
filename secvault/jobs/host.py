"""One worker per host: a lock file that also remembers the workers that were killed."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from secvault.errors import Conflict, Unavailable


@contextmanager
def hold_host(lock: Path, id: str) -> Iterator[frozenset[str]]:  # noqa: A002 - the field's own word
    """Be the only worker on this host while the block runs; give the nodes that were it before.

    lock: a file in the data folder. The kernel gives the lock back when the process ends, however
    it ends, so those nodes are dead for certain. Raises Conflict when another worker holds it.
    """
    try:
        handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Unavailable(f"the lock file {lock} cannot be opened: {error.strerror}") from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Conflict(
                f"a worker runs already on this host (it holds {lock}); stop it first"
            ) from None
        before = frozenset(_read(handle).split())
        _append(handle, id)
        yield before
    finally:
        os.close(handle)


def forget_predecessors(lock: Path, id: str) -> None:  # noqa: A002 - the field's own word
    """Leave only this node's name in the lock file: the work of the others was handed on."""
    handle = os.open(lock, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.pwrite(handle, f"{id}\n".encode(), 0)
        os.ftruncate(handle, len(id) + 1)
        os.fsync(handle)
    finally:
        os.close(handle)


def _read(handle: int) -> str:
    return os.pread(handle, os.fstat(handle).st_size, 0).decode("utf-8", "replace")


def _append(handle: int, id: str) -> None:  # noqa: A002 - the field's own word
    os.pwrite(handle, f"{id}\n".encode(), os.fstat(handle).st_size)
    os.fsync(handle)
