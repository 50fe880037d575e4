"""Names: what is one name, and what is none."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from secvault.errors import InvalidInput
from secvault.identity import names


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("Lan", "lan"),
        ("NGUYỄN.Văn.Đức", "nguyễn.văn.đức"),
        (unicodedata.normalize("NFD", "Nguyễn"), "nguyễn"),
        ("ｌａｎ１", "lan1"),
        ("Straße", "strasse"),
        ("lan@backoffice.example", "lan@backoffice.example"),
        ("สมชาย", unicodedata.normalize("NFKC", "สมชาย")),
        ("9-lan_2", "9-lan_2"),
        ("a" * 64, "a" * 64),
    ],
)
def test_a_sign_in_name_has_one_form(typed: str, kept: str) -> None:
    assert names.sign_in_name(typed) == kept


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "a",
        "a" * 65,
        "a" * 5_000,
        "lan nguyen",
        " lan",
        "lan\n",
        "lan\x00",
        "la\u200bn",
        "la\u202en",
        "la\ud800n",
        "lan/../x",
        "user:lan",
        "lan*",
        ".lan",
        "-lan",
        "@lan",
        "\u0301lan",
        "lan\u0661",
    ],
)
def test_what_is_no_sign_in_name_is_refused_by_its_field(typed: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        names.sign_in_name(typed, "owner")
    assert [fault.field for fault in refused.value.fields] == ["owner"]


@given(st.text(max_size=80))
def test_folding_twice_is_folding_once_and_nothing_else_is_raised(typed: str) -> None:
    try:
        kept = names.sign_in_name(typed)
    except InvalidInput:
        return
    assert names.sign_in_name(kept) == kept
    assert 2 <= len(kept) <= 64
    assert names.sign_in_name(unicodedata.normalize("NFD", kept)) == kept
    kept.encode()


@given(st.text(alphabet=st.characters(categories=["Lu", "Ll"]), min_size=3, max_size=20))
def test_case_and_composition_never_make_two_people_of_one(typed: str) -> None:
    try:
        kept = names.sign_in_name(typed)
    except InvalidInput:
        # Some "letters" are compatibility forms of other signs.
        assume(False)
    assert names.sign_in_name(typed.casefold()) == kept
    assert names.sign_in_name(unicodedata.normalize("NFD", typed)) == kept


def test_a_display_name_is_composed_and_without_spaces_around() -> None:
    typed = unicodedata.normalize("NFD", "  Nguyễn Thị Lan ")
    assert names.display_name(typed) == "Nguyễn Thị Lan"
    assert names.display_name("x" * 200) == "x" * 200


@pytest.mark.parametrize(
    "typed", ["", "  ", "x" * 201, "a\nb", "a\x00", "a\u202eb", "\ud800", "\ue000"]
)
def test_what_cannot_be_shown_on_a_line_is_no_display_name(typed: str) -> None:
    with pytest.raises(InvalidInput, match="display_name"):
        names.display_name(typed)


@pytest.mark.parametrize("typed", ["", "HR", "h r", "hr\n", "9x", "x" * 41])
def test_what_is_no_department_name_is_refused(typed: str) -> None:
    with pytest.raises(InvalidInput, match="department"):
        names.department_name(typed)


def test_ids_are_recognised_and_nothing_else_is() -> None:
    assert names.is_id("0" * 31 + "f")
    for text in ("", "0" * 31, "0" * 33, "0" * 31 + "G", "0" * 31 + "\n", "\x00" * 32):
        assert not names.is_id(text)
    assert names.is_key_id("Ab3" + "0" * 7)
    for text in ("", "0" * 9, "0" * 11, "0" * 9 + "_", "0" * 9 + "\x00"):
        assert not names.is_key_id(text)


@given(st.text(max_size=40))
def test_numbers_and_teams_have_one_form_that_folding_again_does_not_change(text: str) -> None:
    once = names.compared(text)
    assert names.compared(once) == once
    assert names.compared(f"  {text.upper().lower()}\u3000") == names.compared(text.upper().lower())


@pytest.mark.parametrize("text", ["NV-0042", "ＮＶ－0042", " nv-0042 ", "Nv-0042"])
def test_an_employees_number_is_the_same_however_it_is_typed(text: str) -> None:
    assert names.employee_number(text) == "nv-0042"


@pytest.mark.parametrize("text", ["a\nb", "x" * 65, "\x07"])
def test_what_is_no_number_and_no_team_is_refused(text: str) -> None:
    for read in (names.employee_number, names.team_name):
        with pytest.raises(InvalidInput):
            read(text)
    with pytest.raises(InvalidInput):
        names.team_name("  ")
