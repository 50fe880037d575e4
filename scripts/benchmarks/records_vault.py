"""The vault that records are measured in, and the records: 12 fields, 5 encrypted, 2 indexed.

Beside it, in the same database, the tables that a program without a vault would use.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

from secvault.config import shipped_policies
from secvault.service import Service, authentication
from secvault.service.spine import Caller
from tests.acceptance.installation import Installation, new_installation, system_token

SEALED, OPEN = "bench_sealed", "bench_open"
"""The collections: with the five fields encrypted, and with all of them in clear."""

TABLE = "bench_plain"
"""The table with a column for each field, in clear, two of them with an index."""

BARE = "bench_bare"
"""The table for the limit: a column for each field, five of them bytes from the bare cipher."""

PLAIN_FIELDS = ("employee", "month", "department", "position", "working_days", "bank", "status")
SENSITIVE_FIELDS = ("full_name", "identity_number", "bank_account", "phone", "note")
LOOKED_UP = "bank_account"
PERSON = "employee"
"""The field whose value stands in an indexed column in clear too."""

FIELDS = (*PLAIN_FIELDS, *SENSITIVE_FIELDS)

_CLASSES = {
    "full_name": ("text", "personal", "initials", ""),
    "identity_number": ("identity_number", "identity", "last4", "index = { exact = 32 }"),
    "bank_account": ("account", "bank", "last4", "index = { exact = 32 }"),
    "phone": ("phone", "personal", "last4", ""),
    "note": ("text", "personal", "hidden", ""),
}
_FAMILIES = ("Nguyễn", "Trần", "Lê", "Phạm", "Hoàng", "Phan", "Vũ", "Đặng", "Bùi", "Đỗ")
_GIVEN = ("Thị Hoa", "Văn Minh", "Thu Hà", "Quốc Anh", "Ngọc Lan", "Đức Thắng", "Kim Oanh")
_POSITIONS = ("Accountant", "Foreman", "Analyst", "Driver", "Inspector", "Technician")
_BANKS = ("Vietcombank", "BIDV", "Agribank", "Techcombank")


def record_id(number: int) -> str:
    """The id of a record."""
    return f"r{number:09}"


def account(number: int) -> str:
    """Its bank account, of no bank: no two have the same, and their order is not the records'."""
    return f"9990{number * 3**18 % 10**9:09}"


def values(number: int) -> dict[str, str]:
    """Its fields, as somebody sends them: about as long as those of payroll are."""
    drawn = hashlib.sha256(number.to_bytes(8, "big")).digest()
    person = int.from_bytes(drawn[8:16], "big")
    return {
        "employee": f"nv-{number:07}",
        "month": f"2026-{1 + drawn[0] % 12:02}",
        "department": "production",
        "position": _POSITIONS[drawn[1] % len(_POSITIONS)],
        "working_days": f"{18 + drawn[2] % 6}",
        "bank": _BANKS[drawn[3] % len(_BANKS)],
        "status": "paid",
        "full_name": f"{_FAMILIES[drawn[4] % 10]} {_GIVEN[drawn[5] % 7]} {number % 1000}",
        "identity_number": f"099{2 + drawn[6] % 2}{60 + drawn[7] % 40}{person % 10**6:06}",
        "bank_account": account(number),
        "phone": f"+8495{person // 10**6 % 10**7:07}",
        "note": f"Thưởng hoàn thành chỉ tiêu quý {1 + drawn[17] % 4}: {drawn[18] * 10000} đồng",
    }


def by_id(numbers: range) -> dict[str, dict[str, str]]:
    """Records by id, as `create_records` takes them."""
    return {record_id(number): values(number) for number in numbers}


@contextmanager
def vault(folder: Path, postgresql: str | None) -> Iterator[Installation]:
    """A vault with the two collections, over SQLite in the folder or a new database of a server.

    postgresql: the URL of a superuser of the server.
    """
    policies = folder / "policies"
    shutil.copytree(shipped_policies(), policies, ignore=shutil.ignore_patterns("tests"))
    hr = policies / "collections" / "hr.toml"
    hr.write_text(hr.read_text("utf-8") + _declared(SEALED) + _declared(OPEN), "utf-8")
    # Both collections are read in clear, or they would not be the same work.
    rows = [
        f"p,role:hr.head,hr,{collection},class:{one},record.read,always,allow,"
        f"{collection.replace('_', '-')}-{one}"
        for collection in (SEALED, OPEN)
        for one in ("bank", "salary", "identity", "health")
    ]
    with (policies / "roles.csv").open("a", encoding="utf-8") as roles:
        roles.write("\n".join((*rows, "")))
    chosen = str(policies)
    if postgresql is None:
        yield new_installation(folder / "secvault", SECVAULT_POLICIES=chosen)
        return
    name = f"bench_{os.urandom(4).hex()}"
    with psycopg.connect(postgresql, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    try:
        url = urlsplit(postgresql)._replace(path=f"/{name}").geturl()
        yield new_installation(
            folder / "secvault", SECVAULT_STORE__URL=url, SECVAULT_POLICIES=chosen
        )
    finally:
        with psycopg.connect(postgresql, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def token_of(installation: Installation) -> str:
    """The token of a system that stores and reads the records."""
    with installation.opened() as service:
        return system_token(service, "bench", "hr", "role:hr.head")


def caller_of(service: Service, token: str) -> Caller:
    """Who stores and reads the records."""
    return Caller(authentication.authenticate(service, token))


def make_tables(service: Service) -> None:
    """Make the tables of a program without a vault."""
    binary = "BLOB" if service.store.dialect == "sqlite" else "BYTEA"
    plain = ", ".join(f"{name} TEXT NOT NULL" for name in FIELDS)
    bare = ", ".join(f"{name} TEXT NOT NULL" for name in PLAIN_FIELDS)
    sealed = ", ".join(f"{name} {binary} NOT NULL" for name in SENSITIVE_FIELDS)
    with service.store.write() as connection:
        for statement in (
            f"CREATE TABLE {TABLE} (id TEXT PRIMARY KEY, {plain})",
            f"CREATE INDEX {TABLE}_account ON {TABLE} (bank_account)",
            f"CREATE INDEX {TABLE}_identity ON {TABLE} (identity_number)",
            f"CREATE TABLE {BARE} (id TEXT PRIMARY KEY, {bare}, {sealed})",
        ):
            connection.exec_driver_sql(statement)


def _declared(collection: str) -> str:
    title = '{ en = "Measured", vi = "Đo" }'
    tables = [f'\n[collections.{collection}]\ntitle = {title}\nperson = "{PERSON}"\n']
    for name in FIELDS:
        kind, class_, mask, index = "text", "normal", "", ""
        if name in _CLASSES:
            kind, class_, mask, index = _CLASSES[name]
        if collection == OPEN:
            class_, mask, index = "normal", "", ""
        lines = [f"[collections.{collection}.fields.{name}]", f"title = {title}"]
        lines += [f'type = "{kind}"', f'class = "{class_}"']
        lines += ["max_length = 120"] if kind == "text" else []
        lines += [f'mask = "{mask}"'] if mask else []
        lines += [index] if index else []
        tables.append("\n".join(lines) + "\n")
    return "\n".join(tables)
