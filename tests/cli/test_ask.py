"""What is read from files and stdin instead of the command's arguments."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secvault.cli import ask
from secvault.errors import InvalidInput


def test_fields_come_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "fields.json"
    file.write_text('{"full_name": "Trần Thị Mai", "amount": {"currency": "VND"}}', "utf-8")
    expected = {"full_name": "Trần Thị Mai", "amount": {"currency": "VND"}}
    assert ask.fields_from(str(file)) == expected


@pytest.mark.parametrize(
    ("content", "mend"),
    [
        (b'{"a": 1', "line 1"),
        (b"[1]", "one JSON object"),
        (b'{"a": 1, "a": 2}', "named twice"),
        (b'{"a": NaN}', "not a value of JSON"),
        (b'{"a": "\xff"}', "UTF-8"),
        (b"[" * 200_000, "nested too deeply"),
        (b"", "not JSON"),
        (b'{"a": ' + b"9" * 10_000 + b"}", "too many digits"),
    ],
)
def test_bad_input_is_refused_with_the_option_named(
    tmp_path: Path, content: bytes, mend: str
) -> None:
    file = tmp_path / "fields.json"
    file.write_bytes(content)
    with pytest.raises(InvalidInput, match=mend) as caught:
        ask.fields_from(str(file))
    assert caught.value.fields[0].field == "--from"


def test_a_value_is_never_in_the_error(tmp_path: Path) -> None:
    file = tmp_path / "fields.json"
    file.write_text('{"bank_account": "9990001234567" "x"}')
    with pytest.raises(InvalidInput) as caught:
        ask.fields_from(str(file))
    assert "9990001234567" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"none\.json cannot be read"):
        ask.fields_from(str(tmp_path / "none.json"))


def test_too_much_input_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ask, "LARGEST_INPUT", 10)
    file = tmp_path / "fields.json"
    file.write_text('{"a": "0123456789"}')
    with pytest.raises(InvalidInput, match="too much"):
        ask.fields_from(str(file))


@given(st.binary(max_size=200))
def test_any_bytes_are_fields_or_refused(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    file = tmp_path_factory.mktemp("any") / "fields.json"
    file.write_bytes(content)
    try:
        fields = ask.fields_from(str(file))
    except InvalidInput:
        return
    assert isinstance(fields, dict)


@given(st.dictionaries(st.text(max_size=10), st.text(max_size=20), max_size=5))
def test_what_json_writes_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, fields: dict[str, str]
) -> None:
    file = tmp_path_factory.mktemp("back") / "fields.json"
    file.write_text(json.dumps(fields))
    assert ask.fields_from(str(file)) == fields


def test_a_password_is_the_first_line_of_its_file(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text(" two words \nsecond line\n")
    assert ask.password_from(str(file)).text() == " two words "
