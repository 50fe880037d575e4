"""`secvault witness`: a real process, asked over HTTP, killed, raced, and behind TLS."""

from __future__ import annotations

import datetime
import hashlib
import ipaddress
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from secvault.audit.witness_client import Answer, Witness, ask
from secvault.crypto.cosignature import WitnessVerifier, cosignatures
from secvault.crypto.note import NoteSigner
from secvault.crypto.secret import Secret
from secvault.witness.state import WitnessFile
from tests.cli.program import Program
from tests.cli.test_serve_command import free_port
from tests.witness.conftest import GrownLog

NAME = "witness.example.com/w1"


def log_number(number: int) -> GrownLog:
    return GrownLog(signer=NoteSigner(f"log-{number}", Secret(bytes([number]) * 32)))


@dataclass
class Running:
    """A witness that runs in a folder of its own."""

    program: Program
    folder: Path
    vkey: str
    process: subprocess.Popen[str]
    url: str

    def post(self, body: bytes) -> httpx2.Response:
        return httpx2.post(f"{self.url}/add-checkpoint", content=body, timeout=100)


@pytest.fixture
def made(secvault: Program, tmp_path: Path) -> tuple[Path, str]:
    """The folder of a witness of ten logs, and its public key."""
    folder = tmp_path / "witness"
    vkey = secvault.ok("witness", "init", str(folder), "--name", NAME).out.strip()
    listed = [f'[[log]]\nvkey = "{log_number(at).signer.verifier().vkey}"\n' for at in range(10)]
    (folder / "logs.toml").write_text("".join(listed))
    return folder, vkey


@contextmanager
def serving(program: Program, made: tuple[Path, str], *options: str) -> Iterator[Running]:
    """The witness as a process; killed at the end, if it is there still."""
    folder, vkey = made
    port = free_port()
    command = [sys.executable, "-m", "secvault.cli", "witness", "serve", str(folder)]
    process = subprocess.Popen(
        [*command, "--port", str(port), *options],
        env=program.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        line = process.stderr.readline()
        assert "co-signs 10 log(s)" in line, line + process.stderr.read()
        url = line.split()[-1]
        until_it_listens(port)
        yield Running(program, folder, vkey, process, url)
    finally:
        process.kill()
        process.communicate(timeout=100)


def until_it_listens(port: int) -> None:
    end = time.monotonic() + 150
    while time.monotonic() < end:
        try:
            httpx2.get(f"http://127.0.0.1:{port}/", timeout=5)
        except httpx2.ConnectError:
            time.sleep(0.02)
        except httpx2.HTTPError:
            return
        else:
            return
    pytest.fail("the witness does not listen")


def test_it_cosigns_over_http_says_what_it_knows_and_ends_when_told(
    secvault: Program, made: tuple[Path, str]
) -> None:
    log = log_number(3)
    with serving(secvault, made) as running:
        answer = running.post(log.body(0, 5))
        assert answer.status_code == 200
        verifier = WitnessVerifier.from_vkey(running.vkey)
        assert cosignatures(log.note(5) + answer.content, [verifier])
        stale = running.post(log.body(0, 9))
        assert (stale.status_code, stale.headers["content-type"]) == (409, "text/x.tlog.size")
        assert stale.content == b"5\n"
        monitor = hashlib.sha256(b"log-3").hexdigest()
        assert httpx2.get(f"{running.url}/{monitor}/checkpoint").content.startswith(log.note(5))
        assert httpx2.get(f"{running.url}/{'0' * 64}/checkpoint").status_code == 404
        assert httpx2.get(f"{running.url}/add-checkpoint").status_code == 405
        assert running.post(bytes(300_000)).status_code == 413
        shown = secvault.ok("witness", "status", str(running.folder), "--json").json["logs"]
        assert [one["size"] for one in shown] == [0, 0, 0, 5, 0, 0, 0, 0, 0, 0]
        assert secvault.ok("witness", "key", str(running.folder)).out.strip() == running.vkey
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(timeout=150) in (0, -signal.SIGTERM)


@pytest.mark.slow
def test_what_was_answered_is_remembered_whenever_it_is_killed(
    secvault: Program, made: tuple[Path, str]
) -> None:
    chosen = random.Random(5)
    log, forged = log_number(0), GrownLog("forged", log_number(0).signer)
    answered = 0
    for _ in range(3):
        with serving(secvault, made) as running:
            killer = threading.Timer(chosen.uniform(0.05, 0.4), running.process.kill)
            asked = answered
            try:
                while True:
                    reply = running.post(log.body(answered, asked + 1))
                    if reply.status_code == 409:
                        # It was on disk, and the answer was lost with the process.
                        answered = int(reply.content)
                        asked = max(asked, answered)
                        continue
                    assert reply.status_code == 200
                    asked = answered = asked + 1
                    if killer.ident is None:
                        # Once it is at work, however slow this machine is.
                        killer.start()
            except httpx2.HTTPError:
                assert killer.ident, "it died by itself, or did not answer"
                killer.join(60)
        kept = WitnessFile(running.folder / "witness.db").last("log-0")
        size = kept.head.size if kept else 0
        # One more at most: what was being answered.
        assert answered <= size <= answered + 1
    assert answered > 0
    with serving(secvault, made) as running:
        known = int(running.post(log.body(0, 0)).content)
        assert running.post(forged.body(known, known + 5)).status_code == 422
        assert running.post(log.body(known, known + 5)).status_code == 200


@pytest.mark.slow
def test_of_many_at_once_and_two_processes_one_history_is_cosigned(
    secvault: Program, made: tuple[Path, str]
) -> None:
    with serving(secvault, made) as one, serving(secvault, made) as two:
        both = (one, two)
        with ThreadPoolExecutor(16) as pool:
            for number in range(4):
                honest = log_number(number)
                forged = GrownLog("forged", honest.signer)
                bodies = [
                    (log, size, log.body(0, size))
                    for log in (honest, forged)
                    for size in range(1, 9)
                ]
                codes = list(
                    pool.map(
                        lambda at, sent=bodies: both[at % 2].post(sent[at][2]).status_code,
                        range(len(bodies)),
                    )
                )
                assert sorted(codes) == [200] + [409] * (len(bodies) - 1)
                log, size, _ = bodies[codes.index(200)]
                other = forged if log is honest else honest
                assert one.post(other.body(size, 20)).status_code == 422
                assert two.post(log.body(size, 20)).status_code == 200


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate of its own for 127.0.0.1, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "witness")])
    now = datetime.datetime.now(datetime.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    public, private = folder / "tls.pem", folder / "tls.key"
    public.write_bytes(built.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return public, private


def test_over_tls_the_client_trusts_the_authority_that_it_was_given_alone(
    secvault: Program, made: tuple[Path, str], tmp_path: Path
) -> None:
    public, private = certificate(tmp_path)
    options = ("--tls-certificate", str(public), "--tls-key", str(private))
    with serving(secvault, made, *options) as running:
        verifier = WitnessVerifier.from_vkey(running.vkey)
        trusting = Witness("trusting", running.url, verifier, 20.0, public)
        distrusting = Witness("distrusting", running.url, verifier, 20.0)
        request = log_number(1).request(0, 5)
        answers = ask({trusting: request, distrusting: request})
        assert answers[distrusting] == Answer(reason="unreachable")
        assert cosignatures(request.note + answers[trusting].lines, [verifier])


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--address", "0.0.0.0"), "TLS"),
        (("--tls-key", "/nowhere"), "go together"),
        (("--tls-certificate", "/nowhere", "--tls-key", "/nowhere"), "cannot be used"),
    ],
)
def test_it_does_not_serve_what_others_could_listen_to(
    secvault: Program, made: tuple[Path, str], options: Sequence[str], says: str
) -> None:
    said = secvault("witness", "serve", str(made[0]), *options)
    assert said.code == 2
    assert says in said.err


def test_a_witness_without_its_state_its_key_or_a_log_does_not_go_on(
    secvault: Program, made: tuple[Path, str]
) -> None:
    folder = made[0]
    again = secvault("witness", "init", str(folder), "--name", NAME)
    assert (again.code, "already" in again.err) == (1, True)
    (folder / "logs.toml").write_text("")
    assert "lists no log" in secvault("witness", "serve", str(folder)).err
    (folder / "logs.toml").write_text(f'[[log]]\nvkey = "{log_number(1).signer.verifier().vkey}"')
    (folder / "witness.db").unlink()
    lost = secvault("witness", "serve", str(folder))
    assert (lost.code, "lost" in lost.err) == (2, True)
    (folder / "witness.key").chmod(0o644)
    assert "chmod 600" in secvault("witness", "key", str(folder)).err
