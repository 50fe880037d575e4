"""A run of the service is watched through any of its workers, and ended from another process."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.acceptance.installation import (
    NO_SIGN_INS,
    PLAN,
    Installation,
    new_installation,
    system_token,
)

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(600)]

HOOK = f'[backup.plans.{PLAN}.hooks.slow]\nwhen = "before"\ncommand = ["sleep", "300"]\n'
SOON_SECONDS = 60
# Of the thirty that a server waits for what is in flight.
GRACE_SECONDS = 25


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    """A vault whose backups take five minutes before they begin, served by two workers."""
    return new_installation(tmp_path, more=HOOK, SECVAULT_SERVER__WORKERS="2", **NO_SIGN_INS)


def told(answer: httpx2.Response) -> Iterator[tuple[str, dict[str, Any]]]:
    """The events of a stream as they come."""
    name = ""
    for line in answer.iter_lines():
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield name, json.loads(line.removeprefix("data: "))


def test_a_run_is_watched_ended_from_the_command_line_and_holds_up_no_sealing(
    installation: Installation,
) -> None:
    with installation.opened() as service:
        token = system_token(service, "operations", "it", "role:it.admin")
    auth = {"Authorization": f"Bearer {token}"}
    with installation.serving():
        runs = f"/api/v1/backups/plans/{PLAN}/runs"
        asked = installation.call("POST", runs, token).json()["id"]
        address = f"{installation.address}/api/v1/backups/runs/{asked}/events"
        phases = []
        with httpx2.stream("GET", address, headers=auth, timeout=SOON_SECONDS) as answer:
            assert answer.status_code == 200
            for event, seen in told(answer):
                phases.append((event, seen["state"], seen["phase"]))
                if seen["phase"] == "hooks before" and not seen["cancel_by"]:
                    installation.ok("backup", "cancel", asked)
        assert phases[-1][:2] == ("end", "cancelled")
        assert ("progress", "running", "hooks before") in phases
        watched = installation.run("backup", "watch", asked, "--json")
        assert watched.returncode == 1

        with httpx2.stream("GET", address, headers=auth, timeout=SOON_SECONDS) as answer:
            # Of what has ended already there is one event.
            assert [event for event, _ in told(answer)] == ["end"]

        again = installation.call("POST", runs, token).json()["id"]
        address = f"{installation.address}/api/v1/backups/runs/{again}/events"
        with httpx2.stream("GET", address, headers=auth, timeout=SOON_SECONDS) as answer:
            coming = told(answer)
            next(coming)
            begun = time.monotonic()
            installation.ok("seal", "now")
            assert time.monotonic() - begun < SOON_SECONDS
            with pytest.raises(httpx2.TransportError):
                for _ in coming:
                    pass


def test_whoever_watches_does_not_keep_the_service_from_ending(
    installation: Installation,
) -> None:
    with installation.opened() as service:
        token = system_token(service, "operations", "it", "role:it.admin")
    auth = {"Authorization": f"Bearer {token}"}
    with installation.serving() as process:
        runs = f"/api/v1/backups/plans/{PLAN}/runs"
        asked = installation.call("POST", runs, token).json()["id"]
        address = f"{installation.address}/api/v1/backups/runs/{asked}/events"
        with httpx2.stream("GET", address, headers=auth, timeout=SOON_SECONDS) as answer:
            coming = told(answer)
            next(coming)
            begun = time.monotonic()
            process.send_signal(signal.SIGTERM)
            with suppress(httpx2.TransportError):
                assert all(event == "progress" for event, _ in coming)
            assert time.monotonic() - begun < GRACE_SECONDS
