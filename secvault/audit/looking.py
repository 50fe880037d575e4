"""Has chunks of the log looked over: here, or by processes of their own where there are many."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, suppress
from itertools import chain, cycle, islice
from typing import BinaryIO

import msgspec
from sqlalchemy import Connection

from secvault.audit.chunks import RANGE, Chunk, look_over
from secvault.store.engine import Store
from secvault.store.straight import straight

FEW = 16
"""Up to so many chunks are looked over here: starting processes would take longer."""

LONGEST = 4_096
"""The bytes of the longest question: a page, which the smallest pipe holds. The piece of a longer
one is left to the walk: who waits for room in the pipe of a process that waits for its answer to be
read waits for ever."""

_PROGRAM = (sys.executable, "-m", "secvault.audit.looking_program")
_AHEAD = 2
# Nothing else that the service was told in its environment, which may be a secret.
_PASSED = ("HOME", "LANG", "LC_ALL", "PATH", "PYTHONPATH", "USER")
_EXPORT = "SELECT pg_export_snapshot()"


class Piece(msgspec.Struct, frozen=True, array_like=True):
    """Events from `start` to below `end`. sizes: see `chunks.look_over`."""

    start: int
    end: int
    sizes: list[int]


class Opening(msgspec.Struct, frozen=True):
    """What a process is told first. parent: id of its parent. snapshot: of PostgreSQL's."""

    parent: int
    url: str
    snapshot: str


def looked_over(
    store: Store, connection: Connection, pieces: Iterable[Piece]
) -> Iterator[tuple[Piece, Chunk | None]]:
    """Each piece, in order, with what is known of it; None where it has to be walked.

    On PostgreSQL the processes see exactly what `connection` sees. On SQLite they may see what was
    committed since: events that were added are not asked for, and of those that were archived and
    removed they know nothing, so that they are walked here.
    """
    rest = iter(pieces)
    first = list(islice(rest, FEW + 1))
    count = len(os.sched_getaffinity(0))
    if len(first) <= FEW:
        for piece in first:
            yield piece, look_over(_rows(connection, piece), piece.start, piece.end, piece.sizes)
        return
    yield from _apart(store, connection, chain(first, rest), count)


def _rows(connection: Connection, piece: Piece) -> list[tuple[object, ...]]:
    return straight(connection, RANGE, (piece.start, piece.end))


def _apart(
    store: Store, connection: Connection, pieces: Iterable[Piece], count: int
) -> Iterator[tuple[Piece, Chunk | None]]:
    snapshot = ""
    if store.dialect == "postgresql":
        ((snapshot,),) = straight(connection, _EXPORT)
    url = store.reader.url.set(drivername=store.dialect).render_as_string(hide_password=False)
    opening = msgspec.json.encode(Opening(os.getpid(), url, snapshot)) + b"\n"
    with ExitStack() as ends:
        asked: deque[tuple[Piece, _Process]] = deque()
        processes = []
        for _ in range(count):
            process = _Process(opening)
            ends.callback(process.end)
            processes.append(process)
        for piece, process in zip(pieces, cycle(processes), strict=False):
            if len(asked) == _AHEAD * count:
                yield _answered(*asked.popleft())
            process.ask(piece)
            asked.append((piece, process))
        while asked:
            yield _answered(*asked.popleft())


class _Process:
    """One process that looks over what it is asked, in order. After it died, it knows nothing."""

    def __init__(self, opening: bytes) -> None:
        passed = {name: os.environ[name] for name in _PASSED if name in os.environ}
        passed |= {name: it for name, it in os.environ.items() if name.startswith("PG")}
        self._process = subprocess.Popen(
            _PROGRAM,
            env={**passed, "PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._send(opening)

    def ask(self, piece: Piece) -> None:
        line = msgspec.json.encode(piece) + b"\n"
        if len(line) > LONGEST:
            line = msgspec.json.encode(Piece(piece.start, piece.start, [])) + b"\n"
        self._send(line)

    def answer(self) -> Chunk | None:
        line = self._pipe(self._process.stdout).readline()
        return msgspec.json.decode(line, type=Chunk | None) if line.endswith(b"\n") else None

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(OSError):
                self._pipe(pipe).close()

    def _send(self, line: bytes) -> None:
        pipe = self._pipe(self._process.stdin)
        with suppress(BrokenPipeError):
            pipe.write(line)
            pipe.flush()

    @staticmethod
    def _pipe(pipe: object) -> BinaryIO:
        assert pipe is not None  # noqa: S101 - narrows: it was started with pipes
        return pipe  # type: ignore[return-value]


def _answered(piece: Piece, process: _Process) -> tuple[Piece, Chunk | None]:
    return piece, process.answer()
