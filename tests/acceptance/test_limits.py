"""What a request may take: time for its head and its body, and memory that is given back."""

from __future__ import annotations

import base64
import select
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx2
import pytest

from tests.acceptance.installation import (
    NO_SIGN_INS,
    Installation,
    family,
    new_installation,
    stop,
    system_token,
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

BODY_SECONDS = 2
HEADER_SECONDS = 3
MOST_BODY_BYTES = 32 * 1024 * 1024
PIECE = b" " * 65_536
CHUNK = b"10000\r\n" + PIECE + b"\r\n"
# Whichever comes first: the largest size, or the longest time.
CUT_OFF = (b"413", b"408")
# Far less than the tests' own patience, far more than a busy machine needs.
SLACK_SECONDS = 60
PATH = "/v1/transit/encrypt/payroll"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Installation, str, int]]:
    """The service, a token, and the process id of the whole of it."""
    made = new_installation(tmp_path_factory.mktemp("limits")).with_(
        SECVAULT_SERVER__BODY_SECONDS=str(BODY_SECONDS),
        SECVAULT_SERVER__HEADER_SECONDS=str(HEADER_SECONDS),
        **NO_SIGN_INS,
    )
    with made.opened() as service:
        token = system_token(service, "app", "it", "role:it.cryptor")
    process = made.start()
    try:
        made.wait_until_ready(process)
        yield made, token, process.pid
    finally:
        stop(process)


@pytest.mark.parametrize(
    ("path", "length"),
    [(PATH, b"Content-Length: 100000"), (PATH, b"Transfer-Encoding: chunked"),
     ("/api/v1/systems", b"Content-Length: 100000"), ("/v1/transit/keys/x", b"Content-Length: 9")],
)  # fmt: skip
def test_a_body_that_trickles_in_is_answered_and_read_no_further(
    running: tuple[Installation, str, int], path: str, length: bytes
) -> None:
    installation, token, _ = running
    head = (
        f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        f"X-Vault-Token: {token}\r\nAuthorization: Bearer {token}\r\n"
    ).encode()
    chunked = b"chunked" in length
    began = time.monotonic()
    received = b""
    with closing(socket.create_connection(("127.0.0.1", installation.port), 30)) as connection:
        connection.sendall(head + length + b"\r\n\r\n")
        connection.settimeout(0.3)
        while time.monotonic() - began < BODY_SECONDS + SLACK_SECONDS:
            try:
                connection.sendall(b"1\r\n \r\n" if chunked else b" ")
                piece = connection.recv(65_536)
            except TimeoutError:
                continue
            except (ConnectionResetError, BrokenPipeError):
                break
            received += piece
            if not piece or b"in time" in received:
                break
        else:
            raise AssertionError(f"it is still waited for: {received!r}")
    assert received.startswith(b"HTTP/1.1 408 "), received
    assert b"in time" in received
    assert time.monotonic() - began >= BODY_SECONDS


@pytest.mark.parametrize(
    ("begun", "goes_on"),
    [
        (b"", b""),
        (b"GET /health/live HTTP/1.1\r\nHost: x\r\n", b"X-A: b\r\n"),
        (b"GET /health/live HTTP/1.1\r\nHost: x\r\nX-A: ", b"b"),
        (b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n", b""),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b""),
    ],
    ids=["nothing is sent", "headers trickle", "one header trickles", "idle after an answer",
         "another version idles"],
)  # fmt: skip
def test_a_connection_without_a_whole_request_is_closed(
    running: tuple[Installation, str, int], begun: bytes, goes_on: bytes
) -> None:
    installation, _, _ = running
    began = time.monotonic()
    with closing(socket.create_connection(("127.0.0.1", installation.port), 30)) as connection:
        connection.sendall(begun)
        connection.settimeout(0.3)
        while _is_open(connection, goes_on):
            assert time.monotonic() - began < HEADER_SECONDS + SLACK_SECONDS


def _is_open(connection: socket.socket, goes_on: bytes) -> bool:
    try:
        connection.sendall(goes_on)
        return connection.recv(65_536) != b""
    except TimeoutError:
        return True
    except (ConnectionResetError, BrokenPipeError):
        return False


@pytest.mark.parametrize(
    ("asked", "length", "piece", "statuses"),
    [
        (f"POST {PATH}", "Transfer-Encoding: chunked", CHUNK, CUT_OFF),
        (f"POST {PATH}", "Content-Length: 100000000000", PIECE, CUT_OFF),
        ("POST /api/v1/systems", "Transfer-Encoding: chunked", CHUNK, CUT_OFF),
        ("GET /health/live", "Transfer-Encoding: chunked", CHUNK, (b"200",)),
        ("POST /nowhere", "Transfer-Encoding: chunked", CHUNK, (b"404",)),
    ],
)
def test_a_body_that_never_ends_is_cut_off_whoever_goes_on_sending(
    running: tuple[Installation, str, int],
    asked: str,
    length: str,
    piece: bytes,
    statuses: tuple[bytes, ...],
) -> None:
    installation, token, pid = running
    before = _resident(pid)
    head = (
        f"{asked} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        f"X-Vault-Token: {token}\r\nAuthorization: Bearer {token}\r\n{length}\r\n\r\n"
    ).encode()
    sent, received = 0, b""
    began = time.monotonic()
    with closing(socket.create_connection(("127.0.0.1", installation.port), 30)) as connection:
        connection.sendall(head)
        connection.settimeout(0.5)
        while time.monotonic() - began < SLACK_SECONDS:
            try:
                sent += connection.send(piece)
                received += _whatever_came(connection)
            except TimeoutError:
                received += _whatever_came(connection)
                if received:
                    # Answered, and nothing more is taken. The web server mostly closes then; now
                    # and then it waits for the client to go.
                    break
            except (ConnectionResetError, BrokenPipeError):
                break
        else:
            raise AssertionError(f"{sent} bytes were taken, and it goes on: {received!r}")
    # Where the kernel drops what was on its way, the answer may be lost with it.
    assert received == b"" or received[9:12] in statuses
    assert sent < 2 * MOST_BODY_BYTES
    assert _resident(pid) < before + 3 * MOST_BODY_BYTES // 1024


def _whatever_came(connection: socket.socket) -> bytes:
    # Asked before it is read: a socket with a time limit waits, whatever the flags of `recv` say.
    readable, _, _ = select.select([connection], [], [], 0)
    return connection.recv(65_536) if readable else b""


def test_large_batches_leave_the_service_no_larger_than_twice_its_idle_size(
    running: tuple[Installation, str, int],
) -> None:
    installation, token, pid = running
    many = {"batch_input": [{"plaintext": base64.b64encode(bytes(16)).decode()}] * 10_000}
    item = {"plaintext": base64.b64encode(bytes(1024 * 1024)).decode()}
    large = {"batch_input": [item] * 22}
    with httpx2.Client(
        base_url=installation.address, headers={"X-Vault-Token": token}, timeout=300
    ) as client:
        for _ in range(5):
            assert client.post(PATH, json={"plaintext": "MQ=="}).status_code == 200
        idle = _resident(pid)
        for _ in range(3):
            for body in (many, large):
                answer = client.post(PATH, json=body)
                assert answer.status_code == 200, answer.text[:200]
        for _ in range(5):
            assert client.post(PATH, json={"plaintext": "MQ=="}).status_code == 200
    assert _resident(pid) <= 2 * idle


def _resident(pid: int) -> int:
    """The largest resident size among the processes, in KiB."""
    return max(
        int(line.split()[1])
        for process in family(pid)
        for line in Path(f"/proc/{process}/status").read_text().splitlines()
        if line.startswith("VmRSS:")
    )
