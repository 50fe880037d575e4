"""One connection: what is plain is answered where it was read, and nobody can hold it open."""

from __future__ import annotations

import asyncio
import base64
import errno
import io
import json
import random
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import httptools
import pytest
import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from secvault.api.answering import Answering
from secvault.api.gate import Passage
from secvault.api.transit.lean import LONGEST_TURN
from secvault.api.web_protocol import LONGEST_HEAD, MOST_QUEUED, Served, give_up_unread
from secvault.errors import AuditUnavailable
from tests.running_service import MAX_BODY, Api, House

HEAD_SECONDS = 2
KEY = "/v1/transit/encrypt/payroll"
PLAINTEXT = base64.b64encode(b"0071000123456").decode()
PATIENCE = 20


@dataclass
class Seen:
    """The application behind the protocol, and what came to it."""

    app: Answering
    paths: list[str] = field(default_factory=list)
    heads: list[list[tuple[bytes, bytes]]] = field(default_factory=list)
    takes: float = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.paths.append(scope["path"])
        self.heads.append(scope["headers"])
        await asyncio.sleep(self.takes)
        await self.app(scope, receive, send)


@dataclass
class Place:
    """A real server over an open vault."""

    port: int
    seen: Seen
    token: str

    def request(self, body: bytes | None = None, *more: str, version: str = "1.1") -> bytes:
        """The bytes of a request to encrypt."""
        if body is None:
            body = json.dumps({"plaintext": PLAINTEXT}).encode()
        lines = [f"POST {KEY} HTTP/{version}", "Host: x", f"X-Vault-Token: {self.token}"]
        lines += [f"Content-Length: {len(body)}", *more]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + body

    def connected(self) -> closing[socket.socket]:
        """A new connection."""
        return closing(socket.create_connection(("127.0.0.1", self.port), PATIENCE))

    def ask(self, *pieces: bytes, answers: int = 1) -> list[tuple[int, dict[str, str], bytes]]:
        """Send pieces on one connection; the answers, until so many or the end came."""
        with self.connected() as connection:
            for piece in pieces:
                connection.sendall(piece)
            return read(connection, answers)


class _Answers:
    """Reads answers as they come."""

    def __init__(self) -> None:
        self.whole: list[tuple[int, dict[str, str], bytes]] = []
        self.parser = httptools.HttpResponseParser(self)

    def on_message_begin(self) -> None:
        self.headers: dict[str, str] = {}
        self.body = b""

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.decode()] = value.decode()

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.whole.append((self.parser.get_status_code(), self.headers, self.body))


def read(connection: socket.socket, count: int) -> list[tuple[int, dict[str, str], bytes]]:
    """So many answers, or as many as came before the end."""
    answers = _Answers()
    while len(answers.whole) < count:
        piece = connection.recv(65_536)
        if not piece:
            break
        answers.parser.feed_data(piece)
    return answers.whole


def is_closed(connection: socket.socket) -> bool:
    """Whether the other side ends the connection, soon."""
    try:
        while connection.recv(65_536):
            pass
    except ConnectionResetError:
        return True
    return True


@contextmanager
def serving(app: Seen) -> Iterator[int]:
    """A server in a thread of its own; its port."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        config = uvicorn.Config(
            app,
            http=Served(app.app.lean, HEAD_SECONDS),  # type: ignore[arg-type]
            ws="none",
            server_header=False,
            lifespan="off",
            log_config=None,
            access_log=False,
            timeout_keep_alive=HEAD_SECONDS,
            timeout_graceful_shutdown=20,
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
        port = int(listening.getsockname()[1])
        thread.start()
        try:
            end = time.monotonic() + 60
            while not server.started:
                assert time.monotonic() < end, "the server did not start"
                time.sleep(0.01)
            yield port
        finally:
            server.should_exit = True
            thread.join(60)
            assert not thread.is_alive(), "the server did not end"


@pytest.fixture
def place(house: House, api: Api) -> Iterator[Place]:
    """The server, with all that it needs in memory."""
    api.ok("POST", "/v1/transit/keys/payroll", "system")
    app = api.client.app
    assert isinstance(app, Answering)
    seen = Seen(app)
    with serving(seen) as port:
        made = Place(port, seen, house.tokens["system"])
        [(status, _, _)] = made.ask(made.request())
        assert status == 200
        seen.paths.clear()
        yield made


def encrypted(api: Api) -> int:
    """How many encryptions the audit log has."""
    answer = api.ok("GET", "/api/v1/audit/events?kind=data.encrypt&limit=500", "auditor")
    return len(answer["events"])


def test_what_is_plain_is_answered_without_the_application_and_audited(
    place: Place, api: Api
) -> None:
    before = encrypted(api)
    answers = []
    with place.connected() as connection:
        for _ in range(5):
            connection.sendall(place.request())
            answers += read(connection, 1)
    assert place.seen.paths == []
    assert [status for status, _, _ in answers] == [200] * 5
    assert encrypted(api) == before + 5
    _, headers, body = answers[0]
    opened = {"ciphertext": json.loads(body)["data"]["ciphertext"]}
    found = api.ok("POST", "/v1/transit/decrypt/payroll", "system", opened)
    assert found["data"]["plaintext"] == PLAINTEXT
    routed = api("POST", KEY, "system", {"plaintext": PLAINTEXT}).headers
    assert headers.keys() - {"date"} == set(routed)
    own = {"x-request-id", "content-length", "date"}
    assert {(n, v) for n, v in headers.items() if n not in own} == {
        (n, v) for n, v in routed.items() if n not in own
    }
    assert headers["x-request-id"] == json.loads(body)["request_id"]
    assert len({headers["x-request-id"] for _, headers, _ in answers}) == 5


@pytest.mark.parametrize(
    ("body", "more", "status"),
    [
        (b'{"plaintext": "%%%"}', (), 400),
        (b'{"plaintext": 7}', (), 400),
        (b"", (), 400),
        (b"\xff\xfe", (), 400),
        (None, ("Authorization: Bearer svt_another",), 403),
        (None, ("X-Vault-Token: svt_another",), 200),
        (None, ("Expect: 100-continue",), 200),
        (None, ("X-Vault-Wrap-TTL: 60",), 400),
        (json.dumps({"plaintext": "A" * LONGEST_TURN}).encode(), (), 200),
    ],
)
def test_all_else_comes_whole_to_the_application(
    place: Place, api: Api, body: bytes | None, more: Sequence[str], status: int
) -> None:
    answers = place.ask(place.request(body, *more), answers=1)
    if answers[0][0] == 100:
        answers = answers[1:] or place.ask(place.request(body))
    assert place.seen.paths[:1] == [KEY]
    assert answers[0][0] == status, answers


def test_requests_on_one_connection_are_answered_in_their_order(place: Place) -> None:
    live = b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"
    wrong = place.request(b'{"plaintext": "%%%"}')
    pieces = [place.request(), live, place.request(), place.request(), wrong, live, place.request()]
    answers = place.ask(b"".join(pieces), answers=len(pieces))
    assert [status for status, _, _ in answers] == [200, 200, 200, 200, 400, 200, 200]
    kinds = ["ciphertext" in str(body) for _, _, body in answers]
    assert kinds == [True, False, True, True, False, False, True]


def test_a_request_may_come_in_any_pieces(place: Place) -> None:
    chance = random.Random(3)
    whole = place.request() * 3
    for _ in range(30):
        cuts = sorted(chance.sample(range(1, len(whole)), chance.randint(1, 12)))
        ends = [*cuts, len(whole)]
        pieces = [whole[a:b] for a, b in zip([0, *cuts], ends, strict=True)]
        assert [status for status, _, _ in place.ask(*pieces, answers=3)] == [200] * 3


def test_keys_are_listed_by_the_method_of_vaults_clients_in_any_pieces(place: Place) -> None:
    asked = f"LIST /v1/transit/keys HTTP/1.1\r\nHost: x\r\nX-Vault-Token: {place.token}\r\n\r\n"
    link = asked.replace("LIST", "LINK").encode()
    for cut in range(len("LIST /v1")):
        pieces = (asked[:cut].encode(), asked[cut:].encode())
        with place.connected() as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for number in range(2):
                for piece in pieces:
                    connection.sendall(piece)
                    time.sleep(0.01)
                [(status, _, body)] = read(connection, 1)
                assert (status, json.loads(body)["data"]["keys"]) == (200, ["payroll"]), number
            connection.sendall(link)
            [(status, _, _)] = read(connection, 1)
            assert status == 405


def test_who_asks_for_it_is_answered_and_the_connection_closed(place: Place) -> None:
    for asked in (place.request(None, "Connection: close"), place.request(version="1.0")):
        with place.connected() as connection:
            connection.sendall(asked)
            [(status, _, _)] = read(connection, 1)
            assert status == 200
            assert is_closed(connection)


@pytest.mark.parametrize(
    "begun",
    [b"", b"GET /health/live HTTP/1.1\r\nX-A: ", b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"],
    ids=["nothing", "a head that does not end", "nothing after an answer"],
)
def test_a_connection_that_waits_for_a_head_is_closed(place: Place, begun: bytes) -> None:
    began = time.monotonic()
    with place.connected() as connection:
        connection.sendall(begun)
        assert is_closed(connection)
    assert time.monotonic() - began >= HEAD_SECONDS / 2


def test_a_slow_request_is_not_taken_for_one_that_does_not_come(place: Place) -> None:
    whole = place.request()
    with place.connected() as connection:
        for _ in range(2):
            connection.sendall(whole[:-5])
            time.sleep(HEAD_SECONDS + 0.5)
            connection.sendall(whole[-5:])
            [(status, _, _)] = read(connection, 1)
            assert status == 200


@pytest.mark.parametrize("token", ["known", "unknown"])
def test_a_plain_body_that_does_not_come_holds_nothing_open(
    place: Place, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    monkeypatch.setattr(place.seen.app, "_body_seconds", 0.5)
    if token == "unknown":
        monkeypatch.setattr(place, "token", "svt_nobodys")
    with place.connected() as connection:
        connection.sendall(place.request()[:-5])
        [(status, _, _)] = read(connection, 1)
        assert status == 408
        assert is_closed(connection)
    assert place.seen.paths == [KEY]


def test_a_slow_answer_behind_a_plain_one_is_not_taken_for_a_head_that_does_not_come(
    place: Place,
) -> None:
    place.seen.takes = HEAD_SECONDS + 1
    live = b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"
    answers = place.ask(place.request() + live, answers=2)
    assert place.seen.paths == ["/health/live"]
    assert [status for status, _, _ in answers] == [200, 200]


def chunked(place: Place) -> bytes:
    """A request whose body comes in chunks, to before the end of what comes after the last."""
    body = json.dumps({"plaintext": PLAINTEXT}).encode()
    lines = [f"POST {KEY} HTTP/1.1", "Host: x", f"X-Vault-Token: {place.token}"]
    head = "\r\n".join([*lines, "Transfer-Encoding: chunked"]).encode()
    return head + b"\r\n\r\n%x\r\n%b\r\n0\r\n" % (len(body), body)


def test_what_comes_after_a_body_is_no_header(place: Place) -> None:
    [(status, _, _), *_] = place.ask(chunked(place) + b"X-Ticket: late\r\n\r\n")
    assert status == 200
    assert b"x-vault-token" in dict(place.seen.heads[0])
    assert b"x-ticket" not in dict(place.seen.heads[0])


@pytest.mark.parametrize("line", [b"X-%d: %b\r\n", b"%d%b"], ids=["lines", "a line"])
def test_what_comes_after_a_body_is_read_to_a_limit(place: Place, line: bytes) -> None:
    with place.connected() as connection:
        connection.sendall(chunked(place))
        sent = 0
        try:
            while sent < 100 * LONGEST_HEAD:
                sent += connection.send(line % (sent, b"a" * 4000))
        except ConnectionError:
            pass
        else:
            raise AssertionError("all of it was taken")


def test_a_head_that_is_too_long_is_refused(place: Place) -> None:
    with place.connected() as connection:
        connection.sendall(b"GET /health/live HTTP/1.1\r\n")
        for number in range(LONGEST_HEAD // 1000 + 2):
            connection.sendall(b"X-%d: %b\r\n" % (number, b"a" * 1000))
        [(status, _, _)] = read(connection, 1)
        assert status == 431
        assert is_closed(connection)
    assert place.seen.paths == []


def test_a_failure_of_ours_is_logged_by_its_place_and_without_its_words(
    place: Place, log: io.StringIO
) -> None:
    class Broken(Seen):
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            raise ValueError(PLAINTEXT)

    with serving(Broken(place.seen.app)) as port:
        [(status, _, body)] = Place(port, place.seen, "").ask(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert status == 500
    told = log.getvalue()
    assert "ValueError at test_web_protocol.py:" in told
    assert PLAINTEXT not in told + body.decode()


def test_what_comes_after_a_refusal_is_read_to_a_limit(place: Place) -> None:
    head = f"POST /v1/transit/keys/x HTTP/1.1\r\nHost: x\r\nContent-Length: {50 * MAX_BODY}\r\n\r\n"
    with place.connected() as connection:
        connection.sendall(head.encode())
        sent = 0
        try:
            while sent < 40 * MAX_BODY:
                sent += connection.send(b" " * 65_536)
        except (ConnectionError, TimeoutError):
            pass
        else:
            raise AssertionError("all of it was taken")


def test_a_body_that_comes_after_its_refusal_is_not_taken_for_a_head(place: Place) -> None:
    live = b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"
    body = b" " * (3 * LONGEST_HEAD)
    head = f"POST /v1/transit/keys/x HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
    with place.connected() as connection:
        for _ in range(50):
            connection.sendall(head.encode())
            assert [status for status, _, _ in read(connection, 1)] == [403]
            connection.sendall(body)
            connection.sendall(live)
            assert [status for status, _, _ in read(connection, 1)] == [200]


def test_many_requests_that_come_at_once_are_not_taken_for_a_head(place: Place) -> None:
    # Among them more than one that the application answers while others wait.
    live = b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"
    count = MOST_QUEUED // 2
    answers = place.ask((place.request() + live) * (count // 2), answers=count)
    assert [status for status, _, _ in answers] == [200] * count
    longest = place.request(json.dumps({"plaintext": "A" * 4000}).encode())
    assert len(longest) * count > 4 * LONGEST_HEAD
    answers = place.ask(longest * count, answers=count)
    assert [status for status, _, _ in answers] == [200] * count


def test_who_asks_on_and_on_without_waiting_is_answered_to_a_limit(place: Place) -> None:
    place.seen.takes = HEAD_SECONDS / 4
    live = b"GET /health/live HTTP/1.1\r\n\r\n"
    with place.connected() as connection:
        with suppress(ConnectionError):
            connection.sendall(live * 100_000)
        place.seen.takes = 0
        answers = read(connection, 100_000)
    assert 0 < len(answers) <= MOST_QUEUED + 1
    assert len(place.seen.paths) <= MOST_QUEUED + 1
    assert {status for status, _, _ in answers} == {200}


def test_nothing_is_answered_at_once_while_earlier_answers_lie_unread() -> None:
    answered: list[str] = []

    def answer(_asked: object, _body: bytes, send: Callable[[str, bytes], None], _: object) -> bool:
        answered.append("at once")
        send("an-id", b"{}")
        return True

    async def app(_scope: Scope, _receive: Receive, _send: Send) -> None:
        answered.append("by the application")

    async def asked() -> None:
        config = uvicorn.Config(app, lifespan="off", log_config=None)
        lean: Any = SimpleNamespace(asked_at_once=lambda *_: object(), answer_at_once=answer)
        protocol = Served(lean, HEAD_SECONDS)(config, ServerState(), {}, asyncio.get_running_loop())
        protocol.connection_made(_Unread())
        request = b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}"
        protocol.data_received(request)
        # As the loop does when too much of what was written was not taken yet.
        protocol.pause_writing()
        protocol.data_received(request)
        await asyncio.sleep(0.1)
        protocol.connection_lost(None)

    asyncio.run(asked())
    assert answered == ["at once", "by the application"]


class _Unread(asyncio.Transport):
    """A connection to which anything may be written."""

    def write(self, data: object) -> None:
        pass

    def close(self) -> None:
        pass

    def is_closing(self) -> bool:
        return False


def test_a_connection_whose_other_side_takes_nothing_is_given_up() -> None:
    with socket.socket() as listening:
        give_up_unread(listening, 1.0)
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        with closing(socket.create_connection(listening.getsockname())) as client:
            server, _ = listening.accept()
            with server:
                server.setblocking(False)
                with suppress(BlockingIOError):
                    while True:
                        server.send(bytes(65_536))
                told = select.poll()
                told.register(server, select.POLLERR)
                assert told.poll(PATIENCE * 1000)
                assert server.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ETIMEDOUT
            client.close()


def test_a_head_that_is_too_long_behind_a_slow_answer_is_read_to_a_limit(place: Place) -> None:
    place.seen.takes = HEAD_SECONDS / 2
    with place.connected() as connection:
        connection.sendall(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
        sent = 0
        with suppress(ConnectionError, TimeoutError):
            connection.sendall(b"GET /health/live HTTP/1.1\r\n")
            for number in range(40_000):
                connection.sendall(b"X-%d: %b\r\n" % (number, b"a" * 1000))
                sent += 1000
        assert sent < 40_000_000, "all of it was taken"
    # The request behind it never came to the application.
    assert place.seen.paths == ["/health/live"]


@pytest.mark.parametrize("closes", [False, True], ids=["not on disk", "sealed meanwhile"])
def test_without_an_entry_or_a_vault_there_is_no_answer(
    place: Place, api: Api, monkeypatch: pytest.MonkeyPatch, closes: bool
) -> None:
    lean = place.seen.app.lean
    assert lean is not None
    warm = lean._warm()
    assert warm is not None
    passage: Passage = lean._passage
    begin = warm.audit.begin

    def begin_and_fail(event: Any, tell: Any) -> None:
        if not closes:
            begin(event, lambda _: tell(AuditUnavailable("the disk is full")))
            return
        begin(event, tell)
        passage.is_open = False

    with monkeypatch.context() as patched:
        patched.setattr(warm, "audit", SimpleNamespace(begin=begin_and_fail))
        [(status, headers, body)] = place.ask(place.request())
    assert status == 503
    assert json.loads(body)["errors"]
    assert headers["cache-control"] == "no-store"
    assert b"vault:v1" not in body
    assert passage.busy == 0
    passage.is_open = True
    assert place.ask(place.request())[0][0] == 200
