"""A process that uses the root for a while and does not serve: the command line."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from secvault.errors import Sealed
from secvault.keyring.root import Root
from secvault.service.sealing import messages, place
from secvault.service.sealing.client import root_in
from secvault.service.sealing.messages import Broken, Channel

_SECONDS = 10.0


@contextmanager
def visiting(folder: Path, sealed: Callable[[], None]) -> Iterator[Root | None]:
    """The root, from the sealer of this folder, for the length of the block.

    None when no sealer runs. sealed: called, in another thread, when the vault is sealed meanwhile;
    must drop the keys or end the process, since the sealer ends it otherwise. A sealer that goes
    away ends nothing: a command that was begun is finished. Raises Sealed, Broken.
    """
    connection = place.connect(folder, _SECONDS)
    if connection is None:
        yield None
        return
    channel = Channel(connection)
    listener = threading.Thread(target=_listen, args=(channel, sealed), daemon=True)
    try:
        channel.send(messages.Watch("cli"))
        told: object = channel.receive(messages.Told, _SECONDS)
        if isinstance(told, messages.Closed):
            raise Sealed("the vault is sealed: open it with `secvault unseal`")
        if not isinstance(told, messages.Opened):
            raise Broken("the sealer does not answer; see its log")
        channel.send(messages.Done(told.number))
        listener.start()
        yield root_in(told)
    finally:
        channel.close()
        if listener.ident is not None:
            listener.join()


def _listen(channel: Channel, sealed: Callable[[], None]) -> None:
    try:
        while True:
            told: object = channel.receive(messages.Told)
            if isinstance(told, messages.Closed):
                sealed()
                channel.send(messages.Done(told.number))
    except Broken:
        # The block ended, or the sealer.
        return
