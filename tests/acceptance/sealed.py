"""A service that is sealed, as its clients see it."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2

from tests.acceptance.installation import (
    NO_SIGN_INS,
    READY_SECONDS,
    Installation,
    new_installation,
    stop,
)


def under_shares(folder: Path) -> tuple[Installation, list[str]]:
    """A new vault whose key is in three shares, two of which open it; the shares."""
    said: list[str] = []
    seal = ("--seal", "shares", "--shares", "3", "--threshold", "2")
    made = new_installation(folder, seal=seal, said=said, **NO_SIGN_INS)
    return made, json.loads(said[0])["shares"]


def status(installation: Installation) -> dict[str, Any]:
    """The seal's state as any client sees it."""
    answer = installation.call("GET", "/v1/sys/seal-status", "")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


@contextmanager
def waiting_for_its_key(installation: Installation) -> Iterator[subprocess.Popen[bytes]]:
    """The service, answering that it is sealed."""
    process = installation.start()
    try:
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            try:
                if status(installation)["sealed"] is True:
                    break
            except (httpx2.TransportError, AssertionError):
                time.sleep(0.1)
        else:
            raise AssertionError(installation.log()[-3000:])
        yield process
    finally:
        stop(process)
