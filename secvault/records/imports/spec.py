"""How a file is to be read: its form, and how its dates and numbers are written.

Nothing is guessed from values: 03/04/2026 and 12.500 mean different things to different people, so
whoever imports says which, or the row is refused.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from secvault.errors import InvalidInput

ID = "id"
"""The target of the column with the records' ids."""
LEAVE_OUT = ""
"""The target of a column that is not imported."""

MOST_MAPPED = 500
_LONGEST_NAME = 200


class Form(StrEnum):
    """What a file is."""

    CSV = "csv"
    XLSX = "xlsx"
    JSONL = "jsonl"


class Dates(StrEnum):
    """How dates are written in text cells. iso: 2026-05-31, which is read always."""

    ISO = "iso"
    DAY_FIRST = "day-first"
    MONTH_FIRST = "month-first"


class Numbers(StrEnum):
    """How numbers are written in text cells.

    plain: 12500000.5, and what could be one or the other, as 12.500, is refused. dot-thousands:
    12.500.000,5 as in Vietnam. comma-thousands: 12,500,000.5 as in English.
    """

    PLAIN = "plain"
    DOT_THOUSANDS = "dot-thousands"
    COMMA_THOUSANDS = "comma-thousands"


class Delimiter(StrEnum):
    """What stands between the cells of a CSV file; auto: what its first line shows."""

    AUTO = "auto"
    COMMA = "comma"
    SEMICOLON = "semicolon"
    TAB = "tab"


class Encoding(StrEnum):
    """How the characters of a text file are written.

    auto: UTF-8, or what the byte order mark at its start says. Windows-1258, of older Vietnamese
    programs, cannot be told from others and is only taken where it is named.
    """

    AUTO = "auto"
    UTF_8 = "utf-8"
    UTF_16 = "utf-16"
    WINDOWS_1258 = "windows-1258"


class OnConflict(StrEnum):
    """What becomes of a row whose record is there already.

    refuse: nothing of the file is imported. skip: the record stays as it is. update: the values of
    the row are written into it; empty cells leave what is there.
    """

    REFUSE = "refuse"
    SKIP = "skip"
    UPDATE = "update"


@dataclass(frozen=True)
class Spec:
    """How a file is to be read.

    sheet: of a workbook, by name; empty for the only visible one. time_zone: of moments that name
    none, such as Asia/Ho_Chi_Minh; empty to refuse them. mapping: a column's heading to the name
    of a field, to `<field>.currency`, to `id`, or to nothing when it is left out. Columns that are
    not in it go by their heading; large and small letters are the same there.
    """

    form: Form
    dates: Dates = Dates.ISO
    numbers: Numbers = Numbers.PLAIN
    delimiter: Delimiter = Delimiter.AUTO
    encoding: Encoding = Encoding.AUTO
    sheet: str = ""
    time_zone: str = ""
    mapping: Mapping[str, str] = field(default_factory=dict)

    def checked(self) -> Spec:
        """The same with headings in Unicode normal form C. Raises InvalidInput at the option."""
        if self.time_zone:
            try:
                ZoneInfo(self.time_zone)
            except (ZoneInfoNotFoundError, ValueError, OSError):
                raise InvalidInput.at(
                    "time_zone", "is no zone of the IANA list; write it like Asia/Ho_Chi_Minh"
                ) from None
        if self.encoding is not Encoding.AUTO and self.form is not Form.CSV:
            raise InvalidInput.at("encoding", "is said of CSV files alone; leave it out")
        if self.delimiter is not Delimiter.AUTO and self.form is not Form.CSV:
            raise InvalidInput.at("delimiter", "is said of CSV files alone; leave it out")
        if self.sheet and self.form is not Form.XLSX:
            raise InvalidInput.at("sheet", "is said of workbooks alone; leave it out")
        if len(self.sheet) > _LONGEST_NAME:
            raise InvalidInput.at("sheet", f"is longer than {_LONGEST_NAME} characters")
        if len(self.mapping) > MOST_MAPPED:
            raise InvalidInput.at("mapping", f"names more than {MOST_MAPPED} columns")
        mapping = {heading(name): target for name, target in self.mapping.items()}
        if len(mapping) < len(self.mapping):
            raise InvalidInput.at("mapping", "names a column twice")
        if any(len(each) > _LONGEST_NAME for pair in mapping.items() for each in pair):
            raise InvalidInput.at("mapping", f"holds a name over {_LONGEST_NAME} characters")
        return Spec(**{**vars(self), "mapping": mapping})


@dataclass(frozen=True)
class Bounds:
    """The most that a file may hold. expanded: bytes of a workbook that is unpacked.

    ratio: how many times larger a part of it may become (a part over `small` bytes). cell, line:
    in characters. memory, seconds: what reading it may take, in bytes and seconds of a processor.
    """

    rows: int = 1_048_576
    columns: int = 256
    cell: int = 100_000
    line: int = 4 * 1024 * 1024
    expanded: int = 2 * 1024 * 1024 * 1024
    strings: int = 256 * 1024 * 1024
    ratio: int = 300
    small: int = 4 * 1024 * 1024
    memory: int = 2 * 1024 * 1024 * 1024
    seconds: int = 3600


def heading(text: str) -> str:
    """A heading as it is compared: in one form of Unicode, of letters and of blanks."""
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())


def form_of(name: str) -> Form:
    """The form that a file's name ends with. Raises InvalidInput at `format` for another."""
    end = name.lower().rpartition(".")[2]
    forms = {
        "csv": Form.CSV,
        "tsv": Form.CSV,
        "txt": Form.CSV,
        "xlsx": Form.XLSX,
        "jsonl": Form.JSONL,
        "ndjson": Form.JSONL,
    }
    if end not in forms:
        raise InvalidInput.at(
            "format", "cannot be told from the file's name; say csv, xlsx or jsonl"
        )
    return forms[end]
