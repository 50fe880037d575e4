"""The keeper: its children run until it is asked to stop, and none outlives it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

KEEPER = """
import sys
from functools import partial
from secvault.cli.keeper import keep

def run(code):
    exec(code, {})
    return 0

programs = {f"child{n}": partial(run, code) for n, code in enumerate(sys.argv[1:])}
sys.exit(keep(programs, lambda text: print(text, file=sys.stderr, flush=True)))
"""
# A child that writes its process id, then waits for ever, with a child of its own in its group.
STAYS = """
import os, pathlib, subprocess, time
grandchild = subprocess.Popen(["sleep", "300"])
pathlib.Path({place!r}).write_text(f"{{os.getpid()}} {{grandchild.pid}}")
time.sleep(300)
"""


def keeper_of(*codes: str, program: str = KEEPER) -> subprocess.Popen[str]:
    """A keeper in a process of its own, over Python programs."""
    return subprocess.Popen(
        [sys.executable, "-c", program, *codes], stderr=subprocess.PIPE, text=True
    )


def said_until(keeper: subprocess.Popen[str], words: str) -> str:
    """What it has said when it has said the words."""
    assert keeper.stderr is not None
    said = ""
    while words not in said:
        line = keeper.stderr.readline()
        assert line, f"it ended, and had said {said!r}"
        said += line
    return said


def written(file: Path) -> list[int]:
    """The process ids in the file, once they are there."""
    deadline = time.monotonic() + 150
    while time.monotonic() < deadline:
        text = file.read_text() if file.exists() else ""
        if len(text.split()) == 2:
            return [int(number) for number in text.split()]
        time.sleep(0.02)
    raise AssertionError(f"nothing in {file}")


def has_ended(process: int) -> bool:
    """Whether it has ended by now; one that only waits to be reaped has."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state == "Z"


def is_gone(process: int) -> bool:
    """Whether a process ends, which is waited for."""
    deadline = time.monotonic() + 150
    while time.monotonic() < deadline:
        if has_ended(process):
            return True
        time.sleep(0.02)
    return False


def test_sigterm_ends_the_children_and_theirs_with_exit_code_0(tmp_path: Path) -> None:
    keeper = keeper_of(STAYS.format(place=str(tmp_path / "ids")))
    ids = written(tmp_path / "ids")
    keeper.send_signal(signal.SIGTERM)
    assert keeper.wait(150) == 0
    assert all(is_gone(process) for process in ids)


def test_ctrl_c_ends_with_exit_code_0_too(tmp_path: Path) -> None:
    keeper = keeper_of(STAYS.format(place=str(tmp_path / "ids")))
    [child, _] = written(tmp_path / "ids")
    keeper.send_signal(signal.SIGINT)
    assert keeper.wait(150) == 0
    assert is_gone(child)


def test_children_share_the_keepers_session_so_that_priorities_count_and_have_own_groups(
    tmp_path: Path,
) -> None:
    places = [tmp_path / "one", tmp_path / "two"]
    keeper = keeper_of(*(STAYS.format(place=str(place)) for place in places))
    children = [written(place)[0] for place in places]
    assert {os.getsid(child) for child in children} == {os.getsid(keeper.pid)}
    assert [os.getpgid(child) for child in children] == children
    keeper.send_signal(signal.SIGTERM)
    assert keeper.wait(150) == 0


def test_a_child_dies_with_a_keeper_that_is_killed(tmp_path: Path) -> None:
    keeper = keeper_of(STAYS.format(place=str(tmp_path / "ids")))
    child, grandchild = written(tmp_path / "ids")
    keeper.kill()
    keeper.wait(150)
    try:
        assert is_gone(child)
    finally:
        os.kill(grandchild, signal.SIGKILL)


def test_a_killed_child_is_started_again_without_what_it_left(tmp_path: Path) -> None:
    keeper = keeper_of(STAYS.format(place=str(tmp_path / "ids")))
    try:
        child, grandchild = written(tmp_path / "ids")
        (tmp_path / "ids").unlink()
        os.kill(child, signal.SIGKILL)
        [again, _] = written(tmp_path / "ids")
        assert again != child
        assert is_gone(grandchild)
        assert keeper.stderr is not None
        assert keeper.stderr.readline() == "child0 ended with -9; starting it again\n"
    finally:
        keeper.terminate()
        keeper.wait(150)


def test_a_child_that_cannot_ever_start_ends_the_keeper_with_its_exit_code(tmp_path: Path) -> None:
    keeper = keeper_of("import sys; sys.exit(4)", STAYS.format(place=str(tmp_path / "ids")))
    assert keeper.wait(150) == 4


def test_a_child_that_has_run_before_does_not_end_the_others_when_it_cannot_start_again(
    tmp_path: Path,
) -> None:
    # As one that died, and finds no database when it comes back.
    starts = tmp_path / "starts"
    again = f"""
import pathlib, sys
starts = pathlib.Path({str(starts)!r})
before = len(starts.read_text()) if starts.exists() else 0
starts.write_text("x" * (before + 1))
sys.exit(3 if before else 1)
"""
    keeper = keeper_of(again, STAYS.format(place=str(tmp_path / "ids")))
    try:
        [other, _] = written(tmp_path / "ids")
        assert keeper.stderr is not None
        assert keeper.stderr.readline() == "child0 ended with 1; starting it again\n"
        assert keeper.stderr.readline() == "child0 ended with 3; starting it again\n"
        assert not has_ended(other)
        assert keeper.poll() is None
    finally:
        keeper.terminate()
        keeper.wait(150)


def test_children_are_named_for_ps_and_are_told_of_by_their_codes(tmp_path: Path) -> None:
    file = tmp_path / "said"
    code = f"""
import pathlib, sys
file = pathlib.Path({str(file)!r})
if not file.exists():
    file.write_bytes(pathlib.Path("/proc/self/cmdline").read_bytes())
sys.exit(7)
"""
    keeper = keeper_of(code)
    assert said_until(keeper, "again") == "child0 ended with 7; starting it again\n"
    assert file.read_bytes().rstrip(b"\0") == b"secvault child0"
    keeper.terminate()
    assert keeper.wait(150) == 0


def test_a_keeper_whose_starter_ignores_ends_of_children_is_told_all_the_same() -> None:
    ignoring = f"import signal; signal.signal(signal.SIGCHLD, signal.SIG_IGN)\n{KEEPER}"
    keeper = keeper_of("import sys; sys.exit(3)", program=ignoring)
    assert keeper.wait(150) == 3


def test_each_turn_is_called_while_children_run(tmp_path: Path) -> None:
    program = KEEPER.replace(
        "file=sys.stderr, flush=True)))",
        "file=sys.stderr, flush=True), each_turn=lambda: print('turn', file=sys.stderr)))",
    )
    keeper = keeper_of(STAYS.format(place=str(tmp_path / "ids")), program=program)
    written(tmp_path / "ids")
    assert said_until(keeper, "turn") == "turn\n"
    keeper.terminate()
    assert keeper.wait(150) == 0


def test_a_ctrl_c_while_a_child_begins_is_the_keepers_and_no_traceback() -> None:
    program = """
import os, signal, sys, time
from secvault.cli import keeper

begun = []
signal.signal(signal.SIGINT, lambda *_: begun.append("the keeper"))
# The child is slow before it takes signals.
keeper.setproctitle = lambda _name: time.sleep(1)
child = keeper.fork("child", lambda: 0)
for pid in (child.pid, os.getpid()):
    os.kill(pid, signal.SIGINT)
child.join()
print(child.exitcode, begun)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True, text=True, timeout=150
    )
    assert (done.stdout, done.stderr) == ("0 ['the keeper']\n", "")


def test_a_child_takes_signals_as_a_new_process_does(tmp_path: Path) -> None:
    file = tmp_path / "said"
    code = f"""
import pathlib, signal, time
taken = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
held = signal.pthread_sigmask(signal.SIG_BLOCK, [])
right = taken == [signal.SIG_DFL, signal.default_int_handler] and not held
pathlib.Path({str(file)!r}).write_text(f"{{int(right)}} 0")
time.sleep(300)
"""
    keeper = keeper_of(code)
    assert written(file) == [1, 0]
    keeper.send_signal(signal.SIGTERM)
    assert keeper.wait(150) == 0


def test_a_child_that_fails_ends_with_1_and_says_how(tmp_path: Path) -> None:
    keeper = keeper_of("raise ValueError('so')", STAYS.format(place=str(tmp_path / "ids")))
    try:
        written(tmp_path / "ids")
        said = said_until(keeper, "starting it again")
        assert "ValueError: so" in said
        assert "child0 ended with 1; starting it again\n" in said
    finally:
        keeper.terminate()
        keeper.wait(150)
