"""What was measured, and how it compares."""

from __future__ import annotations

import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Compared:
    """One row: medians of ours and the peer's over the rounds.

    theirs, ratio: None where the peer does not do it. ratio: how many times faster ours is.
    budget: what the ratio has to be at least; None where none was set.
    """

    name: str
    unit: str
    ours: float
    theirs: float | None = None
    peer: str = ""
    ratio: float | None = None
    budget: float | None = None

    @property
    def verdict(self) -> str:
        """Whether the budget is met."""
        if self.budget is None or self.ratio is None:
            return ""
        return "met" if self.ratio >= self.budget else "missed"


def compare(
    name: str,
    unit: str,
    ours: Sequence[float],
    theirs: Sequence[float],
    *,
    peer: str,
    budget: float | None = None,
    less_is_better: bool = False,
) -> Compared:
    """The medians of alternating rounds, and their ratio."""
    mine, other = statistics.median(ours), statistics.median(theirs)
    ratio = other / mine if less_is_better else mine / other
    return Compared(name, unit, mine, other, peer, ratio, budget)


def show(title: str, rows: Sequence[Compared], notes: Sequence[str]) -> None:
    """Print the table, and what a reader must know to read it."""
    table = Table(title=title)
    for heading in ("", "unit", "secvault", "peer", "", "ratio", "at least", ""):
        table.add_column(heading, justify="right" if heading else "left")
    for row in rows:
        budget = f"{row.budget:g}x" if row.budget is not None else ""
        table.add_row(
            row.name,
            row.unit,
            _number(row.ours),
            _number(row.theirs),
            row.peer,
            "-" if row.ratio is None else f"{row.ratio:.2f}x",
            budget,
            row.verdict,
        )
    console = Console(width=120)
    console.print(table)
    for note in notes:
        console.print(note, highlight=False)


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"


def write(file: Path, rows: Sequence[Compared], more: Mapping[str, Any]) -> None:
    """Write everything as JSON."""
    content = {
        "machine": {
            "cpus": os.cpu_count(),
            "python": platform.python_version(),
            "system": platform.platform(),
            "fdatasync_us": round(fdatasync_seconds() * 1e6, 1),
        },
        "rows": [{**asdict(row), "verdict": row.verdict} for row in rows],
        **more,
    }
    file.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def fdatasync_seconds(times: int = 200) -> float:
    """The median time of putting 4 KiB on this disk."""
    taken = []
    with tempfile.NamedTemporaryFile() as file:
        for number in range(times):
            began = time.perf_counter()
            os.pwrite(file.fileno(), bytes(4096), number * 4096)
            os.fdatasync(file.fileno())
            taken.append(time.perf_counter() - began)
    return statistics.median(taken)
