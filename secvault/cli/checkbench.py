"""The bench that the self-check works on: a vault of its own, driven from outside."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pyotp

READY_SECONDS = 180
STEP_SECONDS = 30
PLAN = "nightly"


class StepFailed(Exception):
    """A step did not hold; the text says what was expected and what came."""


@dataclass(frozen=True)
class Bench:
    """Where the check works: its folder, the environment of the program, the service's address."""

    folder: Path
    environment: dict[str, str]
    address: str

    @property
    def data(self) -> Path:
        """The vault's data folder."""
        return self.folder / "vault"

    def run(self, *arguments: str, expect: int = 0, more: Mapping[str, str] | None = None) -> str:
        """Run `secvault`; its output. Raises StepFailed for another exit code."""
        done = subprocess.run(
            [sys.executable, "-m", "secvault.cli", *arguments],
            env={**self.environment, **(more or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != expect:
            said = (done.stderr or done.stdout).strip()[-600:]
            raise StepFailed(
                f"secvault {' '.join(arguments[:3])} ended with {done.returncode}, "
                f"not {expect}: {said}"
            )
        return done.stdout

    def run_json(self, *arguments: str) -> Any:
        """The same, for a command that prints JSON."""
        return json.loads(self.run(*arguments, "--json"))


@dataclass(frozen=True)
class Somebody:
    """A person of the check, and their open session."""

    name: str
    password: str
    seed: str
    token: str = ""


@contextmanager
def bench_in(folder: Path, s3_url: str | None) -> Iterator[Bench]:
    """A bench in a folder, with settings of its own and a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    location = f"s3:{s3_url.removeprefix('s3:')}" if s3_url else str(folder / "repository")
    config = folder / "secvault.toml"
    config.write_text(
        f'data = "{folder / "vault"}"\n'
        f"[server]\nport = {port}\n"
        f'[backup.repositories.check]\nlocation = "{location}"\n'
        f'[backup.plans.{PLAN}]\nrepository = "check"\n'
    )
    passed_on = {
        name: value for name, value in os.environ.items() if not name.startswith("SECVAULT_")
    }
    environment = {**passed_on, "SECVAULT_CONFIG": str(config), "NO_COLOR": "1"}
    yield Bench(folder, environment, f"http://127.0.0.1:{port}")


def wait_until_ready(bench: Bench, process: subprocess.Popen[bytes]) -> None:
    """Return when the service answers that it is ready. Raises StepFailed with its log."""
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            if httpx2.get(f"{bench.address}/health/ready").status_code == 200:
                return
        except httpx2.TransportError:
            time.sleep(0.05)
    log = (bench.folder / "service.log").read_text("utf-8", "replace")[-1500:]
    raise StepFailed(f"the service did not become ready; its log ends:\n{log}")


def call(
    bench: Bench,
    method: str,
    path: str,
    who: Somebody | None = None,
    body: Any = None,
    expect: int = 200,
    **headers: str,
) -> Any:
    """Call the API; the JSON of its answer. Raises StepFailed for another status."""
    if who is not None:
        headers["Authorization"] = f"Bearer {who.token}"
    answer = httpx2.request(
        method, f"{bench.address}{path}", json=body, headers=headers, timeout=60
    )
    if answer.status_code != expect:
        raise StepFailed(
            f"{method} {path} answered {answer.status_code}, not {expect}: {answer.text[:300]}"
        )
    return answer.json() if answer.content else None


def code(seed: str, steps_ago: int = 0) -> str:
    """The TOTP code of now, or of so many time steps ago."""
    return pyotp.TOTP(seed).at(int(time.time()) - steps_ago * STEP_SECONDS)
