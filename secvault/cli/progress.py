"""Progress of long work, on stderr and only on a terminal; and Ctrl-C that ends it cleanly."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

from secvault.cli import show

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import ProgressColumn

    from secvault.backup.restic import Progress

BytesSoFar = Callable[["Progress"], None]
CountSoFar = Callable[[int, int], None]


@contextmanager
def of_bytes(title: str) -> Iterator[BytesSoFar]:
    """A bar of bytes and files with speed and remaining time, for a backup or a restore."""
    from rich import progress as parts  # noqa: PLC0415 - rich is loaded where a bar is drawn

    columns = (
        parts.TextColumn("{task.description}"),
        parts.BarColumn(),
        parts.DownloadColumn(binary_units=True),
        parts.TransferSpeedColumn(),
        parts.TextColumn("{task.fields[files]}"),
        parts.TimeRemainingColumn(),
    )
    with _bars(columns) as bars:
        task = bars.add_task(title, total=None, files="")

        def so_far(now: Progress) -> None:
            of_all = f" of {now.files_total}" if now.files_total else ""
            bars.update(
                task,
                completed=now.bytes_done,
                total=now.bytes_total or None,
                files=f"{now.files_done}{of_all} files",
            )

        yield so_far


@contextmanager
def of_transfer(title: str, size: int) -> Iterator[Callable[[int], None]]:
    """A bar of bytes out of so many, with speed and remaining time; told of each piece's length."""
    from rich import progress as parts  # noqa: PLC0415

    columns = (
        parts.TextColumn("{task.description}", markup=False),
        parts.BarColumn(),
        parts.DownloadColumn(binary_units=True),
        parts.TransferSpeedColumn(),
        parts.TimeRemainingColumn(),
    )
    with _bars(columns) as bars:
        task = bars.add_task(show.cell(title), total=size)
        yield lambda length: bars.advance(task, length)


@contextmanager
def of_count(title: str) -> Iterator[CountSoFar]:
    """A bar of things done out of so many."""
    from rich import progress as parts  # noqa: PLC0415

    columns = (
        parts.TextColumn("{task.description}"),
        parts.BarColumn(),
        parts.MofNCompleteColumn(),
        parts.TimeRemainingColumn(),
    )
    with _bars(columns) as bars:
        task = bars.add_task(title, total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)


@contextmanager
def cancellable(
    words: str = "Stopping; what is saved so far stays usable.",
) -> Iterator[threading.Event]:
    """An event that Ctrl-C or SIGTERM sets, so that the work can end cleanly. words: said then."""
    asked = threading.Event()

    def ask(_number: int, _frame: FrameType | None) -> None:
        if not asked.is_set():
            show.talk(words)
        asked.set()

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _bars(columns: tuple[ProgressColumn, ...]) -> Iterator[Bars]:
    from rich import progress as parts  # noqa: PLC0415
    from rich.console import Console  # noqa: PLC0415

    console = Console(file=sys.stderr)
    shown = sys.stderr.isatty() and not console.is_dumb_terminal
    with parts.Progress(*columns, console=console, disable=not shown) as bars:
        yield bars
