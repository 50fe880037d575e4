"""Collection files: the shipped ones, every way to write one wrongly, and whole records."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secvault.crypto.canonical import canonical_json
from secvault.errors import ConfigurationError, FieldError, InvalidInput
from secvault.records.collection import (
    Collection,
    Sensitivity,
    parse_record,
)
from secvault.records.collection_files import load_collections, load_departments
from secvault.records.declared import NAME
from secvault.records.mask import Mask
from secvault.records.value import FieldType

SHIPPED = Path(__file__).parents[2] / "policies" / "collections"

GOOD = """
department = "hr"
title = { en = "Human resources", vi = "Nhân sự" }
[collections.payroll]
title = { en = "Payroll", vi = "Bảng lương" }
[collections.payroll.fields.employee]
title = { en = "Employee" }
type = "text"
class = "personal"
mask = "hidden"
required = true
[collections.payroll.fields.month]
title = { en = "Month" }
type = "text"
class = "normal"
max_length = 7
[collections.payroll.fields.gross_salary]
title = { en = "Gross salary", vi = "Lương gộp" }
type = "money"
class = "salary"
mask = "hidden"
currency = "VND"
minimum = "0"
required = true
[collections.payroll.fields.days]
title = { en = "Days" }
type = "integer"
class = "normal"
minimum = 0
maximum = 31
[collections.payroll.fields.status]
title = { en = "Status" }
type = "choice"
class = "normal"
choices = ["draft", "paid"]
"""


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str], Path]:
    """Writes the department file hr.toml and returns its folder."""

    def write(text: str) -> Path:
        (tmp_path / "hr.toml").write_text(text)
        return tmp_path

    return write


@pytest.fixture
def payroll(written: Callable[[str], Path]) -> Collection:
    return load_collections(written(GOOD))["payroll"]


def test_the_shipped_files_declare_every_collection_of_the_back_office() -> None:
    departments = load_departments(SHIPPED)
    assert {name: list(department.collections) for name, department in departments.items()} == {
        "accounting": ["invoices", "payments", "tax_filings", "suppliers"],
        "administration": ["assets", "visitors"],
        "analysis": ["datasets", "data_requests"],
        "hr": ["employees", "contracts", "payroll", "insurance"],
        "logistics": ["shipments", "warehouse"],
        "production": ["formulas", "work_orders", "equipment"],
        "quality": ["inspections", "complaints"],
        "settlement": ["transactions", "disputes"],
    }


def test_every_shipped_title_is_there_in_english_and_vietnamese() -> None:
    for department in load_departments(SHIPPED).values():
        titles = [department.title]
        for collection in department.collections.values():
            titles += [collection.title, *(field.title for field in collection.fields.values())]
        assert all(set(title) == {"en", "vi"} for title in titles)


def test_every_shipped_collection_has_six_to_fourteen_fields_with_a_sensitive_one() -> None:
    for collection in load_collections(SHIPPED).values():
        assert 6 <= len(collection.fields) <= 14, collection.name
        classes = {field.sensitivity for field in collection.fields.values()}
        assert classes > {Sensitivity.NORMAL}, collection.name


def test_the_shipped_files_use_every_type_class_and_mask() -> None:
    fields = [f for c in load_collections(SHIPPED).values() for f in c.fields.values()]
    assert {field.type for field in fields} == set(FieldType)
    assert {field.sensitivity for field in fields} == set(Sensitivity)
    assert {field.mask for field in fields} == {None, *Mask}


def test_salaries_and_bank_accounts_are_declared_as_such() -> None:
    fields = load_collections(SHIPPED)["payroll"].fields
    assert fields["gross_salary"].sensitivity is Sensitivity.SALARY
    assert fields["bank_account"].sensitivity is Sensitivity.BANK
    # A number that says nothing to who knows no employee: by it one's own records are found.
    assert fields["employee"].sensitivity is Sensitivity.NORMAL
    assert fields["month"].mask is None


def test_a_file_is_read_as_it_is_written(payroll: Collection) -> None:
    field = payroll.fields["gross_salary"]
    assert (payroll.department, list(payroll.fields)) == (
        "hr",
        ["employee", "month", "gross_salary", "days", "status"],
    )
    assert (field.type, field.sensitivity, field.mask) == ("money", "salary", "hidden")
    assert field.title["vi"] == "Lương gộp"
    assert field.limits.minimum == Decimal(0)
    assert payroll.fields["status"].limits.choices == ("draft", "paid")


def test_a_loaded_schema_cannot_be_changed(payroll: Collection) -> None:
    with pytest.raises(TypeError):
        payroll.fields["more"] = payroll.fields["month"]  # type: ignore[index]


WRONG = [
    ('title = { en = "Month" }', "title = 5", "collections.payroll.fields.month.title"),
    ('title = { en = "Month" }', 'title = { vi = "Tháng" }', "no English"),
    ('title = { en = "Month" }', 'title = { en = "Month", deu = "Monat" }', "title.deu"),
    ('title = { en = "Month" }', 'title = { en = " " }', "line of text"),
    ('title = { en = "Month" }', r'title = { en = "Mo\u202enth" }', "line of text"),
    ("max_length = 7", "max_lenght = 7", "fields.month.max_lenght: is not known"),
    ("max_length = 7", "choices = ['a']", "fields.month.choices: is not known"),
    ("max_length = 7", "max_length = 0", "between 1 and"),
    ("max_length = 7", "max_length = 7.5", "whole number"),
    ("max_length = 7", "max_length = true", "whole number"),
    ("max_length = 7", "max_length = 1000000", "between 1 and"),
    ("max_length = 7", 'multi_line = "yes"', "true or false"),
    ("max_length = 7", 'mask = "hidden"', "fields.month.mask: has no meaning"),
    ('type = "money"', 'type = "cash"', "type: must be one of text, integer"),
    ('type = "money"', "", "type: must be one of"),
    ('class = "salary"', 'class = "secret"', "class: must be one of normal, personal"),
    ('class = "salary"', "class = ['salary']", "class: must be one of"),
    ('class = "salary"\nmask = "hidden"', 'class = "salary"', "mask: must be one of hidden"),
    ('class = "salary"\nmask = "hidden"', 'class = "salary"\nmask = "blur"', "mask: must be one"),
    (
        'class = "salary"\nmask = "hidden"',
        'class = "salary"\nmask = "year"',
        "mask: does not fit the type money; take one of hidden",
    ),
    ('currency = "VND"', 'currency = "VNĐ"', "currency: must be a currency"),
    ('currency = "VND"', 'currency = "VND"\ncurrencies = ["USD"]', "add it there"),
    ('currency = "VND"', 'currencies = ["USD", "USD"]', "names something twice"),
    ('currency = "VND"', "currencies = [1]", "list of texts"),
    ('minimum = "0"', "minimum = 0.5", "number as text"),
    ('minimum = "0"', 'minimum = "1e3"', "number as text"),
    ("minimum = 0\n", "minimum = 40\n", "minimum: is above the maximum"),
    ("minimum = 0\n", 'minimum = "0"\n', "whole number"),
    ('choices = ["draft", "paid"]', "", "choices: is missing"),
    ('choices = ["draft", "paid"]', 'choices = "draft"', "list of texts"),
    ("required = true", "required = 1", "required: must be true or false"),
    ("[collections.payroll.fields.days]", "[collections.payroll.fields.Days]", "must be a name"),
    ("collections.payroll", "collections.Payroll", "must be a name"),
    ("collections.payroll", "collections.pay-roll", "must be a name"),
    ("collections.payroll", f"collections.{'p' * 64}", "must be a name"),
    ('department = "hr"', 'department = "sales"', 'department: must be "hr"'),
    ('department = "hr"', "", "department: must be a name"),
    ('department = "hr"', 'department = "hr"\nowner = "x"', "owner: is not known here"),
    ('department = "hr"', "department = hr", "is not TOML"),
    ('department = "hr"', "department = " + "[" * 5000, "is not TOML"),
    ("[collections.payroll.fields.days]", "[collections.payroll.fields.month]", "is not TOML"),
]


@pytest.mark.parametrize(("was", "becomes", "said"), WRONG, ids=range(len(WRONG)))
def test_a_wrong_file_is_refused_with_file_key_and_mend(
    written: Callable[[str], Path], was: str, becomes: str, said: str
) -> None:
    assert was in GOOD
    folder = written(GOOD.replace(was, becomes))
    with pytest.raises(ConfigurationError) as refused:
        load_collections(folder)
    assert str(folder / "hr.toml") in refused.value.detail
    assert said in refused.value.detail


@pytest.mark.parametrize("kept", ["", "collections = 3", "[collections]", "[collections.payroll]"])
def test_a_department_without_collections_or_fields_is_refused(
    written: Callable[[str], Path], kept: str
) -> None:
    head = 'department = "hr"\ntitle = { en = "HR" }\n'
    with pytest.raises(ConfigurationError, match="collections"):
        load_collections(written(head + kept))


def test_a_collection_name_is_taken_once_over_all_departments(
    written: Callable[[str], Path],
) -> None:
    folder = written(GOOD)
    (folder / "it.toml").write_text(GOOD.replace('department = "hr"', 'department = "it"'))
    with pytest.raises(ConfigurationError, match=r"it\.toml: collections\.payroll.*hr\.toml"):
        load_collections(folder)


def test_a_file_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    (tmp_path / "hr.toml").write_bytes(b'department = "hr"\n# L\xfeng')
    with pytest.raises(ConfigurationError, match=r"hr\.toml: is not UTF-8 at byte 21"):
        load_collections(tmp_path)


def test_a_missing_empty_or_unreadable_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be listed"):
        load_collections(tmp_path / "none")
    with pytest.raises(ConfigurationError, match="one per department"):
        load_collections(tmp_path)
    (tmp_path / "hr.toml").mkdir()
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_collections(tmp_path)


def test_a_whole_record_comes_back_in_its_stored_form(payroll: Collection) -> None:
    values = {"status": "paid", "gross_salary": "012500000", "employee": "emp-1", "days": None}
    parsed = parse_record(payroll, values, partial=False)
    assert list(parsed.items()) == [
        ("employee", "emp-1"),
        ("gross_salary", {"amount": "12500000", "currency": "VND"}),
        ("status", "paid"),
    ]


def test_all_faults_of_a_record_are_told_at_once(payroll: Collection) -> None:
    values: dict[str, Any] = {
        "gross_salary": 1.5,
        "days": 40,
        "gros_salary": 1,
        "\u202e<script>": "x",
        "status": "gone",
    }
    with pytest.raises(InvalidInput) as refused:
        parse_record(payroll, values, partial=False)
    assert {fault.field for fault in refused.value.fields} == {
        "employee",
        "gross_salary",
        "days",
        "gros_salary",
        "(unreadable name)",
        "status",
    }
    assert "did you mean gross_salary?" in refused.value.detail
    assert "script" not in refused.value.detail


def test_a_change_may_leave_out_required_fields_but_not_remove_them(payroll: Collection) -> None:
    assert parse_record(payroll, {"month": "2026-01"}, partial=True) == {"month": "2026-01"}
    assert parse_record(payroll, {"month": None}, partial=True) == {"month": None}
    with pytest.raises(InvalidInput, match="employee: is required"):
        parse_record(payroll, {"employee": None}, partial=True)


def test_ten_thousand_unknown_names_give_a_short_answer(payroll: Collection) -> None:
    values = {f"field_{n}": n for n in range(10_000)}
    with pytest.raises(InvalidInput) as refused:
        parse_record(payroll, values, partial=True)
    assert len(refused.value.fields) == 21
    assert "9980 more" in refused.value.fields[-1].detail


ANYTHING: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3)
    ),
    max_leaves=6,
)
FIELDS = [f for c in load_collections(SHIPPED).values() for f in c.fields.values()]


@given(st.sampled_from(FIELDS), ANYTHING)
def test_any_json_is_either_refused_at_its_field_or_becomes_canonical(
    field: Any, value: Any
) -> None:
    faults: tuple[FieldError, ...] = ()
    try:
        stored = field.parse(value)
    except InvalidInput as refused:
        faults = refused.fields
    if faults:
        assert [fault.field.split(".")[0] for fault in faults] == [field.name]
    else:
        assert canonical_json(stored)
        assert field.parse(stored) == stored


@given(st.text(max_size=80))
def test_a_name_is_short_ascii(text: str) -> None:
    if NAME.fullmatch(text):
        assert text.isascii()
        assert 1 <= len(text) <= 63


@pytest.mark.parametrize("fact", ["person", "team"])
@pytest.mark.parametrize(
    ("declared", "mend"),
    [('"period"', ""), ('"salary"', "class normal"), ('"nobody"', "class normal"), ("7", "class")],
)
def test_whom_a_record_is_about_is_said_by_a_plain_field(
    tmp_path: Path, fact: str, declared: str, mend: str
) -> None:
    field = '[collections.c.fields.{}]\ntitle = {{ en = "F" }}\ntype = "text"\nclass = "{}"\n'
    (tmp_path / "hr.toml").write_text(
        f'department = "hr"\ntitle = {{ en = "HR" }}\n[collections.c]\ntitle = {{ en = "C" }}\n'
        f"{fact} = {declared}\n"
        + field.format("period", "normal")
        + field.format("salary", "salary")
        + 'mask = "hidden"\n'
    )
    if not mend:
        collection = load_collections(tmp_path)["c"]
        assert getattr(collection, f"{fact}_field") == "period"
        return
    with pytest.raises(ConfigurationError, match=mend):
        load_collections(tmp_path)
