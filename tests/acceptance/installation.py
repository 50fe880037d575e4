"""An installation as its owner has it: a folder, a configuration, the program, the service."""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx2
import pyotp

from secvault.cli import run
from secvault.clock import system_clock
from secvault.config import load
from secvault.service import Service, opening, systems
from secvault.service.authentication import local_operator
from secvault.service.spine import Caller

PROGRAM = (sys.executable, "-m", "secvault.cli")
PLAN = "nightly"
ADMINISTRATOR = "admin"
PASSWORD = "a long enough passphrase"
SEED = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
# Against hanging alone: far more than a machine takes that is busy with other things.
READY_SECONDS = 300
COMMAND_SECONDS = 600
STOP_SECONDS = 120
CHEAP = {"SECVAULT_IDENTITY__ARGON2_MEMORY_MIB": "19", "SECVAULT_IDENTITY__ARGON2_PASSES": "2"}
# These start processes and end by signals.
APART = ("serve", "self-check")
# For a service at which nobody signs in: one process less that takes two seconds to start.
NO_SIGN_INS = {"SECVAULT_SERVER__ENTRANCE": "false"}


@dataclass(frozen=True)
class Installation:
    """A vault in a folder of its own. given: variables that the program is started with."""

    folder: Path
    port: int
    given: Mapping[str, str] = field(default_factory=dict)

    @property
    def data(self) -> Path:
        """The data folder."""
        return self.folder / "vault"

    @property
    def database(self) -> Path:
        """The SQLite file."""
        return self.data / "secvault.db"

    @property
    def seal_key(self) -> Path:
        """The file that wraps the root key."""
        return self.folder / "vault.key"

    @property
    def repository(self) -> Path:
        """The restic repository."""
        return self.folder / "repository"

    @property
    def address(self) -> str:
        """Where the service answers when it runs."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """What the program is started with; nothing of the caller's own settings gets in."""
        theirs = ("SECVAULT_", "SVTEST_")
        passed = {name: it for name, it in os.environ.items() if not name.startswith(theirs)}
        own = {"SECVAULT_CONFIG": str(self.folder / "secvault.toml"), "NO_COLOR": "1"}
        return {**passed, **own, **CHEAP, **self.given}

    def with_(self, **more: str) -> Installation:
        """The same with further variables."""
        return Installation(self.folder, self.port, {**self.given, **more})

    def run(
        self, *arguments: str, stdin: str = "", apart: bool = False, **more: str
    ) -> subprocess.CompletedProcess[str]:
        """Run `secvault`; more: further variables. What it said must never be a traceback.

        apart: in a process of its own, as a user starts it. Else its entry is called here, which
        does the same in a fraction of the time.
        """
        environment = {**self.environment, **more}
        run_it = _run_apart if apart or arguments[0] in APART else _run_here
        done = run_it(arguments, environment, stdin)
        said = done.stdout + done.stderr
        assert "Traceback" not in said, said
        assert "bug in secvault" not in said, said
        return done

    def ok(self, *arguments: str, **more: str) -> str:
        """Run it, require exit code 0, and give what it printed."""
        done = self.run(*arguments, **more)
        assert done.returncode == 0, (arguments, done.stderr, done.stdout)
        return done.stdout

    def json(self, *arguments: str, **more: str) -> Any:
        """The same for a command that prints JSON."""
        return json.loads(self.ok(*arguments, "--json", **more))

    @contextmanager
    def sql(self) -> Iterator[sqlite3.Connection]:
        """The database by the back door, as somebody with the disk has it: no triggers."""
        with closing(sqlite3.connect(self.database)) as database, database:
            found = database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
            for (name,) in found.fetchall():
                database.execute(f'DROP TRIGGER "{name}"')
            yield database

    @contextmanager
    def opened(self, random: Callable[[int], bytes] = os.urandom) -> Iterator[Service]:
        """The open service in this process."""
        environment = self.environment
        settings = load(Path(environment["SECVAULT_CONFIG"]), environment)
        with opening.opened(
            settings, system_clock(), program="test", environment=environment, random=random
        ) as service:
            yield service

    def start(self, *options: str) -> subprocess.Popen[bytes]:
        """Start `secvault serve`; what it says goes to service.log."""
        with (self.folder / "service.log").open("ab") as log:
            return subprocess.Popen(
                [*PROGRAM, "serve", *options],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    @contextmanager
    def serving(self) -> Iterator[subprocess.Popen[bytes]]:
        """The service, ready; ended by SIGTERM when the block ends."""
        process = self.start()
        try:
            self.wait_until_ready(process)
            yield process
        finally:
            stop(process)

    def wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        """Return when the service answers that it is ready."""
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline and process.poll() is None:
            if self.is_ready():
                return
            time.sleep(0.05)
        raise AssertionError(f"the service did not become ready: {self.log()[-2000:]}")

    def is_ready(self) -> bool:
        """Whether the service answers that it is ready."""
        try:
            return httpx2.get(f"{self.address}/health/ready", timeout=30).status_code == 200
        except httpx2.TransportError:
            return False

    def log(self) -> str:
        """What the service has said."""
        return (self.folder / "service.log").read_text("utf-8", "replace")

    def call(
        self, method: str, path: str, token: str, body: Any = None, **headers: str
    ) -> httpx2.Response:
        """One request with a session or token, or with none."""
        if token:
            headers["Authorization"] = f"Bearer {token}"
        return httpx2.request(
            method, f"{self.address}{path}", json=body, headers=headers, timeout=120
        )


def _run_here(
    arguments: tuple[str, ...], environment: dict[str, str], stdin: str
) -> subprocess.CompletedProcess[str]:
    given = io.TextIOWrapper(io.BytesIO(stdin.encode()), "utf-8")
    with (
        patch.dict(os.environ, environment, clear=True),
        patch.object(sys, "stdin", given),
        redirect_stdout(io.StringIO()) as out,
        redirect_stderr(io.StringIO()) as err,
    ):
        code = run(arguments)
    return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())


def _run_apart(
    arguments: tuple[str, ...], environment: dict[str, str], stdin: str
) -> subprocess.CompletedProcess[str]:
    with subprocess.Popen(
        [*PROGRAM, *arguments],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            out, err = process.communicate(stdin, COMMAND_SECONDS)
        except BaseException:
            # With all that it started, which would hold its pipes open.
            for pid in family(process.pid):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            raise
    return subprocess.CompletedProcess(arguments, process.returncode, out, err)


def new_installation(
    folder: Path,
    more: str = "",
    keep_last: int = 3,
    seal: tuple[str, ...] = (),
    said: list[str] | None = None,
    **given: str,
) -> Installation:
    """A vault with one administrator, a local repository and a plan. more: further TOML.

    seal: options of `init`; said: gets what it printed, as JSON. given: further variables.
    """
    folder.mkdir(parents=True, exist_ok=True)
    made = Installation(folder, free_port(), given)
    (folder / "secvault.toml").write_text(
        f'data = "{made.data}"\n'
        f"[server]\nport = {made.port}\n"
        f'[backup.repositories.here]\nlocation = "{made.repository}"\n'
        f'[backup.plans.{PLAN}]\nrepository = "here"\nkeep_last = {keep_last}\n{more}'
    )
    printed = made.ok(
        "init",
        "--json",
        *seal,
        SECVAULT_ADMIN_NAME=ADMINISTRATOR,
        SECVAULT_ADMIN_PASSWORD=PASSWORD,
        SECVAULT_ADMIN_TOTP_SEED=SEED,
    )
    if said is not None:
        said.append(printed)
    return made


def system_token(service: Service, name: str, department: str, *roles: str) -> str:
    """The token of a new calling system with these roles."""
    operator = Caller(local_operator(service))
    systems.create_account(
        service, operator, name=name, department=department, owner=ADMINISTRATOR, roles=roles
    )
    issued = systems.issue_token(service, operator, account=name, display_name=name, days=1)
    return issued.text.text()


def payslip(**changed: Any) -> dict[str, Any]:
    """The fields of a record of payroll."""
    money = {"amount": "31500000", "currency": "VND"}
    return {
        "employee": "nv-0042",
        "full_name": "Phạm Thị Kiều Oanh",
        "month": "2026-11",
        "working_days": "22",
        "gross_salary": money,
        "insurance": money,
        "income_tax": money,
        "net_salary": money,
        "bank": "VCB",
        "bank_account": "0071000123456",
        "status": "draft",
        **changed,
    }


def code_of(seed: str, steps_ago: int = 0) -> str:
    """The code that an authenticator app shows now, or showed some steps ago."""
    return pyotp.TOTP(seed).at(int(time.time()) - 30 * steps_ago)


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def stop(process: subprocess.Popen[bytes]) -> int:
    """End the service as systemd would; the exit code."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        return process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(STOP_SECONDS)
        raise


def family(pid: int) -> list[int]:
    """The process and all its descendants, itself first."""
    found = [pid]
    for parent in found:
        found += children(parent)
    return found


def children(pid: int) -> list[int]:
    """The processes that any thread of this one has started; none of one that has ended."""
    found: list[int] = []
    with suppress(OSError):
        for task in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208 - a Path's glob may raise later
            # A thread that has just ended.
            with suppress(OSError):
                read = Path(f"/proc/{pid}/task/{task}/children").read_text()
                found += [int(child) for child in read.split()]
    return found


def part(pid: int) -> str:
    """Which part of the service the process is, by its name for `ps`; empty for another one."""
    try:
        name = Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").decode()
    except OSError:
        return ""
    words = name.split(" ")
    return words[1] if words[0] == "secvault" and len(words) > 1 else ""


def alive(pid: int) -> bool:
    """Whether the process runs; one that only waits to be reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def alive_after(pids: list[int], seconds: float) -> list[int]:
    """Those that still run after so long; none, as soon as none does."""
    deadline = time.monotonic() + seconds
    while (left := [pid for pid in pids if alive(pid)]) and time.monotonic() < deadline:
        time.sleep(0.02)
    return left
