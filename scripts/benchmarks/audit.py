"""The audit log at its length, on SQLite and PostgreSQL in one run.

Durable appends by 1, 8 and 64 writers, beside the same database's own inserts of the same rows;
then a long log, made by the code that appends: pages by every combination of filters, proofs,
verification, export.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from benchmarks.audit_appending import GROUP, Rates, rates
from benchmarks.audit_log import BATCH, Signing, database, fill, flushing
from benchmarks.audit_reading import (
    FILTERS,
    MOST_EXPORTED,
    PAGE,
    Pages,
    Proofs,
    Verified,
    exported,
    pages,
    prove,
    verified,
)
from benchmarks.records_reading import quantile
from benchmarks.result import Compared, compare, fdatasync_seconds, show, write
from secvault.api.web_worker import SWITCH_SECONDS
from secvault.store import open_store

ENGINES = ("SQLite", "PostgreSQL")
WRITERS = (1, 8, 64)
APPEND_SHARE = 0.5
PAGE_SECONDS, PROOF_SECONDS = 0.050, 0.005
VERIFIED_A_SECOND, EXPORTED_A_SECOND = 200_000, 100_000
MOST_GROWTH = 100 << 20
"""How much more memory verifying may take at its worst than before it, in bytes."""

COMBINATIONS = 2 ** len(FILTERS)


@dataclass(frozen=True)
class Figures:
    """Of one database. rates: by the number of writers. exported: by format."""

    rates: dict[int, Rates]
    pages: Pages
    proofs: Proofs
    verified: Verified
    exported: dict[str, float]


def main() -> int:
    """Measure, print and write; the exit code."""
    arguments = _arguments()
    # As the service does it.
    sys.setswitchinterval(SWITCH_SECONDS)
    engines = [one for one in ENGINES if arguments.only in (None, one.lower())]
    found: dict[str, Figures] = {}
    with _progress() as progress:
        for engine in engines:
            with tempfile.TemporaryDirectory(prefix="bench-", dir=arguments.folder) as folder:
                found[engine] = _measured(engine, Path(folder), arguments, progress)
    rows = [row for engine, figures in found.items() for row in _rows(engine, figures)]
    show(f"An audit log of {arguments.events:,} events", rows, _notes(found))
    if arguments.json:
        write(arguments.json, rows, {"engines": {e: asdict(f) for e, f in found.items()}})
    missed = any(row.verdict == "missed" for row in rows)
    return 1 if arguments.enforce and missed else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench audit", description=__doc__)
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=3, help="of appending, each in turn")
    parser.add_argument("--seconds", type=float, default=3.0, help="that each appends in a round")
    parser.add_argument("--pages", type=int, default=20, help="of each combination of filters")
    parser.add_argument("--proofs", type=int, default=300, help="of each kind")
    parser.add_argument("--folder", type=Path, help="on whose disk the SQLite log is made")
    parser.add_argument("--only", choices=[one.lower() for one in ENGINES], help="only this one")
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    parser.add_argument("--enforce", action="store_true", help="exit 1 when a budget is missed")
    arguments = parser.parse_args()
    if arguments.events < 2 * BATCH:
        parser.error(f"--events: at least {2 * BATCH}")
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
    count = arguments.events
    task = progress.add_task(f"{engine}: appending", total=len(WRITERS) * arguments.rounds)
    appended: dict[int, Rates] = {}
    for writers in WRITERS:
        with flushing(engine), database(engine, folder) as url:
            appended[writers] = rates(
                url, writers, arguments.rounds, arguments.seconds,
                lambda n: progress.advance(task, n),
            )  # fmt: skip
    with database(engine, folder) as url, closing(open_store(url)) as store:
        signing = Signing.new()
        task = progress.add_task(f"{engine}: making the log", total=count)
        signed = fill(store, count, signing, lambda done: progress.update(task, completed=done))
        total = arguments.pages * COMBINATIONS
        task = progress.add_task(f"{engine}: reading pages", total=total)
        read = pages(store, count, arguments.pages, lambda n: progress.advance(task, n))
        task = progress.add_task(f"{engine}: proving", total=arguments.proofs)
        proven = prove(store, signed, arguments.proofs, lambda n: progress.advance(task, n))
        task = progress.add_task(f"{engine}: verifying", total=count)
        whole = verified(
            store, signing, lambda done, total: progress.update(task, completed=done, total=total)
        )
        task = progress.add_task(f"{engine}: exporting", total=1)
        rates_of = exported(store, min(count, MOST_EXPORTED))
        progress.advance(task)
        return Figures(appended, read, proven, whole, rates_of)


def _rows(engine: str, of: Figures) -> list[Compared]:
    rows = []
    for writers, found in of.rates.items():
        rows += [
            compare(
                f"{engine}: append, {writers} writers", "1/s", found.single, found.their_singles,
                peer=f"inserts of {writers}", budget=APPEND_SHARE,
            ),
            compare(
                f"{engine}: append {GROUP}, {writers} writers", "1/s", found.group,
                found.their_groups, peer=f"inserts of {GROUP}",
            ),
        ]  # fmt: skip
    worst_name, worst = max(
        ((name, quantile(taken, 0.95)) for name, taken in of.pages.taken.items()),
        key=lambda item: item[1],
    )
    every = quantile(of.pages.all, 0.95)
    rows += [
        _at_most(f"{engine}: page of {PAGE}, p95 of all", every, PAGE_SECONDS),
        _at_most(f"{engine}: the same, by {worst_name}", worst, PAGE_SECONDS),
    ]
    for name, taken in asdict(of.proofs).items():
        rows.append(_at_most(f"{engine}: {name} proof, p95", quantile(taken, 0.95), PROOF_SECONDS))
    growth = of.verified.after - of.verified.before
    rows += [
        _at_least(f"{engine}: verified", of.verified.rate, VERIFIED_A_SECOND),
        Compared(
            f"{engine}: memory that verifying took", "MiB", growth / (1 << 20),
            MOST_GROWTH / (1 << 20), "asked", MOST_GROWTH / max(growth, 1 << 20), 1.0,
        ),
    ]  # fmt: skip
    for name, rate in of.exported.items():
        rows.append(_at_least(f"{engine}: exported as {name}", rate, EXPORTED_A_SECOND))
    return rows


def _at_most(name: str, seconds: float, asked: float) -> Compared:
    return Compared(name, "ms", seconds * 1e3, asked * 1e3, "asked", asked / seconds, 1.0)


def _at_least(name: str, rate: float, asked: float) -> Compared:
    return Compared(name, "1/s", rate, asked, "asked", rate / asked, 1.0)


def _notes(found: dict[str, Figures]) -> list[str]:
    sync = fdatasync_seconds() * 1e6
    told = ", ".join(f"{one.verified.told} times on {engine}" for engine, one in found.items())
    return [
        "Appending: writers on one event loop, one event each at a time, as requests are, beside",
        "as many rows in a transaction as there are writers; and groups of 1,000 by each, of",
        "which nothing is asked, beside inserts of 1,000. Their table has the log's columns and",
        "indexes. Until all is in the log itself, its tree included; both databases flush.",
        f"Pages: {COMBINATIONS} combinations of filters, values drawn from the log or made not to",
        "fit each other, from anywhere, newest or oldest first.",
        f"Verifying: by {len(os.sched_getaffinity(0))} processes; told of its progress {told}.",
        f"Exported: {MOST_EXPORTED:,} events at the most, as the service writes them.",
        f"One write takes this disk {sync:.0f} us.",
    ]


if __name__ == "__main__":
    sys.exit(main())
