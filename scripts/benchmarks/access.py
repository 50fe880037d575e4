"""One decision: our compiled table, Casbin itself, and Cedar, on the same policies and requests."""

from __future__ import annotations

import argparse
import gc
import os
import statistics
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from sqlalchemy import insert

from benchmarks.access_peers import Cedar, Pycasbin
from benchmarks.access_policy import AT, LINKS, Subject, made, requests
from benchmarks.result import Compared, show, write
from secvault.access import AccessRequest, Policy, add_grant, build_snapshot, decide
from secvault.clock import Clock
from secvault.crypto.aead import buffered
from secvault.store import Store, open_store
from secvault.store.epoch import POLICY, raise_epoch, read_epoch
from secvault.store.migrate import upgrade
from secvault.store.tables import role_grant

MEDIAN_US, P99_US, COMPILE_SECONDS, TIMES_CASBIN = 10.0, 20.0, 3.0, 1000.0
OURS = 20_000
CEDAR_SECONDS, CASBIN_SECONDS = 10.0, 20.0
NOTES = (
    "A decision is the whole `Policy.decide_by_epoch`, as the lean path calls it: with its id,",
    "the policy's digest and the rule for the audit entry. The reasons of a refusal are worked out",
    "when they are looked at, which has a row of its own. Loading the peers is not measured.",
)


@dataclass(frozen=True)
class Figures:
    """Of one size. Times in microseconds, but compile_seconds, grant_seconds; memory in MiB."""

    rows: int
    ours: list[float]
    refused_with_reasons: list[float]
    casbin: list[float]
    cedar: list[float]
    compile_seconds: list[float]
    grant_seconds: list[float]
    memory: float


def main() -> int:
    """Measure, print and write; the exit code."""
    parser = argparse.ArgumentParser(prog="scripts/bench access", description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--enforce", action="store_true", help="a missed budget ends with 1")
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    arguments = parser.parse_args()
    figures = [_measured(rows) for rows in arguments.rows]
    rows = [row for each in figures for row in _rows(each)]
    show(f"Decisions with {LINKS:,} role links", rows, NOTES)
    if arguments.json:
        write(arguments.json, rows, {"figures": [asdict(_brief(each)) for each in figures]})
    return int(arguments.enforce and any(row.verdict == "missed" for row in rows))


def _measured(rows: int) -> Figures:
    subject = made(rows)
    asked = requests(subject, OURS)
    with _store(subject) as store:
        now = Clock(wall=lambda: AT, monotonic=time.monotonic, sleep=time.sleep)
        policy = Policy(store, subject.rules, now, random=buffered(os.urandom))
        policy.snapshot(AT)
        with store.read() as connection:
            epoch = read_epoch(connection, POLICY)
        _require_equal(policy, epoch, subject, asked)

        def by_epoch(request: AccessRequest) -> object:
            return policy.decide_by_epoch(request, epoch)

        ours = _times(by_epoch, asked, float("inf"))
        refused = [one for one in asked if not decide(policy.snapshot(AT), one).allowed][:2_000]
        reasons = _times(
            lambda request: decide(policy.snapshot(AT), request).reason_admin,
            refused,
            CEDAR_SECONDS,
        )
        grants = _seconds_of_grants(store, policy, subject)
    compiling, memory = _compiled(subject)
    casbin = _times(Pycasbin(subject).allows, asked, CASBIN_SECONDS)
    cedar = _times(Cedar(subject).allows, asked, CEDAR_SECONDS)
    return Figures(rows, ours, reasons, casbin, cedar, compiling, grants, memory)


def _times(
    act: Callable[[AccessRequest], object], asked: Sequence[AccessRequest], most_seconds: float
) -> list[float]:
    """Microseconds of each, until the seconds are over."""
    for request in asked[:50] if most_seconds == float("inf") else asked[:1]:
        act(request)
    taken: list[float] = []
    ends = time.perf_counter() + most_seconds
    for request in asked:
        began = time.perf_counter_ns()
        act(request)
        taken.append((time.perf_counter_ns() - began) / 1000)
        if time.perf_counter() > ends:
            break
    return taken


def _compiled(subject: Subject) -> tuple[list[float], float]:
    """Seconds of compiling all, and MiB that what came out takes."""
    taken = []
    for _ in range(3):
        began = time.perf_counter()
        build_snapshot(subject.rules, subject.grants, epoch=1, at=AT)
        taken.append(time.perf_counter() - began)
        gc.collect()
    # Counting makes it several times slower, so that is a round of its own.
    tracemalloc.start()
    kept = build_snapshot(subject.rules, subject.grants, epoch=1, at=AT)
    memory, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    del kept
    return taken, memory / 2**20


def _seconds_of_grants(store: Store, policy: Policy, subject: Subject) -> list[float]:
    """Seconds from a new grant to the first decision by it."""
    taken = []
    for number in range(5):
        like = subject.grants[number]
        with store.write() as connection:
            add_grant(
                connection,
                subject.rules,
                subject=f"user:new-{number}",
                role=like.role,
                department=like.department,
                granted_by="local:operator",
                at=AT,
            )
        began = time.perf_counter()
        policy.snapshot(AT)
        taken.append(time.perf_counter() - began)
    return taken


def _require_equal(
    policy: Policy, epoch: int, subject: Subject, asked: Sequence[AccessRequest]
) -> None:
    """End the run when an engine answers otherwise: then they are not asked the same."""
    cedar, casbin = Cedar(subject), Pycasbin(subject)
    allowed = 0
    for number, request in enumerate(asked[:200]):
        ours = policy.decide_by_epoch(request, epoch)
        if ours is None or ours.allowed is not cedar.allows(request):
            raise SystemExit(f"Cedar answers differently: {request}")
        if number < 5 and ours.allowed is not casbin.allows(request):
            raise SystemExit(f"Casbin answers differently: {request}")
        allowed += ours.allowed
    if not 20 < allowed < 180:
        raise SystemExit(f"{allowed} of 200 are allowed: that is no mix to measure")


@contextmanager
def _store(subject: Subject) -> Iterator[Store]:
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(f"sqlite:///{folder}/store.db")
        try:
            upgrade(store)
            with store.write() as connection:
                connection.execute(insert(role_grant), [vars(one) for one in subject.grants])
                raise_epoch(connection, POLICY)
            yield store
        finally:
            store.close()


def _p99(taken: Sequence[float]) -> float:
    return sorted(taken)[int(len(taken) * 0.99)]


def _rows(of: Figures) -> list[Compared]:
    name = f"{of.rows:,} rows"
    median, p99 = statistics.median(of.ours), _p99(of.ours)
    casbin, cedar = statistics.median(of.casbin), statistics.median(of.cedar)
    compiling = statistics.median(of.compile_seconds)

    def limit(what: str, unit: str, ours: float, most: float) -> Compared:
        return Compared(f"{name}: {what}", unit, ours, most, "limit", most / ours, 1.0)

    return [
        limit("decision, median", "us", median, MEDIAN_US),
        limit("decision, p99", "us", p99, P99_US),
        Compared(
            f"{name}: decision, median",
            "us",
            median,
            casbin,
            "pycasbin",
            casbin / median,
            TIMES_CASBIN,
        ),
        Compared(f"{name}: decision, median", "us", median, cedar, "Cedar", cedar / median, 1.0),
        Compared(
            f"{name}: decision, p99",
            "us",
            p99,
            _p99(of.cedar),
            "Cedar",
            _p99(of.cedar) / p99,
            1.0,
        ),
        Compared(
            f"{name}: refusal with its reasons", "us", statistics.median(of.refused_with_reasons)
        ),
        limit("compiling all", "s", compiling, COMPILE_SECONDS),
        Compared(f"{name}: one new grant in force", "s", statistics.median(of.grant_seconds)),
        Compared(f"{name}: memory of the table", "MiB", of.memory),
    ]


def _brief(of: Figures) -> Figures:
    """Without the thousands of single times."""
    return replace(of, ours=_quantiles(of.ours), cedar=_quantiles(of.cedar))


def _quantiles(taken: Sequence[float]) -> list[float]:
    ordered = sorted(taken)
    return [ordered[min(len(ordered) - 1, len(ordered) * n // 100)] for n in range(0, 101, 5)]


if __name__ == "__main__":
    sys.exit(main())
