"""What killed drills leave goes with the next sweep, at once; what is at work stays."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from secvault.backup.drills import sweep
from secvault.backup.drills.order import AS_SET
from tests.backup.drills.backed_up import copied, row_of
from tests.backup.small_vault import SmallVault, small_vault
from tests.quick_repository import made_quickly

pytestmark = [pytest.mark.real, pytest.mark.usefixtures("quick_repositories")]

# A drill that halts at a moment of its work, and says so.
HALTING = """
import sys, time
from pathlib import Path
from secvault.backup.drills.under_way import UnderWay
from tests.backup.small_vault import small_vault
before = UnderWay.phase
def phase(way, name, **known):
    before(way, name, **known)
    if name == sys.argv[2]:
        print("halted", flush=True)
        time.sleep(600)
UnderWay.phase = phase
with small_vault(Path(sys.argv[1])) as vault:
    vault.drill()
"""
SLEEPING = (sys.executable, "-c", "import time; time.sleep(600)")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("backed-up")
    with made_quickly(), small_vault(folder) as made:
        made.back_up()
    return folder


@pytest.fixture
def vault(model: Path, tmp_path: Path) -> Iterator[SmallVault]:
    with copied(model, tmp_path / "vault") as made:
        yield made


def halted(vault: SmallVault, moment: str) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-c", HALTING, str(vault.folder), moment], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"halted\n"
    return process


@pytest.mark.parametrize("moment", ["restoring", "level files"])
def test_a_killed_drill_has_no_verdict_and_its_folder_goes_at_the_next_start(
    vault: SmallVault, moment: str
) -> None:
    process = halted(vault, moment)
    at_work = vault.left_in_scratch()
    assert sweep.sweep(vault.engine) == ()
    process.kill()
    process.wait()
    row = row_of(vault, "drill-1")
    assert (row.state, row.passed) == ("running", None)

    assert list(sweep.sweep(vault.engine)) == at_work
    assert vault.left_in_scratch() == []
    assert vault.drill().passed


def test_a_program_that_goes_on_in_a_killed_drills_folder_is_ended_first(vault: SmallVault) -> None:
    held = sweep.hold(vault.engine, "drill-1")
    program = subprocess.Popen([*SLEEPING, f"{held.path}/tree"])
    other = subprocess.Popen([*SLEEPING, f"{held.path}-not"])
    # The kernel shows its arguments only when it has begun, which is later than it is there.
    while not all(Path(f"/proc/{one.pid}/cmdline").read_bytes() for one in (program, other)):
        time.sleep(0.01)
    try:
        assert sweep.sweep(vault.engine) == ()
        os.close(held.lock)
        assert sweep.sweep(vault.engine) == (held.path.name,)
        assert program.wait(10) == -signal.SIGKILL
        assert other.poll() is None
    finally:
        other.kill()
        program.kill()
        other.wait()


def test_servers_are_ended_before_their_folder_goes(vault: SmallVault) -> None:
    held = sweep.hold(vault.engine, "drill-1")
    (held.path / "levels").mkdir()
    os.close(held.lock)
    told: list[bool] = []
    sweep.sweep(vault.engine, lambda folder: told.append((folder / "levels").is_dir()))

    assert told == [True]


def test_folders_that_cannot_be_written_go_as_well(vault: SmallVault) -> None:
    left = vault.engine.scratch / "drill-0123456789abcdef"
    (left / "read only").mkdir(parents=True)
    (left / "read only/salary.txt").write_bytes(b"plain")
    (left / "read only").chmod(0o500)

    sweep.sweep(vault.engine)
    assert vault.left_in_scratch() == []


def test_a_process_that_was_stopped_for_long_finds_another_at_its_drill(vault: SmallVault) -> None:
    first = sweep.hold(vault.engine, "drill-1")
    second = sweep.hold(vault.engine, "drill-1")

    assert first.path != second.path
    first.remove()
    assert second.path.is_dir()
    second.remove()
    assert vault.left_in_scratch() == []


def test_a_drill_is_done_again_under_its_id_after_a_kill(vault: SmallVault) -> None:
    process = halted(vault, "level files")
    process.kill()
    process.wait()

    assert vault.drill("drill-1", AS_SET).passed
    assert vault.left_in_scratch() == []
