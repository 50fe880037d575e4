"""The sealer's Unix socket: in the data folder, for its owner alone, each end sure of the other."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from secvault.errors import Conflict, Unavailable
from secvault.service.sealing.messages import Broken

NAME = "sealer.sock"
_BACKLOG = 128
_LOOK_SECONDS = 5.0
# struct ucred: pid, uid, gid (unix(7), SO_PEERCRED).
_CREDENTIALS = struct.Struct("3i")


def listen(folder: Path) -> socket.socket:
    """Listen in the folder; a socket that a killed sealer left is replaced.

    Raises Conflict when a sealer runs there: those that follow it would not hear the second one.
    Raises Unavailable.
    """
    running = connect(folder, _LOOK_SECONDS)
    if running is not None:
        running.close()
        raise Conflict(f"a sealer runs already over {folder}; end it first")
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with _short(folder) as name:
            with suppress(FileNotFoundError):
                (folder / NAME).unlink()
            # Never open to others, not even before a chmod.
            before = os.umask(0o177)
            try:
                made.bind(name)
            finally:
                os.umask(before)
        made.listen(_BACKLOG)
    except OSError as error:
        made.close()
        raise Unavailable(
            f"{folder / NAME} cannot be listened on: {error.strerror or error}"
        ) from None
    return made


def connect(folder: Path, seconds: float) -> socket.socket | None:
    """A connection to the sealer of this folder; None when none runs.

    Raises Broken when it may not be reached, or is run by somebody else.
    """
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    made.settimeout(seconds)
    try:
        with _short(folder) as name:
            made.connect(name)
    except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
        made.close()
        return None
    except OSError as error:
        made.close()
        raise Broken(
            f"{folder / NAME} cannot be reached ({error.strerror or error}); use the account that "
            "runs `secvault serve`"
        ) from None
    if peer(made)[1] != os.geteuid():
        made.close()
        raise Broken(f"{folder / NAME} belongs to another account's process; look who runs it")
    return made


def peer(connection: socket.socket) -> tuple[int, int]:
    """The process id and the user id at the other end, as the kernel knows them."""
    found = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    process, user, _ = _CREDENTIALS.unpack(found)
    return process, user


@contextmanager
def _short(folder: Path) -> Iterator[str]:
    """A name of the socket that fits into the 107 bytes that the kernel has for it."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{handle}/{NAME}"
    finally:
        os.close(handle)
