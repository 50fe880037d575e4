"""What a file says that it is, and what it is."""

from __future__ import annotations

import io
import zipfile

import pytest

from secvault.errors import InvalidInput
from secvault.records.content_type import KNOWN_TYPES, Evidence, known_type, type_by_name

WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
SHEET = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
SLIDES = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
TEXT_DOCUMENT = "application/vnd.oasis.opendocument.text"
TABLE = "application/vnd.oasis.opendocument.spreadsheet"


def zipped(*names: str, first: str = "") -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        if first:
            archive.writestr("mimetype", first, zipfile.ZIP_STORED)
        for name in names:
            archive.writestr(name, "x")
    return made.getvalue()


OOXML = "[Content_Types].xml"
FILES = {
    "application/pdf": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<<>>\nendobj\n%%EOF\n",
    "image/jpeg": bytes.fromhex("ffd8ffe000104a46494600010101004800480000") + bytes(50),
    "image/png": bytes.fromhex("89504e470d0a1a0a0000000d49484452") + bytes(50),
    "image/tiff": b"II*\x00" + bytes(60),
    "image/gif": b"GIF89a" + bytes(60),
    "image/webp": b"RIFF\x40\x00\x00\x00WEBPVP8 " + bytes(60),
    "image/heic": b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic" + bytes(60),
    WORD: zipped(OOXML, "word/document.xml"),
    SHEET: zipped(OOXML, "xl/workbook.xml"),
    SLIDES: zipped(OOXML, "ppt/presentation.xml"),
    TEXT_DOCUMENT: zipped("content.xml", first=TEXT_DOCUMENT),
    TABLE: zipped("content.xml", first=TABLE),
    "application/zip": zipped("a.txt"),
    "message/rfc822": b"From: a@example.com\r\nSubject: x\r\n\r\nhello\r\n",
    "application/xml": b'\xef\xbb\xbf<?xml version="1.0"?><hoa-don/>',
    "application/json": b' {"a": 1}\n',
    "text/csv": "tên,tuổi\nHoa,30\n".encode(),
    "text/plain": "Xin chào\n".encode(),
}
TEXTS = {kind for kind, known in KNOWN_TYPES.items() if known.is_text}
ZIPS = {"application/zip", WORD, SHEET, SLIDES, TEXT_DOCUMENT, TABLE}


def judge(content: bytes, declared: str, step: int = 1 << 20) -> None:
    evidence = Evidence(declared, "document")
    for at in range(0, len(content), step):
        evidence.add(content[at : at + step])
    evidence.finish()


def test_there_is_an_example_of_each_type() -> None:
    assert set(FILES) == set(KNOWN_TYPES)


@pytest.mark.parametrize("declared", FILES)
def test_a_file_passes_as_what_it_is_however_it_comes(declared: str) -> None:
    judge(FILES[declared], declared)
    judge(FILES[declared], declared, step=1)


@pytest.mark.parametrize("declared", FILES)
def test_a_file_passes_as_nothing_else(declared: str) -> None:
    for other, content in FILES.items():
        # Texts are alike, and what is an office document is a zip file too.
        both_texts = {declared, other} <= TEXTS and not KNOWN_TYPES[declared].starts
        if other == declared or both_texts or (declared == "application/zip" and other in ZIPS):
            continue
        with pytest.raises(InvalidInput, match=r"document: "):
            judge(content, declared)


PROGRAMS = {
    "Linux": b"\x7fELF\x02\x01\x01" + bytes(60),
    "Windows": b"MZ\x90\x00" + bytes(60),
    "a script": b"#!/bin/sh\nrm -rf /\n",
    "a page": b"<!DOCTYPE html><script>alert(1)</script>",
    "a drawing": b'<svg xmlns="http://www.w3.org/2000/svg"><script/></svg>',
}


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("declared", sorted(set(FILES) - TEXTS))
def test_a_program_does_not_pass_as_a_document(declared: str, program: str) -> None:
    with pytest.raises(InvalidInput, match="is not of the type"):
        judge(PROGRAMS[program], declared)


def test_macros_are_refused_wherever_they_lie() -> None:
    with pytest.raises(InvalidInput, match="macros"):
        judge(zipped(OOXML, "word/document.xml", "word/vbaProject.bin"), WORD)


def test_a_text_is_a_text_to_its_end() -> None:
    long = "Hợp đồng lao động\n".encode() * 20_000
    judge(long, "text/plain", step=4_097)
    for end in (b"\x00", b"\xff", b"\xe1\xbb", b"\x07"):
        with pytest.raises(InvalidInput):
            judge(long + end, "text/plain", step=4_097)


def test_only_what_the_field_allows_is_taken() -> None:
    allowed = ("application/pdf", "text/plain")
    assert known_type("Text/Plain; charset=utf-8", allowed, "Content-Type") == "text/plain"
    for other in ("image/png", "", "application/x-msdownload", "application/pdf, text/html"):
        with pytest.raises(InvalidInput, match="Content-Type: must be one of application/pdf"):
            known_type(other, allowed, "Content-Type")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("Hợp đồng.PDF", "application/pdf"),
        ("a.b.jpeg", "image/jpeg"),
        ("scan.tiff", "image/tiff"),
        ("photo.HEIF", "image/heic"),
        ("table.xlsx", SHEET),
        ("program.exe", None),
        ("no-ending", None),
        (".pdf", None),
    ],
)
def test_the_ending_of_a_name_says_a_type(name: str, kind: str | None) -> None:
    assert type_by_name(name) == kind
