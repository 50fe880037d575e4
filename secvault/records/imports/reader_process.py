"""Has a file read by a process of its own (`program`), and takes its rows one by one."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import BinaryIO

import msgspec

from secvault.errors import FieldError, InvalidInput, SecvaultError
from secvault.records.imports.heading import Known
from secvault.records.imports.program import LENGTH_BYTES, Asked, decoder
from secvault.records.imports.row import Row
from secvault.records.imports.spec import Bounds, Form, Spec

_PROGRAM = (sys.executable, "-m", "secvault.records.imports.program")
# Nothing that the service was told in its environment, which may be a secret.
_PASSED = ("LANG", "LC_ALL", "PATH", "PYTHONPATH", "TZDIR")
_KEPT = {"PYTHONDONTWRITEBYTECODE": "1"}

Parts = Callable[[], Iterable[bytes]]
"""Gives an uploaded file in pieces, in order. May raise Damaged in the middle."""


def rows_apart(
    source: BinaryIO | Parts,
    spec: Spec,
    fields: Sequence[Known],
    *,
    after: int = 0,
    bounds: Bounds | None = None,
) -> Generator[Row, None, None]:
    """As `reading.rows_of`, from the row after the number `after` on.

    source: an open file of this machine, or what gives the pieces of an uploaded one, which never
    lies on a disk in clear. Close the iterator to end the process early. Raises InvalidInput as
    `rows_of` does, also when the process needs more than `bounds` lets it have.
    """
    with ExitStack() as ends:
        fed = _Feeding()
        with _descriptor(source, spec.form, fed) as file:
            process = _started(file)
            ends.callback(_end, process)
        # Closed here by now: whoever writes into the pipe must learn that its reader has ended.
        fed.begin()
        asked = Asked(file, os.getpid(), spec, list(fields), bounds or Bounds(), after)
        assert process.stdin is not None  # noqa: S101 - narrows: it was started with pipes
        assert process.stdout is not None  # noqa: S101
        with suppress(BrokenPipeError):
            process.stdin.write(msgspec.json.encode(asked) + b"\n")
            process.stdin.close()
        yield from _rows(process.stdout, fed)


def _rows(out: object, fed: _Feeding) -> Iterator[Row]:
    read = out.read  # type: ignore[attr-defined]
    frames = decoder()
    while True:
        length = int.from_bytes(read(LENGTH_BYTES), "big")
        encoded = read(length)
        if not length or len(encoded) < length:
            fed.join()
            raise InvalidInput.at(
                "file", "could not be read with the memory and time that are allowed; split it"
            )
        frame = frames.decode(encoded)
        if frame.last:
            # What broke on the way matters more than what the reader made of the torn end.
            fed.join()
        yield from frame.rows
        if frame.faults:
            faults = tuple(FieldError(field, detail) for field, detail in frame.faults)
            said = "; ".join(f"{each.field}: {each.detail}" for each in faults)
            raise InvalidInput(said, fields=faults)
        if frame.last:
            return


class _Feeding:
    """The thread that gives the process its input, where that has to be decrypted on the way."""

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None
        self._error: SecvaultError | None = None

    def prepare(self, parts: Parts, into: int) -> None:
        """What `begin` is to write, and where."""
        self._thread = threading.Thread(target=self._feed, args=(parts, into), daemon=True)

    def begin(self) -> None:
        if self._thread is not None:
            self._thread.start()

    def join(self) -> None:
        """Return when all is written. Raises what kept it from being read."""
        if self._thread is not None:
            self._thread.join()
        if self._error is not None:
            raise self._error

    def _feed(self, parts: Parts, into: int) -> None:
        try:
            with os.fdopen(into, "wb", 0) as pipe:
                for part in parts():
                    _write_all(pipe, part)
        except BrokenPipeError:
            # The process has ended, and says why.
            return
        except SecvaultError as error:
            self._error = error


def _write_all(pipe: object, part: bytes) -> None:
    rest = memoryview(part)
    while rest:
        rest = rest[pipe.write(rest) :]  # type: ignore[attr-defined]


@contextmanager
def _descriptor(source: BinaryIO | Parts, form: Form, fed: _Feeding) -> Iterator[int]:
    """What the process reads from, open here until it has been started."""
    if not callable(source):
        # Of its own, so that the place in the file is not shared.
        file = os.open(f"/proc/self/fd/{source.fileno()}", os.O_RDONLY)
    elif form is Form.XLSX:
        # A workbook is sought in. It lies in memory, where no other process sees it.
        file = os.memfd_create("secvault-import", os.MFD_CLOEXEC)
        for part in source():
            rest = memoryview(part)
            while rest:
                rest = rest[os.write(file, rest) :]
        os.lseek(file, 0, os.SEEK_SET)
    else:
        file, into = os.pipe()
        fed.prepare(source, into)
    try:
        yield file
    finally:
        os.close(file)


def _started(file: int) -> subprocess.Popen[bytes]:
    passed = {name: os.environ[name] for name in _PASSED if name in os.environ}
    return subprocess.Popen(
        _PROGRAM,
        env={**passed, **_KEPT},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        pass_fds=(file,),
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with suppress(OSError):
                pipe.close()
