"""What a process asks of the kernel: who gives way does so to others, and more than once."""

from __future__ import annotations

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
