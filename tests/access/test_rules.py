"""The policy files are read strictly: whatever Casbin would pass over is refused with its line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secvault.access import Rules, load_rules
from secvault.access.rules import parse_rules
from secvault.errors import ConfigurationError

Fields = Mapping[str, Mapping[str, str]]
Parse = Callable[[str], Rules]

SOUND = "p,role:hr.clerk,hr,payroll,*,record.read,always,allow,one\n"
FAULTY_ROWS = {
    "an unknown kind of row": ("p2,role:hr.clerk,hr,payroll,*,record.read,always,allow,x", "p2"),
    "a capital P": ("P,role:hr.clerk,hr,payroll,*,record.read,always,allow,x", "'P'"),
    "a column too few": ("p,role:hr.clerk,hr,payroll,*,record.read,always,allow", "8 columns"),
    "a column too many": ("p,role:hr.clerk,hr,payroll,*,record.read,always,allow,x,y", "10 col"),
    "a link too long": ("g,role:hr.head,role:hr.clerk,hr,x", "a g row has 4"),
    "a misspelt effect": ("p,role:hr.clerk,hr,payroll,*,record.read,always,Deny,x", "'Deny'"),
    "an unknown department": (
        "p,role:hr.clerk,sales,payroll,*,record.read,always,allow,x",
        "sales",
    ),
    "another department": ("p,role:hr.clerk,quality,*,*,record.read,always,allow,x", "quality"),
    "every department": ("p,role:hr.clerk,*,payroll,*,record.read,always,allow,x", "dom '*'"),
    "an unknown action": ("p,role:hr.clerk,hr,payroll,*,record.raed,always,allow,x", "raed"),
    "every action allowed": ("p,role:hr.clerk,hr,payroll,*,*,always,allow,x", "for deny only"),
    "an unknown object": ("p,role:hr.clerk,hr,payrol,*,record.read,always,allow,x", "payrol"),
    "an object pattern": ("p,role:hr.clerk,hr,pay*,*,record.read,always,allow,x", "pay*"),
    "an object of another": ("p,role:hr.clerk,hr,invoices,*,record.read,always,allow,x", "accoun"),
    "an unknown class": ("p,role:hr.clerk,hr,payroll,class:pii,record.read,always,allow,x", "pii"),
    "an unknown field": ("p,role:hr.clerk,hr,payroll,iban,record.read,always,allow,x", "'iban'"),
    "a field of no field": ("p,role:hr.clerk,hr,payroll,period,record.list,always,allow,x", "'*'"),
    "an unknown condition": ("p,role:hr.clerk,hr,payroll,*,record.list,sometimes,allow,x", "somet"),
    "a condition's number": ("p,role:hr.clerk,hr,payroll,*,record.list,aal2_fresh,allow,x", "aal2"),
    "an expression": ("p,role:hr.clerk,hr,payroll,*,record.list,1==1,allow,x", "1==1"),
    "a repeated id": ("p,role:hr.clerk,hr,payroll,*,record.list,always,allow,one", "of line 2"),
    "a repeated row": ("p,role:hr.clerk,hr,payroll,*,record.read,always,allow,x", "same as line 2"),
    "a contradiction": ("p,role:hr.clerk,hr,payroll,*,record.read,always,deny,x", "contradicts"),
    "a rule for a person": ("p,user:17,hr,payroll,*,record.list,always,allow,x", "'user:17'"),
    "a role without prefix": ("p,hr.clerk,hr,payroll,*,record.list,always,allow,x", "'hr.clerk'"),
    "a role of no department": (
        "p,role:clerk,hr,payroll,*,record.list,always,allow,x",
        "role:clerk",
    ),
    "a person's role": ("g,user:17,role:hr.clerk,hr", "kept in the store"),
    "a link to nobody": ("g,role:hr.head,role:hr.clark,hr", "misspelt"),
    "a link across departments": ("g,role:quality.head,role:hr.clerk,hr", "same department"),
    "a link in all departments": ("g,role:hr.head,role:hr.clerk,*", "same department"),
    "a circle": ("g,role:hr.clerk,role:hr.clerk,hr", "circle"),
    "a local subject's role": ("g,local:operator,role:hr.clerk,*", "local:operator"),
    "an inheriting auditor": ("g,role:it.auditor,role:hr.clerk,hr", "neither inherits"),
    "blanks around a value": ("p,role:hr.clerk, hr,payroll,*,record.list,always,allow,x", "blanks"),
    "an empty cell": ("p,role:hr.clerk,hr,payroll,*,record.list,,allow,x", "empty cell"),
    "an open quote": ('p,"role:hr.clerk,hr,payroll,*,record.list,always,allow,x', "CSV"),
    "an id with a blank": ("p,role:hr.clerk,hr,payroll,*,record.list,always,allow,x y", "'x y'"),
}


@pytest.mark.parametrize(("row", "named"), FAULTY_ROWS.values(), ids=FAULTY_ROWS.keys())
def test_a_faulty_row_is_refused_with_its_line_and_what_is_wrong(
    parse: Parse, row: str, named: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse(f"{SOUND}{row}\n")
    assert "roles.csv line 3" in caught.value.detail
    assert named in caught.value.detail


def test_all_faults_are_reported_together(parse: Parse) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse(SOUND + "x\n" * 12)
    assert len(caught.value.fields) == 12
    assert caught.value.fields[11].field == "roles.csv line 14"
    assert caught.value.detail.endswith("and 2 more")


def test_the_header_is_needed(model: str, fields: Fields) -> None:
    with pytest.raises(ConfigurationError, match="first row must be ptype,sub"):
        parse_rules(model, SOUND, fields)


def test_a_policy_without_rules_is_refused(parse: Parse) -> None:
    with pytest.raises(ConfigurationError, match="no rule at all"):
        parse("# nothing\n")


def test_remarks_and_blank_lines_are_passed_over_even_with_quotes_in_them(parse: Parse) -> None:
    rules = parse(f'# a, "remark\n\n{SOUND}')
    assert [rule.id for rule in rules.rules] == ["one"]
    assert rules.rules[0].line == 4


def test_a_circle_of_three_is_shown(parse: Parse) -> None:
    links = "g,role:hr.a,role:hr.b,hr\ng,role:hr.b,role:hr.c,hr\ng,role:hr.c,role:hr.a,hr\n"
    with pytest.raises(ConfigurationError, match=r"role:hr.a > role:hr.b > role:hr.c > role:hr.a"):
        parse(SOUND + links)


def test_the_digest_changes_with_every_part_and_only_then(
    model: str, fields: Fields, parse: Parse
) -> None:
    known = parse(SOUND).digest
    assert parse("\n# moved\n" + SOUND).digest == known
    assert parse(SOUND.replace("record.read", "record.list")).digest != known
    assert parse(SOUND + "g,role:hr.head,role:hr.clerk,hr\n").digest != known
    changed = {**fields, "payroll": {**fields["payroll"], "period": "bank"}}
    header = "ptype,sub,dom,obj,fld,act,cond,eft,id\n"
    assert parse_rules(model, header + SOUND, changed).digest != known
    assert parse_rules(model + "\n# x", header + SOUND, fields).digest != known


def test_a_class_that_does_not_exist_is_refused(model: str) -> None:
    with pytest.raises(ConfigurationError, match="payroll, field iban: class 'pii'"):
        parse_rules(model, "", {"payroll": {"iban": "pii"}})


def test_a_collection_that_belongs_to_no_department_is_refused(model: str) -> None:
    with pytest.raises(ConfigurationError, match="collection secrets"):
        parse_rules(model, "", {"secrets": {}})


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"model\.conf: cannot be read"):
        load_rules(tmp_path, {})


def test_a_file_that_is_not_utf8_is_named(tmp_path: Path, model: str) -> None:
    (tmp_path / "model.conf").write_text(model)
    (tmp_path / "roles.csv").write_bytes(b"ptype,\xff")
    with pytest.raises(ConfigurationError, match="not UTF-8 at byte 6"):
        load_rules(tmp_path, {})


@given(
    st.lists(
        st.lists(
            st.sampled_from(
                ["p", "g", "role:hr.clerk", "hr", "*", "payroll", "record.read", "always", "allow"]
            )
            | st.text(max_size=6),
            min_size=1,
            max_size=10,
        ).map(",".join),
        max_size=4,
    ).map("\n".join)
)
def test_whatever_is_in_the_file_is_understood_or_refused(parse: Parse, rows: str) -> None:
    try:
        rules = parse(SOUND + rows)
    except ConfigurationError as error:
        said = error.detail
    else:
        said = f"roles.csv line {rules.rules[0].line}"
    assert said.startswith("roles.csv line ")
