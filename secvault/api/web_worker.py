"""What the web server starts in each process: the application over a service of its own."""

from __future__ import annotations

import gc
import multiprocessing
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.types import ASGIApp

from secvault.api.app import application
from secvault.clock import system_clock
from secvault.config import config_file, load
from secvault.keyring.root import Root
from secvault.log import configure_logging
from secvault.process import die_with_parent, leave_no_core
from secvault.service import Service, opening
from secvault.service.sealing.access import BySealer
from secvault.service.sealing.client import SealerClient
from secvault.service.seals import Node

SWITCH_SECONDS = 0.0005
"""How long the event loop and the thread that writes the audit log may keep the interpreter from
each other, and from the web server's threads, which bring the bodies.

Python's own 5 ms would be added to answers.
"""


def worker_application() -> ASGIApp:
    """The application of one worker process, with the settings that its environment names."""
    return _application("web")


def entrance_application() -> ASGIApp:
    """The application of the process that handles sign-ins, likewise."""
    return _application("entrance")


def _application(program: str) -> ASGIApp:
    parent = multiprocessing.parent_process()
    die_with_parent(parent.pid if parent else None)
    leave_no_core()
    configure_logging(sys.stdout)
    settings = load(config_file(None, os.environ), os.environ)
    clock = system_clock()
    sys.setswitchinterval(SWITCH_SECONDS)
    sealer = SealerClient(settings.data_folder)

    @contextmanager
    def opened(root: Root) -> Iterator[Service]:
        access = BySealer(sealer)
        with opening.opened(settings, clock, program=program, access=access, root=root) as service:
            # What is there now stays: looking through all of it for garbage again and again would
            # stop each request that is under way.
            gc.collect()
            gc.freeze()
            try:
                yield service
            finally:
                # Else keys in what nobody holds any more would stay in memory while sealed.
                gc.unfreeze()

    server = settings.server
    node = Node(settings, clock, sealer)
    return application(opened, server.max_body_bytes, server.body_seconds, node, program)
