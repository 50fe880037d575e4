"""A worker in a process of its own, for tests that kill it. It stops when its input ends.

Its jobs are a relay of three steps that write a journal; the last writes the outcome, which is
the same however often it is written.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from secvault.clock import Clock
from secvault.crypto.canonical import JsonValue
from secvault.errors import SecvaultError
from secvault.jobs import JobContext, Place, Schedule, Step, Worker, Workflow
from secvault.store import open_store


def log(event: str, **fields: str | int | None) -> None:
    # One write: lines of several threads do not mix.
    sys.stdout.write(json.dumps({"event": event, **fields}) + "\n")
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser()
    for name in ("folder", "store", "jobs", "host", "version"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--schedules", type=int, required=True)
    parser.add_argument("--step", type=float, required=True)
    parser.add_argument("--speed", type=float, required=True)
    given = parser.parse_args()
    folder = Path(given.folder)

    def write(what: str, context: JobContext, step: str) -> None:
        handle = os.open(folder / "journal", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(handle, f"{what} {context.job} {step}\n".encode())
        os.close(handle)

    def leg(name: str) -> Step:
        def act(context: JobContext, results: Mapping[str, JsonValue]) -> JsonValue:
            write("begin", context, name)
            time.sleep(given.step)
            if name == "third":
                outcome = folder / f"{context.plan}.outcome"
                beside = outcome.with_suffix(f".{os.getpid()}")
                beside.write_text(json.dumps(dict(results), sort_keys=True))
                beside.replace(outcome)
            write("end", context, name)
            return {"after": list(results)}

        return Step(name, act)

    clock = Clock(
        wall=lambda: time.time_ns() // 1_000,
        monotonic=lambda: time.monotonic() * given.speed,
        sleep=lambda seconds: time.sleep(seconds / given.speed),
    )
    worker = Worker(
        open_store(given.store),
        clock,
        [Workflow("relay", (leg("first"), leg("second"), leg("third")))],
        Place(
            given.jobs if given.jobs.startswith("postgresql") else Path(given.jobs),
            folder / f"{given.host}.lock",
        ),
        log,
        schedules=[
            Schedule("relay", f"plan-{number}", "* * * * *", "UTC")
            for number in range(given.schedules)
        ],
        version=given.version,
    )
    try:
        worker.start()
    except SecvaultError as error:
        log("refused", code=error.code, detail=error.detail)
        return error.exit_code
    sys.stdin.read()
    left = worker.stop(finish=10 * given.speed, cancel=given.speed)
    log("stopped", left=len(left))
    return 0


if __name__ == "__main__":
    sys.exit(main())
