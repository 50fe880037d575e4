"""A program that has everything imported, and for each line on stdin forks a worker of one import.

Started as `python -m tests.service.record_imports.nursery IMPORT` with the vault's settings in the
environment. It says the worker's process id, and `ended` when that has ended, however it did.
"""

from __future__ import annotations

import os
import sys
import threading

from secvault.clock import system_clock
from secvault.config import load
from secvault.service import opening
from secvault.service.record_imports.running import do_import


def main() -> None:
    """Fork as often as asked."""
    settings = load(None, {k: v for k, v in os.environ.items() if k.startswith("SECVAULT_")})
    for _ in sys.stdin:
        child = os.fork()
        if not child:
            with opening.opened(
                settings, system_clock(), program="worker", environment={}
            ) as service:
                do_import(service, sys.argv[1], threading.Event())
            os._exit(0)
        print(child, flush=True)
        os.waitpid(child, 0)
        print("ended", flush=True)


if __name__ == "__main__":
    main()
