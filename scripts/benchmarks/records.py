"""Records at their number, on SQLite and PostgreSQL in one run: import, lookup, pages, re-wrapping.

12 fields, 5 of them encrypted, 2 of these indexed. Beside ours, in the same database and in
alternating turns: the limit (the bare cipher and bare inserts into one table), a plain table with
the same fields in clear, and a collection of ours without encrypted fields.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from benchmarks.records_import import importers
from benchmarks.records_reading import (
    PAGE,
    LookedUp,
    Rewrapped,
    Sizes,
    Taken,
    lookups,
    pages,
    quantile,
    rewrap,
    sizes,
)
from benchmarks.records_vault import (
    BARE,
    OPEN,
    SEALED,
    TABLE,
    caller_of,
    make_tables,
    token_of,
    vault,
)
from benchmarks.result import Compared, compare, fdatasync_seconds, show, write

RECORDS_A_SECOND = 5_000
LOOKUP_TIMES, PAGE_TIMES = 2, 3
OPEN_RECORDS = 20_000
ENGINES = ("SQLite", "PostgreSQL")


@dataclass(frozen=True)
class Figures:
    """Of one database. rates: records a second in each round, by where they were stored."""

    rates: dict[str, list[float]]
    lookups: LookedUp
    pages: Taken
    rewrapped: Rewrapped
    sizes: Sizes


def main() -> int:
    """Measure, print and write; the exit code."""
    arguments = _arguments()
    engines = [one for one in ENGINES if arguments.only in (None, one.lower())]
    found: dict[str, Figures] = {}
    with _progress() as progress:
        for engine in engines:
            with tempfile.TemporaryDirectory(prefix="bench-") as folder:
                found[engine] = _measured(engine, Path(folder), arguments, progress)
    rows = [row for engine, figures in found.items() for row in _rows(engine, figures)]
    show(f"{arguments.records:,} records of 12 fields, 5 encrypted, 2 indexed", rows, _notes(found))
    if arguments.json:
        write(arguments.json, rows, {"engines": {e: asdict(f) for e, f in found.items()}})
    missed = any(row.verdict == "missed" for row in rows)
    return 1 if arguments.enforce and missed else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench records", description=__doc__)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=10, help="into which the import is divided")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="that import")
    parser.add_argument("--lookups", type=int, default=1_000)
    parser.add_argument("--pages", type=int, default=200)
    parser.add_argument("--only", choices=[one.lower() for one in ENGINES], help="only this one")
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    parser.add_argument("--enforce", action="store_true", help="exit 1 when a budget is missed")
    arguments = parser.parse_args()
    if arguments.records < arguments.rounds * PAGE:
        parser.error(f"--records: at least {PAGE} for each of the {arguments.rounds} rounds")
    return arguments


@contextmanager
def _progress() -> Iterator[Progress]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        yield progress


def _measured(
    engine: str, folder: Path, arguments: argparse.Namespace, progress: Progress
) -> Figures:
    server = os.environ["SVTEST_POSTGRESQL"] if engine == "PostgreSQL" else None
    numbers = range(arguments.records)
    with vault(folder, server) as installation:
        token = token_of(installation)
        with installation.opened() as service:
            make_tables(service)
            with importers(installation, token, arguments.processes) as storing:
                rates: dict[str, list[float]] = {SEALED: [], BARE: [], TABLE: []}
                task = progress.add_task(f"{engine}: storing", total=3 * len(numbers))
                for part in _parts(numbers, arguments.rounds):
                    for where, taken in rates.items():
                        taken.append(storing.store(where, part))
                        progress.advance(task, len(part))
                taking = sizes(service, numbers)
                both = numbers[:OPEN_RECORDS]
                storing.store(OPEN, both)
            task = progress.add_task(f"{engine}: looking up", total=arguments.lookups)
            looked_up = lookups(
                service, numbers, arguments.lookups, lambda n: progress.advance(task, n)
            )
            task = progress.add_task(f"{engine}: reading pages", total=arguments.pages)
            caller = caller_of(service, token)
            read = pages(
                service, caller, both, arguments.pages, lambda n: progress.advance(task, n)
            )
            task = progress.add_task(f"{engine}: re-wrapping", total=len(numbers))
            rewrapped = rewrap(
                service, lambda done, of: progress.update(task, completed=done, total=of)
            )
            return Figures(rates, looked_up, read, rewrapped, taking)


def _parts(numbers: range, count: int) -> list[range]:
    size = -(-len(numbers) // count)
    return [numbers[at : at + size] for at in range(0, len(numbers), size)]


def _rows(engine: str, of: Figures) -> list[Compared]:
    rate = statistics.median(of.rates[SEALED])
    looked_up, read, rewrapped, taking = of.lookups, of.pages, of.rewrapped, of.sizes
    storing, reading = f"{engine}: import", f"{engine}: page of {PAGE}, p95"
    ours, plain, bare = (quantile(one, 0.95) for one in (read.ours, read.theirs, read.bare))
    touched = rewrapped.touched
    return [
        Compared(
            storing, "1/s", rate, RECORDS_A_SECOND, "asked", rate / RECORDS_A_SECOND, 1.0
        ),
        compare(storing, "1/s", of.rates[SEALED], of.rates[BARE], peer="the limit"),
        compare(storing, "1/s", of.rates[SEALED], of.rates[TABLE], peer="plain table"),
        compare(
            f"{engine}: lookup by blind index",
            "ms",
            looked_up.ids.ours,
            looked_up.ids.theirs,
            peer="plain index",
            budget=1 / LOOKUP_TIMES,
            less_is_better=True,
        ),
        compare(
            f"{engine}: lookup, the record opened",
            "ms",
            looked_up.records.ours,
            looked_up.records.theirs,
            peer="plain row",
            less_is_better=True,
        ),
        compare(
            f"{engine}: lookup, the record opened",
            "ms",
            looked_up.records.ours,
            looked_up.column.ours,
            peer="our plain column",
            budget=1 / LOOKUP_TIMES,
            less_is_better=True,
        ),
        compare(
            f"{engine}: lookup, the record opened",
            "ms",
            looked_up.records.ours,
            looked_up.column.bare,
            peer="its ids alone",
            less_is_better=True,
        ),
        Compared(
            reading, "ms", ours, plain, "collection in clear", plain / ours, 1 / PAGE_TIMES
        ),
        Compared(reading, "ms", ours, bare, "bare SELECT", bare / ours),
        Compared(
            f"{engine}: data keys re-wrapped", "1/s", rewrapped.data_keys / rewrapped.seconds
        ),
        Compared(
            f"{engine}: other rows touched by it",
            "rows",
            touched,
            0,
            "asked",
            0.0 if touched else 1.0,
            1.0,
        ),
        Compared(
            f"{engine}: an encrypted field", "bytes", taking.field, taking.value, "its value",
            taking.value / taking.field,
        ),
        Compared(
            f"{engine}: a record", "bytes", taking.ours, taking.plain, "plain table",
            taking.plain / taking.ours,
        ),
    ]  # fmt: skip


def _notes(found: dict[str, Figures]) -> list[str]:
    sync = fdatasync_seconds() * 1e6
    over = {engine: one.sizes.field - one.sizes.value for engine, one in found.items()}
    more = ", ".join(f"{bytes_:.0f} on {engine}" for engine, bytes_ in over.items())
    return [
        "Import: batches of 1,000 in one transaction with one audit entry, by as many processes as",
        f"there are CPUs ({os.cpu_count()}). The limit: the same bytes sealed by the bare cipher,",
        "inserted into one table without any index but its key.",
        "Lookup by blind index: from the value to the id by one statement of the token, beside",
        "one of a column with an index in a plain table. The record opened: by what the service's",
        "search calls, verified and compared; beside the row of the plain table, and the same",
        "record found by the indexed column of ours that holds its person in clear, as pages are:",
        "opened and verified too, and its id alone. Page: through the service, with decision and",
        "audit entry, against a collection of ours in clear, and against a statement alone.",
        f"An encrypted field takes {more} bytes more than its value, with its row and index.",
        f"One write takes this disk {sync:.0f} us.",
    ]


if __name__ == "__main__":
    sys.exit(main())
