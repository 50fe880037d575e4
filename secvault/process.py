"""What a process asks of the kernel for itself."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys

_PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int | None = None) -> None:
    """Ask the kernel to kill this process when the thread that started it ends (Linux).

    parent: id of the process that started this one; if that has ended already, so does this one.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if parent is not None and os.getppid() != parent:
            os._exit(os.EX_UNAVAILABLE)


def leave_no_core() -> None:
    """Forbid core dumps, which would hold keys."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
