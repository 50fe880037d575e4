"""Names of files in headers: any name comes through, and none breaks the header."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secvault.api.disposition import disposition, name_in
from secvault.errors import InvalidInput


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("contract.pdf", 'attachment; filename="contract.pdf"'),
        (
            "Hợp đồng.pdf",
            (
                'attachment; filename="H_p __ng.pdf"; '
                "filename*=UTF-8''H%E1%BB%A3p%20%C4%91%E1%BB%93ng.pdf"
            ),
        ),
        ('a"b;c.pdf', "attachment; filename=\"a_b;c.pdf\"; filename*=UTF-8''a%22b%3Bc.pdf"),
        ("50%.pdf", "attachment; filename=\"50_.pdf\"; filename*=UTF-8''50%25.pdf"),
    ],
)
def test_a_name_is_written_as_rfc_6266_and_8187_say(name: str, header: str) -> None:
    assert disposition(name) == header
    assert name_in(header) == name


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=255))
def test_any_name_comes_back_and_the_header_stays_one_line_of_ascii(name: str) -> None:
    header = disposition(name)
    assert header.isascii()
    assert header.isprintable()
    assert name_in(header) == name


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("attachment; filename=plain.pdf", "plain.pdf"),
        ('inline; FileName="a b.pdf"; size=3', "a b.pdf"),
        ("attachment; filename=\"x.pdf\"; filename*=utf-8'vi'%c3%a0.pdf", "à.pdf"),
        ("attachment; filename*=UTF-8''%c3%a0.pdf; filename=\"x.pdf\"", "à.pdf"),
    ],
)
def test_what_other_programs_write_is_read(header: str, name: str) -> None:
    assert name_in(header) == name


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "attachment",
        "attachment; filename=",
        'attachment; filename=""',
        "attachment; filename*=UTF-8''%ff%fe",
        "attachment; filename*=latin-1''%e0.pdf",
        "attachment; filename*=nothing''a.pdf",
        'attachment; filename="à.pdf"',
        "attachment; filename=" + "a" * 5000,
    ],
)
def test_what_names_nothing_readable_is_refused_with_the_mend(header: str | None) -> None:
    with pytest.raises(InvalidInput, match=r"Content-Disposition: .*filename"):
        name_in(header)
