"""A process that answers requests: the application over a service of its own, and a server."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from secvault.api import serving
from secvault.api.answering import Answering
from secvault.api.app import Furnish, application
from secvault.api.entrance import HandedOver
from secvault.clock import system_clock
from secvault.config import Settings
from secvault.keyring.root import Root
from secvault.service import Service, opening
from secvault.service.sealing.access import BySealer
from secvault.service.sealing.client import SealerClient
from secvault.service.seals import Node

SWITCH_SECONDS = 0.0005
"""How long the event loop and the thread that writes the audit log may keep the interpreter from
each other.

Python's own 5 ms would be added to answers.
"""


def answer(settings: Settings, furnish: Furnish) -> None:
    """Answer requests until SIGTERM or SIGINT. furnish: adds the console's pages."""
    serving.serve(settings, _application(settings, "web", furnish))


def answer_sign_ins(settings: Settings, furnish: Furnish) -> None:
    """Answer the sign-ins that web workers hand over, likewise. furnish: adds their pages."""
    serving.serve_entrance(settings, HandedOver(_application(settings, "entrance", furnish)))


def _application(settings: Settings, program: str, furnish: Furnish) -> Answering:
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
    made = application(opened, server.max_body_bytes, server.body_seconds, node, program, furnish)
    # What is made by now is never garbage. `serve` had stopped the search for any: going through
    # it again and again while it grew would take as long as making it.
    gc.freeze()
    gc.enable()
    return made
