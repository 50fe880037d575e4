"""The console's first page at a company's size, on SQLite and PostgreSQL, by the real service.

A vault with a million records, ten million events and 500 plans, each with a year of runs, drills
and checks. An administrator asks for Today, in turn with a bare page of the same server: the
sign-in page, for which nothing is read, and their own account.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx2
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from benchmarks.console_vault import append_events, company, furnish, settle, store_records
from benchmarks.records_reading import quantile
from benchmarks.result import Compared, fdatasync_seconds, show, write
from tests.acceptance.installation import ADMINISTRATOR, PASSWORD, SEED, Installation, code_of

ENGINES = ("SQLite", "PostgreSQL")
TODAY, BARE, ACCOUNT = "/", "/sign-in", "/account"
PAGES = (TODAY, BARE, ACCOUNT)
MOST_SECONDS = 0.200
"""That the page may take at p95."""
WARM = 10
"""Pages that are not counted: the first ones find a service that has just started."""
PEOPLE, KEYS = 300, 100
READY_SECONDS = 60
QUANTILE = 0.95


@dataclass(frozen=True)
class Figures:
    """Of one database. taken: seconds by path, each request. bytes: of the page, uncompressed."""

    taken: dict[str, list[float]]
    bytes: int

    def p95(self, path: str) -> float:
        """How long a page takes, seconds."""
        return quantile(self.taken[path], QUANTILE)


def main() -> int:
    """Measure, print and write; the exit code."""
    arguments = _arguments()
    engines = [one for one in ENGINES if arguments.only in (None, one.lower())]
    found: dict[str, Figures] = {}
    with _progress() as progress:
        for engine in engines:
            with tempfile.TemporaryDirectory(prefix="bench-", dir=arguments.folder) as folder:
                found[engine] = _measured(engine, Path(folder), arguments, progress)
    rows = [row for engine, figures in found.items() for row in _rows(engine, figures)]
    title = (
        f"Today over {arguments.records:,} records, {arguments.events:,} events, "
        f"{arguments.plans} plans"
    )
    show(title, rows, _notes(arguments, found))
    if arguments.json:
        write(arguments.json, rows, {"engines": {e: asdict(f) for e, f in found.items()}})
    missed = any(row.verdict == "missed" for row in rows)
    return 1 if arguments.enforce and missed else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench console", description=__doc__)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--plans", type=int, default=500)
    parser.add_argument("--pages", type=int, default=300, help="requests for each page")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="that import")
    parser.add_argument("--folder", type=Path, help="on whose disk the vault is made")
    parser.add_argument("--only", choices=[one.lower() for one in ENGINES], help="only this one")
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    parser.add_argument("--enforce", action="store_true", help="exit 1 when a budget is missed")
    return parser.parse_args()


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
    with company(folder, server) as installation:
        furnish(installation, arguments.plans, PEOPLE, KEYS)
        task = progress.add_task(f"{engine}: storing records", total=arguments.records)
        store_records(
            installation,
            arguments.records,
            arguments.processes,
            lambda done: progress.update(task, completed=done),
        )
        task = progress.add_task(f"{engine}: making the log", total=arguments.events)
        append_events(
            installation, arguments.events, lambda done: progress.update(task, completed=done)
        )
        settle(installation)
        with installation.serving():
            task = progress.add_task(f"{engine}: looking", total=arguments.pages)
            return _looked(installation, arguments.pages, lambda: progress.advance(task))


def _looked(installation: Installation, pages: int, told: Callable[[], None]) -> Figures:
    taken: dict[str, list[float]] = {path: [] for path in PAGES}
    size = 0
    with _client(installation) as visitor, _client(installation) as stranger:
        _sign_in(visitor)
        for number in range(WARM + pages):
            for path in PAGES:
                asking = stranger if path == BARE else visitor
                began = time.perf_counter()
                answer = asking.get(path)
                seconds = time.perf_counter() - began
                if answer.status_code != 200:
                    raise SystemExit(f"{path} was answered {answer.status_code}")
                size = len(answer.content) if path == TODAY else size
                if number >= WARM:
                    taken[path].append(seconds)
            if number >= WARM:
                told()
    return Figures(taken, size)


def _client(installation: Installation) -> httpx2.Client:
    return httpx2.Client(base_url=installation.address, timeout=60)


def _sign_in(visitor: httpx2.Client) -> None:
    form = {"name": ADMINISTRATOR, "password": PASSWORD, "code": code_of(SEED)}
    headers = {"Sec-Fetch-Site": "same-origin", "Origin": str(visitor.base_url).rstrip("/")}
    until = time.monotonic() + READY_SECONDS
    # Sign-ins have a process of their own, which may be ready later.
    while (answer := visitor.post("/sign-in", data=form, headers=headers)).status_code == 503:
        if time.monotonic() > until:
            break
        time.sleep(1)
    if answer.status_code != 303:
        raise SystemExit(f"signing in was answered {answer.status_code}")
    # The cookie is for HTTPS alone, which browsers do not ask for on their own machine.
    pairs = (line.partition(";")[0] for line in answer.headers.get_list("set-cookie"))
    visitor.headers["Cookie"] = "; ".join(pairs)


def _rows(engine: str, of: Figures) -> list[Compared]:
    today, bare, account = (of.p95(path) for path in PAGES)
    return [
        Compared(
            f"{engine}: Today, p95", "ms", today * 1e3, MOST_SECONDS * 1e3, "asked",
            MOST_SECONDS / today, 1.0,
        ),
        Compared(
            f"{engine}: Today, p95", "ms", today * 1e3, bare * 1e3, "the sign-in page",
            bare / today,
        ),
        Compared(
            f"{engine}: Today, p95", "ms", today * 1e3, account * 1e3, "the own account",
            account / today,
        ),
    ]  # fmt: skip


def _notes(arguments: argparse.Namespace, found: dict[str, Figures]) -> list[str]:
    sync = fdatasync_seconds() * 1e6
    times = ", ".join(
        f"{one.p95(TODAY) / one.p95(BARE):.1f} bare pages on {engine}"
        for engine, one in found.items()
    )
    sizes = ", ".join(f"{one.bytes:,} bytes on {engine}" for engine, one in found.items())
    return [
        f"Today takes as long as {times}.",
        f"{arguments.pages} requests for each page, in turn, by one administrator over one",
        "connection, plain HTTP on loopback, one web worker; each read that Today makes has its",
        f"audit entry on disk. The page: {sizes}. Beside them {PEOPLE} people and {KEYS} keys.",
        f"One write takes this disk {sync:.0f} us.",
    ]


if __name__ == "__main__":
    sys.exit(main())
