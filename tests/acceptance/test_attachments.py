"""Files in records by the running service: memory, damage that is noticed, kills, backups."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from secvault.crypto.streaming import SEGMENT_BYTES
from secvault.service import records
from secvault.service.authentication import authenticate
from secvault.service.spine import Caller
from tests.acceptance.installation import (
    NO_SIGN_INS,
    PLAN,
    READY_SECONDS,
    Installation,
    family,
    new_installation,
    part,
    stop,
    system_token,
)
from tests.acceptance.test_damage import CONTRACT

SAYS = {"Content-Type": "application/pdf", "Content-Disposition": "attachment; filename=a.pdf"}
BEGIN = b"%PDF-1.7\n"
KILLS = 3


@dataclass(frozen=True)
class Served:
    """A running service with two contracts, and the token of a system that keeps them."""

    installation: Installation
    token: str
    process: subprocess.Popen[bytes]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One for the tests that leave it running, each with a contract of its own."""
    made = new_installation(tmp_path_factory.mktemp("attachments"), **NO_SIGN_INS)
    token = keeping_contracts(made, "ct-1", "ct-2")
    with made.serving() as process:
        yield Served(made, token, process)


@pytest.fixture
def token(installation: Installation) -> str:
    """The token of a system that keeps contracts; one is there."""
    return keeping_contracts(installation, "ct-1")


def keeping_contracts(installation: Installation, *contracts: str) -> str:
    """The token of a system that has made these contracts."""
    with installation.opened() as service:
        made = system_token(service, "contracts", "hr", "role:hr.head")
        head = Caller(authenticate(service, made))
        for contract in contracts:
            records.create_record(service, head, "contracts", contract, CONTRACT)
    return made


def place(installation: Installation, contract: str) -> str:
    return f"{installation.address}/api/v1/records/contracts/{contract}/fields/document/content"


def put(
    installation: Installation,
    token: str,
    content: bytes | Iterator[bytes],
    expected: str = "*",
    contract: str = "ct-1",
) -> httpx2.Response:
    precondition = {"If-None-Match": "*"} if expected == "" else {"If-Match": expected}
    return httpx2.put(
        place(installation, contract),
        content=content,
        headers={"Authorization": f"Bearer {token}", **SAYS, **precondition},
        timeout=120,
    )


def get(
    installation: Installation, token: str, contract: str = "ct-1", **headers: str
) -> httpx2.Response:
    return httpx2.get(
        place(installation, contract),
        headers={"Authorization": f"Bearer {token}", **headers},
        timeout=120,
    )


def get_into(came: bytearray, installation: Installation, token: str, contract: str) -> None:
    """Fetch it, and put what comes there as it comes."""
    with httpx2.stream(
        "GET",
        place(installation, contract),
        headers={"Authorization": f"Bearer {token}"},
        timeout=120,
    ) as answer:
        assert answer.status_code == 200
        for piece in answer.iter_bytes():
            came += piece


def files(installation: Installation) -> list[Path]:
    folder = installation.data / "attachments"
    return sorted(file for file in folder.rglob("*") if file.is_file())


def long(size: int) -> Iterator[bytes]:
    yield BEGIN
    piece = os.urandom(2**20)
    for _ in range(size // 2**20):
        yield piece


def peak_memory(pid: int) -> int:
    """In KiB, of the process in its life."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1])


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_long_file_goes_through_in_constant_memory(served: Served) -> None:
    installation, token = served.installation, served.token
    size = 96 * 2**20
    assert put(installation, token, long(2**20), "").status_code == 201
    assert get(installation, token).status_code == 200
    pids = family(served.process.pid)
    before = {pid: peak_memory(pid) for pid in pids}
    digest = hashlib.sha256()

    def seen() -> Iterator[bytes]:
        for piece in long(size):
            digest.update(piece)
            yield piece

    made = put(installation, token, seen())
    assert made.status_code == 200, made.text
    assert made.json()["sha256"] == digest.hexdigest()
    back = hashlib.sha256()
    with httpx2.stream(
        "GET",
        place(installation, "ct-1"),
        headers={"Authorization": f"Bearer {token}"},
        timeout=120,
    ) as answer:
        for piece in answer.iter_bytes():
            back.update(piece)
    assert back.digest() == digest.digest()
    grown = max(peak_memory(pid) - before[pid] for pid in pids)
    assert grown * 1024 < size // 2, f"{grown} KiB"


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_damage_behind_the_beginning_is_noticed_by_the_client(
    served: Served, tmp_path: Path
) -> None:
    installation, token, mine = served.installation, served.token, "ct-2"
    whole = BEGIN + os.urandom(3 * SEGMENT_BYTES)
    there = set(files(installation))
    assert put(installation, token, whole, "", mine).status_code == 201
    (file,) = set(files(installation)) - there
    damaged = bytearray(file.read_bytes())
    damaged[2 * SEGMENT_BYTES + 5] ^= 1
    file.write_bytes(damaged)
    came = bytearray()
    with pytest.raises(httpx2.RemoteProtocolError):
        get_into(came, installation, token, mine)
    assert len(came) < len(whole)
    assert whole.startswith(bytes(came))
    # Others are served on.
    assert get(installation, token, mine, Range="bytes=0-8").content == BEGIN
    damaged[5000] ^= 1
    file.write_bytes(damaged)
    answer = get(installation, token, mine)
    assert (answer.status_code, answer.json()["type"][-7:]) == (500, "damaged")
    fetched = installation.run(
        "records", "attachments", "fetch", "contracts", mine, "document",
        "--out", str(tmp_path / "out.pdf"), SECVAULT_TOKEN=token,
    )  # fmt: skip
    assert fetched.returncode == 5, fetched
    assert list(tmp_path.iterdir()) == []
    assert "Traceback" not in installation.log()
    assert installation.json("audit", "verify")["ok"]


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_killed_at_any_moment_the_old_or_the_new_is_there_and_nothing_else_stays(
    installation: Installation, token: str
) -> None:
    chance = random.Random(36)
    contents = [BEGIN + bytes([n]) * (2 * SEGMENT_BYTES + n) for n in range(1 + KILLS)]
    acknowledged = -1
    done = threading.Event()

    def upload(number: int) -> None:
        nonlocal acknowledged

        def slowly() -> Iterator[bytes]:
            for at in range(0, len(contents[number]), 2**18):
                yield contents[number][at : at + 2**18]
                time.sleep(0.01)

        with suppress(httpx2.TransportError):
            if put(installation, token, slowly(), "*" if number else "").is_success:
                acknowledged = number
        done.set()

    process = installation.with_(**NO_SIGN_INS).start()
    try:
        installation.wait_until_ready(process)
        for number in range(len(contents)):
            done.clear()
            sender = threading.Thread(target=upload, args=(number,))
            sender.start()
            if number:
                done.wait(chance.uniform(0, 0.25))
                for pid in web_workers(process.pid):
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
            sender.join(150)
            assert not sender.is_alive()
            installation.wait_until_ready(process)
            seen = get_when_it_answers(installation, token)
            assert seen.status_code == 200, seen.text
            named = [n for n in range(number + 1) if contents[n] == seen.content]
            assert named, "what is there is none of what was sent"
            assert named[0] >= acknowledged
            acknowledged = named[0]
    finally:
        stop(process)
    with installation.sql() as database:
        database.execute("UPDATE attachment SET changed_at = changed_at - 3600000001")
    settings = {"SECVAULT_ATTACHMENTS__KEEP_DAYS": "0"}
    collected = installation.json("records", "attachments", "collect", "--strays", **settings)
    assert (collected["waiting"], collected["strays"]) == (0, 0)
    assert len(files(installation)) == 1
    fetched = installation.folder / "fetched.pdf"
    installation.ok(
        "records", "attachments", "fetch", "contracts", "ct-1", "document",
        "--out", str(fetched), SECVAULT_TOKEN=token,
    )  # fmt: skip
    assert fetched.read_bytes() == contents[acknowledged]


def web_workers(keeper: int) -> list[int]:
    """The processes that answer requests, which their parent starts again."""
    return [pid for pid in family(keeper) if part(pid) == "web"]


def get_when_it_answers(installation: Installation, token: str) -> httpx2.Response:
    deadline = time.monotonic() + READY_SECONDS
    while True:
        try:
            answer = get(installation, token)
        except httpx2.TransportError:
            if time.monotonic() > deadline:
                raise
        else:
            if answer.status_code != 503 or time.monotonic() > deadline:
                return answer
        time.sleep(0.1)


@pytest.mark.real
@pytest.mark.slow
def test_a_backup_has_the_files_and_a_restored_one_gives_them(
    installation: Installation, token: str, tmp_path: Path
) -> None:
    content = installation.folder / "contract.pdf"
    content.write_bytes(BEGIN + os.urandom(SEGMENT_BYTES))
    at = ("contracts", "ct-1", "document")
    installation.ok("records", "attach", *at, str(content), SECVAULT_TOKEN=token)
    installation.ok("backup", "run", PLAN)
    restored = tmp_path / "restored"
    installation.ok("backup", "restore", PLAN, "--target", str(restored))
    (file,) = files(installation)
    (copy,) = restored.rglob(file.name)
    assert copy.read_bytes() == file.read_bytes()
    assert copy.parent.parent.name == "attachments"
    file.unlink()
    assert installation.run(
        "records", "attachments", "fetch", *at, "--out", str(tmp_path / "gone"),
        SECVAULT_TOKEN=token,
    ).returncode == 5  # fmt: skip
    file.write_bytes(copy.read_bytes())
    target = tmp_path / "back.pdf"
    installation.ok(
        "records", "attachments", "fetch", *at, "--out", str(target), SECVAULT_TOKEN=token
    )
    assert target.read_bytes() == content.read_bytes()
