"""A full disk, a disk that turns read-only, a database that is gone for a while.

Each on the real service: nothing is answered that is not in the log, what is refused says what to
do, and the service goes on by itself. The file systems are the test's own: a tmpfs, and an ext4 on
a loop device, which turns read-only as any does after a fault. SVTEST_GONE_SECONDS: for how long
the database is gone.
"""

from __future__ import annotations

import json
import os
import pwd
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import pytest

from secvault.audit.leaf import decode
from secvault.store import open_store
from secvault.store.straight import straight
from tests.acceptance.installation import (
    NO_SIGN_INS,
    Installation,
    new_installation,
    stop,
    system_token,
)
from tests.conftest import SERVICES

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(900)]

GONE_SECONDS = float(os.environ.get("SVTEST_GONE_SECONDS", "5"))
PATH = "/v1/transit/encrypt/payroll"
PLAIN = {"plaintext": "MTIzNDU2Nzg5MDEyMzQ1Ng=="}
# The lean path leaves a body with this member to the routes.
BODIES = (PLAIN, {**PLAIN, "type": "aes256-gcm96"}, {"batch_input": [PLAIN] * 20})
EVENTS, VERIFICATION = "/api/v1/audit/events?limit=5", "/api/v1/audit/verification"
SOON_SECONDS = 240.0
HANGING_SECONDS = 300


@dataclass
class Load:
    """Callers that encrypt without a pause. answered: ids of requests that came back with data."""

    installation: Installation
    token: str
    stopping: threading.Event = field(default_factory=threading.Event)
    answered: list[str] = field(default_factory=list)
    refused: list[tuple[int, str]] = field(default_factory=list)

    @contextmanager
    def going(self) -> Iterator[None]:
        """While the block runs."""
        threads = [threading.Thread(target=self._work, args=(body,)) for body in BODIES]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self.stopping.set()
            for thread in threads:
                thread.join(150)

    def _work(self, body: dict[str, object]) -> None:
        while not self.stopping.is_set():
            with suppress(httpx2.TransportError):
                answer = self.installation.call("POST", PATH, self.token, body)
                if answer.status_code == 200:
                    self.answered.append(answer.headers["X-Request-Id"])
                else:
                    self.refused.append((answer.status_code, answer.text))
            self.stopping.wait(0.02)

    def wait_for_more(self, count: int = 10) -> None:
        """Until so many more are answered."""
        wanted = len(self.answered) + count
        deadline = time.monotonic() + SOON_SECONDS
        while len(self.answered) < wanted:
            assert time.monotonic() < deadline, self.installation.log()[-3000:]
            time.sleep(0.02)

    def wait_for_refusals(self, count: int = 3) -> None:
        """Until so many more are refused."""
        wanted = len(self.refused) + count
        deadline = time.monotonic() + SOON_SECONDS
        while len(self.refused) < wanted:
            assert time.monotonic() < deadline, self.installation.log()[-3000:]
            time.sleep(0.02)


def _tokens(installation: Installation) -> tuple[str, str]:
    """Of a system that encrypts, and of one that reads the log."""
    with installation.opened() as service:
        return (
            system_token(service, "payroll-app", "it", "role:it.cryptor"),
            system_token(service, "auditing", "it", "role:it.auditor"),
        )


def _mounted(*command: str) -> None:
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=HANGING_SECONDS
    )
    if done.returncode:
        pytest.fail(f"no file system can be mounted here: {done.stderr.strip()}")


def _recorded(url: str) -> list[str]:
    """The requests of all encryptions in the log."""
    store = open_store(url)
    try:
        with store.read() as connection:
            rows = straight(
                connection, "SELECT seq, body FROM audit_event WHERE kind = ?", ("data.encrypt",)
            )
        events = [decode(bytes(body), seq=seq).event for seq, body in rows]
    finally:
        store.close()
    return [event.request for event in events if event.outcome == "ok"]


def _check_log(installation: Installation, load: Load, url: str = "") -> None:
    """Whole, and each answered request is in it once."""
    report = installation.json("audit", "verify")
    assert report["ok"], report
    assert report["pending"] == 0
    recorded = _recorded(url or f"sqlite:///{installation.database}")
    assert len(recorded) == len(set(recorded))
    assert set(load.answered) <= set(recorded)
    assert {status for status, _ in load.refused} <= {503}, load.refused[:3]


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Installation]:
    """A vault whose data lies on a disk of 64 MiB."""
    data = tmp_path / "vault"
    data.mkdir()
    _mounted("mount", "-t", "tmpfs", "-o", "size=64m,mode=700", "secvault-test", str(data))
    try:
        yield new_installation(tmp_path, **NO_SIGN_INS)
    finally:
        subprocess.run(["umount", "--lazy", str(data)], check=True, timeout=HANGING_SECONDS)


def test_on_a_full_disk_only_the_log_can_be_read_and_with_room_everything_goes_on(
    small: Installation,
) -> None:
    token, auditor = _tokens(small)
    load = Load(small, token)
    ballast = small.data / "ballast"
    with small.serving(), load.going():
        load.wait_for_more()
        _fill(ballast)
        load.wait_for_refusals()
        assert "disk of the database is full; make room" in load.refused[-1][1]
        assert not small.is_ready()
        # Whoever must find out what happened can: the reserve takes the entry.
        for _ in range(3):
            page = small.call("GET", EVENTS, auditor)
            assert page.status_code == 200, page.text
            assert len(page.json()["events"]) == 5
        found = small.call("POST", VERIFICATION, auditor)
        assert (found.status_code, found.json()["ok"]) == (200, True), found.text
        changed = small.call("POST", "/v1/transit/keys/another", token, {})
        assert (changed.status_code, "make room" in changed.text) == (503, True)
        ended = small.run("audit", "events")
        assert (ended.returncode, "make room" in ended.stderr) == (4, True)
        ballast.unlink()
        load.wait_for_more()
        assert _ready_soon(small)
        kinds = [
            event["kind"]
            for event in small.call("GET", "/api/v1/audit/events?limit=500&kind=audit.read",
                                    auditor).json()["events"]
        ]  # fmt: skip
        assert len(kinds) >= 3
    _check_log(small, load)


def _fill(file: Path) -> None:
    """Take all the room that is left on the disk."""
    with file.open("wb", buffering=0) as out:
        for size in (1 << 20, 1 << 12):
            with suppress(OSError):
                while out.write(bytes(size)) == size:
                    pass


def _ready_soon(installation: Installation) -> bool:
    deadline = time.monotonic() + SOON_SECONDS
    while time.monotonic() < deadline:
        if installation.is_ready():
            return True
        time.sleep(0.1)
    return False


@pytest.fixture
def failing(tmp_path: Path) -> Iterator[tuple[Installation, Path]]:
    """A vault on an ext4 of its own, and the file of that disk."""
    data, image = tmp_path / "vault", tmp_path / "disk"
    data.mkdir()
    with image.open("wb") as file:
        file.truncate(96 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-F", str(image)], check=True, timeout=HANGING_SECONDS)
    _mounted("mount", "-o", "loop,errors=remount-ro", str(image), str(data))
    try:
        yield new_installation(tmp_path, **NO_SIGN_INS), image
    finally:
        subprocess.run(["umount", "--lazy", str(data)], check=True, timeout=HANGING_SECONDS)


def test_on_a_disk_that_turned_read_only_nothing_is_answered_and_once_repaired_it_goes_on(
    failing: tuple[Installation, Path],
) -> None:
    made, image = failing
    token, _ = _tokens(made)
    load = Load(made, token)
    where = ["findmnt", "-no", "SOURCE", str(made.data)]
    device = subprocess.run(where, capture_output=True, text=True, check=True).stdout.strip()
    mounted = Path("/sys/fs/ext4", Path(device).name)
    process = made.start()
    try:
        made.wait_until_ready(process)
        with load.going():
            load.wait_for_more()
            mounted.joinpath("trigger_fs_error").write_text("1")
            load.wait_for_refusals()
            settled = len(load.answered)
            load.wait_for_refusals(20)
            assert len(load.answered) == settled
            assert not made.is_ready()
            # In a process of its own, which leaves nothing open on that disk.
            ended = made.run("audit", "events", apart=True)
            assert ended.returncode == 4, ended.stderr
    finally:
        stop(process)
    subprocess.run(["umount", str(made.data)], check=True, timeout=HANGING_SECONDS)
    # A drill beside this test may have taken all mounts along into a place of its own.
    deadline = time.monotonic() + HANGING_SECONDS
    while mounted.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    repair = ["e2fsck", "-p", str(image)]
    assert subprocess.run(repair, check=False, timeout=HANGING_SECONDS).returncode in (0, 1)
    _mounted("mount", "-o", "loop", str(image), str(made.data))
    with made.serving():
        assert made.call("POST", PATH, token, PLAIN).status_code == 200
    _check_log(made, load)


@dataclass
class Server:
    """A PostgreSQL of this test's own, which can be stopped and started again."""

    folder: Path
    url: str
    started: subprocess.Popen[bytes] | None = None

    @property
    def _notes(self) -> Path:
        (file,) = self.folder.glob("*/data/postmaster.pid")
        return file

    def stop(self) -> tuple[list[str], int]:
        """End it as its administrator would; the command that started it, and its account."""
        pid = int(self._notes.read_text().splitlines()[0])
        process = Path(f"/proc/{pid}")
        command = process.joinpath("cmdline").read_text().split("\0")[:-1]
        account = process.stat().st_uid
        os.kill(pid, signal.SIGINT)
        deadline = time.monotonic() + SOON_SECONDS
        while process.exists() and "State:\tZ" not in process.joinpath("status").read_text():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        return command, account

    def start(self, command: list[str], account: int) -> None:
        """Start it again, on the same port."""
        entry = pwd.getpwuid(account)
        self.started = subprocess.Popen(
            command, user=account, group=entry.pw_gid, cwd="/",
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """PostgreSQL, started for this test alone."""
    # Its account must be able to reach it.
    folder = Path(f"/tmp/secvault-gone-{os.getpid()}")
    given = subprocess.run(
        [str(SERVICES), "start", "--dir", str(folder), "--only", "postgresql", "--json"],
        capture_output=True, text=True, check=True, timeout=HANGING_SECONDS,
    )  # fmt: skip
    made = Server(folder, json.loads(given.stdout)["SVTEST_POSTGRESQL"])
    try:
        yield made
    finally:
        if made.started is not None:
            made.started.send_signal(signal.SIGQUIT)
            made.started.wait(HANGING_SECONDS)
        subprocess.run(
            [str(SERVICES), "stop", "--dir", str(folder)], check=True, timeout=HANGING_SECONDS
        )


def test_while_the_database_is_gone_nothing_is_answered_and_when_it_is_back_everything_goes_on(
    server: Server, tmp_path: Path
) -> None:
    made = new_installation(tmp_path, SECVAULT_STORE__URL=server.url, **NO_SIGN_INS)
    token, auditor = _tokens(made)
    load = Load(made, token)
    with made.serving(), load.going():
        load.wait_for_more()
        command, account = server.stop()
        settled = len(load.answered)
        began = time.monotonic()
        load.wait_for_refusals()
        while time.monotonic() - began < GONE_SECONDS:
            time.sleep(0.1)
        assert len(load.answered) <= settled + len(BODIES)
        assert "database" in load.refused[-1][1]
        refused = made.call("GET", EVENTS, auditor)
        assert refused.status_code == 503, refused.text
        assert not made.is_ready()
        server.start(command, account)
        load.wait_for_more()
        assert _ready_soon(made)
        assert made.call("GET", EVENTS, auditor).status_code == 200
    _check_log(made, load, server.url)
