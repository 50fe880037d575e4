"""A service that is sealed, as its clients see it."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2

from tests.acceptance.installation import READY_SECONDS, Installation, stop


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
