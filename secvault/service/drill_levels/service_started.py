"""The restored service, really started: a process of its own, on a port of its own, over the copy.

Promise: it does nothing to the outside, whatever the copy's settings and rows would have it do.
Three things see to that, each alone: it is only what answers requests, without the worker that
sends, publishes, schedules and saves; its settings are a list of sections that lead nowhere, made
here and not taken from the copy; and its process is confined (`secvault.confinement`): no network
but the connections that come in, no programs, no writing but in the drill's own scratch. It gets
the root key through a socket, an environment of a few variables, and ends with us: that socket says
so. To load its code takes it longer than all else: it is forked from a process that has loaded it
(`nursery`), and where there is none, may be started before there is a copy, of which it knows
nothing then. It is confined before it opens one.

Nor does it answer anybody else on this machine. A copy has sessions, tokens and people of then, who
may since have been shut out; what they read there would be on no record. So each request has to
bring a word that only the drill and its process know.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import secrets
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy.engine import make_url

from secvault.backup.contents import CONTENTS
from secvault.backup.drills.ground import Ground
from secvault.config import Settings
from secvault.errors import Unavailable
from secvault.nursery import PASSED, Nursery
from secvault.service.attachment_place import FOLDER as ATTACHMENTS
from secvault.service.drill_levels.own_copy import OwnCopy
from secvault.service.drill_levels.relay import relayed

_PROGRAM = (sys.executable, "-m", "secvault.api.restored")
_FOLDER = "service"

WORD = "x-secvault-drill"
"""The header that brings the word."""
_WORD_BYTES = 32

START_SECONDS = 600.0
"""A machine that is busy takes its time; that is no damage."""
END_SECONDS = 15.0
ANSWER_SECONDS = 60.0
_LOOK_SECONDS = 0.05

CARRIED = {
    "organisation": True,
    "mounts": True,
    "access": True,
    "approvals": True,
    "conditions": True,
    "break_glass": True,
    "grants": True,
    "reveals": True,
    "keys": True,
    "identity": {"session_idle_minutes", "session_hours", "token_days", "token_most_days"},
    "audit": {"wait_seconds"},
    "server": {"max_body_bytes", "header_seconds", "body_seconds"},
}
"""The only settings that the restored service gets of the running one: how it decides and how much
it takes. None of them names anything outside, and none is a secret."""


@dataclass(frozen=True)
class Answer:
    """What was answered. body: of JSON; None where it is none."""

    status: int
    body: Any


@dataclass(frozen=True)
class Running:
    """The restored service while it answers. seconds: from when it was told of the copy until it
    answered; its code may have been loaded before. word: that each request has to bring.
    """

    port: int
    seconds: float
    word: str = field(default="", repr=False)

    def ask(self, path: str, token: str = "", method: str = "GET") -> Answer:
        """One request over HTTP. Raises Unavailable when it is not answered."""
        made = http.client.HTTPConnection("127.0.0.1", self.port, timeout=ANSWER_SECONDS)
        headers = {WORD: self.word}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        try:
            made.request(method, path, headers=headers)
            answer = made.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise Unavailable(f"it does not answer: {type(error).__name__}") from None
        finally:
            made.close()
        try:
            return Answer(answer.status, json.loads(content))
        except ValueError:
            return Answer(answer.status, None)


@dataclass(frozen=True)
class Loaded:
    """The program, which loads its code or has, and waits for its order to serve at this port.

    process: its descriptor (pidfd_open(2)). control: the way to it.
    """

    process: int
    control: socket.socket = field(repr=False)
    listening: socket.socket = field(repr=False)
    port: int

    def told(self, order: Mapping[str, Any]) -> None:
        """Give it the next line."""
        # One that has ended already is found by whoever waits for it.
        with suppress(OSError):
            self.control.sendall(json.dumps(order).encode() + b"\n")

    def ended(self, seconds: float = 0.0) -> bool:
        """Whether it has ended, if need be after so many seconds."""
        watching = select.poll()
        watching.register(self.process, select.POLLIN)
        return bool(watching.poll(seconds * 1000))

    def end(self) -> None:
        """Tell it to end, and make it."""
        with suppress(OSError):
            self.control.shutdown(socket.SHUT_WR)
        if not self.ended(END_SECONDS):
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.process, signal.SIGKILL)
            self.ended(END_SECONDS)

    def said(self) -> str:
        """What kept it from starting, when it has ended and said so."""
        with suppress(OSError):
            return self.control.recv(4096).decode("utf-8", "replace").strip()
        return ""


@contextmanager
def loaded(nursery: Nursery | None = None, *, gentle: bool) -> Iterator[Loaded]:
    """The program without anything to serve; it has ended when the block is left.

    nursery: what it is forked by, where there is one that lives. gentle: whether it lets others
    have the processor first. Raises Unavailable.
    """
    with ExitStack() as closing:
        program = None
        if nursery is not None:
            # Behind a failure there may be a process all the same: another gets sockets anew.
            with suppress(OSError):
                program = closing.enter_context(_with_sockets(partial(_forked, nursery)))
        try:
            program = program or closing.enter_context(_with_sockets(_run))
        except OSError as error:
            raise Unavailable(f"it cannot be started: {error.strerror}") from None
        closing.callback(program.end)
        program.told({"gentle": gentle})
        yield program


@contextmanager
def _with_sockets(
    process_of: Callable[[socket.socket, socket.socket], AbstractContextManager[int]],
) -> Iterator[Loaded]:
    """A process that is begun with its end of a control socket, and one to listen on."""
    with ExitStack() as closing:
        listening = closing.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
        listening.bind(("127.0.0.1", 0))
        control, its = map(closing.enter_context, socket.socketpair())
        process = closing.enter_context(process_of(its, listening))
        # The process has it; else we would not see that nobody has.
        its.close()
        yield Loaded(process, control, listening, listening.getsockname()[1])


@contextmanager
def _forked(nursery: Nursery, *given: socket.socket) -> Iterator[int]:
    """A descriptor of a process that the nursery makes. Raises OSError."""
    process = nursery.born(*given)
    try:
        yield process
    finally:
        os.close(process)


@contextmanager
def _run(*given: socket.socket) -> Iterator[int]:
    """A descriptor of a new process that loads the program, and is reaped behind the block."""
    handed = [one.fileno() for one in given]
    process = subprocess.Popen(
        [*_PROGRAM, *map(str, handed), str(os.getpid())],
        env={name: os.environ[name] for name in PASSED if name in os.environ}
        | {"PYTHONDONTWRITEBYTECODE": "1"},
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=handed,
    )
    with ExitStack() as closing:
        closing.callback(process.wait)
        # Behind a block that was left well it has ended.
        closing.callback(process.kill)
        descriptor = os.pidfd_open(process.pid)
        closing.callback(os.close, descriptor)
        yield descriptor


@contextmanager
def started(
    settings: Settings, copy: OwnCopy, ground: Ground, program: Loaded
) -> Iterator[Running]:
    """The service over the copy, answering; nobody is answered by it when the block is left.

    program: which ends with the block that it comes from. Raises Unavailable when it does not
    start, with why; Cancelled.
    """
    folder = ground.scratch / _FOLDER
    folder.mkdir(mode=0o700)
    with ExitStack() as closing:
        url, in_folder = _address(copy, folder, closing)
        word = secrets.token_urlsafe(_WORD_BYTES)
        _lay_out_contents(copy, folder)
        began = time.monotonic()
        program.told(
            {
                "folder": str(folder),
                "header": WORD,
                "word": word,
                "unix_sockets": not in_folder,
                "writable": [str(folder), *([str(copy.folder)] if in_folder else [])],
                "root": base64.b64encode(copy.root.key.expose()).decode(),
                "vault": copy.root.vault_id,
                "generation": copy.root.generation,
                "settings": settings_of_copy(settings, folder, url, program.port),
            }
        )
        closing.callback(program.end)
        # The child has it; else nobody would be refused when the child has ended.
        program.listening.close()
        running = Running(program.port, 0.0, word)
        _wait_for(program, running, ground.heed, began)
        yield replace(running, seconds=time.monotonic() - began)


def settings_of_copy(settings: Settings, folder: Path, url: str, port: int) -> Mapping[str, Any]:
    """The settings that the restored service is started with, as JSON values.

    folder: its data folder. url: of the copy.
    """
    values = settings.model_dump(mode="json", include=CARRIED)  # type: ignore[arg-type]
    values["server"] |= {"address": "127.0.0.1", "port": port, "workers": 1, "entrance": False}
    # No publications, streams, witnesses, reports, archives; nobody is told, nothing is saved.
    values["backup"] = {"plans": {}}
    return {**values, "data": str(folder), "store": {"url": url}}


def _address(copy: OwnCopy, folder: Path, closing: ExitStack) -> tuple[str, bool]:
    """The address of the copy for a process without a network; whether it is a file."""
    if copy.store.dialect == "sqlite":
        return copy.url, True
    return closing.enter_context(relayed(make_url(copy.url), folder)), False


def _lay_out_contents(copy: OwnCopy, folder: Path) -> None:
    contents = copy.folder / CONTENTS
    if contents.is_dir():
        (folder / ATTACHMENTS).symlink_to(contents)


def _wait_for(program: Loaded, running: Running, heed: Callable[[], None], began: float) -> None:
    while time.monotonic() < began + START_SECONDS:
        heed()
        if program.ended():
            raise Unavailable(program.said() or "it ended before it answered")
        if _answers(running):
            return
        time.sleep(_LOOK_SECONDS)
    raise Unavailable(f"it did not answer within {START_SECONDS:.0f} seconds")


def _answers(running: Running) -> bool:
    made = http.client.HTTPConnection("127.0.0.1", running.port, timeout=1.0)
    try:
        made.request("GET", "/health/live", headers={WORD: running.word})
        return made.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        made.close()
