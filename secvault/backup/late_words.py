"""What restic is told when it is at work already, through a pipe at whose end it waits.

restic reads the files that its arguments name as lists when it has opened the repository, which
takes it a processor and half a second unless its key is cheap to try (`restic_key_file`), and
before it looks at anything that it is to save. So what is found out meanwhile costs a run no time.
A pipe that is closed says that this was all: it stays open for as long as that is not known, and
where it never is, restic is told to stop first.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field

Late = Future[bytes]
"""The lines when they are known, or why they never will be."""


@dataclass
class LatePipe:
    """Our end of the pipe. Whoever comes first tells or closes; the other then does nothing."""

    _writer: int | None
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def tell(self, late: Late) -> None:
        """Say what is known now, and that it is all; nothing where it failed. Waits for nobody."""
        if late.cancelled() or late.exception() is not None:
            return
        writer = self._taken()
        if writer is not None:
            # What is more than a pipe holds waits until restic reads, or has ended.
            threading.Thread(target=_say, args=(writer, late.result()), daemon=True).start()

    def close(self) -> None:
        """Leave it at that: what waits goes on, and must have been told to stop."""
        writer = self._taken()
        if writer is not None:
            os.close(writer)

    def _taken(self) -> int | None:
        with self._turn:
            writer, self._writer = self._writer, None
        return writer


def _say(writer: int, lines: bytes) -> None:
    # Where restic has ended, its own words tell why.
    with suppress(BrokenPipeError), os.fdopen(writer, "wb") as pipe:
        pipe.write(lines)


def late_lines(awaited: Future[Sequence[str]]) -> Late:
    """The patterns as lines, when they are there. Its result raises what theirs raises, and
    OddPatterns.
    """
    late = Late()

    def pass_on(patterns: Future[Sequence[str]]) -> None:
        try:
            late.set_result(in_lines(patterns.result()))
        except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
            late.set_exception(error)

    awaited.add_done_callback(pass_on)
    return late


class OddPatterns(Exception):
    """Some patterns cannot stand on a line of their own."""


def is_odd(pattern: str) -> bool:
    """Whether it cannot stand on a line: restic cuts blanks from both ends of each."""
    return "\n" in pattern or "\r" in pattern or pattern != pattern.strip()


def in_lines(patterns: Sequence[str]) -> bytes:
    """As restic reads them from a file. Raises OddPatterns."""
    if any(map(is_odd, patterns)):
        raise OddPatterns
    return b"".join(map(line_of, patterns))


def line_of(pattern: str) -> bytes:
    """One of them with the end of its line."""
    # A dollar sign would begin the name of a variable.
    return os.fsencode(pattern.replace("$", "$$")) + b"\n"
