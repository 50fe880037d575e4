"""Driving a server with wrk: the same script for every server, the token never in argv."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_SCRIPT = """
local file = assert(io.open(os.getenv("BENCH_BODY"), "rb"))
wrk.method = "POST"
wrk.body = file:read("*a")
wrk.headers["Content-Type"] = "application/json"
wrk.headers["X-Vault-Token"] = os.getenv("BENCH_TOKEN")
file:close()
function done(summary, latency, requests)
  local out = assert(io.open(os.getenv("BENCH_OUT"), "w"))
  out:write(string.format(
    '{"requests":%d,"micros":%d,"refused":%d,"broken":%d,"p50":%f,"p99":%f}',
    summary.requests, summary.duration, summary.errors.status,
    summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout,
    latency:percentile(50), latency:percentile(99)))
  out:close()
end
"""

_AT_ONCE = ("chrt", "--fifo", "1")


class NotAnswered(Exception):
    """The server refused requests or broke connections: what was measured is not its work."""


@dataclass(frozen=True)
class Driven:
    """rate: requests a second. p50, p99: latencies in milliseconds."""

    rate: float
    p50: float
    p99: float


@dataclass(frozen=True)
class Server:
    """Who is driven."""

    name: str
    address: str
    token: str


def drive(
    server: Server,
    path: str,
    body: Any,
    *,
    connections: int,
    seconds: int,
    folder: Path,
    pause_ms: int = 0,
    at_once: bool = False,
) -> Driven:
    """Send `body` to `path` over and over.

    pause_ms: how long each connection waits before the next. at_once: see `runs_at_once`. Raises
    NotAnswered unless every answer was a 2xx.
    """
    script, sent, out = folder / "wrk.lua", folder / "body.json", folder / "out.json"
    pause = f"function delay() return {pause_ms} end\n" if pause_ms else ""
    script.write_text(_SCRIPT + pause, encoding="utf-8")
    sent.write_text(json.dumps(body), encoding="utf-8")
    subprocess.run(
        [*(_AT_ONCE if at_once else ()), "wrk",
         "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s", "-s", str(script),
         f"{server.address}{path}"],
        env={
            **os.environ,
            "BENCH_BODY": str(sent),
            "BENCH_OUT": str(out),
            "BENCH_TOKEN": server.token,
        },
        stdout=subprocess.DEVNULL,
        check=True,
    )  # fmt: skip
    return read(out.read_text(encoding="utf-8"), server.name)


def runs_at_once() -> bool:
    """Whether a client may have a processor whenever it wants one, as one on another machine has.

    Else the time that it waits for one itself counts as the server's.
    """
    if shutil.which(_AT_ONCE[0]) is None:
        return False
    return subprocess.run([*_AT_ONCE, "true"], capture_output=True, check=False).returncode == 0


def read(text: str, name: str) -> Driven:
    """What wrk wrote. Raises NotAnswered."""
    found = json.loads(text)
    if found["refused"] or found["broken"] or not found["requests"]:
        raise NotAnswered(
            f"{name}: {found['refused']} answers were no 2xx, {found['broken']} connections broke, "
            f"of {found['requests']} requests"
        )
    rate = found["requests"] / (found["micros"] / 1e6)
    return Driven(rate, found["p50"] / 1000, found["p99"] / 1000)
