"""A drill that the running service makes: its restored service comes from the nursery."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from threading import Event

import pytest

from secvault.jobs import queue
from secvault.service import authentication, backups
from secvault.service.spine import Caller
from tests.acceptance.installation import NO_SIGN_INS, PLAN, Installation, new_installation, part
from tests.quick_repository import made_quickly

pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]

LEVELS = '[backup.plans.nightly.drill]\nlevels = ["repository", "files", "vault", "service"]\n'
HIDDEN = "hidden-in-the-environment"


@pytest.fixture
def saved(tmp_path: Path) -> Installation:
    """A vault that has a snapshot of itself and not yet a service; its environment has a secret."""
    made = new_installation(tmp_path / "at", LEVELS, AWS_SECRET_ACCESS_KEY=HIDDEN, **NO_SIGN_INS)
    with made_quickly(), made.opened() as service:
        caller = Caller(authentication.local_operator(service))
        backups.run_backup(service, caller, PLAN, lambda _: None, Event())
    return made


def ask_for_drill(at: Installation) -> None:
    with at.opened() as service, service.store.write() as connection:
        now = service.clock.micros()
        queue.request(connection, kind="drill", plan=PLAN, requested_by="user:x", now=now)


def named(name: str) -> list[Path]:
    """Processes that are this part of a service."""
    found = Path("/proc").glob("[0-9]*")
    return [one for one in found if part(int(one.name)) == name]


def parent_of(process: Path) -> int:
    """0 for one that has ended."""
    with suppress(OSError):
        return int((process / "stat").read_text().rpartition(")")[2].split()[1])
    return 0


def children(process: Path, name: str) -> list[Path]:
    return [one for one in named(name) if parent_of(one) == int(process.name)]


def test_it_is_forked_from_the_nursery_knows_no_secret_and_passes(saved: Installation) -> None:
    with saved.serving() as serving:
        (worker,) = children(Path(f"/proc/{serving.pid}"), "worker")
        (nursery,) = children(worker, "nursery")
        ask_for_drill(saved)
        shown: dict[Path, bytes] = {}
        deadline = time.monotonic() + 300
        while not (drills := finished(saved)):
            assert time.monotonic() < deadline, saved.log()[-2000:]
            for process in children(nursery, "restored"):
                # It may have ended since.
                with suppress(OSError):
                    shown[process] = (process / "environ").read_bytes()
        for process in (worker, nursery):
            shown[process] = (process / "environ").read_bytes()
    (drill,) = drills
    assert drill["passed"], drill
    assert len(shown) == 3
    assert not any(HIDDEN.encode() in environment for environment in shown.values())
    assert not any(process.exists() for process in shown)


def finished(at: Installation) -> list[dict[str, object]]:
    return [one for one in at.json("drill", "list")["drills"] if one["state"] != "running"]
