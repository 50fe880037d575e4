"""Sealing the running service: nothing with data leaves afterwards, and unsealing brings all back.

Several web workers, real processes, real sockets.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
import unicodedata
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import hvac
import pytest

from tests.acceptance.installation import (
    ADMINISTRATOR,
    PASSWORD,
    SEED,
    Installation,
    code_of,
    family,
    new_installation,
    payslip,
    stop,
    system_token,
)
from tests.conftest import Hsm, OpenBao

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(300)]

NAME = "Kiều Oanh"
PASSPHRASE = "mùa thu Hà Nội ngọt như cốm"
CHEAP_SEAL = {"SECVAULT_SEAL__PASSPHRASE_MEMORY_MIB": "19", "SECVAULT_SEAL__PASSPHRASE_PASSES": "2"}
READERS = 6


@dataclass(frozen=True)
class Answer:
    """One answer as a client saw it. asked, came: monotonic seconds."""

    asked: float
    came: float
    status: int
    has_data: bool


@dataclass
class Reader:
    """Asks for one record again and again, on connections that stay open, and notes each answer."""

    url: str
    token: str
    stopping: threading.Event
    answers: list[Answer] = field(default_factory=list)

    def work(self) -> None:
        """Read until told to stop; an answer that breaks off is no answer."""
        headers = {"Authorization": f"Bearer {self.token}"}
        with httpx2.Client(timeout=30, headers=headers, trust_env=False) as client:
            while not self.stopping.is_set():
                asked = time.monotonic()
                try:
                    answer = client.get(f"{self.url}/api/v1/records/payroll/pay-1")
                except httpx2.TransportError:
                    time.sleep(0.02)
                    continue
                came = time.monotonic()
                self.answers.append(Answer(asked, came, answer.status_code, NAME in answer.text))


@dataclass(frozen=True)
class Served:
    """The service with two web workers and one payslip, and a token that reads it."""

    installation: Installation
    token: str
    process: subprocess.Popen[bytes]


@pytest.fixture(scope="module")
def one_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One for all tests that leave it running: starting takes longer than most of them."""
    running, token = furnished(new_installation(tmp_path_factory.mktemp("sealing")))
    with running.serving() as process:
        new = {"id": "pay-1", "fields": payslip()}
        assert running.call("POST", "/api/v1/records/payroll", token, new).status_code == 201
        yield Served(running, token, process)


@pytest.fixture
def served(one_service: Served) -> Iterator[Served]:
    """The running service, open before and after the test."""
    yield one_service
    if status(one_service.installation)["sealed"]:
        one_service.installation.ok("unseal")


def furnished(installation: Installation) -> tuple[Installation, str]:
    """The installation with one payslip and two web workers, and a token that reads it."""
    with installation.opened() as service:
        token = system_token(service, "payroll-sync", "hr", "role:hr.head")
    return installation.with_(SECVAULT_SERVER__WORKERS="2"), token


def operator_token(installation: Installation) -> str:
    """The session of the administrator."""
    body = {"name": ADMINISTRATOR, "password": PASSWORD, "code": code_of(SEED)}
    answer = installation.call("POST", "/api/v1/sessions", "", body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["token"])


def status(installation: Installation) -> dict[str, Any]:
    """The seal's state as any client sees it."""
    answer = installation.call("GET", "/v1/sys/seal-status", "")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


@contextmanager
def waiting_for_its_key(installation: Installation) -> Iterator[subprocess.Popen[bytes]]:
    """The service, answering that it is sealed."""
    process = installation.start()
    try:
        deadline = time.monotonic() + 40
        while time.monotonic() < deadline:
            try:
                if status(installation)["sealed"] is True:
                    break
            except (httpx2.TransportError, AssertionError):
                time.sleep(0.1)
        else:
            raise AssertionError(installation.log()[-3000:])
        yield process
    finally:
        stop(process)


def test_after_the_seal_call_nothing_with_data_leaves_and_unsealing_brings_all_back(
    served: Served,
) -> None:
    running, token = served.installation, served.token
    stopping = threading.Event()
    readers = [Reader(running.address, token, stopping) for _ in range(READERS)]
    threads = [threading.Thread(target=reader.work) for reader in readers]
    sealed_at, until, opened_at = [], [], []
    recorded = outcomes(running)
    before = set(family(served.process.pid))
    for thread in threads:
        thread.start()
    try:
        session = operator_token(running)
        for _ in range(3):
            time.sleep(1.0)
            began = time.monotonic()
            answer = running.call("PUT", "/v1/sys/seal", session)
            sealed_at.append(time.monotonic())
            assert (answer.status_code, answer.content) == (204, b"")
            assert sealed_at[-1] - began < 8
            time.sleep(0.7)
            assert running.json("seal", "status")["sealed"] is True
            until.append(time.monotonic())
            running.ok("unseal")
            opened_at.append(time.monotonic())
        time.sleep(1.0)
    finally:
        stopping.set()
        for thread in threads:
            thread.join()
    assert set(family(served.process.pid)) >= before, "the workers opened again without a restart"
    assert running.json("audit", "verify")["ok"] is True
    recorded = outcomes(running) - recorded
    answers = [answer for reader in readers for answer in reader.answers]
    assert {answer.status for answer in answers} == {200, 503}
    assert all(answer.has_data == (answer.status == 200) for answer in answers)
    for sealed, end in zip(sealed_at, until, strict=True):
        within = [one for one in answers if one.asked > sealed and one.came < end]
        assert len(within) > 20
        assert not [one for one in within if one.has_data]
        # And of those that were under way: what the client itself had not read yet at most.
        late = [one for one in answers if one.has_data and sealed + 0.25 < one.came < end]
        assert not late
    assert sum(one.status == 200 for one in answers if one.asked > opened_at[-1]) > 20
    assert all(one.status == 200 for one in answers if one.asked > opened_at[-1] + 0.5)
    assert recorded == {("vault.seal", "intent"): 3, ("vault.unseal", "ok"): 3}


def test_a_worker_that_does_not_let_go_is_ended(served: Served) -> None:
    running, token = served.installation, served.token
    stuck = web_workers(served.process.pid)[0]
    os.kill(stuck, signal.SIGSTOP)
    began = time.monotonic()
    running.ok("seal", "now")
    assert time.monotonic() - began < 20
    assert not alive(stuck)
    for _ in range(20):
        assert not read(running, token)
    running.ok("unseal")
    wait_until_read(running, token)


def test_a_killed_sealer_seals_the_workers_and_its_successor_opens_them_again(
    installation: Installation,
) -> None:
    running, token = furnished(installation)
    with running.serving() as process:
        new = {"id": "pay-1", "fields": payslip()}
        assert running.call("POST", "/api/v1/records/payroll", token, new).status_code == 201
        workers = web_workers(process.pid)
        os.kill(child(process.pid, "sealer"), signal.SIGKILL)
        wait_until_read(running, token)
        assert web_workers(process.pid) == workers
        # One that was sealed by hand stays so, whatever happens to its sealer.
        running.ok("seal", "now")
        os.kill(child(process.pid, "sealer"), signal.SIGKILL)
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            assert not read(running, token)
            time.sleep(0.1)
        running.ok("unseal")
        wait_until_read(running, token)
    with running.serving():
        wait_until_read(running, token)


def test_while_sealed_only_health_and_unsealing_answer_and_local_commands_end_with_4(
    served: Served,
) -> None:
    running, token = served.installation, served.token
    running.ok("seal", "now")
    for path, form in (
        ("/api/v1/people", "application/problem+json"),
        ("/nowhere", "application/problem+json"),
        ("/v1/transit/keys/x", "application/json"),
        ("/v1/sys/mounts", "application/json"),
    ):
        answer = running.call("GET", path, token)
        assert answer.status_code == 503, path
        assert answer.headers["content-type"].startswith(form)
        assert "sealed" in answer.text
    assert running.call("GET", "/health/live", "").status_code == 200
    ready = running.call("GET", "/health/ready", "")
    assert (ready.status_code, ready.json()["unsealed"]) == (503, False)
    health = running.call("GET", "/v1/sys/health", "")
    assert (health.status_code, health.json()["sealed"]) == (503, True)
    other = running.call("GET", "/v1/sys/health?sealedcode=299", "")
    assert other.status_code == 299
    assert running.call("HEAD", "/v1/sys/health", "").status_code == 503
    assert running.call("GET", "/v1/sys/init", "").json() == {"initialized": True}
    assert running.call("GET", "/v1/sys/leader", "").status_code == 200
    assert running.call("PUT", "/v1/sys/seal", token).status_code == 503
    refused = running.call("PUT", "/v1/sys/unseal", "", {"key": "anything"})
    assert refused.status_code == 400
    assert "secvault unseal" in refused.text
    for command in (("people", "list"), ("audit", "verify"), ("keys", "rotate-root")):
        ended = running.run(*command)
        assert ended.returncode == 4, ended
        assert "sealed" in ended.stderr
    # The seal's key is there, and still nothing opens: the sealer's word counts.
    assert running.seal_key.exists()


def test_who_may_not_seal_does_not(served: Served) -> None:
    running, token = served.installation, served.token
    assert running.call("PUT", "/v1/sys/seal", token).status_code == 403
    assert running.call("PUT", "/v1/sys/seal", "").status_code == 403
    assert status(running)["sealed"] is False


def test_shares_open_the_service_over_http_as_vault_clients_do_it(tmp_path: Path) -> None:
    made, shares = shared_installation(tmp_path)
    with waiting_for_its_key(made):
        said = status(made)
        assert (said["type"], said["t"], said["n"], said["progress"]) == ("shamir", 2, 3, 0)
        first = made.call("PUT", "/v1/sys/unseal", "", {"key": shares[0]}).json()
        assert (first["sealed"], first["progress"]) == (True, 1)
        assert first["nonce"]
        again = made.call("POST", "/v1/sys/unseal", "", {"key": shares[0].upper()}).json()
        assert again["progress"] == 1
        reset = made.call("PUT", "/v1/sys/unseal", "", {"reset": True}).json()
        assert (reset["progress"], reset["nonce"]) == (0, "")
        wrong = made.call("PUT", "/v1/sys/unseal", "", {"key": "not a share"})
        assert wrong.status_code == 400
        assert "check their spelling" in wrong.text
        assert made.call("PUT", "/v1/sys/unseal", "", {}).status_code == 400
        for share in shares[1:]:
            last = made.call("PUT", "/v1/sys/unseal", "", {"key": share})
            assert last.status_code == 200, last.text
        assert last.json()["sealed"] is False
        assert made.is_ready()
        assert [one["name"] for one in made.json("people", "list")["people"]] == [ADMINISTRATOR]
        assert not leaked(made, shares)


def test_a_service_under_shares_is_unsealed_from_the_command_line_and_drilled(
    tmp_path: Path,
) -> None:
    made, shares = shared_installation(tmp_path)
    assert made.run("people", "list").returncode == 4
    with waiting_for_its_key(made):
        assert unsealed(made, shares[2], shares[0]).returncode == 0
        made.ok("backup", "run")
        made.ok("keys", "rotate-root")
        made.ok("drill", "run")
        assert made.json("drill", "list")["drills"][0]["passed"] is True
        # New shares: the old ones open it no more.
        fresh = made.json("seal", "change", "--to", "shares", "--shares", "4", "--threshold", "3")
        made.ok("seal", "now")
        assert unsealed(made, *shares).returncode == 2
        assert unsealed(made, *fresh["shares"][:3]).returncode == 0
        made.ok("drill", "run")
    with waiting_for_its_key(made):
        assert unsealed(made, *fresh["shares"][1:]).returncode == 0
        made.ok("people", "list")


def test_a_vietnamese_passphrase_opens_it_however_it_was_typed(tmp_path: Path) -> None:
    word = tmp_path / "passphrase"
    word.write_text(unicodedata.normalize("NFC", PASSPHRASE) + "\n")
    word.chmod(0o600)
    options = ("--seal", "passphrase", "--passphrase-file", str(word))
    made = new_installation(tmp_path / "home", seal=options, **CHEAP_SEAL)
    with waiting_for_its_key(made):
        typed = {"key": unicodedata.normalize("NFD", PASSPHRASE)}
        wrong = made.call("PUT", "/v1/sys/unseal", "", {"key": "mùa thu Sài Gòn không có cốm"})
        assert wrong.status_code == 400
        assert status(made)["sealed"] is True
        opened = made.call("PUT", "/v1/sys/unseal", "", typed)
        assert (opened.status_code, opened.json()["sealed"]) == (200, False), opened.text
        made.ok("seal", "change", "--to", "file")
        made.ok("seal", "now")
        made.ok("unseal")
    with made.serving():
        made.ok("people", "list")


def test_guessing_over_the_network_is_slowed_down_and_the_owner_is_not(tmp_path: Path) -> None:
    made, shares = shared_installation(tmp_path)
    with waiting_for_its_key(made):
        statuses = [
            made.call("PUT", "/v1/sys/unseal", "", {"key": "wrong words"}).status_code
            for _ in range(12)
        ]
        assert statuses[:5] == [400] * 5
        assert 429 in statuses[5:]
        assert unsealed(made, *shares[:2]).returncode == 0
        assert made.is_ready()


def shared_installation(folder: Path) -> tuple[Installation, list[str]]:
    """A vault under 2 of 3 shares, and the shares."""
    said: list[str] = []
    made = new_installation(
        folder, seal=("--seal", "shares", "--shares", "3", "--threshold", "2"), said=said
    )
    return made, json.loads(said[0])["shares"]


def unsealed(installation: Installation, *shares: str) -> subprocess.CompletedProcess[str]:
    """`secvault unseal` with shares on stdin."""
    return installation.run("unseal", stdin="\n".join(shares) + "\n")


def leaked(installation: Installation, shares: list[str]) -> list[Path]:
    """The files of the installation that hold the first words of a share."""
    heads = [" ".join(share.split()[4:8]).encode() for share in shares]
    files = [path for path in installation.folder.rglob("*") if path.is_file()]
    return [path for path in files if any(head in path.read_bytes() for head in heads)]


def outcomes(installation: Installation) -> Counter[tuple[str, str]]:
    """How often sealing and unsealing are in the audit log, by kind and outcome."""
    return Counter(
        (kind, one["outcome"])
        for kind in ("vault.seal", "vault.unseal")
        for one in installation.json("audit", "events", "--kind", kind)["events"]
    )


def read(installation: Installation, token: str) -> bool:
    """Whether the payslip is given out."""
    try:
        answer = installation.call("GET", "/api/v1/records/payroll/pay-1", token)
    except httpx2.TransportError:
        return False
    assert answer.status_code in (200, 503), answer.text
    return NAME in answer.text


def wait_until_read(installation: Installation, token: str) -> None:
    """Return when the payslip is given out ten times in a row."""
    deadline = time.monotonic() + 30
    row = 0
    while row < 10:
        assert time.monotonic() < deadline, installation.log()[-3000:]
        row = row + 1 if read(installation, token) else 0
        if not row:
            time.sleep(0.1)


def child(keeper: int, name: str) -> int:
    """The keeper's child of this name."""
    [found] = [pid for pid in children(keeper) if command(pid).endswith(name.encode())]
    return found


def web_workers(keeper: int) -> list[int]:
    """The processes that answer requests."""
    return [pid for pid in children(keeper) if command(pid).endswith(b"web")]


def children(pid: int) -> list[int]:
    """The direct children of a process."""
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(each) for task in tasks for each in task.read_text().split()]


def command(pid: int) -> bytes:
    """The command line of a process."""
    return Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0")


def alive(pid: int) -> bool:
    """Whether the process runs; one that only waits to be reaped does not."""
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_the_root_is_rotated_under_load_and_no_request_is_lost(served: Served) -> None:
    running, token = served.installation, served.token
    with running.opened() as service:
        system = system_token(service, "billing", "it", "role:it.cryptor")
    stopping = threading.Event()
    readers = [Reader(running.address, token, stopping) for _ in range(3)]
    made: list[tuple[str, int, str]] = []

    def make_keys() -> None:
        while not stopping.is_set():
            name = f"key-{len(made)}"
            answer = running.call("POST", f"/v1/transit/keys/{name}", system, {})
            body = {"plaintext": "aGVsbG8="}
            used = running.call("POST", f"/v1/transit/encrypt/{name}", system, body)
            text = used.json()["data"]["ciphertext"] if used.status_code == 200 else used.text
            made.append((name, answer.status_code, text))

    threads = [threading.Thread(target=work) for work in (*(it.work for it in readers), make_keys)]
    for thread in threads:
        thread.start()
    try:
        generations = [running.json("keys", "rotate-root")["generation"] for _ in range(4)]
        time.sleep(0.5)
    finally:
        stopping.set()
        for thread in threads:
            thread.join()
    assert generations == list(range(generations[0], generations[0] + 4))
    answers = [answer for reader in readers for answer in reader.answers]
    assert len(answers) > 50
    assert {(one.status, one.has_data) for one in answers} == {(200, True)}
    assert len(made) > 10
    assert {status for _, status, _ in made} <= {200, 204}
    for name, _, text in made:
        body = {"ciphertext": text}
        opened = running.call("POST", f"/v1/transit/decrypt/{name}", system, body)
        assert opened.status_code == 200, opened.text
    with running.opened():
        pass


@pytest.mark.parametrize("kind", ["vault", "pkcs11"])
def test_a_seal_elsewhere_opens_the_service_by_itself(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    made = new_installation(
        tmp_path / "home", seal=("--seal", kind), **elsewhere(kind, tmp_path, request)
    )
    assert not made.seal_key.exists()
    with made.serving():
        assert made.json("seal", "status")["kind"] == kind
        made.ok("keys", "rotate-root")
        made.ok("seal", "now")
        assert made.run("people", "list").returncode == 4
        made.ok("unseal")
        assert made.is_ready()
    made.ok("people", "list")


def test_while_its_vault_is_away_the_service_is_sealed_and_opens_when_it_is_back(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    settings = elsewhere("vault", tmp_path, request)
    made = new_installation(tmp_path / "home", seal=("--seal", "vault"), **settings)
    token = Path(settings["SECVAULT_SEAL__VAULT__TOKEN_FILE"])
    token.rename(tmp_path / "away")
    with waiting_for_its_key(made) as process:
        assert status(made)["type"] == "transit"
        assert "token_file" in made.log()
        (tmp_path / "away").rename(token)
        made.wait_until_ready(process)


def elsewhere(kind: str, folder: Path, request: pytest.FixtureRequest) -> dict[str, str]:
    """The settings of a seal whose key lies in a real server or HSM."""
    secret = folder / "credential"
    secret.touch(mode=0o600)
    name = f"serve-{os.urandom(4).hex()}"
    if kind == "pkcs11":
        hsm: Hsm = request.getfixturevalue("hsm")
        secret.write_text(hsm.pin)
        return {
            "SECVAULT_SEAL__PKCS11__MODULE": str(hsm.module),
            "SECVAULT_SEAL__PKCS11__TOKEN": hsm.token,
            "SECVAULT_SEAL__PKCS11__KEY": name,
            "SECVAULT_SEAL__PKCS11__PIN_FILE": str(secret),
        }
    openbao: OpenBao = request.getfixturevalue("openbao")
    hvac.Client(openbao.addr, openbao.token).secrets.transit.create_key(name)
    secret.write_text(openbao.token)
    return {
        "SECVAULT_SEAL__VAULT__ADDRESS": openbao.addr,
        "SECVAULT_SEAL__VAULT__TOKEN_FILE": str(secret),
        "SECVAULT_SEAL__VAULT__KEY": name,
    }
