"""What a process asks of the kernel for itself."""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import signal
import struct
import sys
from contextlib import suppress

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_MCL_CURRENT, _MCL_FUTURE, _MCL_ONFAULT = 1, 2, 4

# linux/sched.h, linux/sched/types.h; the call's number on each kind of machine.
_SCHED_SETATTR = {"x86_64": 314, "aarch64": 274}
_RESET_ON_FORK = 1
_ATTRIBUTES = struct.Struct("=IIQiIQQQ")
# The shortest and the longest slice that the kernel gives, in nanoseconds.
_SHORT_SLICE, _LONG_SLICE = 100_000, 100_000_000


def die_with_parent(parent: int | None = None) -> None:
    """Ask the kernel to kill this process when the thread that started it ends (Linux).

    parent: id of the process that started this one; if that has ended already, so does this one.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if parent is not None and os.getppid() != parent:
            os._exit(os.EX_UNAVAILABLE)


def keep_memory_private() -> bool:
    """Keep others of the same account from reading this process's memory, and it from the swap.

    Whether the memory could be locked: the limit on locked memory (systemd: LimitMEMLOCK) must
    allow for all of it.
    """
    leave_no_core()
    if sys.platform != "linux":
        return False
    library = ctypes.CDLL(None, use_errno=True)
    library.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    unlimited = resource.getrlimit(resource.RLIMIT_MEMLOCK)[0] == resource.RLIM_INFINITY
    # Below the limit, a later allocation over it would fail.
    if not (unlimited or os.geteuid() == 0):
        return False
    # What is used is locked, not every page of every library.
    return bool(library.mlockall(_MCL_CURRENT | _MCL_FUTURE | _MCL_ONFAULT) == 0)


def leave_no_core() -> None:
    """Forbid core dumps, which would hold keys."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def give_way(niceness: int) -> None:
    """Let others have the processor first: be at least so nice, 0 to 19, and interrupt nobody.

    It counts among the processes of one session, where the kernel shares processors out by session
    (sched(7), "The autogroup feature"). What this process starts later gives way as well.
    """
    os.nice(max(0, niceness - os.nice(0)))
    if sys.platform == "linux":
        # Whoever was started in the idle class gives way more, and may not leave it.
        with suppress(PermissionError):
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
            _ask_for_slices(os.SCHED_BATCH, _LONG_SLICE)


def be_prompt() -> None:
    """Have this thread get a processor at once from whoever works in longer slices than it.

    It takes no larger share than before. What it starts, threads as well, is as usual. Linux from
    6.12 on; others pass over it, and so does whoever was started in another class or as less nice
    than usual: a thread that it starts would lose that.
    """
    if sys.platform != "linux" or os.getpriority(os.PRIO_PROCESS, 0) < 0:
        return
    if os.sched_getscheduler(0) == os.SCHED_OTHER:
        _ask_for_slices(os.SCHED_OTHER, _SHORT_SLICE, _RESET_ON_FORK)


def _ask_for_slices(policy: int, nanoseconds: int, flags: int = 0) -> None:
    """sched_setattr(2) for this thread, as nice as it is. Where it is refused, all stays."""
    number = _SCHED_SETATTR.get(platform.machine())
    # Programs of 32 bits have other numbers.
    if number is not None and sys.maxsize > 2**32:
        nice = os.getpriority(os.PRIO_PROCESS, 0)
        wanted = _ATTRIBUTES.pack(_ATTRIBUTES.size, policy, flags, nice, 0, nanoseconds, 0, 0)
        ctypes.CDLL(None).syscall(number, 0, wanted, 0)
