"""The program that serves a restored copy to the drill that started it, and to nobody else.

Started as `python -m secvault.api.restored CONTROL LISTENING PARENT` (descriptors of two sockets,
and a process id) or forked by a nursery, for `service.drill_levels.service_started`. Two lines of
JSON come by the first socket: how gentle it is to be, upon which it loads all that it needs; and
when there is a copy, the root key, the settings, and where it may write, upon which it is confined
and serves by the second socket. When nobody has the first socket's other side, the program ends.
What keeps it from starting is said there.
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
from types import ModuleType

from setproctitle import setproctitle

# What takes long to load is loaded by `load`, for which nobody waits yet.
from secvault.confinement import confine
from secvault.errors import SecvaultError
from secvault.process import die_with_parent, leave_no_core

_END_SECONDS = 10.0
_NICE = 10


def load() -> ModuleType:
    """Load all that it takes to serve; the application's module."""
    # Modules are no garbage; to look for any while they load takes a tenth of the time.
    gc.disable()
    application = importlib.import_module("secvault.api.restored_app")
    application.load()
    gc.freeze()
    gc.enable()
    return application


def serve_one(control: socket.socket, listening: socket.socket, parent: int) -> int:
    """Serve until told to end; the exit code. For a new process that has nothing else to do."""
    die_with_parent(parent)
    leave_no_core()
    setproctitle("secvault restored")
    told = control.makefile("rb")
    line = told.readline()
    if line and json.loads(line)["gentle"]:
        os.nice(_NICE)
    application = load()
    line = told.readline()
    if not line:
        return 0
    order = json.loads(line)
    _settle(Path(order["folder"]))
    try:
        confine([Path(one) for one in order["writable"]], unix_sockets=order["unix_sockets"])
        threading.Thread(target=_end_with, args=(control,), daemon=True).start()
        application.serve(order, listening)
    except SecvaultError as error:
        control.sendall(error.detail.encode())
        return error.exit_code
    return 0


def _settle(folder: Path) -> None:
    """Have all that is written without a name of ours go into the folder."""
    os.chdir(folder)
    os.environ.update(TMPDIR=str(folder), HOME=str(folder))
    with (folder / "log").open("wb") as log:
        os.dup2(log.fileno(), sys.stderr.fileno())


def _end_with(control: socket.socket) -> None:
    while control.recv(1024):
        pass
    signal.raise_signal(signal.SIGTERM)
    time.sleep(_END_SECONDS)
    os._exit(os.EX_TEMPFAIL)


def main() -> int:
    """Serve with what the command line names."""
    control, listening, parent = map(int, sys.argv[1:])
    return serve_one(socket.socket(fileno=control), socket.socket(fileno=listening), parent)


if __name__ == "__main__":
    sys.exit(main())
