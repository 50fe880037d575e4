"""A part of the service, as the program runs it, forked from a process that has it loaded.

To load it takes seconds of a processor, which a test that kills many would pay for each.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from secvault.cli.main import run
from secvault.service import working
from secvault.service.sealing import running

__all__ = ["PATIENCE", "end", "start"]

PATIENCE = 300.0
LOADED = (working, running)
"""What the parts load at first use."""


def start(name: str, config: Path, log: Path) -> ForkServerProcess:
    """Start `secvault NAME` under this file of settings; what it says goes to the log."""
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload([__name__])
    part = processes.Process(target=_be, args=(name, str(config), str(log)))
    part.start()
    return part


def end(part: ForkServerProcess) -> None:
    """Kill it, and return when it has ended."""
    part.kill()
    part.join(PATIENCE)
    assert part.exitcode is not None


def _be(name: str, config: str, log: str) -> None:
    with Path(log).open("ab") as told:
        os.dup2(told.fileno(), 1)
        os.dup2(told.fileno(), 2)
    for each in [each for each in os.environ if each.startswith("SECVAULT_")]:
        del os.environ[each]
    os.environ["SECVAULT_CONFIG"] = config
    sys.argv = ["secvault", name]
    sys.exit(run())
