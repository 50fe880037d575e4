"""New processes from one that has loaded the program already, for whoever has threads.

The program that serves a restored copy takes as long to load as a drill of some gigabytes takes to
read them. The worker has it loaded, but threads as well, and so cannot fork. So before its first
thread it has a child, which does nothing but fork: the nursery. It was there before any key or
setting was read, and keeps nothing of a drill: the sockets that it is given go to the new process.
"""

from __future__ import annotations

import os
import select
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

Newborn = Callable[[socket.socket, socket.socket, int], int]
"""What a new process does, with the two sockets and its parent's id; gives its exit code."""

PASSED = frozenset({"PATH", "PYTHONPATH", "LANG", "LC_ALL", "TZ"})
"""All that these processes have of our environment, where others may be secrets."""

_ASKED = b"?"


@dataclass(frozen=True)
class Nursery:
    """The side of whoever asks; safe for many threads. channel: to the process that `attend`s."""

    channel: socket.socket
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def born(self, control: socket.socket, listening: socket.socket) -> int:
        """Have a process made that has these sockets; a descriptor of it (pidfd_open(2)).

        Raises OSError when there is no nursery any more.
        """
        with self._turn:
            socket.send_fds(self.channel, [_ASKED], [control.fileno(), listening.fileno()])
            _, processes, _, _ = socket.recv_fds(self.channel, 1, 1, socket.MSG_CMSG_CLOEXEC)
        if not processes:
            raise ConnectionError("the nursery has ended")
        return processes[0]


def pair() -> tuple[socket.socket, socket.socket]:
    """A channel: for the `Nursery`, and for `attend`."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def attend(channel: socket.socket, prepare: Callable[[], object], newborn: Newborn) -> int:
    """Make processes as they are asked for, until nobody has the channel's other side.

    prepare: called here before each is made, so that they all find it done. They have what is open
    here beside what they are given, so nothing should be that others must not have.
    """
    for name in os.environ.keys() - PASSED:
        del os.environ[name]
    parent, alive = os.getpid(), set[int]()
    watching = select.poll()
    watching.register(channel, select.POLLIN)

    def make(control: socket.socket, listening: socket.socket) -> int:
        for one in alive:
            os.close(one)
        channel.close()
        _leave_standard_streams()
        return newborn(control, listening, parent)

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
            control, listening = (socket.socket(fileno=one) for one in handed)
            with control, listening:
                prepare()
                process = _fork(partial(make, control, listening))
            alive.add(process)
            watching.register(process, select.POLLIN)
            # Whoever asked may have given up meanwhile.
            with suppress(OSError):
                socket.send_fds(channel, [_ASKED], [process])


def _leave_standard_streams() -> None:
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in range(3):
        os.dup2(nothing, standard)
    os.close(nothing)


def _fork(do: Callable[[], int]) -> int:
    """A descriptor of a new process that does this."""
    made = os.fork()
    if made:
        return os.pidfd_open(made)
    code = os.EX_SOFTWARE
    try:
        code = do()
    finally:
        # Nothing of the nursery is this process's to go on with, an error's way up included.
        os._exit(code)
