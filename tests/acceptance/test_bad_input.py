"""Bad input gets a clear 4xx that names the field, and changes nothing."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import httpx2
import pytest

from tests.acceptance.furnished import KEY, RECORD, Furnished, furnished_service
from tests.acceptance.installation import payslip

pytestmark = [pytest.mark.real, pytest.mark.slow]

RECORDS = "/api/v1/records/payroll"
ENCRYPT = f"/v1/transit/encrypt/{KEY}"
TABLES = (
    "named_key", "named_key_version", "person", "record", "record_field", "role_grant",
    "service_account", "session", "token", "totp_device",
)  # fmt: skip
DIGITS = "9" * 10_000
DEEP = "[" * 10_000 + "]" * 10_000
JSON_TYPE = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Furnished]:
    """The service, with people in it; at the end its log must hold no sign of a fault."""
    with furnished_service(tmp_path_factory.mktemp("bad-input")) as service:
        yield service
        log = service.installation.log()
    for sign in ("Traceback", "unexpected_error", "request_failed", "panicked"):
        assert sign not in log, log[-3000:]


@pytest.fixture(autouse=True)
def _nothing_changes(running: Furnished) -> Iterator[None]:
    before = _contents(running)
    yield
    assert _contents(running) == before


def _contents(running: Furnished) -> dict[str, list[Any]]:
    with running.installation.sql() as database:
        found = {table: database.execute(f"SELECT * FROM {table}").fetchall() for table in TABLES}
    # When a token was used last is written down by asking.
    found["token"] = [row[0] for row in found["token"]]
    found["session"] = [row[0] for row in found["session"]]
    return found


def _send(
    running: Furnished, method: str, path: str, who: str, body: bytes | str, **headers: str
) -> httpx2.Response:
    content = body.encode("utf-8", "surrogatepass") if isinstance(body, str) else body
    return httpx2.request(
        method,
        running.installation.address + path,
        content=content,
        headers={**JSON_TYPE, "Authorization": f"Bearer {running.tokens[who]}", **headers},
        timeout=150,
    )


def _refused(answer: httpx2.Response, *statuses: int) -> Any:
    assert answer.status_code in (statuses or (400, 422)), (answer.status_code, answer.text[:500])
    assert len(answer.content) < 10_000
    body = answer.json()
    if "request_id" not in body:
        (reason,) = body["errors"]
        assert reason
        return body
    assert answer.headers["content-type"] == "application/problem+json"
    assert body["status"] == answer.status_code
    return body


NO_JSON = {
    "nothing": b"",
    "half": b'{"fields": {',
    "no quotes": b"{fields: 1}",
    "a text": b'"text"',
    "a list": b"[]",
    "null": b"null",
    "a number of 10,000 digits": DIGITS.encode(),
    "10,000 deep": DEEP.encode(),
    "half of 10,000 deep": b'{"a":' * 10_000,
    "not UTF-8": b'{"fields": {"month": "\xff\xfe"}}',
    "cut UTF-8": '{"fields": "é'.encode()[:-1],
    "a NUL": b"\x00",
    "NUL after": b'{"fields": {}}\x00',
    "two documents": b"{} {}",
    "a byte order mark": b"\xef\xbb\xbf{",
}


@pytest.mark.parametrize("body", NO_JSON.values(), ids=NO_JSON.keys())
def test_what_is_not_the_json_asked_for(running: Furnished, body: bytes) -> None:
    posts = [(RECORDS, "head"), ("/api/v1/people", "admin"), ("/api/v1/sessions", "admin")]
    for path, who in posts:
        problem = _refused(_send(running, "POST", path, who, body))
        if problem["status"] == 422:
            assert all(fault["field"].startswith("body") for fault in problem["errors"])
        else:
            assert "body" in problem["detail"]
    for path in (ENCRYPT, f"/v1/transit/decrypt/{KEY}", f"/v1/transit/rewrap/{KEY}"):
        _refused(_send(running, "POST", path, "system", body))


def _record(**fields: Any) -> str:
    return json.dumps({"id": "new", "fields": payslip(**fields)})


NAMED: dict[str, tuple[str, str, str, str]] = {
    "unknown beside": (RECORDS, "head", '{"fields": {}, "force": true}', "body.force"),
    "unknown field": (RECORDS, "head", _record(bonus=1), "bonus"),
    "10,000 digits": (
        RECORDS, "head", _record(month="M").replace('"M"', DIGITS), "body",
    ),
    "4,000 digits": (
        RECORDS, "head", _record(month="M").replace('"M"', DIGITS[:4_000]), "month",
    ),
    "digits as text": (RECORDS, "head", _record(working_days=DIGITS), "working_days"),
    "exponent": (RECORDS, "head", _record(month="M").replace('"M"', "1e9999"), "month"),
    "not a number": (RECORDS, "head", _record(month="M").replace('"M"', "NaN"), "month"),
    "megabytes": (RECORDS, "head", _record(note="x" * 4_000_000), "note"),
    "marks by the thousand": (RECORDS, "head", _record(note="e" + "\u0301" * 5_000), "note"),
    "a NUL": (RECORDS, "head", _record(bank="a\0b"), "bank"),
    "a lone surrogate": (RECORDS, "head", _record(bank="a\ud800"), "bank"),
    "text turned round": (RECORDS, "head", _record(bank="a\u202eb"), "bank"),
    "deep": (RECORDS, "head", _record(bank="D").replace('"D"', "[" * 200 + "]" * 200), "bank"),
    "a path as id": (RECORDS, "head", '{"id": "../../etc", "fields": {}}', "id"),
    "a NUL in the id": (RECORDS, "head", '{"id": "a\\u0000", "fields": {}}', "id"),
    "an id of megabytes": (
        RECORDS, "head", json.dumps({"id": "a" * 4_000_000, "fields": {}}), "id",
    ),
    "a name with a path": (
        "/api/v1/people", "admin",
        json.dumps({"name": "../root", "display_name": "x", "department": "hr"}), "name",
    ),
    "a name of megabytes": (
        "/api/v1/people", "admin",
        json.dumps({"name": "n" * 4_000_000, "display_name": "x", "department": "hr"}), "body.name",
    ),
    "a surrogate as password": (
        "/api/v1/activation/begin", "admin",
        json.dumps({"code": "sva_x", "password": "\ud800" * 20}), "body.password",
    ),
    "a surrogate in a file of people": (
        "/api/v1/people.csv", "admin", json.dumps({"file": "name\ud800"}), "body.file",
    ),
    "a NUL in a file of people": (
        "/api/v1/people.csv", "admin", json.dumps({"file": "name,department\na\0b,hr"}), "line 2",
    ),
    "notes of control characters": (
        "/api/v1/people", "admin",
        json.dumps({"name": "new", "display_name": "x", "department": "hr", "notes": "\u001b[2J"}),
        "notes",
    ),
    "a NUL in the shown name": (
        "/api/v1/people", "admin",
        json.dumps({"name": "new", "display_name": "a\0", "department": "hr"}), "display_name",
    ),
    "a department that is none": (
        "/api/v1/people", "admin",
        json.dumps({"name": "new", "display_name": "x", "department": "../hr"}), "department",
    ),
    "a role that is none": (
        "/api/v1/grants", "admin",
        json.dumps({"subject": "user:head", "role": "role:\0", "department": "hr"}), "role",
    ),
    "a subject that is none": (
        "/api/v1/grants", "admin",
        json.dumps({"subject": "user:'; --", "role": "role:hr.clerk", "department": "hr"}),
        "subject",
    ),
    "days without end": (
        "/api/v1/tokens", "admin",
        '{"account": "system", "display_name": "x", "days": ' + DIGITS[:400] + "}", "body.days",
    ),
    "an owner that is none": (
        "/api/v1/systems", "admin",
        json.dumps({"name": "new", "department": "it", "owner": "\ufffd"}), "owner",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("path", "who", "body", "field"), NAMED.values(), ids=NAMED.keys())
def test_the_field_at_fault_is_named(
    running: Furnished, path: str, who: str, body: str, field: str
) -> None:
    problem = _refused(_send(running, "POST", path, who, body))
    if problem["status"] == 400:
        assert field == "body"
        assert "body" in problem["detail"]
    else:
        assert field in [fault["field"] for fault in problem["errors"]]
        assert all(fault["detail"] for fault in problem["errors"])


TRANSIT = {
    "a number for text": '{"plaintext": 1}',
    "10,000 digits": f'{{"plaintext": "", "key_version": {DIGITS}}}',
    "a negative version": '{"plaintext": "", "key_version": -1}',
    "a version of 2**63": '{"plaintext": "", "key_version": 9223372036854775808}',
    "no base64": '{"plaintext": "\\u0000"}',
    "base64 of another alphabet": '{"plaintext": "_-_-"}',
    "a lone surrogate": '{"plaintext": "\\ud800"}',
    "associated data that is no base64": '{"plaintext": "", "associated_data": "%"}',
    "a batch that is none": '{"batch_input": "x"}',
    "a batch of lists": '{"batch_input": [[]]}',
    "a batch too long": json.dumps({"batch_input": [{}] * 10_001}),
    "deep in what is not known": f'{{"plaintext": "", "other": {DEEP}}}',
}


@pytest.mark.parametrize("body", TRANSIT.values(), ids=TRANSIT.keys())
def test_a_wrong_plaintext(running: Furnished, body: str) -> None:
    _refused(_send(running, "POST", ENCRYPT, "system", body), 400)


PARTS = [
    "..", "%2e%2e", "..%2f..%2fetc%2fpasswd", "%2fetc", "%00", "a%00b", "a%0d%0ab", "%ff%fe",
    "%c0%ae", "%ed%a0%80", "%e2%88%95", "%ef%bc%8f", "a%5cb", "~", "*", "%25", "%252e", "-", ".x",
    "x.", "a%20b", "%e2%80%ae", "'%20OR%201=1", "a;b", "a" * 129, "a" * 7_000, "%f0%9f%98%80",
]  # fmt: skip


@pytest.mark.parametrize("part", PARTS, ids=[part[:20] for part in PARTS])
def test_tricks_in_names_of_the_path(running: Furnished, part: str) -> None:
    asked = [
        ("GET", f"/api/v1/records/{part}", "head"),
        ("GET", f"{RECORDS}/{part}", "head"),
        ("GET", f"{RECORDS}/{RECORD}/fields/{part}", "head"),
        ("DELETE", f"/api/v1/grants/{part}", "admin"),
        ("DELETE", f"/api/v1/tokens/{part}", "admin"),
        ("POST", f"/api/v1/people/{part}/disable", "admin"),
        ("GET", f"/api/v1/people/{part}", "admin"),
        ("DELETE", f"/api/v1/people/{part}/invitation", "admin"),
        ("POST", f"/api/v1/systems/{part}/disable", "admin"),
        ("POST", f"/api/v1/backups/plans/{part}/runs", "admin"),
        ("GET", f"/api/v1/drills/{part}/report", "admin"),
        ("GET", f"/v1/transit/keys/{part}", "system"),
        ("POST", f"/v1/transit/keys/{part}", "system"),
        ("POST", f"/v1/transit/keys/{part}/rotate", "system"),
        ("GET", f"/v1/{part}/keys/{KEY}", "system"),
        ("GET", f"/v1/transit/export/encryption-key/{KEY}/{part}", "system"),
    ]
    for method, path, who in asked:
        status, headers, body = _raw(running, method, path.encode(), who)
        assert 400 <= status < 500, (method, path[:60], status, body[:300])
        parsed = json.loads(body)
        expected = "json" if path.startswith("/v1/") else "problem+json"
        assert headers["content-type"] == f"application/{expected}", (path, headers)
        assert parsed.get("detail") or parsed["errors"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "query.limit"),
        ("limit=-1", "query.limit"),
        (f"limit={DIGITS[:5_000]}", "query.limit"),
        ("limit=1e3", "query.limit"),
        ("limit=%00", "query.limit"),
        ("limit=", "query.limit"),
        ("after=../x", "after"),
        ("after=%ff", "after"),
        (f"after={'a' * 5_000}", "query.after"),
    ],
)
def test_wrong_limits_and_places(running: Furnished, query: str, field: str) -> None:
    problem = _refused(_send(running, "GET", f"{RECORDS}?{query}", "head", b""), 422)
    assert field in [fault["field"] for fault in problem["errors"]]


HEADERS = {
    "a header of a megabyte": b"X-Long: " + b"x" * 1_000_000,
    "10,000 headers": b"\r\n".join(b"X-%d: 1" % number for number in range(10_000)),
    "a token of 100,000": b"Authorization: Bearer " + b"x" * 100_000,
    "a token of bytes": b"Authorization: Bearer \xff\xfe\x80",
    "two tokens": b"Authorization: Bearer a\r\nAuthorization: Bearer b",
    "a length that is no number": b"Content-Length: many",
    "a negative length": b"Content-Length: -1",
    "a length beyond all": b"Content-Length: 99999999999999999999",
    "length and pieces": b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
    "a header that is none": b"no colon here",
    "a host that is none": b"X: 1\r\nHost: [",
}


@pytest.mark.parametrize("lines", HEADERS.values(), ids=HEADERS.keys())
def test_wrong_headers(running: Furnished, lines: bytes) -> None:
    status, _, _ = _raw(running, "GET", b"/api/v1/sessions/self", None, lines)
    assert 400 <= status < 500
    assert running.installation.is_ready()


def test_a_body_without_end(running: Furnished) -> None:
    for path, who in ((RECORDS, "head"), (ENCRYPT, "system")):

        def pieces() -> Iterator[bytes]:
            for _ in range(400):
                yield b" " * 100_000

        headers = {**JSON_TYPE, "Authorization": f"Bearer {running.tokens[who]}"}
        address = running.installation.address + path
        try:
            answer = httpx2.post(address, content=pieces(), headers=headers, timeout=150)
        except httpx2.TransportError:
            # The answer came, and the connection was closed, before all was sent.
            continue
        assert answer.status_code == 413
    assert running.installation.is_ready()


def test_a_body_too_large_by_its_own_word(running: Furnished) -> None:
    answer = _send(running, "POST", RECORDS, "head", b" " * (32 * 1024 * 1024 + 1))
    assert _refused(answer, 413)["type"] == "urn:secvault:problem:content-too-large"


def _raw(
    running: Furnished, method: str, path: bytes, who: str | None, more: bytes = b""
) -> tuple[int, dict[str, str], bytes]:
    """Send exactly these bytes as the path, which every client library would tidy up."""
    lines = [method.encode() + b" " + path + b" HTTP/1.1"]
    if b"Host:" not in more:
        lines.append(b"Host: 127.0.0.1")
    if who is not None:
        lines.append(b"Authorization: Bearer " + running.tokens[who].encode())
    if more:
        lines.append(more)
    lines.append(b"Connection: close")
    address = ("127.0.0.1", running.installation.port)
    with closing(socket.create_connection(address, timeout=150)) as connection:
        received = b""
        try:
            connection.sendall(b"\r\n".join(lines) + b"\r\n\r\n")
            while piece := connection.recv(65_536):
                received += piece
        except (ConnectionResetError, BrokenPipeError):
            # It answered before it had read everything; the answer may be there all the same.
            pass
    head, _, body = received.partition(b"\r\n\r\n")
    status, *fields = head.decode("latin-1").split("\r\n")
    headers = {}
    for field in fields:
        name, _, value = field.partition(":")
        headers[name.lower()] = value.strip()
    return int(status.split(" ")[1]), headers, body
