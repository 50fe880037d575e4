"""The program that serves a restored copy to the drill that started it, and to nobody else.

`python -m secvault.api.restored`, by `service.drill_levels.service_started`. Two lines of JSON come
by standard input: whose it is, upon which it loads all that it needs; and when there is a copy, the
root key, the settings, the socket to listen on, and where it may write, upon which it is confined
and serves. When standard input ends, so does the program. What keeps it from starting goes to
standard output.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path

# What takes long to load is loaded by `main`, for which nobody waits yet.
from secvault.confinement import confine
from secvault.errors import SecvaultError
from secvault.process import die_with_parent, leave_no_core

_END_SECONDS = 10.0
_NICE = 10


def main() -> int:
    """Serve until told to end; the exit code."""
    whose = json.loads(sys.stdin.buffer.readline())
    die_with_parent(whose["parent"])
    leave_no_core()
    if whose["gentle"]:
        os.nice(_NICE)
    # Modules are no garbage; to look for any while they load takes a tenth of the time.
    gc.disable()
    application = importlib.import_module("secvault.api.restored_app")
    application.load()
    gc.freeze()
    gc.enable()
    line = sys.stdin.buffer.readline()
    if not line:
        return 0
    order = json.loads(line)
    _settle(Path(order["folder"]))
    try:
        confine([Path(one) for one in order["writable"]], unix_sockets=order["unix_sockets"])
        threading.Thread(target=_end_with_input, daemon=True).start()
        application.serve(order, socket.socket(fileno=order["socket"]))
    except SecvaultError as error:
        sys.stdout.write(error.detail)
        return error.exit_code
    return 0


def _settle(folder: Path) -> None:
    """Have all that is written without a name of ours go into the folder."""
    os.chdir(folder)
    os.environ.update(TMPDIR=str(folder), HOME=str(folder))
    with (folder / "log").open("wb") as log:
        os.dup2(log.fileno(), sys.stderr.fileno())


def _end_with_input() -> None:
    while sys.stdin.buffer.read(1024):
        pass
    signal.raise_signal(signal.SIGTERM)
    time.sleep(_END_SECONDS)
    os._exit(os.EX_TEMPFAIL)


if __name__ == "__main__":
    sys.exit(main())
