"""What a process asks of the kernel: to let others go first, or not to wait for them."""

from __future__ import annotations

import platform
import re
import subprocess
import sys

import pytest

GIVES_WAY = """
import os
from secvault.process import give_way
os.nice({before} - os.nice(0))
give_way(10)
give_way(10)
print(os.nice(0), os.sched_getscheduler(0) == os.SCHED_BATCH)
"""


@pytest.mark.parametrize(("before", "after"), [(0, 10), (10, 10), (15, 15)])
def test_who_gives_way_is_at_least_so_nice_and_interrupts_nobody(before: int, after: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", GIVES_WAY.format(before=before)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == [str(after), "True"]


def test_who_may_not_leave_the_idle_class_goes_on_in_it() -> None:
    refused = (
        "import os\n"
        "def refuse(*_): raise PermissionError\n"
        "os.sched_setscheduler = refuse\n"
        "from secvault.process import give_way\n"
        "give_way(10)\n"
        "print(os.nice(0) >= 10)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", refused], capture_output=True, text=True, check=True
    )
    assert done.stdout == "True\n"


SLICES = """
import ctypes, os, struct, threading
from secvault.process import be_prompt, give_way
def told():
    seen = ctypes.create_string_buffer(48)
    number = {"x86_64": 315, "aarch64": 275}[os.uname().machine]
    assert ctypes.CDLL(None).syscall(number, 0, seen, len(seen), 0) == 0
    _, policy, _, nice, _, slice, _, _ = struct.unpack("=IIQiIQQQ", seen.raw)
    print(policy, nice, slice)
"""
MILLISECOND = 1_000_000


def slices(what: str) -> list[tuple[int, int, int]]:
    """What each `told()` saw: policy, niceness, nanoseconds of a slice (none before Linux 6.12)."""
    done = subprocess.run(
        [sys.executable, "-c", SLICES + what], capture_output=True, text=True, check=True
    )
    return [
        (int(policy), int(nice), int(nanoseconds))
        for policy, nice, nanoseconds in (line.split() for line in done.stdout.splitlines())
    ]


def gives_slices() -> bool:
    """Whether this kernel gives a thread a slice of its own; many containers' kernels are older."""
    release = re.match(r"(\d+)\.(\d+)", platform.release())
    if release is None or platform.machine() not in ("x86_64", "aarch64"):
        return False
    return (int(release[1]), int(release[2])) >= (6, 12)


needs_slices = pytest.mark.skipif(not gives_slices(), reason="this kernel gives nobody a slice")


@needs_slices
def test_who_gives_way_works_in_long_slices() -> None:
    [before, after] = slices("told(); give_way(10); told()")
    assert before[2] < 100 * MILLISECOND
    assert after == (3, 10, 100 * MILLISECOND)


@needs_slices
def test_who_is_prompt_works_in_short_slices_and_its_threads_and_children_do_not() -> None:
    usual, prompt, thread, child = slices(
        "os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))\n"
        "told(); be_prompt(); told()\n"
        "other = threading.Thread(target=told); other.start(); other.join()\n"
        "import sys; sys.stdout.flush()\n"
        "child = os.fork()\n"
        "if not child: told(); sys.stdout.flush(); os._exit(0)\n"
        "os.waitpid(child, 0)\n"
    )
    assert prompt == (0, usual[1], MILLISECOND // 10)
    assert thread == child == usual


@needs_slices
def test_who_was_started_as_less_nice_than_usual_stays_so_with_its_threads() -> None:
    [before, after] = slices("os.getpriority = lambda *_: -5\ntold(); be_prompt(); told()")
    assert after == before


@needs_slices
@pytest.mark.parametrize("policy", ["SCHED_IDLE", "SCHED_BATCH"])
def test_who_was_started_in_another_class_stays_in_it(policy: str) -> None:
    [before, after] = slices(
        f"os.sched_setscheduler(0, os.{policy}, os.sched_param(0)); told(); be_prompt(); told()"
    )
    assert after == before


@needs_slices
def test_on_a_machine_whose_numbers_are_not_known_nothing_is_asked() -> None:
    [before, after] = slices(
        "import platform; platform.machine = lambda: 'riscv64'; told(); be_prompt(); told()"
    )
    assert after == before
