"""Rows of payroll with one thing changed, and whether they are records then."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from tests.service.record_imports.files import payroll_row

MONEY = ("gross_salary", "insurance", "income_tax", "net_salary")
TEXTS = ("full_name", "bank", "employee")


@dataclass(frozen=True)
class Mutated:
    """A row. field, value: what was changed in it. good: whether it is a record all the same.

    stored: what the field holds then, where that is not the value itself. line: the row as raw
    JSON, where it cannot be made from values.
    """

    row: dict[str, Any]
    field: str
    value: Any
    good: bool
    stored: Any = None
    line: str = ""


def _vnd(amount: str) -> dict[str, str]:
    return {"amount": amount, "currency": "VND"}


# What stands in a field, and what is stored then; None where it must be refused.
Case = tuple[Any, Any]
_ANY_NUMBER: Sequence[Case] = (
    *((text, None) for text in ("NaN", "nan", "Infinity", "-inf", "∞", "1e400", "1E5", "0x1F")),
    *((text, None) for text in ("9" * 40, "9" * 400, "1_000", "1 000", "١٢٣", "１２", "+5", ".5")),
    *((text, None) for text in ("5.", "--5", "- 5", "5-", "½", "٣٫٥", "1.2.3", "true", "=1+1")),
    *((text, None) for text in ("-1", "12,5", "twelve", "5\u202e", "5\x00", "5\u200b")),
)
_MONEY: Sequence[Case] = (
    *_ANY_NUMBER,
    ("", None),
    ("12.500", None),
    ("5 XXX", None),
    ("5 usd", None),
    ("0.5", None),
    ("0", _vnd("0")),
    ("007", _vnd("7")),
    ("500 VND", _vnd("500")),
    ("500VND", _vnd("500")),
    ("5.5 USD", {"amount": "5.50", "currency": "USD"}),
    ("999999999999999999", _vnd("999999999999999999")),
    ("1000000000000000000", None),
)
_DAYS: Sequence[Case] = (
    *_ANY_NUMBER,
    ("", None),
    ("32", None),
    ("22.55", None),
    ("22.5", "22.5"),
    ("0", "0"),
    ("31.0", "31"),
)
_HARMLESS = (
    *("=SUM(A1:A9)", "@cmd", "+84 901", "-5", "'; DROP TABLE record; --", "<script>x</script>"),
    *("שלום", "مرحبا", "𝔘𝔫𝔦", "𠜎𠜱", "Trần Thị Kiều Oanh", "null", "NaN", "../../etc", "{{7*7}}"),
    *("%s%n", "\\x00", "👩‍👩‍👧", "ß", "İ"),
)
_TEXT: Sequence[Case] = (
    *((text, None) for text in ("", "An\x00", "An\x07", "\x1b[31mAn", "An\u202etxt", "\u2066An")),
    *((text, None) for text in ("An\u2069", "An\x7f", "An\x85", "An\u2028Binh", "An\nBinh")),
    *((text, None) for text in ("x" * 4_000, "a" + "\u0301" * 31, "\u202d" * 50)),
    *((text, text) for text in _HARMLESS),
    ("Tra\u0302\u0300n", "Trần"),
    ("e\u0301", "é"),
)
_STATUS: Sequence[Case] = (
    *((text, None) for text in ("", "Draft", "drafts", "nháp", "draft\x00", "0", "dra\u200bft")),
    ("paid", "paid"),
    (" paid ", "paid"),
)
_PAID: Sequence[Case] = (
    *((text, None) for text in ("2026-02-30", "31/12/2026", "2026-13-01", "99999-01-01", "today")),
    *((text, None) for text in ("2026-1-1", "20260101", "0000-00-00", "٢٠٢٦-٠١-٠١", "46000")),
    ("2026-12-31", "2026-12-31"),
    ("2024-02-29", "2024-02-29"),
)
_ACCOUNT: Sequence[Case] = (
    *((text, None) for text in ("", "0071\u202e000", "0071\x00000", "=0071000", "x" * 200)),
    ("0071000123456", "0071000123456"),
)
_ID: Sequence[Case] = (
    *((text, None) for text in ("", "NV 5", "../etc", "x" * 65, "Ａ", "-a", "a/b", "a\x00", "é")),
    *((text, None) for text in ("PR-1", "a\u202eb", "id;drop", "a b", ".hidden")),
)

CELLS: dict[str, Sequence[Case]] = {
    **dict.fromkeys(MONEY, _MONEY),
    **dict.fromkeys(TEXTS, _TEXT),
    "working_days": _DAYS,
    "status": _STATUS,
    "paid_on": _PAID,
    "bank_account": _ACCOUNT,
    "id": _ID,
}

_NO_NUMBER: Sequence[Case] = (
    *((value, None) for value in (1.5, 1e300, True, False, [], {}, [5], {"x": 1}, 10**18, 10**25)),
    *((value, None) for value in (-1, {"amount": {}}, {"amount": None}, {"amount": "5", "x": 1})),
)
VALUES: dict[str, Sequence[Case]] = {
    **dict.fromkeys(
        MONEY,
        (
            *_NO_NUMBER,
            (None, None),
            ({"amount": "5", "currency": "vnd"}, None),
            ({"amount": "5", "currency": ["VND"]}, None),
            ({"amount": "5"}, _vnd("5")),
            ({"amount": 5, "currency": "VND"}, _vnd("5")),
            (5, _vnd("5")),
        ),
    ),
    **dict.fromkeys(
        TEXTS, tuple((value, None) for value in (5, 1.5, True, [], {}, ["An"], None, "\ud800"))
    ),
    "working_days": (*_NO_NUMBER, (None, None), (22, "22"), ("22.5", "22.5")),
    "status": tuple((value, None) for value in (0, None, ["draft"], True, {"draft": 1})),
    "paid_on": (*((value, None) for value in (20261231, 1.0, [], True)), (None, "absent")),
    "bank_account": tuple((value, None) for value in (71000123456, None, 7.1e10, [])),
    "id": tuple((value, None) for value in (5, 1.5, True, [], {})),
    "nothing_known": tuple((value, None) for value in (5, "x", None, [])),
}
_RAW = (
    '{{"id": "{id}", "status": "draft", "status": "paid"}}',
    '{{"id": "{id}", "gross_salary": NaN}}',
    '{{"id": "{id}", "working_days": Infinity}}',
    '{{"id": "{id}", "working_days": -Infinity}}',
    '{{"id": "{id}", "gross_salary": 1e999}}',
    '{{"id": "{id}", "gross_salary": {digits}}}',
    '{{"id": "{id}"',
    '["{id}"]',
    '"{id}"',
    "{id}",
    '{{"id": "{id}", "full_name": "\x01"}}',
    '{{"id": "{id}", "full_name": ' + "[" * 200 + "]" * 200 + "}}",
    "{{'id': '{id}'}}",
)

SHEET_CELLS: dict[str, Sequence[Case]] = {
    **dict.fromkeys(
        MONEY,
        (
            *((cell, None) for cell in ("=1+1", "#REF!", True, date(2026, 1, 1), 1e300, -5, 0.5)),
            *((cell, None) for cell in (10**15, 123456789012345678, "NaN", "12.500")),
            (12_500_000, _vnd("12500000")),
            (7.0, _vnd("7")),
            ("500 VND", _vnd("500")),
        ),
    ),
    **dict.fromkeys(
        TEXTS,
        (
            *((cell, None) for cell in ("=A1", True, date(2026, 1, 1), 1.5, "x" * 4_000)),
            *((text, text) for text in ("Trần", "+84", "@x", "<b>")),
        ),
    ),
    "working_days": (
        *((cell, None) for cell in ("=22", 32, -1, True, 22.55, "#N/A")),
        (0.1 + 0.2, "0.3"),
        (22, "22"),
    ),
    "status": (*((cell, None) for cell in ("=1", 1, True, "Draft")), ("paid", "paid")),
    "paid_on": (
        *((cell, None) for cell in (46_000, "=TODAY()", True, "31/12/2026")),
        (date(2026, 12, 31), "2026-12-31"),
    ),
    "bank_account": (
        *((cell, None) for cell in (71000123456, 7.1e10, "=1", True)),
        ("0071000123456", "0071000123456"),
    ),
    "id": tuple((cell, None) for cell in ("=1", 1.5, True, "NV 5", date(2026, 1, 1))),
}


def rows_of_cells(
    chance: random.Random, count: int, cells: dict[str, Sequence[Case]]
) -> Iterator[Mutated]:
    """So many rows for a table."""
    for number in range(count):
        row: dict[str, Any] = {**payroll_row(number), "paid_on": ""}
        field = chance.choice([*cells])
        value, stored = chance.choice(cells[field])
        yield Mutated({**row, field: value}, field, value, stored is not None, stored)


def objects(chance: random.Random, count: int) -> Iterator[Mutated]:
    """So many rows for JSON Lines."""
    for number in range(count):
        row = payroll_row(number)
        if chance.random() < 0.2:
            line = chance.choice(_RAW).format(id=row["id"], digits="9" * 500)
            yield Mutated(row, "", line, good=False, line=line)
            continue
        field = chance.choice([*VALUES])
        value, stored = chance.choice(VALUES[field])
        changed = {**row, field: value}
        yield Mutated(changed, field, value, stored is not None, stored, json.dumps(changed))


def damaged(chance: random.Random, content: bytes) -> bytes:
    """The bytes with something done to them."""
    made = bytearray(content)
    changes: Sequence[Callable[[], None]] = (
        lambda: made.__setitem__(chance.randrange(len(made)), chance.randrange(256)),
        lambda: made.__delitem__(slice(chance.randrange(len(made)), None)),
        lambda: made.__delitem__(slice(0, chance.randrange(1, 20))),
        lambda: made.__setitem__(slice(len(made) // 2, len(made) // 2), chance.randbytes(9)),
        lambda: made.extend(made[: chance.randrange(len(made))]),
        lambda: made.__setitem__(slice(None, 2), chance.choice((b"\xff\xfe", b"PK", b"\0\0"))),
    )
    for _ in range(chance.choice((1, 1, 2, 5))):
        if len(made) > 30:
            chance.choice(changes)()
    return bytes(made)
