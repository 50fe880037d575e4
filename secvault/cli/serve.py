"""`secvault serve`: the service, until Ctrl-C; and the processes that it is made of."""

from __future__ import annotations

import fcntl
import gc
import http.client
import importlib
import io
import json
import multiprocessing
import os
import socket
import ssl
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Annotated

import typer

from secvault.cli import keeper, opening, operations, show
from secvault.clock import system_clock
from secvault.errors import Conflict, InvalidInput, Unavailable
from secvault.nursery import Nursery, attend, pair
from secvault.process import be_prompt, give_way, leave_no_core

if TYPE_CHECKING:
    from secvault.config import Settings
    from secvault.service.audit_rollback import Looked

_ANSWER_SECONDS = 0.5
_LOCK = "serve.lock"
# Of `secvault.service.sealing.sealer`, which commands do not load.
SEALED_BY_HAND = "sealed-by-hand"
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared, not listened on


@dataclass(frozen=True)
class Listening:
    """Where the service answers. waits: for people to unseal the vault. entrance: see `_parts`."""

    address: str
    port: int
    tls: bool
    data: str
    waits: bool = False
    entrance: bool = True
    workers: int = 1

    @property
    def url(self) -> str:
        """The address for a browser or a client on this machine."""
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}"


def serve(
    context: typer.Context,
    port: Annotated[int | None, typer.Option(help="Port to listen on.", min=1, max=65535)] = None,
    address: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    workers: Annotated[
        int | None, typer.Option(help="Processes that answer requests.", min=1, max=64)
    ] = None,
    accept_rollback: Annotated[
        str,
        typer.Option(
            metavar="REASON",
            help="Start on an audit log that was put back to an older state, and say why.",
        ),
    ] = "",
) -> None:
    """Run the service until Ctrl-C: the API, and the worker of schedules, backups and drills.

    A process that dies is started again. It does not start on an audit log that contradicts what
    was published of it. Settings come from --config, SECVAULT_* variables and
    these options, which win.
    """
    _have_standard_streams()
    chosen = {"PORT": port, "ADDRESS": address, "WORKERS": workers}
    # Where its children read the settings, which this process does not.
    os.environ.update(
        {f"SECVAULT_SERVER__{name}": str(it) for name, it in chosen.items() if it is not None}
    )
    asked = context.find_object(opening.Asked)
    if asked is not None and asked.config is not None:
        os.environ["SECVAULT_CONFIG"] = str(asked.config.absolute())
    load_program()
    listening = _checked(accept_rollback)
    with _alone_over(Path(listening.data)) as hold:
        # Who starts the service anew wants what opens by itself to be open.
        (Path(listening.data) / SEALED_BY_HAND).unlink(missing_ok=True)
        code = keeper.keep(
            {name: partial(_do_part, part, hold) for name, part in _parts(listening)},
            show.talk,
            each_turn=_announce_when_ready(listening),
        )
    raise typer.Exit(code)


def _have_standard_streams() -> None:
    """Open nothing for those that were closed: else what is opened first would be taken for one."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # The lowest that is free.
            os.open(os.devnull, os.O_RDWR)


def load_program() -> None:
    """Load what the processes of the service need, in the one that they are forked from."""
    with _loading():
        _web_worker()
        _console()
        for each in ("sealer", "working"):
            getattr(operations, each)


def _checked(accept_rollback: str) -> Listening:
    """What `preflight` prints. Raises typer.Exit when something keeps the service from starting.

    It opens the vault, in a process of its own: this one keeps nothing that its children would
    inherit.
    """
    read, write = multiprocessing.Pipe(duplex=False)
    command = ("preflight", f"--accept-rollback={accept_rollback}")
    checking = keeper.fork("preflight", partial(_say_to, write, command), daemon=True)
    write.close()
    try:
        said = read.recv_bytes()
    except EOFError:
        said = b""
    checking.join()
    if checking.exitcode != 0:
        raise typer.Exit(max(1, checking.exitcode or 1))
    return Listening(**json.loads(said))


def _say_to(where: Connection, command: Sequence[str]) -> int:
    """Run the command, and send what it prints."""
    with redirect_stdout(io.StringIO()) as said:
        code = _run(command)
    where.send_bytes(said.getvalue().encode())
    return code


def _do_part(part: str, hold: int) -> int:
    """Be a process of the service. hold: of `serve` on the folder, which only it is to have."""
    os.close(hold)
    return _run((part,))


def _run(command: Sequence[str]) -> int:
    # By name: what knows all commands knows this module.
    code: int = importlib.import_module("secvault.cli.main").run(command)
    return code


def preflight(context: typer.Context, accept_rollback: str = "") -> None:
    """Check everything that would keep the service from starting; print where it will listen."""
    chosen = opening.settings(context)
    server = chosen.server
    opening.require_vault(chosen)
    kind = operations.opening.check(chosen).kind
    looked = _continued(chosen, accept_rollback)
    if kind == "file":
        # Its key is at hand: that it opens is known before anything is started.
        with opening.opened(chosen) as service:
            _require_free(server.address, server.port)
            if looked.contradictions:
                operations.audit_rollback.accept_here(service, accept_rollback, looked)
    else:
        _require_free(server.address, server.port)
        if looked.contradictions:
            # Nothing can be put on record before people have unsealed the vault.
            operations.audit_rollback.leave(chosen, accept_rollback, looked.contradictions)
    listening = Listening(
        server.address,
        server.port,
        server.tls_certificate is not None,
        str(chosen.data_folder),
        waits=kind == "shares" or (kind == "passphrase" and chosen.seal.passphrase_file is None),
        entrance=server.entrance,
        workers=server.workers,
    )
    show.out(json.dumps(vars(listening)))


def _continued(chosen: Settings, accepted: str) -> Looked:
    """What the log is compared with at a start; without contradictions, unless they are accepted.

    Raises RolledBack.
    """
    looked = operations.audit_rollback.look(chosen, os.environ)
    for unread in looked.unread:
        show.talk(f"secvault: not compared with the publication {unread}")
    if not accepted:
        looked.require_none()
    elif looked.contradictions:
        operations.audit_rollback.check_reason(accepted)
    else:
        show.talk("secvault: nothing contradicts the audit log; there is no rollback to accept")
    return looked


def web(context: typer.Context) -> None:
    """Answer requests, as a child of `serve`."""
    leave_no_core()
    be_prompt()
    chosen = _started_settings(context)
    _web_worker().answer(chosen, _console().furnish)


def entrance(context: typer.Context) -> None:
    """Handle the sign-ins that `web` hands over, as a child of `serve`."""
    leave_no_core()
    # Whoever signs in can wait a few milliseconds for a processor better than who encrypts.
    give_way(10)
    chosen = _started_settings(context)
    _web_worker().answer_sign_ins(chosen, _console().furnish_sign_in)


def sealer(context: typer.Context) -> None:
    """Hold the root key for the other processes, as a child of `serve`."""
    leave_no_core()
    with _loading():
        chosen, hold = _started_settings(context), operations.sealer.run_sealer
    hold(chosen, system_clock())


def worker(context: typer.Context) -> None:
    """Do the long work, as a child of `serve`."""
    leave_no_core()
    _have_standard_streams()
    # Before the settings are read, and before there is a thread.
    restoring = nursery()
    with _loading():
        chosen, work = _started_settings(context), operations.working.work
    work(chosen, system_clock(), restoring)


def nursery() -> Nursery:
    """What has restored services made for drills; it ends with this process."""
    ours, its = pair()
    keeper.fork("nursery", partial(_attend, ours, its), daemon=True)
    its.close()
    return Nursery(ours)


def _attend(ours: socket.socket, its: socket.socket) -> int:
    ours.close()
    # By name, as the web worker.
    program = importlib.import_module("secvault.api.restored")
    return attend(its, program.load, program.serve_one)


@contextmanager
def _loading() -> Iterator[None]:
    """Without looking for garbage, of which nothing is made: it would take a tenth of the time."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def _web_worker() -> ModuleType:
    """The web worker's module, loaded without looking for garbage, as it expects."""
    gc.disable()
    # By name: the faces do not know each other, and `serve` is where one starts the other.
    return importlib.import_module("secvault.api.web_worker")


def _console() -> ModuleType:
    """The console's pages, loaded likewise."""
    return importlib.import_module("secvault.console.furnish")


def _parts(listening: Listening) -> Iterator[tuple[str, str]]:
    """The processes of the service, with their commands.

    Sign-ins have one of their own where the settings say so.
    """
    yield "sealer", "sealer"
    if listening.entrance:
        yield "entrance", "entrance"
    for number in range(1, listening.workers + 1):
        yield f"web {number}", "web"
    yield "worker", "worker"


def _started_settings(context: typer.Context) -> Settings:
    operations.log.configure_logging(sys.stdout)
    return opening.settings(context)


@contextmanager
def _alone_over(data: Path) -> Iterator[int]:
    """Be the only `serve` over a data folder, by a lock on the file that is given.

    The kernel ends the hold, however this process ends.
    """
    try:
        handle = os.open(data / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Unavailable(f"{data / _LOCK} cannot be opened: {error.strerror}") from None
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Conflict(
                f"a service runs already over {data}; stop it first, or name another folder with "
                "SECVAULT_DATA"
            ) from None
        yield handle
    finally:
        os.close(handle)


def _require_free(address: str, port: int) -> None:
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(
            address, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise InvalidInput.at("server.address", f"{address}: {error.strerror}") from None
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(place)
            probe.listen(1)
        except OSError as error:
            raise Conflict(
                f"{address} port {port} cannot be listened on: {error.strerror}; stop the other "
                "program, or choose another port with --port"
            ) from None


def _announce_when_ready(listening: Listening) -> Callable[[], None]:
    announced = waiting = False

    def look() -> None:
        nonlocal announced, waiting
        if announced:
            return
        status = _ready_status(listening)
        # Not on stdout: the children's logs are there, one JSON object a line.
        if status == http.HTTPStatus.OK:
            announced = True
            show.talk(
                f"secvault answers on {listening.url} (data in {listening.data}); Ctrl-C stops it"
            )
        elif status is not None and listening.waits and not waiting:
            waiting = True
            show.talk(
                f"secvault is sealed, on {listening.url} (data in {listening.data}): open it with "
                "`secvault unseal`; Ctrl-C stops it"
            )

    return look


def _ready_status(listening: Listening) -> int | None:
    """What it answers when it is asked whether it is ready; None while nothing answers."""
    host = _EVERYWHERE.get(listening.address, listening.address)
    if listening.tls:
        trust = ssl.create_default_context()
        # It asks the service that it has just started, whose certificate names another host.
        trust.check_hostname = False
        trust.verify_mode = ssl.CERT_NONE
        made: http.client.HTTPConnection = http.client.HTTPSConnection(
            host, listening.port, timeout=_ANSWER_SECONDS, context=trust
        )
    else:
        made = http.client.HTTPConnection(host, listening.port, timeout=_ANSWER_SECONDS)
    try:
        made.request("GET", "/health/ready")
        return made.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        made.close()
