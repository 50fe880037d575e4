"""The encryption API against OpenBao: both run, one is driven at a time, in alternating rounds.

OpenBao's file audit device hands its entries to the operating system and does not wait for the disk
(traced: no fsync, fdatasync or O_SYNC while it encrypts). An answer of secvault waits. To compare
like with like its audit file is made synchronous by the file system's own flag (`chattr +S`), and
the rounds go by turns through OpenBao with and without it.
"""

from __future__ import annotations

import argparse
import base64
import os
import statistics
import subprocess
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
        what = "" if self.fields == 1 else f" {self.fields} at once"
        callers = "1 caller" if self.connections == 1 else f"{self.connections} callers"
        return f"{self.action}{what}, {callers}"


CASES = tuple(
    case
    for action in ("encrypt", "decrypt")
    for case in (
        Case(action, 1, 32, 5),
        Case(action, 1, 1, 2),
        Case(action, 100, 8),
        Case(action, 400, 8, 8),
        Case(action, 1000, 8),
    )
)


OURS, DURABLE, PLAIN_AUDIT = "secvault", "OpenBao, durable", "OpenBao, as it comes"


@dataclass(frozen=True)
class Contender:
    """Who is driven. durable: whether OpenBao's audit file is synchronous meanwhile."""

    server: Server
    durable: bool | None = None


def main() -> int:
    """Measure, print and write; the exit code."""
    arguments = _arguments()
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        with _secvault(folder, arguments.workers) as ours:
            contenders = [ours, *_openbaos()]
            measured = {
                case: _measure(case, contenders, arguments, folder)
                for case in CASES
                if arguments.action in (None, case.action)
            }
    rows = [row for case, found in measured.items() for row in _rows(case, found)]
    notes = _notes(arguments, [one.server.name for one in contenders])
    show("The encryption API: secvault and OpenBao", rows, notes)
    if arguments.json:
        rounds = {
            case.name: {name: [asdict(x) for x in driven] for name, driven in found.items()}
            for case, found in measured.items()
        }
        write(arguments.json, rows, {"rounds": rounds, "workers": arguments.workers})
    missed = any(row.verdict == "missed" for row in rows)
    return 1 if arguments.enforce and missed else 0


def _openbaos() -> list[Contender]:
    """The one OpenBao, with its audit on disk before each answer where the file system can."""
    address, token = os.environ["SVTEST_OPENBAO_ADDR"], os.environ["SVTEST_OPENBAO_TOKEN"]
    plain = Contender(Server(PLAIN_AUDIT, address, token), durable=False)
    durable = Contender(Server(DURABLE, address, token), durable=True)
    return [durable, plain] if _synchronous(on=True) else [plain]


def _synchronous(*, on: bool) -> bool:
    """Have each write of OpenBao's audit file wait for the disk, or not; whether that can be."""
    change = ["chattr", "+S" if on else "-S", os.environ["SVTEST_OPENBAO_AUDIT"]]
    return subprocess.run(change, check=False, stderr=subprocess.DEVNULL).returncode == 0


def _notes(arguments: argparse.Namespace, names: list[str]) -> list[str]:
    sync = fdatasync_seconds() * 1e6
    each = f"{arguments.rounds} alternating rounds of {arguments.seconds} s"
    return [
        f"{OURS}: {arguments.workers} workers, SQLite, audit entries on disk before each answer.",
        f"One write takes this disk {sync:.0f} us.",
        f"{DURABLE}: raft storage, file audit device, its file synchronous (chattr +S)."
        if DURABLE in names
        else f"{DURABLE}: not measured, this file system has no synchronous files (chattr +S).",
        f"{PLAIN_AUDIT}: the same without +S: its audit entries may be lost with the machine.",
        f"16 bytes a field; medians of {each}; wrk shares the {os.cpu_count()} CPUs.",
        "A dash: the peer refuses such a batch.",
    ]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench transit", description=__doc__)
    parser.add_argument("--action", choices=["encrypt", "decrypt"], help="only this one")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    parser.add_argument("--enforce", action="store_true", help="exit 1 when a budget is missed")
    return parser.parse_args()


@contextmanager
def _secvault(folder: Path, workers: int) -> Iterator[Contender]:
    installation = new_installation(folder / "secvault")
    with installation.opened() as service:
        token = system_token(service, "bench", "it", "role:it.cryptor")
    process = installation.start("--workers", str(workers))
    try:
        installation.wait_until_ready(process)
        yield Contender(Server(OURS, installation.address, token))
    finally:
        stop(process)


def _measure(
    case: Case, contenders: list[Contender], arguments: argparse.Namespace, folder: Path
) -> dict[str, list[Driven]]:
    found: dict[str, list[Driven]] = {one.server.name: [] for one in contenders}
    bodies = {one.server.name: _body(case, one.server) for one in contenders}
    for number in range(arguments.rounds + 1):
        for one in contenders if number % 2 else contenders[::-1]:
            name = one.server.name
            if bodies[name] is None:
                continue
            if one.durable is not None:
                _synchronous(on=one.durable)
            driven = drive(
                one.server,
                f"/v1/transit/{case.action}/{KEY}",
                bodies[name],
                connections=case.connections,
                # The first round only warms up.
                seconds=arguments.seconds if number else 1,
                folder=folder,
            )
            if number:
                found[name].append(driven)
    print(f"{case.name}: done", file=sys.stderr)
    return found


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
        if server.name == OURS:
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


def _rows(case: Case, found: dict[str, list[Driven]]) -> Iterator[Compared]:
    ours = found[OURS]
    peers = {name: driven for name, driven in found.items() if name != OURS and driven}
    if not peers:
        rate = statistics.median(driven.rate * case.fields for driven in ours)
        yield Compared(case.name, "fields/s", rate)
    for name, theirs in peers.items():
        yield compare(
            case.name,
            "requests/s" if case.fields == 1 else "fields/s",
            [driven.rate * case.fields for driven in ours],
            [driven.rate * case.fields for driven in theirs],
            peer=name,
            budget=case.budget if name == DURABLE else None,
        )
        if case.fields == 1 and case.connections > 1:
            yield compare(
                f"{case.name}, p99",
                "ms",
                [driven.p99 for driven in ours],
                [driven.p99 for driven in theirs],
                peer=name,
                budget=1 if name == DURABLE else None,
                less_is_better=True,
            )


if __name__ == "__main__":
    sys.exit(main())
