"""Whenever a drill is killed: nothing of production is touched, nothing stays, nothing has passed.

SVTEST_DRILL_KILLS: how often one is killed, at a random moment.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from threading import Event
from typing import Any

import psycopg
import pytest

from secvault.backup.claims import SILENT_AFTER_SECONDS
from secvault.backup.drills import stored
from secvault.errors import NotFound
from secvault.service import authentication, drill_means, drills, opening
from secvault.service.spine import Caller
from tests.acceptance.drill_range import PLAN, Range, Ticking, shooting_range
from tests.conftest import asked_of_mariadb
from tests.quick_repository import made_quickly
from tests.running_service import House

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(3600)]

KILLS = int(os.environ.get("SVTEST_DRILL_KILLS", "2"))
PATIENCE_SECONDS = 60.0


@pytest.fixture(scope="module")
def at(
    tmp_path_factory: pytest.TempPathFactory, postgresql_server: str, mariadb_server: str
) -> Iterator[Range]:
    folder = tmp_path_factory.mktemp("killed")
    with made_quickly(), shooting_range(folder, postgresql_server, mariadb_server) as made:
        yield made


def drill_here(house: House, ahead: float) -> None:
    """Drill in this process, by this clock; for one that is killed meanwhile."""
    clock = Ticking(ahead).clock()
    with opening.opened(
        house.settings, clock, program="test", environment=dict(os.environ)
    ) as service:
        operator = Caller(authentication.local_operator(service))
        drills.run_drill(service, operator, PLAN, lambda _: None, Event())


def production(made: Range) -> dict[str, Any]:
    """What a drill might touch."""
    databases = made.databases
    with psycopg.connect(databases.postgresql) as connection:
        names = connection.execute("SELECT datname FROM pg_database ORDER BY 1").fetchall()
    mark = databases.erp.partition("_")[2]
    shown = asked_of_mariadb(databases.mariadb, "SHOW DATABASES").split()
    return {
        "databases": [name for (name,) in names if mark in name],
        "schemas": [name for name in shown if mark in name],
        "parts": asked_of_mariadb(databases.mariadb, f"SELECT * FROM {databases.shop}.parts"),
        "notes": databases.notes.read_bytes(),
        **{
            str(path): (path.lstat().st_ino, path.lstat().st_mtime_ns)
            for place in (made.files, made.repository / "data", made.repository / "snapshots")
            for path in sorted(place.rglob("*"))
        },
    }


def at_work_in(folder: Path) -> dict[int, str]:
    """Processes but this one that have something below the folder open, or are named by it."""
    found = {}
    inside = str(folder)
    for process in Path("/proc").glob("[0-9]*"):
        number = int(process.name)
        if number == os.getpid():
            continue
        with suppress(OSError):
            words = (process / "cmdline").read_bytes()
            opened = [os.readlink(one) for one in (process / "fd").iterdir()]  # noqa: PTH115
            opened.append(os.readlink(process / "cwd"))  # noqa: PTH115
            if inside.encode() in words or any(one.startswith(inside) for one in opened):
                found[number] = words.replace(b"\0", b" ").decode(errors="replace")[:200]
    return found


def test_a_killed_drill_leaves_nothing_and_has_not_passed(at: Range) -> None:
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload([drill_here.__module__])
    seed = random.SystemRandom().getrandbits(64)
    chance = random.Random(seed)
    began = time.monotonic()
    drills.run_drill(at.service, at.operator, PLAN, lambda _: None, Event())
    takes = time.monotonic() - began
    before = production(at)
    known = {one.id for one in stored.newest_drills(at.service.backups, 500)}
    killed = 0
    while killed < KILLS:
        # What was killed before is given up by then.
        at.hands.ahead += SILENT_AFTER_SECONDS + 1
        victim = processes.Process(target=drill_here, args=(at.house, at.hands.ahead))
        victim.start()
        drill = _begun(at, known, victim)
        time.sleep(chance.uniform(0, takes))
        victim.kill()
        victim.join(PATIENCE_SECONDS)
        row = stored.read_drill(at.service.backups, drill)
        known.add(drill)
        if row.state == "done":
            continue
        killed += 1
        where = f"seed {seed}, kill {killed}, in the phase {row.phase!r}"
        assert row.state == "running", where
        assert row.passed is None, where
        with pytest.raises(NotFound):
            stored.evidence(at.service.backups, drill)
        # As a worker does when it starts.
        drill_means.sweep(at.service)
        assert at.left_behind() == [], where
        assert _none_left(at.service.backups.scratch) == {}, where
        assert production(at) == before, where
    at.hands.ahead += SILENT_AFTER_SECONDS + 1
    last = drills.run_drill(at.service, at.operator, PLAN, lambda _: None, Event())
    assert last.passed, last.faults
    rows = {one.id: one for one in stored.newest_drills(at.service.backups, 500)}
    assert not [one for one in rows.values() if one.passed and one.state != "done"]
    assert at.left_behind() == []


def _begun(made: Range, known: set[str], victim: Any) -> str:
    """The id of the drill that the other process has begun."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        new = [
            one.id for one in stored.newest_drills(made.service.backups, 20) if one.id not in known
        ]
        if new:
            return new[0]
        assert victim.is_alive(), "it ended before its drill began"
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _none_left(folder: Path) -> Mapping[int, str]:
    """Whoever is still at work there after a while; those that are being ended take a moment."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (found := at_work_in(folder)) and time.monotonic() < deadline:
        time.sleep(0.2)
    return found
