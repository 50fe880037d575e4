"""The encryption API while people sign in: its p99 beside that of a quiet service, in one run.

Both are the same service under the same paced load of encryptions. In every other round people sign
in as well, at a fixed rate whatever the answers take, each with a password at the configured cost
of argon2id and a fresh TOTP code.
"""

from __future__ import annotations

import argparse
import base64
import http.client
import json
import os
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pyotp

from benchmarks.result import Compared, compare, fdatasync_seconds, show, write
from benchmarks.wrk import Driven, Server, drive, runs_at_once
from secvault.config.model import IdentitySettings
from secvault.crypto.secret import Secret
from secvault.identity import enrolment, people, totp
from secvault.identity.people import NewPerson
from secvault.service import Service
from tests.acceptance.installation import Installation, new_installation, stop, system_token

PASSWORD = "a bench's own long passphrase"
STEP_SECONDS = 36
"""How long after a sign-in the same person can come again: longer than a code's step."""

WARM_SECONDS = 4
"""Not measured: the first people find a service that has just started."""

QUIET, BUSY = "quiet", "signing in"
BODY = {"plaintext": base64.b64encode(b"1234567890123456").decode()}
CONNECTIONS, PAUSE_MS = 4, 20
AT_ONCE = 64


@dataclass
class Arrivals:
    """People who sign in, one after the other at a fixed rate. statuses: how they were answered."""

    host: str
    seeds: Sequence[tuple[str, str]]
    a_minute: int
    turn: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)

    @contextmanager
    def coming(self) -> Iterator[None]:
        """Have them come while the block runs."""
        over = threading.Event()
        with ThreadPoolExecutor(AT_ONCE, initializer=_step_back) as doors:
            gate = threading.Thread(target=self._let_come, args=(over, doors))
            gate.start()
            try:
                yield
            finally:
                over.set()
                gate.join()

    def forget(self) -> None:
        """Count from here."""
        self.statuses.clear()
        self.seconds.clear()

    def _let_come(self, over: threading.Event, doors: ThreadPoolExecutor) -> None:
        due = time.monotonic()
        while not over.wait(max(0.0, due - time.monotonic())):
            doors.submit(self._sign_in, self.turn % len(self.seeds))
            self.turn += 1
            due += 60 / self.a_minute

    def _sign_in(self, number: int) -> None:
        name, seed = self.seeds[number]
        given = {"name": name, "password": PASSWORD, "code": pyotp.TOTP(seed).now()}
        body, headers = json.dumps(given), {"Content-Type": "application/json"}
        began = time.perf_counter()
        # Those who sign in sit elsewhere: what it takes to ask is not the service's.
        with closing(http.client.HTTPConnection(self.host, timeout=60)) as asking:
            asking.request("POST", "/api/v1/sessions", body, headers)
            status = asking.getresponse().status
        self.seconds.append(time.perf_counter() - began)
        self.statuses[status] += 1


def _step_back() -> None:
    """Let this thread take no time from the service: those who sign in sit at other machines."""
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)


def main() -> int:
    """Measure, print and write; the exit code."""
    arguments = _arguments()
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        with _secvault(folder, arguments) as (server, arrivals):
            measured, minutes = _measure(server, arrivals, arguments, folder)
    came = arrivals.statuses
    rate = came[201] / minutes
    rows = [
        compare(
            "encrypt, p99 while they sign in",
            "ms",
            [driven.p99 for driven in measured[BUSY]],
            [driven.p99 for driven in measured[QUIET]],
            peer=QUIET,
            budget=0.5,
            less_is_better=True,
        ),
        Compared("sign-ins", "1/min", rate, arguments.rate, "asked", rate / arguments.rate, 0.95),
    ]
    show("Encrypting while people sign in", rows, _notes(arguments, arrivals))
    if arguments.json:
        rounds = {name: [asdict(one) for one in found] for name, found in measured.items()}
        answers = {str(status): count for status, count in came.items()}
        write(arguments.json, rows, {"rounds": rounds, "answers": answers})
    missed = any(row.verdict == "missed" for row in rows)
    return 1 if arguments.enforce and missed else 0


def _arguments() -> argparse.Namespace:
    usual = IdentitySettings()
    parser = argparse.ArgumentParser(prog="scripts/bench sign-in", description=__doc__)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--seconds", type=int, default=6)
    parser.add_argument("--rate", type=int, default=1000, help="sign-ins a minute")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument(
        "--memory-mib",
        type=int,
        default=usual.argon2_memory_mib,
        help="of argon2id; the service's default if not given",
    )
    parser.add_argument("--passes", type=int, default=usual.argon2_passes, help="likewise")
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    parser.add_argument("--enforce", action="store_true", help="exit 1 when a budget is missed")
    return parser.parse_args()


@contextmanager
def _secvault(folder: Path, arguments: argparse.Namespace) -> Iterator[tuple[Server, Arrivals]]:
    installation = new_installation(
        folder / "secvault",
        SECVAULT_IDENTITY__ARGON2_MEMORY_MIB=str(arguments.memory_mib),
        SECVAULT_IDENTITY__ARGON2_PASSES=str(arguments.passes),
    )
    needed = max(2, -(-arguments.rate * STEP_SECONDS // 60))
    seeds, token = _furnished(installation, needed)
    process = installation.start("--workers", str(arguments.workers))
    try:
        installation.wait_until_ready(process)
        server = Server("secvault", installation.address, token)
        yield server, Arrivals(urlsplit(installation.address).netloc, seeds, arguments.rate)
    finally:
        stop(process)


def _furnished(installation: Installation, count: int) -> tuple[list[tuple[str, str]], str]:
    """So many people, who share a password, each with a device; and a system that encrypts."""
    with installation.opened() as service:
        token = system_token(service, "bench", "it", "role:it.cryptor")
        return _people(service, count), token


def _people(service: Service, count: int) -> list[tuple[str, str]]:
    hashed = service.entrance.hasher.hash(Secret.of(PASSWORD))
    seeds = []
    with service.store.write() as connection:
        for number in range(count):
            new = NewPerson.of(f"person-{number}", f"Person {number}", "hr")
            made = people.create_person(connection, service.clock, new, hashed)
            seed = totp.base32(totp.new_seed())
            enrolment.adopt_device(
                connection, service.clock, service.entrance.keys, made, name="phone", seed=seed
            )
            seeds.append((made.name, seed.text()))
    return seeds


def _measure(
    server: Server, arrivals: Arrivals, arguments: argparse.Namespace, folder: Path
) -> tuple[dict[str, list[Driven]], float]:
    """What was driven in quiet and in busy rounds, and for how many minutes people came."""
    found: dict[str, list[Driven]] = {QUIET: [], BUSY: []}
    _encrypting(server, 1, folder)
    with arrivals.coming():
        _encrypting(server, WARM_SECONDS, folder)
    arrivals.forget()
    busy_seconds = 0.0
    for number in range(arguments.rounds):
        for name in (QUIET, BUSY) if number % 2 else (BUSY, QUIET):
            if name == QUIET:
                found[name].append(_encrypting(server, arguments.seconds, folder))
                continue
            began = time.monotonic()
            with arrivals.coming():
                found[name].append(_encrypting(server, arguments.seconds, folder))
                busy_seconds += time.monotonic() - began
        print(f"round {number + 1}: done", file=sys.stderr)
    return found, busy_seconds / 60


def _encrypting(server: Server, seconds: int, folder: Path) -> Driven:
    return drive(
        server,
        "/v1/transit/encrypt/bench",
        BODY,
        connections=CONNECTIONS,
        seconds=seconds,
        folder=folder,
        pause_ms=PAUSE_MS,
        # Those who call sit at other machines, too.
        at_once=runs_at_once(),
    )


def _notes(arguments: argparse.Namespace, arrivals: Arrivals) -> list[str]:
    taken = sorted(arrivals.seconds)
    p99 = taken[int(len(taken) * 0.99)] if taken else 0.0
    counted = sorted(arrivals.statuses.items())
    answers = ", ".join(f"{count} x {status}" for status, count in counted)
    sync = fdatasync_seconds() * 1e6
    middle = statistics.median(taken or [0]) * 1000
    cost = f"argon2id with {arguments.memory_mib} MiB and {arguments.passes} passes"
    pace = f"{CONNECTIONS} callers who wait {PAUSE_MS} ms between requests"
    waits = "without waiting" if runs_at_once() else "after waiting for a processor themselves"
    return [
        f"{arguments.workers} workers, SQLite; {cost}; all share the {os.cpu_count()} CPUs.",
        f"Encryption: {pace}; audit entries on disk before each answer.",
        f"They take their answers {waits}.",
        f"One write takes this disk {sync:.0f} us.",
        f"Sign-ins took {middle:.0f} ms in the middle, {p99 * 1000:.0f} ms at p99: {answers}.",
        f"Medians of {arguments.rounds} alternating rounds of {arguments.seconds} s.",
    ]


if __name__ == "__main__":
    sys.exit(main())
