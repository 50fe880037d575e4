"""Printing: one JSON document, or tables and sentences. Data on stdout, talk on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any

import typer

from secvault.cli.plain import one_line
from secvault.clock import timestamp

AsJson = Annotated[
    bool, typer.Option("--json", help="Print one JSON document, for programs.", show_default=False)
]

# As wide as the widest cell: a table that goes into a file or a pipe is not cut to 80 columns.
_UNBOUNDED = 10_000
_SHORT_ID = 8


def document(value: Mapping[str, Any]) -> None:
    """Print one JSON document on stdout."""
    out(json.dumps(value, ensure_ascii=False, indent=2))


def table(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str], empty: str) -> None:
    """Print the rows as a table on stdout. columns: key to heading. empty: said when none."""
    from rich.console import Console  # noqa: PLC0415 - rich is not loaded for --json
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    if not rows:
        talk(empty)
        return
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for heading in columns.values():
        made.add_column(heading, overflow="fold", no_wrap=not sys.stdout.isatty())
    for row in rows:
        made.add_row(*(Text(cell(row.get(key))) for key in columns))
    width = None if sys.stdout.isatty() else _UNBOUNDED
    Console(file=sys.stdout, width=width, soft_wrap=False).print(made)


def facts(values: Mapping[str, Any]) -> None:
    """Print named facts, one a line, on stdout."""
    longest = max((len(name) for name in values), default=0)
    for name, value in values.items():
        out(f"{name:<{longest}}  {cell(value)}".rstrip())


def listing(
    noun: str,
    rows: Iterable[Mapping[str, Any]],
    columns: Mapping[str, str],
    *,
    as_json: bool,
    empty: str,
) -> None:
    """Print things of one kind: as `{"<noun>": [...]}`, or as a table."""
    given = list(rows)
    if as_json:
        document({noun: given})
    else:
        table(given, columns, empty)


def out(text: str) -> None:
    """Print a line of data on stdout."""
    print(text)  # noqa: T201


def talk(text: str) -> None:
    """Say something to the person, on stderr."""
    print(text, file=sys.stderr)  # noqa: T201


def short_id(found: str | None) -> str | None:
    """As much of a snapshot's id as restic shows, which is enough to name it by."""
    return found[:_SHORT_ID] if found else found


def cell(value: object) -> str:
    """A value as a person reads it, on one line."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return one_line(value)
    if isinstance(value, (list, tuple)):
        return ", ".join(cell(one) for one in value) or "-"
    if isinstance(value, Mapping):
        return one_line(json.dumps(value, ensure_ascii=False))
    return str(value)


def time(micros: int | None) -> str | None:
    """Microseconds since the epoch as RFC 3339 text; None stays None."""
    return None if micros is None else timestamp(micros)


def size(number: int | None) -> str:
    """A number of bytes as a person reads it, in powers of 1024."""
    if number is None:
        return "-"
    left = float(number)
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if left < 1024 or unit == "TiB":
            return f"{number} B" if unit == "B" else f"{left:.1f} {unit}"
        left /= 1024
    raise AssertionError(number)


def duration(milliseconds: int) -> str:
    """A span of time as a person reads it."""
    seconds, rest = divmod(milliseconds, 1000)
    if seconds < 60:
        return f"{seconds}.{rest // 100} s"
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = ((days, "d"), (hours, "h"), (minutes, "min"), (seconds, "s"))
    return " ".join(f"{number} {unit}" for number, unit in parts if number)
