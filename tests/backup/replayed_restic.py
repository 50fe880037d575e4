"""A restic that prints what was recorded, or anything else, and ends."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from secvault.backup.restic import Restic, find_restic
from secvault.clock import system_clock


@dataclass(frozen=True)
class Said:
    """What a run of the program comes to. status: as Popen gives it, negative for a signal."""

    out: bytes = b""
    err: bytes = b""
    status: int = 0


@dataclass
class Ended:
    """As much of a Popen as is used, of a program that has said everything already."""

    said: Said
    stdout: IO[bytes] = field(init=False)
    stderr: IO[bytes] = field(init=False)
    returncode: int | None = None
    pid: int = 0

    def __post_init__(self) -> None:
        self.stdout, self.stderr = _readable(self.said.out), _readable(self.said.err)

    def wait(self) -> int:
        """It has ended."""
        self.returncode = self.said.status
        return self.returncode

    def send_signal(self, number: int) -> None:
        """It hears nothing any more."""
        raise ProcessLookupError(number)


def replayed(folder: Path, *answers: Said) -> Restic:
    """restic that says these things, one each time it is started; the last one ever again."""
    left = list(answers)

    def launch(_argv: Sequence[str], **_given: Any) -> Any:
        return Ended(left.pop(0) if len(left) > 1 else left[0])

    return find_restic(
        "sh", folder / "cache", folder / "scratch", system_clock(), os.environ, launch=launch
    )


def _readable(content: bytes) -> IO[bytes]:
    # In memory, with a number that can be polled, and longer than a pipe where need be.
    number = os.memfd_create("said")
    os.write(number, content)
    os.lseek(number, 0, os.SEEK_SET)
    return os.fdopen(number, "rb")
