"""A confined process reaches nothing outside of itself: asked of the kernel, not of our word."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

TOO_LATE = """
import sys, threading
from pathlib import Path
from secvault import confinement
from secvault.errors import Unavailable

over = threading.Event()
threading.Thread(target=over.wait).start()
try:
    confinement.confine([Path(sys.argv[1])], unix_sockets=False)
except Unavailable as error:
    print(error.detail)
over.set()
"""

TRIES = """
import ctypes, json, os, socket, subprocess, sys
from pathlib import Path
from secvault import confinement

own, outside, without_landlock, unix = Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:]
if without_landlock == "yes":
    confinement._confine_writing = lambda *_: False
there = outside / "there"
confinement.confine([own], unix_sockets=unix == "yes")
(own / "mine").write_text("mine")
(own / "way").symlink_to(outside) if without_landlock == "no" else None

def listening(family, kind=socket.SOCK_STREAM):
    return lambda: socket.socket(family, kind)

def forked():
    if os.fork() == 0:
        try:
            os.execv("/bin/true", ["true"])
        except PermissionError:
            os._exit(7)
    if os.waitstatus_to_exitcode(os.wait()[1]) == 7:
        raise PermissionError

library = ctypes.CDLL(None, use_errno=True)

def called(number):
    def call():
        if library.syscall(number, 1, None) < 0:
            raise OSError(ctypes.get_errno(), "refused")
    return call

TRIED = {
    "inet": listening(socket.AF_INET),
    "inet6": listening(socket.AF_INET6),
    "udp": listening(socket.AF_INET, socket.SOCK_DGRAM),
    "unix": listening(socket.AF_UNIX),
    "netlink": listening(socket.AF_NETLINK, socket.SOCK_RAW),
    "packet": listening(socket.AF_PACKET, socket.SOCK_RAW),
    "vsock": listening(socket.AF_VSOCK),
    "program": lambda: subprocess.run(["/bin/true"], check=True),
    "program in a fork": forked,
    "signal": lambda: os.kill(os.getppid(), 0),
    "io_uring": called(425),
    "write outside": lambda: (outside / "new").write_text("x"),
    "append outside": lambda: there.open("a").close(),
    "remove outside": there.unlink,
    "move outside": lambda: (own / "mine").rename(outside / "moved"),
    "make a folder outside": (outside / "folder").mkdir,
    "through a link": lambda: (own / "way" / "new").write_text("x"),
    "write inside": lambda: (own / "more").write_text("x"),
    "read outside": there.read_text,
    "a pair of sockets": lambda: socket.socketpair(),
    "nothing": lambda: Path(os.devnull).write_text("x"),
}
told = {}
for name, attempt in TRIED.items():
    try:
        attempt()
        told[name] = "done"
    except FileNotFoundError:
        told[name] = "not there"
    except OSError as error:
        told[name] = "refused" if isinstance(error, PermissionError) else repr(error)
print(json.dumps(told))
"""

ALLOWED = {"write inside", "read outside", "a pair of sockets", "nothing"}


@pytest.mark.parametrize("without_landlock", ["no", "yes"])
@pytest.mark.parametrize("unix", ["no", "yes"])
def test_only_its_own_folder_and_reading_are_left(
    tmp_path: Path, without_landlock: str, unix: str
) -> None:
    own, outside = tmp_path / "own", tmp_path / "outside"
    own.mkdir()
    outside.mkdir()
    (outside / "there").write_text("kept")
    done = subprocess.run(
        [sys.executable, "-c", TRIES, str(own), str(outside), without_landlock, unix],
        capture_output=True,
        check=True,
        text=True,
    )
    told = json.loads(done.stdout)
    may = ALLOWED | ({"unix"} if unix == "yes" else set())
    # Without Landlock links cannot be made either, so that there is none to go through.
    assert told.pop("through a link") == ("refused" if without_landlock == "no" else "not there")
    assert {name for name, how in told.items() if how == "done"} == may
    assert {how for name, how in told.items() if name not in may} == {"refused"}
    assert [one.name for one in outside.iterdir()] == ["there"]
    assert (outside / "there").read_text() == "kept"


def test_a_process_whose_other_threads_would_stay_free_is_not_confined(tmp_path: Path) -> None:
    tried = subprocess.run(
        [sys.executable, "-c", TOO_LATE, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert "several threads" in tried.stdout
