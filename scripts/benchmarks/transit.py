"""The encryption API against OpenBao: both run, one is driven at a time, in alternating rounds."""

from __future__ import annotations

import argparse
import base64
import os
import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx2

from benchmarks.result import Compared, compare, fdatasync_seconds, show, write
from benchmarks.wrk import Driven, NotAnswered, Server, drive
from tests.acceptance.installation import new_installation, stop, system_token

PLAIN = base64.b64encode(b"1234567890123456").decode()
KEY = "bench"


@dataclass(frozen=True)
class Case:
    """One way of asking. fields: plaintexts or ciphertexts in each request."""

    action: str
    fields: int
    connections: int
    budget: float | None = None

    @property
    def name(self) -> str:
        """As the table shows it."""
        what = "one" if self.fields == 1 else f"batch of {self.fields}"
        return f"{self.action}, {what}, {self.connections} connections"


CASES = tuple(
    case
    for action in ("encrypt", "decrypt")
    for case in (
        Case(action, 1, 32, 5),
        Case(action, 1, 1, 2),
        Case(action, 100, 4),
        Case(action, 400, 4, 8),
        Case(action, 1000, 4),
    )
)


def main() -> int:
    """Measure, print and write; the exit code."""
    arguments = _arguments()
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        bao = Server(
            "OpenBao", os.environ["SVTEST_OPENBAO_ADDR"], os.environ["SVTEST_OPENBAO_TOKEN"]
        )
        with _secvault(folder, arguments.workers) as ours:
            measured = {case: _measure(case, ours, bao, arguments, folder) for case in CASES}
    rows = [row for case, found in measured.items() for row in _rows(case, *found)]
    show(
        "The encryption API: secvault and OpenBao",
        rows,
        _notes(arguments),
    )
    if arguments.json:
        rounds = {
            case.name: {
                "secvault": [asdict(x) for x in ours],
                "openbao": [asdict(x) for x in theirs],
            }
            for case, (ours, theirs) in measured.items()
        }
        write(arguments.json, rows, {"rounds": rounds, "workers": arguments.workers})
    missed = any(row.verdict == "missed" for row in rows)
    return 1 if arguments.enforce and missed else 0


def _notes(arguments: argparse.Namespace) -> list[str]:
    sync = fdatasync_seconds() * 1e6
    each = f"{arguments.rounds} alternating rounds of {arguments.seconds} s"
    return [
        (
            f"secvault: {arguments.workers} workers, SQLite; an answer waits until its audit "
            f"entry is on disk ({sync:.0f} us for one write here)."
        ),
        ("OpenBao: raft storage, file audit device; whether it waits for the disk was not traced."),
        f"16 bytes a field; medians of {each}; wrk shares the {os.cpu_count()} CPUs.",
        "A dash: the peer refuses such a batch.",
    ]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench transit", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    parser.add_argument("--enforce", action="store_true", help="exit 1 when a budget is missed")
    return parser.parse_args()


@contextmanager
def _secvault(folder: Path, workers: int) -> Iterator[Server]:
    installation = new_installation(folder / "secvault")
    with installation.opened() as service:
        token = system_token(service, "bench", "it", "role:it.cryptor")
    process = installation.start("--workers", str(workers))
    try:
        installation.wait_until_ready(process)
        yield Server("secvault", installation.address, token)
    finally:
        stop(process)


def _measure(
    case: Case, ours: Server, theirs: Server, arguments: argparse.Namespace, folder: Path
) -> tuple[list[Driven], list[Driven]]:
    found: dict[str, list[Driven]] = {ours.name: [], theirs.name: []}
    bodies = {server.name: _body(case, server) for server in (ours, theirs)}
    for number in range(arguments.rounds + 1):
        for server in (ours, theirs) if number % 2 else (theirs, ours):
            body = bodies[server.name]
            if body is None:
                continue
            # The first round only warms up.
            seconds = arguments.seconds if number else 1
            driven = drive(
                server,
                f"/v1/transit/{case.action}/{KEY}",
                body,
                connections=case.connections,
                seconds=seconds,
                folder=folder,
            )
            if number:
                found[server.name].append(driven)
    print(f"{case.name}: done", file=sys.stderr)
    return found[ours.name], found[theirs.name]


def _body(case: Case, server: Server) -> Any:
    """What is sent; None when the server refuses so much at once."""
    plain = {"plaintext": PLAIN}
    made = _ask(server, "encrypt", plain)
    item = plain if case.action == "encrypt" else {"ciphertext": made["data"]["ciphertext"]}
    if case.fields == 1:
        return item
    body = {"batch_input": [item] * case.fields}
    try:
        _ask(server, case.action, body)
    except NotAnswered:
        if server.name == "secvault":
            raise
        return None
    return body


def _ask(server: Server, action: str, body: Any) -> Any:
    answer = httpx2.post(
        f"{server.address}/v1/transit/{action}/{KEY}",
        json=body,
        headers={"X-Vault-Token": server.token},
        timeout=30,
    )
    if not answer.is_success:
        raise NotAnswered(f"{server.name}: {answer.status_code}: {answer.text[:200]}")
    return answer.json()


def _rows(case: Case, ours: list[Driven], theirs: list[Driven]) -> Iterator[Compared]:
    if not theirs:
        rate = statistics.median(driven.rate * case.fields for driven in ours)
        yield Compared(case.name, "fields/s", rate)
        return
    yield compare(
        case.name,
        "requests/s" if case.fields == 1 else "fields/s",
        [driven.rate * case.fields for driven in ours],
        [driven.rate * case.fields for driven in theirs],
        peer="OpenBao",
        budget=case.budget,
    )
    yield compare(
        f"{case.name}, p99",
        "ms",
        [driven.p99 for driven in ours],
        [driven.p99 for driven in theirs],
        peer="OpenBao",
        budget=1 if case.fields == 1 and case.connections > 1 else None,
        less_is_better=True,
    )


if __name__ == "__main__":
    sys.exit(main())
