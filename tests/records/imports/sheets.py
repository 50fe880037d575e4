"""Files to import, made here; and their rows as the reader sees them."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Sequence
from typing import Any

from openpyxl import Workbook

from secvault.errors import InvalidInput
from secvault.records.imports.heading import Known
from secvault.records.imports.reading import rows_of
from secvault.records.imports.row import Row
from secvault.records.imports.spec import Bounds, Form, Spec
from secvault.records.value import FieldType

FIELDS = (
    Known("name", FieldType.TEXT, ("Name", "Họ và tên")),
    Known("citizen", FieldType.IDENTITY_NUMBER, ("Citizen number", "Số căn cước")),
    Known("salary", FieldType.MONEY, ("Salary", "Lương")),
    Known("days", FieldType.DECIMAL, ("Days", "Ngày công")),
    Known("count", FieldType.INTEGER, ("Count", "Số lượng")),
    Known("born", FieldType.DATE, ("Born on", "Ngày sinh")),
    Known("seen", FieldType.DATETIME, ("Seen at", "Lúc thấy")),
    Known("active", FieldType.BOOLEAN, ("Active", "Đang làm")),
    Known("file", FieldType.ATTACHMENT, ("File", "Tệp")),
)


def read(content: bytes, form: Form, bounds: Bounds | None = None, **how: Any) -> list[Row]:
    """The rows of a file."""
    spec = Spec(form, **how).checked()
    return list(rows_of(io.BytesIO(content), spec, FIELDS, bounds))


def refusal(content: bytes, form: Form, bounds: Bounds | None = None, **how: Any) -> str:
    """Why the file as a whole is refused."""
    try:
        read(content, form, bounds, **how)
    except InvalidInput as error:
        return error.detail
    raise AssertionError("the file was taken")


def xlsx(rows: Iterable[Sequence[Any]], **styles: str) -> bytes:
    """A workbook with one sheet. styles: number formats by cell, as `B2`."""
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    for row in rows:
        sheet.append(list(row))
    for cell, style in styles.items():
        sheet[cell].number_format = style
    return saved(book)


def saved(book: Workbook) -> bytes:
    """The bytes of a workbook."""
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def with_part(workbook: bytes, name: str, content: bytes) -> bytes:
    """The workbook with another content of one of its parts."""
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(workbook)) as before,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as after,
    ):
        for part in before.namelist():
            if part != name:
                after.writestr(part, before.read(part))
        after.writestr(name, content)
    return out.getvalue()


SHEET = "xl/worksheets/sheet1.xml"
