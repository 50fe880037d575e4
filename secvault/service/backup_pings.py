"""Sending the pings of dead man's switches, by a thread of the worker's own.

It waits for servers that do not answer, and nothing waits for it: neither a run nor the worker's
other duties. The address of a switch is as good as a password, so it stands in no row, log or
error; what failed is told by a code.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from urllib.parse import urlsplit, urlunsplit

from secvault.backup import pings
from secvault.backup.pings import Event, Ping
from secvault.errors import ConfigurationError, NotFound, SecvaultError
from secvault.service.service import Service

LOOK_SECONDS = 2.0
ANSWER_SECONDS = 10.0
STOP_SECONDS = 3.0
AT_ONCE = 20
_AGAIN = frozenset({408, 425, 429})
_SUFFIX: dict[Event, str] = {"start": "/start", "done": "", "fail": "/fail"}

Send = Callable[[str], str]
"""Asks a URL; the code of why it was not taken, empty where it was."""


class Pinging:
    """The thread that sends. Use with `with`.

    Leaving the block waits for a moment: sealing must not depend on a server that does not answer.
    The ping under way is left to the next process then.
    """

    def __init__(
        self,
        service: Service,
        log: Callable[..., object],
        send: Send,
        look_seconds: float = LOOK_SECONDS,
    ) -> None:
        """send: `ask`, or what stands for it."""
        self._service = service
        self._log = log
        self._send = send
        self._look_seconds = look_seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pings", daemon=True)

    def __enter__(self) -> Pinging:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stop.set()
        self._thread.join(STOP_SECONDS)

    def _run(self) -> None:
        while not self._stop.wait(self._look_seconds):
            try:
                turn(self._service, self._send, self._stop.is_set)
            except SecvaultError as error:
                # The next turn tries again.
                self._log("backup.pinging_failed", code=error.code, detail=error.detail)


def turn(service: Service, send: Send, over: Callable[[], bool] = lambda: False) -> int:
    """Note what the runs of now call for, and send what is due; how many were taken.

    Raises Unavailable, Damaged.
    """
    plans = service.backups.readable_plans()
    now = service.clock.micros()
    with service.store.read() as connection:
        pinged = {name for name, one in plans.items() if one.ping_url} | pings.sealed(connection)
        news = bool(pinged) and pings.wanted(connection, pinged, now)
        due = pings.any_due(connection, now)
    if not (news or due):
        return 0
    with service.store.write() as connection:
        if news:
            pings.note_new(connection, pinged, now)
        taken = pings.take(connection, now, AT_ONCE)
        pings.forget_old(connection, now)
    done = 0
    for each in taken:
        # What is left belongs to the next process when the lease has ended.
        if over():
            break
        done += _send(service, each, send, over)
    return done


def address(url: str, event: Event) -> str:
    """Where to ask: the suffix goes behind the path, before what may follow it."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=parts.path.rstrip("/") + _SUFFIX[event]))


def ask(url: str) -> str:
    """Ask the URL once, with no word about the run but the path. Follows no redirect."""
    import httpx2  # noqa: PLC0415

    try:
        with (
            httpx2.Client(timeout=ANSWER_SECONDS, follow_redirects=False) as client,
            client.stream("GET", url) as answer,
        ):
            return _judged(answer.status_code)
    except httpx2.TimeoutException:
        return "timeout"
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError):
        return "unreachable"


def _judged(status: int) -> str:
    return "" if 200 <= status < 300 else f"status_{status}"


def _send(service: Service, ping: Ping, send: Send, over: Callable[[], bool]) -> bool:
    try:
        url = service.backups.plan(ping.plan).ping_url
    except (NotFound, ConfigurationError):
        url = ""
    reason = send(address(url, ping.event)) if url else "no_address"
    if over():
        return False
    now = service.clock.micros()
    with service.store.write() as connection:
        if not reason:
            pings.sent(connection, ping, now)
        elif reason == "no_address" or _is_final(reason):
            pings.refused(connection, ping, now, reason)
        else:
            pings.postpone(connection, ping, now, reason)
    return not reason


def _is_final(reason: str) -> bool:
    """Whether asking again helps nobody: an address that is not there, or takes no such ping."""
    if not reason.startswith("status_"):
        return False
    status = int(reason.removeprefix("status_"))
    return 300 <= status < 500 and status not in _AGAIN
