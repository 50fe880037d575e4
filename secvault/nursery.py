"""New processes from one that has loaded the program already, for whoever has threads.

The program that serves a restored copy takes as long to load as a drill of some gigabytes takes to
read them. The worker has it loaded, but threads as well, and so cannot fork. So before its first
thread it has a child, which does nothing but fork: the nursery. It was there before any key or
setting was read, and keeps nothing of a drill: the sockets that it is given go to the new process.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial

Newborn = Callable[[socket.socket, socket.socket, int], int]
"""What a new process does, with the two sockets and its parent's id; gives its exit code."""

PASSED = frozenset({"PATH", "PYTHONPATH", "LANG", "LC_ALL", "TZ"})
"""All that these processes have of our environment, where others may be secrets."""

SECONDS = 300.0
"""More than a machine takes that is busy; whoever says nothing for longer is stuck."""

_ASKED, _MADE, _NOT_MADE = b"?", b"+", b"-"


@dataclass(frozen=True)
class Nursery:
    """The side of whoever asks; safe for many threads. channel: to the process that `attend`s."""

    channel: socket.socket
    _turn: threading.Lock = field(default_factory=threading.Lock)
    _lost: threading.Event = field(default_factory=threading.Event)

    def born(self, control: socket.socket, listening: socket.socket) -> int:
        """Have a process made that has these sockets; a descriptor of it (pidfd_open(2)).

        Raises OSError when there is no nursery any more, or it could not make one. A process may
        have the sockets all the same, so nothing is to be told by them then.
        """
        with self._turn:
            if self._lost.is_set():
                raise ConnectionError("the nursery is not to be understood any more")
            # Until there is an answer to this, the next would be taken for it.
            self._lost.set()
            self.channel.settimeout(SECONDS)
            socket.send_fds(self.channel, [_ASKED], [control.fileno(), listening.fileno()])
            said, processes, _, _ = socket.recv_fds(self.channel, 1, 1, socket.MSG_CMSG_CLOEXEC)
            if said:
                self._lost.clear()
        if not processes:
            raise ConnectionError("the nursery has made no process")
        return processes[0]


def pair() -> tuple[socket.socket, socket.socket]:
    """A channel: for the `Nursery`, and for `attend`."""
    return socket.socketpair()


def attend(channel: socket.socket, prepare: Callable[[], object], newborn: Newborn) -> int:
    """Make processes as they are asked for, until nobody has the channel's other side.

    prepare: called here before each is made, so that they all find it done. They have what is open
    here beside what they are given, so nothing should be that others must not have.
    """
    for name in os.environ.keys() - PASSED:
        del os.environ[name]
    # Whoever asks decides when: a Ctrl-C is for them, too.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent, alive = os.getpid(), set[int]()
    watching = select.poll()
    watching.register(channel, select.POLLIN)

    def be(control: socket.socket, listening: socket.socket) -> int:
        for one in alive:
            os.close(one)
        channel.close()
        _leave_standard_streams()
        return newborn(control, listening, parent)

    def make(handed: list[int]) -> int:
        with ExitStack() as closing:
            given = [closing.enter_context(socket.socket(fileno=one)) for one in handed]
            control, listening = given
            prepare()
            return _fork(partial(be, control, listening))

    while True:
        for number, _ in watching.poll():
            if number != channel.fileno():
                # Whoever asked for it has a descriptor of their own, which tells them.
                os.waitid(os.P_PIDFD, number, os.WEXITED)
                watching.unregister(number)
                alive.remove(number)
                os.close(number)
                continue
            said, handed, _, _ = socket.recv_fds(channel, 1, 2, socket.MSG_CMSG_CLOEXEC)
            if not said:
                return 0
            try:
                process = make(handed)
            except (OSError, ValueError):
                # No memory, no process, no descriptor: the others live on.
                channel.sendall(_NOT_MADE)
                continue
            alive.add(process)
            watching.register(process, select.POLLIN)
            socket.send_fds(channel, [_MADE], [process])


def _leave_standard_streams() -> None:
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in range(3):
        os.dup2(nothing, standard)
    os.close(nothing)


def _fork(do: Callable[[], int]) -> int:
    """A descriptor of a new process that does this. Raises OSError, and there is none then."""
    made = os.fork()
    if made:
        try:
            return os.pidfd_open(made)
        except OSError:
            os.kill(made, signal.SIGKILL)
            os.waitpid(made, 0)
            raise
    code = os.EX_SOFTWARE
    try:
        code = do()
    except Exception:  # noqa: BLE001 - told where its output goes, and no more
        sys.excepthook(*sys.exc_info())
    finally:
        # Nothing of the nursery is this process's to go on with, an error's way up included.
        os._exit(code)
