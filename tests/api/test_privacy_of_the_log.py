"""Operations with marked values by every way in: none of the marks is in the audit log.

SVTEST_PRIVACY_OPERATIONS says how many, 180 without it; the promise is for 100,000.
"""

from __future__ import annotations

import base64
import io
import os
import re
import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import pytest

from secvault.audit.leaf import decode
from secvault.service import audit_log, audit_proofs, authentication
from secvault.service.spine import Caller
from tests.running_service import PAYSLIP, Api, payslip
from tests.service.policy_house import heads_read_accounts

OPERATIONS = int(os.environ.get("SVTEST_PRIVACY_OPERATIONS", "180"))
TABLES = ("audit_event", "audit_outbox", "audit_personal", "audit_subject_key", "audit_checkpoint")

Marks = list[str]

MARK = re.compile(rb"(?=(zq[a-z]+\d{6}qz|88019\d{6}88|enFwbGFp[A-Za-z0-9+/]{12}))")
"""What a mark looks like; in base64, one of a plaintext. Looked for in one pass over everything."""


def word(marks: Marks, number: int, what: str) -> str:
    """A value that is in nothing else, and is looked for afterwards."""
    mark = f"zq{what}{number:06}qz"
    marks.append(mark)
    return mark


def digits(marks: Marks, number: int) -> str:
    mark = f"88019{number:06}88"
    marks.append(mark)
    return mark


def create(api: Api, marks: Marks, n: int) -> int:
    fields = payslip(
        month=f"{2000 + n // 12 % 900}-{n % 12 + 1:02}",
        full_name=f"Nguyễn {word(marks, n, 'name')}",
        bank_account=digits(marks, n),
    )
    headers = {"User-Agent": word(marks, n, "agent")}
    body = {"id": f"pay-{n}", "fields": fields}
    return api("POST", "/api/v1/records/payroll", "head", body, headers=headers).status_code


def change(api: Api, marks: Marks, n: int) -> int:
    body = {"fields": {"full_name": word(marks, n, "changed")}}
    place = f"/api/v1/records/payroll/{PAYSLIP}"
    version = api("GET", place, "head").headers["etag"]
    return api("PATCH", place, "head", body, headers={"If-Match": version}).status_code


def search(api: Api, marks: Marks, n: int) -> int:
    body = {"where": {"bank_account": digits(marks, n)}}
    return api("POST", "/api/v1/records/payroll/search", "head", body).status_code


def reveal(api: Api, marks: Marks, n: int) -> int:
    path = f"/api/v1/records/payroll/{PAYSLIP}/fields/bank_account/reveal"
    return api("POST", path, "head", {"reason": word(marks, n, "reason")}).status_code


def encrypt(api: Api, marks: Marks, n: int) -> int:
    plain = word(marks, n, "plain")
    encoded = base64.b64encode(plain.encode()).decode()
    marks.append(encoded)
    return api("POST", "/v1/transit/encrypt/marked", "system", {"plaintext": encoded}).status_code


def decrypt(api: Api, marks: Marks, n: int) -> int:
    body = {
        "ciphertext": f"vault:v1:{base64.b64encode(word(marks, n, 'cipher').encode()).decode()}"
    }
    return api("POST", "/v1/transit/decrypt/marked", "system", body).status_code


def sign_in(api: Api, marks: Marks, n: int) -> int:
    body = {"name": word(marks, n, "login"), "password": word(marks, n, "secret"), "code": "000000"}
    headers = {"User-Agent": word(marks, n, "browser")}
    return api("POST", "/api/v1/sessions", None, body, headers=headers).status_code


def look(api: Api, marks: Marks, n: int) -> int:
    headers = {
        "User-Agent": word(marks, n, "look"),
        "X-Approval-Reason": quote(f"vì {word(marks, n, 'why')}"),
    }
    return api("GET", "/api/v1/sessions/self", "clerk", headers=headers).status_code


def bad_input(api: Api, marks: Marks, n: int) -> int:
    body = {"fields": {word(marks, n, "field"): word(marks, n, "value")}}
    return api("POST", "/api/v1/records/payroll", "head", body).status_code


WAYS: dict[str, tuple[Callable[[Api, Marks, int], int], int]] = {
    "create": (create, 201),
    "change": (change, 200),
    "search": (search, 200),
    "reveal": (reveal, 200),
    "encrypt": (encrypt, 200),
    "decrypt": (decrypt, 400),
    "sign_in": (sign_in, 401),
    "look": (look, 200),
    "bad_input": (bad_input, 422),
}
"""What is done, and how the first of each is answered; later ones may be told to wait."""


def everything_of(database: Path) -> bytes:
    """Every value of every row of the tables of the log, and the journals beside the database."""
    found: list[bytes] = []
    with closing(sqlite3.connect(database)) as connection:
        for table in TABLES:
            for row in connection.execute(f"SELECT * FROM {table}"):
                found += [bytes(v) if isinstance(v, bytes) else str(v).encode() for v in row]
    for file in sorted(database.with_name(f"{database.name}-audit").glob("*")):
        found.append(file.read_bytes())
    return b"\n".join(found)


def marks_in(place: bytes) -> set[bytes]:
    """Everything in it that looks like a mark."""
    return {found[1] for found in MARK.finditer(place)}


def test_none_of_the_marked_values_is_in_the_log(
    api: Api, log: io.StringIO, tmp_path: Path
) -> None:
    with api.house.open() as service:
        heads_read_accounts(service)
    api.ok("POST", "/v1/transit/keys/marked", "system")
    marks: Marks = []
    answers: Counter[tuple[str, int]] = Counter()
    names = list(WAYS)
    for n in range(OPERATIONS):
        name = names[n % len(names)]
        answers[name, WAYS[name][0](api, marks, n)] += 1
    for name, (_, expected) in WAYS.items():
        assert answers[name, expected], (name, answers)
    assert len(marks) > OPERATIONS
    with api.house.open() as service:
        operator = Caller(authentication.local_operator(service))
        assert audit_log.verify_log(service, operator).ok
        audit_proofs.export_tiles(service, operator, tmp_path / "tiles", lambda _: None)
    written = everything_of(api.house.folder / "vault" / "secvault.db")
    exported = b"".join(f.read_bytes() for f in (tmp_path / "tiles").rglob("*") if f.is_file())
    assert b'"k":"record.create"' in written
    assert b'"k":"record.create"' in exported
    made = {mark.encode() for mark in marks}
    assert made == marks_in(b" ".join(made))
    for place in (written, exported, log.getvalue().encode()):
        assert marks_in(place) & made == set()


def test_no_leaf_of_a_person_says_from_where(api: Api) -> None:
    """The address of the tests is `testclient`, which is that of systems, too."""
    api.ok("GET", "/api/v1/sessions/self", "clerk")
    api.ok("GET", "/api/v1/sessions/self", "system")
    page = api.ok("GET", "/api/v1/audit/events?kind=session.self", "auditor")
    (of_system, of_clerk) = page["events"][:2]
    assert (of_system["network"], of_system["personal"]) == ("testclient", None)
    assert of_clerk["network"] == ""
    assert of_clerk["personal"] == {
        "state": "shown",
        "address": "testclient",
        "agent": "testclient",
        "name": "clerk",
        "reason": "",
    }
    one = api.ok("GET", f"/api/v1/audit/events/{of_clerk['seq']}", "auditor")
    assert one == of_clerk
    with closing(sqlite3.connect(api.house.folder / "vault" / "secvault.db")) as database:
        rows = database.execute("SELECT seq, body FROM audit_event").fetchall()
    people = [decode(body, seq=seq) for seq, body in rows]
    assert not any(b"testclient" in each.body for each in people if each.event.actor.kind == "user")


@pytest.mark.parametrize("who", ["clerk", "head"])
def test_who_may_not_read_the_log_reads_no_event_of_it(api: Api, who: str) -> None:
    assert api("GET", "/api/v1/audit/events/0", who).status_code == 403
    assert api("GET", "/api/v1/audit/events/999999", "auditor").status_code == 404
