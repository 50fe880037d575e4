"""A PostgreSQL database for a process that has no network: by a Unix socket in a folder of ours.

Only what comes through that socket goes on, and only to the one server. A server that is reached
by a Unix socket already is named as it is. What goes on is not encrypted, as nothing is that goes
into such a socket: where the settings want that, nobody is connected.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sqlalchemy.engine import URL

from secvault.backup.drills.databases import sockets
from secvault.errors import Unavailable

_PORT = 5432
_PIECE = 1 << 16
_CONNECT_SECONDS = 10.0
_BY_TLS = frozenset({"require", "verify-ca", "verify-full"})


@contextmanager
def relayed(url: URL, folder: Path) -> Iterator[str]:
    """The address by which a process without a network reaches the database. Raises Unavailable."""
    host = url.host or _first(url.query.get("host"))
    if not host or host.startswith("/"):
        yield url.render_as_string(hide_password=False)
        return
    if _first(url.query.get("sslmode")) in _BY_TLS:
        raise Unavailable(
            "the live server is to be reached by TLS alone (sslmode), which a process without a "
            "network cannot; install PostgreSQL's server programs, and the copy gets its own server"
        )
    name = f".s.PGSQL.{_PORT}"
    server = (host, url.port or _PORT)
    with (
        sockets.short(folder, name) as (reached, _),
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening,
    ):
        listening.bind(str(reached / name))
        (folder / name).chmod(0o600)
        listening.listen(64)
        threading.Thread(target=_accept, args=(listening, server), daemon=True).start()
        # libpq wants no TLS of a Unix socket; a server that insists on it refuses, and says so.
        query = {
            name: value
            for name, value in url.query.items()
            if name not in ("host", "port", "sslmode")
        }
        query |= {"host": str(reached), "port": str(_PORT)}
        yield url.set(host=None, port=None, query=query).render_as_string(hide_password=False)
        with suppress(OSError):
            listening.shutdown(socket.SHUT_RDWR)


def _accept(listening: socket.socket, server: tuple[str, int]) -> None:
    while True:
        try:
            inside, _ = listening.accept()
        except OSError:
            return
        try:
            outside = socket.create_connection(server, _CONNECT_SECONDS)
        except OSError:
            inside.close()
            continue
        outside.settimeout(None)
        for one, other in ((inside, outside), (outside, inside)):
            threading.Thread(target=_pass_on, args=(one, other), daemon=True).start()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(_PIECE):
            target.sendall(piece)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def _first(given: object) -> str:
    return given if isinstance(given, str) else ""
