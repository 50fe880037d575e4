"""Whatever of a backup is killed, and when: no snapshot is lost, and the next run is whole.

SVTEST_BACKUP_KILLS: how often each is killed, at a random moment.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from secvault.backup import run
from secvault.errors import SecvaultError
from tests.acceptance.backed_up import (
    PATIENCE_SECONDS,
    BackedUp,
    back_up_here,
    backed_up,
    fill,
    wait_until_gone,
)
from tests.acceptance.installation import family

pytestmark = [
    pytest.mark.real,
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.usefixtures("quick_repositories"),
]

KILLS = int(os.environ.get("SVTEST_BACKUP_KILLS", "2"))
MEBIBYTES = 16
DUMP_SECONDS = 0.15
"""About as long as pg_dump takes for a vault without records."""


@contextmanager
def chance_of() -> Iterator[random.Random]:
    """Chance, which is told when the test fails."""
    seed = random.SystemRandom().getrandbits(64)
    try:
        yield random.Random(seed)
    except BaseException as error:
        error.add_note(f"seed {seed}")
        raise


@contextmanager
def killing(program: str, moment: float, delay: float = 0.0) -> Iterator[list[int]]:
    """While the block runs: kill the first child of ours of this name that is there at the moment.

    delay: seconds after it was seen first. Gives the list in which the killed one will be.
    """
    over, killed = threading.Event(), list[int]()
    begin = time.monotonic() + moment

    def kill() -> None:
        while not over.wait(0.001) and not killed:
            if time.monotonic() < begin:
                continue
            for pid in family(os.getpid())[1:]:
                if _name(pid) == program and not over.wait(delay):
                    if _stopped(pid):
                        os.kill(pid, signal.SIGKILL)
                        killed.append(pid)
                    break

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield killed
    finally:
        over.set()
        thread.join()


def _stopped(pid: int) -> bool:
    """Whether it was still at work, and stands now: one that has ended does not notice a kill."""
    with suppress(OSError):
        os.kill(pid, signal.SIGSTOP)
        while True:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
            if state in "TZX":
                return state == "T"
    return False


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


@pytest.mark.parametrize("program", ["restic", "pg_dump"])
def test_a_killed_program_fails_the_run_in_words_and_the_next_one_heals(
    tmp_path: Path, request: pytest.FixtureRequest, program: str
) -> None:
    url = request.getfixturevalue("postgresql_url") if program == "pg_dump" else ""
    model = None if url else request.getfixturevalue("backed_up_model")
    with backed_up(tmp_path, store_url=url, model=model) as made, chance_of() as chance:
        fill(made.vault.documents, MEBIBYTES)
        takes = timed(made)
        kills = 0
        while kills < KILLS:
            earlier = made.snapshots()
            error: SecvaultError | None = None
            if program == "restic":
                killer = killing(program, chance.uniform(0, takes))
            else:
                killer = killing(program, 0, chance.uniform(0, DUMP_SECONDS))
            with killer as killed:
                try:
                    made.back_up()
                except SecvaultError as raised:
                    error = raised
            if not killed:
                continue
            kills += 1
            row = made.row()
            if error is not None:
                assert (row.state, row.error) == ("failed", error.detail)
                assert "signal 9" in error.detail
                assert "run it again" in error.detail
            assert earlier <= made.snapshots()
            if program == "pg_dump":
                assert error is not None
                assert row.snapshot is None
                assert made.snapshots() == earlier
            made.heals(earlier, restored=tmp_path / "back" if kills == KILLS else None)


def timed(made: BackedUp) -> float:
    """How long a run takes here."""
    began = time.monotonic()
    made.back_up()
    return time.monotonic() - began


def test_when_we_are_killed_restic_ends_too_and_the_next_run_heals(
    tmp_path: Path, backed_up_model: Path
) -> None:
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload([back_up_here.__module__])
    with backed_up(tmp_path, model=backed_up_model) as made, chance_of() as chance:
        fill(made.vault.documents, MEBIBYTES)
        takes = timed(made)
        # The first one starts the server that forks, which takes time.
        for number in range(-1, KILLS):
            earlier = made.snapshots()
            made.change()
            made.runs += 1
            run_id = f"run-{made.runs}"
            victim = processes.Process(
                target=back_up_here, args=(str(tmp_path), run_id, made.vault.hands.seconds)
            )
            victim.start()
            deadline = time.monotonic() + PATIENCE_SECONDS
            while run.find_run(made.vault.engine, run_id) is None:
                assert victim.is_alive()
                assert time.monotonic() < deadline
                time.sleep(0.001)
            time.sleep(chance.uniform(0, takes) if number >= 0 else 0)
            victim.kill()
            victim.join(PATIENCE_SECONDS)
            wait_until_gone(tmp_path)
            row = made.row()
            assert row.state in {"running", "done"}
            assert earlier <= made.snapshots()
            made.heals(earlier, restored=tmp_path / "back" if number == KILLS - 1 else None)
            if row.state == "running":
                given_up = run.read_run(made.vault.engine, run_id)
                assert given_up.state == "failed"
                assert "died" in (given_up.error or "")
