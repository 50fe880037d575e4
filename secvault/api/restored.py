"""The program that serves a restored copy to the drill that started it, and to nobody else.

`python -m secvault.api.restored`, by `service.drill_levels.service_started`. One line of JSON comes
by standard input: the root key, the settings, the socket to listen on, and where it may write. When
standard input ends, so does the program. What keeps it from starting goes to standard output.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path

# What is not needed to be confined is loaded when the process is: see `main`.
from secvault.confinement import confine
from secvault.errors import SecvaultError
from secvault.process import die_with_parent, leave_no_core

_END_SECONDS = 10.0
_NICE = 10


def main() -> int:
    """Serve until told to end; the exit code."""
    order = json.loads(sys.stdin.buffer.readline())
    die_with_parent(order["parent"])
    leave_no_core()
    if order["gentle"]:
        os.nice(_NICE)
    writable = [Path(one) for one in order["writable"]]
    try:
        confine(writable, unix_sockets=order["unix_sockets"])
        threading.Thread(target=_end_with_input, daemon=True).start()
        listening = socket.socket(fileno=order["socket"])
        importlib.import_module("secvault.api.restored_app").serve(order, listening)
    except SecvaultError as error:
        sys.stdout.write(error.detail)
        return error.exit_code
    return 0


def _end_with_input() -> None:
    while sys.stdin.buffer.read(1024):
        pass
    signal.raise_signal(signal.SIGTERM)
    time.sleep(_END_SECONDS)
    os._exit(os.EX_TEMPFAIL)


if __name__ == "__main__":
    sys.exit(main())
