"""The Unix socket through which web workers hand sign-ins over to the entrance."""

from __future__ import annotations

import os
from pathlib import Path

NAME = "entrance.sock"


def socket_in(folder: Path) -> Path:
    """A name of the socket in a data folder, whatever the folder's length, for this process.

    The kernel takes 107 bytes: the name goes by a handle of the folder, which stays open.
    """
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    return Path(f"/proc/{os.getpid()}/fd/{handle}/{NAME}")
