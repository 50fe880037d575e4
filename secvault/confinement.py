"""A process that reaches nothing outside: no network, no programs, no files but its own.

For a program that runs over data which would have it do things in the world (send, publish, save):
it is not asked to leave that be, the kernel does not let it. Linux only; where the kernel cannot,
nothing is run. seccomp(2) takes away sockets and programs, Landlock writing; on kernels without
Landlock Python's own audit hooks do, which cannot be removed either.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import socket
import struct
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from secvault.errors import Unavailable

# linux/bpf_common.h, linux/seccomp.h, linux/prctl.h
_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_NO_NEW_PRIVS, _FILTER_MODE, _ALL_THREADS = 38, 1, 1
# System calls of x86-64's other table begin here; none of ours is in it.
_OTHER_TABLE = 0x40000000

# linux/landlock.h: all that writes, with the version from which on the kernel knows it.
_WRITING = {1: (1, 4, 5, 6, 7, 8, 9, 10, 11, 12), 2: (13,), 3: (14,)}
_WRITE_FILE = 1 << 1
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION, _BENEATH = 1, 1

_WRITES = frozenset({"open", "os.open"})
_CHANGES = frozenset(
    {
        *("os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.link", "os.symlink"),
        *("os.truncate", "os.chmod", "os.chown", "os.utime", "os.setxattr", "os.removexattr"),
    }
)


@dataclass(frozen=True)
class _Machine:
    """A processor's own numbers. architecture: of linux/audit.h."""

    architecture: int
    seccomp: int
    socket: int
    # To start, to trace, to end other processes; to mount; what gets round a filter of calls.
    denied: tuple[int, ...]


_MACHINES = {
    "x86_64": _Machine(
        0xC000003E, 317, 41, (59, 322, 425, 101, 62, 424, 310, 311, 165, 272, 308, 321, 304)
    ),
    "aarch64": _Machine(
        0xC00000B7, 277, 198, (221, 281, 425, 117, 129, 424, 270, 271, 40, 97, 268, 280, 265)
    ),
}


def confine(writable: Sequence[Path], *, unix_sockets: bool) -> None:
    """Take away from this process, for good, what reaches outside of it.

    Left are the open files, reading, and writing below `writable`; with `unix_sockets`, making
    connections on this machine by Unix sockets. What is taken away gives PermissionError. Call it
    before any thread is started: one that runs already would go on writing. Raises Unavailable
    where there is one, and where the kernel does not do it.
    """
    machine = _MACHINES.get(platform.machine())
    if sys.platform != "linux" or machine is None:
        raise Unavailable("a process cannot be confined on this kind of machine")
    if _threads() > 1:
        raise Unavailable("a process with several threads cannot be confined")
    library = ctypes.CDLL(None, use_errno=True)
    if library.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise _refused("the kernel does not bind the process to its rights")
    if not _confine_writing(library, writable):
        sys.addaudithook(_only_below(tuple(path.resolve() for path in writable)))
    _filter_calls(library, machine, unix_sockets=unix_sockets)


def _threads() -> int:
    """How many the kernel knows, those of libraries too."""
    try:
        return sum(1 for _ in Path("/proc/self/task").iterdir())
    except OSError as error:
        raise Unavailable(f"it cannot be seen what threads there are: {error.strerror}") from None


def _filter_calls(library: Any, machine: _Machine, *, unix_sockets: bool) -> None:
    program = _program(machine, unix_sockets=unix_sockets)
    code = ctypes.create_string_buffer(program)
    head = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(code))
    if library.syscall(machine.seccomp, _FILTER_MODE, _ALL_THREADS, head) != 0:
        raise _refused("the kernel does not filter system calls")


def _program(machine: _Machine, *, unix_sockets: bool) -> bytes:
    """The filter as the kernel reads it: instructions of 8 bytes, jumps counted from the next."""
    refused = _ERRNO | errno.EPERM
    checks = [(_AT_LEAST, _OTHER_TABLE), *((_EQUAL, number) for number in machine.denied)]
    lines = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUAL, 1, 0, machine.architecture),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER),
    ]
    # Behind these: a comparison with `socket`, one with its family, and the three ends.
    for at, (how, number) in enumerate(checks):
        lines.append((how, len(checks) - at + 2, 0, number))
    lines += [
        (_EQUAL, 0, 3, machine.socket),
        (_LOAD, 0, 0, _FIRST_ARGUMENT),
        # No family has this number: without Unix sockets none is equal.
        (_EQUAL, 1, 0, socket.AF_UNIX if unix_sockets else 0xFFFF),
        (_RETURN, 0, 0, refused),
        (_RETURN, 0, 0, _ALLOW),
    ]
    return b"".join(struct.pack("HBBI", *line) for line in lines)


def _confine_writing(library: Any, writable: Sequence[Path]) -> bool:
    """Whether Landlock did it. Raises Unavailable where it knows how, and fails."""
    version = library.syscall(_CREATE_RULESET, None, 0, _VERSION)
    if version < 1:
        return False
    bits = (bit for since, bits in _WRITING.items() if since <= version for bit in bits)
    rights = sum(1 << bit for bit in bits)
    wanted = struct.pack("Q", rights)
    ruleset = library.syscall(_CREATE_RULESET, wanted, len(wanted), 0)
    if ruleset < 0:
        raise _refused("the kernel does not confine writing")
    try:
        for path, allowed in (
            (Path(os.devnull), _WRITE_FILE),
            *((one, rights) for one in writable),
        ):
            place = os.open(path, os.O_PATH | os.O_CLOEXEC)
            try:
                rule = struct.pack("=Qi", allowed, place)
                if library.syscall(_ADD_RULE, ruleset, _BENEATH, rule, 0) != 0:
                    raise _refused(f"the kernel does not confine writing to {path}")
            finally:
                os.close(place)
        if library.syscall(_RESTRICT_SELF, ruleset, 0) != 0:
            raise _refused("the kernel does not confine writing")
    finally:
        os.close(ruleset)
    return True


def _only_below(writable: tuple[Path, ...]) -> Callable[[str, tuple[Any, ...]], None]:
    """The audit hook that lets through only what writes below these."""

    def look(event: str, arguments: tuple[Any, ...]) -> None:
        if event in _WRITES:
            path, mode, flags = arguments[0], arguments[1], arguments[2]
            writes = bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC))
            if not writes and not (isinstance(mode, str) and set(mode) & set("wax+")):
                return
            touched = (path,)
        elif event in _CHANGES:
            touched = arguments[:2] if event in ("os.rename", "os.link") else arguments[:1]
        else:
            return
        for path in touched:
            if isinstance(path, str | bytes | os.PathLike) and not _is_below(path, writable):
                raise PermissionError(errno.EPERM, "this process writes only into its own folders")

    return look


def _is_below(path: str | bytes | os.PathLike[Any], writable: tuple[Path, ...]) -> bool:
    place = Path(os.fsdecode(path))
    if str(place) == os.devnull:
        return True
    # The name itself is not followed: a link that is removed or replaced is what is changed.
    real = place.parent.resolve() / place.name
    return any(real.is_relative_to(one) for one in writable) and any(
        real.resolve().is_relative_to(one) for one in writable
    )


def _refused(what: str) -> Unavailable:
    return Unavailable(f"{what}: {os.strerror(ctypes.get_errno())}")
