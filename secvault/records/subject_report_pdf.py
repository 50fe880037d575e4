"""A report on what is held on a person as a PDF, in English or Vietnamese.

The template gets the document as data, never as markup: no value can change the page.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import resources

from secvault.crypto.canonical import JsonValue

LANGUAGES = ("en", "vi")

WORDS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "title": "What is held on you",
        "person": "Employee number",
        "organisation": "Organisation",
        "made_by": "Made by",
        "made_at": "Made at",
        "records": "Records",
        "covers": "This report covers",
        "only": "Other collections are not part of this report, whatever they hold.",
        "nothing": "Nothing is held on this person in these collections.",
        "record": "Record",
        "version": "version",
        "entered": "entered",
        "changed": "last changed",
        "field": "Field",
        "value": "Value",
        "masked": "masked: whoever made this report may not see it in full",
        "withheld": "withheld",
        "kept": "Kept for",
        "kept_from": "from",
        "because": "because",
        "attachments": "Attachments",
        "bytes": "bytes",
        "reads": "Who has seen this record",
        "none_read": "Nobody, as far as single records are on record.",
        "more_reads": "There are more; the audit log has all of them.",
        "pages": "A page of a list names no single record and does not stand here.",
        "when": "When (UTC)",
        "who": "Who",
        "what": "What",
        "page": "Page",
        "of": "of",
        "years": "years",
        "months": "months",
        "created_at": "the day it was entered",
        "updated_at": "the day of its last change",
        "record.read": "read a field",
        "record.read_masked": "read a field, masked",
        "record.list": "opened the record",
        "field.reveal": "revealed a field",
        "record.reveal": "revealed a field",
        "record.export": "exported it",
    },
    "vi": {
        "title": "Dữ liệu đang lưu giữ về bạn",
        "person": "Mã nhân viên",
        "organisation": "Tổ chức",
        "made_by": "Người lập",
        "made_at": "Thời điểm lập",
        "records": "Số bản ghi",
        "covers": "Báo cáo này gồm",
        "only": "Các tập dữ liệu khác không thuộc báo cáo này, dù chúng lưu giữ gì.",
        "nothing": "Không lưu giữ gì về người này trong các tập dữ liệu trên.",
        "record": "Bản ghi",
        "version": "phiên bản",
        "entered": "nhập lúc",
        "changed": "sửa lần cuối",
        "field": "Trường",
        "value": "Giá trị",
        "masked": "đã che: người lập báo cáo không được xem đầy đủ",
        "withheld": "không hiển thị",
        "kept": "Thời hạn lưu giữ",
        "kept_from": "tính từ",
        "because": "căn cứ",
        "attachments": "Tệp đính kèm",
        "bytes": "byte",
        "reads": "Ai đã xem bản ghi này",
        "none_read": "Chưa có ai, theo nhật ký về từng bản ghi.",
        "more_reads": "Còn nữa; nhật ký kiểm toán ghi đầy đủ.",
        "pages": "Trang danh sách không nêu từng bản ghi nên không có ở đây.",
        "when": "Thời điểm (UTC)",
        "who": "Người xem",
        "what": "Thao tác",
        "page": "Trang",
        "of": "trên",
        "years": "năm",
        "months": "tháng",
        "created_at": "ngày nhập",
        "updated_at": "ngày sửa lần cuối",
        "record.read": "đọc một trường",
        "record.read_masked": "đọc một trường đã che",
        "record.list": "mở bản ghi",
        "field.reveal": "hiện một trường đã che",
        "record.reveal": "hiện một trường đã che",
        "record.export": "xuất dữ liệu",
    },
}


def subject_report_pdf(document: Mapping[str, JsonValue], language: str) -> bytes:
    """The report as a PDF. document: as the operation makes it. language: of `LANGUAGES`."""
    # Loaded when it is needed: it is large.
    import typst  # noqa: PLC0415

    template = resources.files("secvault.records") / "templates" / "subject_report.typ"
    data = {"document": document, "words": WORDS[language], "language": language}
    return bytes(
        typst.compile(
            template.read_bytes(),
            sys_inputs={"data": json.dumps(data, ensure_ascii=False)},
            ignore_system_fonts=True,
        )
    )
