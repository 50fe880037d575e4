from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import iter_route_contexts
from starlette.types import Message, Scope

from secvault.api.app import routes
from secvault.api.declared import declaration_of
from secvault.api.entrance import CAME, HandedOver, HandingOver, is_sign_in
from secvault.api.entrance_socket import NAME, socket_in

SIGNING_IN = "signing in is how one becomes somebody"
SECOND_STEP = "the second step of signing in is how one becomes somebody"
Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def scope(path: str = "/api/v1/sessions", method: str = "POST", **more: Any) -> Scope:
    return {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "scheme": "https",
        "client": ("203.0.113.9", 4711),
        "headers": [(b"host", b"vault.example"), (b"content-type", b"application/json")],
        "state": {"request_id": "the-id"},
        **more,
    }


class Local:
    """An application that remembers what came to it."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []

    async def __call__(self, _scope: Scope, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        self.bodies.append(body)
        await send({"type": "http.response.start", "status": 299, "headers": []})
        await send({"type": "http.response.body", "body": b"here"})


async def asked(
    app: HandingOver, request: Scope, *pieces: bytes
) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    sent: list[Message] = []
    waiting: list[Message] = [
        {"type": "http.request", "body": piece, "more_body": at < len(pieces) - 1}
        for at, piece in enumerate(pieces)
    ]

    async def receive() -> Message:
        return waiting.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    await app(request, receive, send)
    body = b"".join(one.get("body", b"") for one in sent[1:])
    return sent[0]["status"], list(sent[0]["headers"]), body


def with_entrance(folder: Path, answer: Answer, *asking: tuple[Scope, tuple[bytes, ...]]) -> Any:
    """What comes back for each, and what came to the application of the web worker itself."""

    async def run() -> tuple[list[Any], list[bytes]]:
        local = Local()
        server = await asyncio.start_unix_server(answer, str(folder / NAME))
        async with server:
            app = HandingOver(local, socket_in(folder))
            return [await asked(app, request, *pieces) for request, pieces in asking], local.bodies

    return asyncio.run(run())


async def head_and_body(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1])
        for line in head.lower().split(b"\r\n")
        if b"content-length" in line
    )
    return head, await reader.readexactly(length)


def test_every_route_that_signs_people_in_is_handed_over_and_no_other() -> None:
    app = routes(lambda: pytest.fail("is not opened"), 1024)
    signing_in, handed_over = set(), set()
    for context in iter_route_contexts(app.routes):
        declared = declaration_of(getattr(context, "endpoint", None))
        path = str(context.path).replace("{name}", "lan")
        if declared and declared.open_because in (SIGNING_IN, SECOND_STEP):
            signing_in.add(path)
        if is_sign_in(scope(path)):
            handed_over.add(path)
    # Beside them only what a provider says of those who signed in by it.
    assert handed_over - signing_in == {"/api/v1/sign-in/oidc/{provider}/back-channel-logout"}
    assert signing_in - handed_over == set()


def test_a_sign_in_that_only_looks_is_not_handed_over() -> None:
    assert not is_sign_in(scope(method="GET"))
    assert not is_sign_in(scope("/api/v1/sessions/self", method="DELETE"))


def test_the_entrance_gets_the_request_with_who_asks_and_its_answer_is_passed_on(
    tmp_path: Path,
) -> None:
    seen: list[tuple[bytes, bytes]] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await head_and_body(reader))
        writer.write(
            b"HTTP/1.1 201 Created\r\ncontent-length: 5\r\nset-cookie: a=1\r\nset-cookie: b=2\r\n"
            b"date: Thu, 01 Jan 2026 00:00:00 GMT\r\nconnection: close\r\n\r\nhello"
        )
        writer.close()

    forged = scope(headers=[(b"host", b"vault.example"), (CAME, b'{"client": ["10.0.0.1", 1]}')])
    answers, local = with_entrance(
        tmp_path, answer, (scope(), (b'{"na', b'me": "x"}')), (forged, (b"{}",))
    )
    status, headers, body = answers[0]
    assert (status, body) == (201, b"hello")
    assert [value for name, value in headers if name == b"set-cookie"] == [b"a=1", b"b=2"]
    # The web worker's own server dates the answer.
    assert not [name for name, _ in headers if name in (b"connection", b"date")]
    assert local == []
    assert seen[0][1] == b'{"name": "x"}'
    for head, _ in seen:
        [came] = [line for line in head.split(b"\r\n") if line.lower().startswith(CAME)]
        assert json.loads(came.partition(b":")[2]) == {
            "client": ["203.0.113.9", 4711],
            "scheme": "https",
            "request_id": "the-id",
        }
        assert b"vault.example" in head


def test_what_a_browser_may_do_for_a_page_of_the_entrance_is_passed_on(tmp_path: Path) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await head_and_body(reader)
        writer.write(
            b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 4\r\n"
            b"content-security-policy: form-action 'self'\r\nconnection: close\r\n\r\npage"
        )
        writer.close()

    asking = scope("/sign-in")
    with_entrance(tmp_path, answer, (asking, (b"name=lan",)))
    assert asking["state"]["content_policy"] == "form-action 'self'"


def test_without_an_entrance_the_web_worker_handles_the_sign_in_itself(tmp_path: Path) -> None:
    local = Local()
    status, _, body = asyncio.run(
        asked(HandingOver(local, socket_in(tmp_path)), scope(), b"a", b"bc")
    )
    assert (status, body, local.bodies) == (299, b"here", [b"abc"])


def test_a_body_that_is_too_large_for_a_sign_in_comes_whole_to_the_web_worker(
    tmp_path: Path,
) -> None:
    async def never(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        raise AssertionError

    pieces = (b"x" * 60_000, b"y" * 60_000, b"z")
    [(status, _, _)], local = with_entrance(tmp_path, never, (scope(), pieces))
    assert status == 299
    assert local == [b"".join(pieces)]


def test_a_sign_in_that_the_entrance_lost_is_not_tried_again(tmp_path: Path) -> None:
    async def lose(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await head_and_body(reader)
        writer.close()

    [(status, _, body)], local = with_entrance(tmp_path, lose, (scope(), (b"{}",)))
    assert status == 503
    assert b"sign in once more" in body
    assert local == []


def test_the_entrance_sees_the_request_as_the_web_worker_saw_it() -> None:
    seen: list[Scope] = []

    async def inner(given: Scope, _receive: Any, _send: Any) -> None:
        seen.append(given)

    came = json.dumps({"client": ["2001:db8::7", 99], "scheme": "https", "request_id": "r-1"})
    request = scope(scheme="http", client=None, headers=[(b"host", b"h"), (CAME, came.encode())])
    asyncio.run(HandedOver(inner)(request, None, None))  # type: ignore[arg-type]
    assert seen[0]["client"] == ("2001:db8::7", 99)
    assert seen[0]["scheme"] == "https"
    assert seen[0]["headers"] == [(b"host", b"h")]


def test_the_socket_of_a_folder_with_a_long_name_can_be_named(tmp_path: Path) -> None:
    folder = tmp_path / ("f" * 120)
    folder.mkdir()
    assert len(str(socket_in(folder))) < 100
    (folder / NAME).touch()
    assert socket_in(folder).exists()
