"""The process around restic, tried with small shell programs in restic's place."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from secvault.backup.restic_process import (
    KEPT_LINES,
    LONGEST_KEPT,
    PASSWORD_FILE,
    Cancel,
    NeverCancelled,
    Order,
    ResticProcess,
    guarded,
)
from secvault.clock import system_clock
from secvault.crypto.secret import Secret
from secvault.errors import Cancelled, ConfigurationError

PASSWORD = Secret.of("a pass-word <&> of mine")
ENVIRONMENT = {"PATH": os.environ["PATH"]}


def shell(script: str, *arguments: str, **more: float) -> Order:
    argv = ("/bin/sh", "-c", script, "sh", *arguments)
    return Order(argv, ENVIRONMENT, PASSWORD, (PASSWORD,), **more)


def started(order: Order, cancel: Cancel | None = None) -> ResticProcess:
    return ResticProcess(order, subprocess.Popen, system_clock(), cancel or NeverCancelled())


def wait_until_gone(pid: int) -> bool:
    for _ in range(3_000):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":
            return True
        time.sleep(0.1)
    return False


def test_lines_come_whole_and_the_last_one_also_without_its_end() -> None:
    with started(shell("printf 'one\\ntwo\\n\\nthree'")) as process:
        assert list(process.lines()) == [b"one", b"two", b"", b"three"]
        assert process.ending() == (0, ())


def test_the_password_comes_through_a_pipe_and_stands_nowhere_else() -> None:
    script = (
        'cat "$1"; printf "|"; tr "\\0" " " < /proc/$$/cmdline; tr "\\0" " " < /proc/$$/environ'
    )
    with started(shell(script, PASSWORD_FILE)) as process:
        said = b"\n".join(process.lines())
    password, shown = said.split(b"|", 1)
    assert password == PASSWORD.expose() + b"\n"
    assert PASSWORD.expose() not in shown
    assert b"/dev/fd/" in shown


def test_nothing_else_of_ours_is_open_in_the_child(tmp_path: Path) -> None:
    with (tmp_path / "private").open("w") as private:
        os.set_inheritable(private.fileno(), True)
        with started(shell("ls -l /proc/$$/fd")) as process:
            said = b"\n".join(process.lines())
    assert b"private" not in said


def test_it_has_a_group_of_its_own_in_our_session_where_its_low_priority_counts() -> None:
    with started(shell("cut -d' ' -f1,5,6 /proc/$$/stat")) as process:
        pid, group, session = (int(one) for one in b"".join(process.lines()).split())
    assert group == pid
    assert session == os.getsid(0)


def test_secrets_are_cut_from_complaints() -> None:
    script = """cat "$1" >&2; printf '{"message_type":"error","message":"with a pass-word '\
'\\\\u003c\\\\u0026\\\\u003e of mine inside"}\n' >&2; exit 1"""
    with started(shell(script, PASSWORD_FILE)) as process:
        assert list(process.lines()) == []
        assert process.ending() == (1, ("***", "with *** inside"))


def test_a_flood_of_complaints_is_bounded_and_blocks_nothing() -> None:
    script = """i=0; while [ $i -lt 5000 ]; do echo "complaint $i" >&2; i=$((i+1)); done
        head -c 100000 /dev/zero | tr '\\0' x >&2; echo done"""
    with started(shell(script)) as process:
        assert list(process.lines()) == [b"done"]
        _, complaints = process.ending()
    assert len(complaints) <= 2 * KEPT_LINES
    assert complaints[0] == "complaint 0"
    assert max(map(len, complaints)) <= LONGEST_KEPT


def test_a_signal_that_ends_it_shows_as_a_negative_status() -> None:
    with started(shell("kill -9 $$")) as process:
        list(process.lines())
        assert process.ending()[0] == -9


def test_a_program_that_is_not_there_is_named() -> None:
    order = Order(("/nowhere/restic",), ENVIRONMENT, None)
    with pytest.raises(ConfigurationError, match="/nowhere/restic"), started(order):
        pass


def test_cancelling_ends_a_silent_program_gently() -> None:
    cancel = threading.Event()
    script = "trap 'echo cleaned >&2; exit 130' INT; echo up; while :; do sleep 0.05; done"
    with started(shell(script), cancel) as process:
        lines = process.lines()
        assert next(lines) == b"up"
        cancel.set()
        with pytest.raises(Cancelled):
            next(lines)
        assert process.stopped
    assert process._complaints.lines() == ("cleaned",)


@pytest.mark.parametrize(("deaf_to", "ended_by"), [("INT", -15), ("INT TERM", -9)])
def test_a_program_that_does_not_listen_is_ended_harder(deaf_to: str, ended_by: int) -> None:
    cancel = threading.Event()
    script = f"trap '' {deaf_to}; echo up; while :; do sleep 0.05; done"
    with started(shell(script, gentle_seconds=0.3, firm_seconds=0.3), cancel) as process:
        lines = process.lines()
        assert next(lines) == b"up"
        cancel.set()
        with pytest.raises(Cancelled):
            next(lines)
        assert process._running().returncode == ended_by


def test_leaving_early_stops_it_and_waits() -> None:
    with started(shell("echo $$; while :; do echo more; done")) as process:
        pid = int(next(process.lines()))
    assert process.stopped
    assert not Path(f"/proc/{pid}").exists()


def test_work_that_is_cancelled_already_is_not_started(tmp_path: Path) -> None:
    cancel = threading.Event()
    cancel.set()
    mark = tmp_path / "mark"
    with pytest.raises(Cancelled), started(shell(f"touch {mark}"), cancel):
        pass
    assert not mark.exists()


def test_endless_retries_to_open_the_repository_are_ended() -> None:
    script = """trap 'exit 130' INT
        echo 'Stat(<config/>) returned error, retrying after 2s: dial tcp: refused' >&2
        echo 'Stat(<config/>) returned error, retrying after 1m10.4s: dial tcp: refused' >&2
        while :; do sleep 0.05; done"""
    with started(shell(script, patience=30.0)) as process:
        assert list(process.lines()) == []
        status, complaints = process.ending()
    assert status == 130
    assert len(complaints) == 2


def test_retries_within_patience_or_of_other_files_are_waited_for() -> None:
    script = """echo 'Stat(<config/>) returned error, retrying after 2s: refused' >&2
        echo 'Load(<data/3762eebcb0>, 1, 0) returned error, retrying after 10m0s: refused' >&2
        sleep 0.3; echo fine"""
    with started(shell(script, patience=30.0)) as process:
        assert list(process.lines()) == [b"fine"]


@pytest.mark.real
def test_it_ends_when_we_are_killed(tmp_path: Path) -> None:
    program = """
import subprocess, sys, time
from secvault.backup.restic_process import NeverCancelled, Order, ResticProcess, guarded
from secvault.clock import system_clock
script = "echo $$; trap 'exit 1' INT; while :; do sleep 0.05; done"
argv = guarded("setpriv", ("/bin/sh", "-c", script))
order = Order(argv, {"PATH": sys.argv[1]}, None)
with ResticProcess(order, subprocess.Popen, system_clock(), NeverCancelled()) as process:
    for line in process.lines():
        print(line.decode(), flush=True)
"""
    with subprocess.Popen(
        [sys.executable, "-c", program, os.environ["PATH"]], stdout=subprocess.PIPE
    ) as ours:
        assert ours.stdout is not None
        pid = int(ours.stdout.readline())
        ours.kill()
    assert wait_until_gone(pid)


@pytest.mark.real
def test_it_outlives_the_thread_that_asked_for_it() -> None:
    kept: list[ResticProcess] = []
    order = shell("sleep 0.5; echo still here")
    order = Order(guarded("setpriv", order.argv), order.environment, None)

    def ask() -> None:
        process = started(order)
        kept.append(process.__enter__())

    asking = threading.Thread(target=ask)
    asking.start()
    asking.join(300)
    assert list(kept[0].lines()) == [b"still here"]
    assert kept[0].ending() == (0, ())
    kept[0].__exit__(None, None, None)
