"""What a collection's file says of versions, subjects, periods, indexes, and de-identification."""

from __future__ import annotations

import pytest

from secvault.errors import ConfigurationError, InvalidInput
from secvault.records.collection import Collection, parse_record
from secvault.records.collection_files import parse_collections
from secvault.records.schema_deidentify import Deidentify, How
from secvault.records.schema_index import Buckets, Index, Part
from secvault.records.schema_retention import Retention

FILE = """
department = "hr"
title = { en = "HR" }
[collections.payroll]
title = { en = "Payroll" }
version = 3
subject = "employee"
retention = { years = 10, months = 6, from = "paid_on", reason = { en = "Law", vi = "Luật" } }
[collections.payroll.fields.employee]
title = { en = "Employee" }
type = "text"
class = "normal"
required = true
deidentify = { how = "pseudonym", domain = "employee" }
[collections.payroll.fields.paid_on]
title = { en = "Paid on" }
type = "date"
class = "normal"
deidentify = "month"
[collections.payroll.fields.born_on]
title = { en = "Born on" }
type = "date"
class = "personal"
mask = "year"
index = { range = { by = "month", bits = 12 } }
[collections.payroll.fields.account]
title = { en = "Account" }
type = "account"
class = "bank"
mask = "last4"
index.exact = 32
index.prefix = { length = 4, bits = 16 }
index.last = { length = 5, bits = 12 }
index.version = 2
[collections.payroll.fields.salary]
title = { en = "Salary" }
type = "money"
class = "salary"
mask = "hidden"
index = { range = { by = "1000000", bits = 16 } }
deidentify = { how = "band", step = "1000000" }
[collections.payroll.fields.days]
title = { en = "Days" }
type = "integer"
class = "salary"
mask = "hidden"
[collections.payroll.fields.note]
title = { en = "Note" }
type = "text"
class = "personal"
mask = "hidden"
retired = true
[collections.payroll.fields.scan]
title = { en = "Scan" }
type = "attachment"
class = "personal"
mask = "hidden"
"""


def payroll(text: str = FILE) -> Collection:
    return parse_collections({"hr.toml": text})["payroll"]


def test_every_key_is_read_as_it_is_written() -> None:
    read = payroll()
    assert (read.version, read.subject_field) == (3, "employee")
    assert read.retention == Retention(10, 6, "paid_on", {"en": "Law", "vi": "Luật"})
    fields = read.fields
    assert fields["account"].index == Index(
        exact=32, prefix=Part(4, 16), last=Part(5, 12), version=2
    )
    assert fields["salary"].index == Index(range=Buckets("1000000", 16))
    assert fields["born_on"].index == Index(range=Buckets("month", 12))
    assert fields["employee"].deidentified == Deidentify(How.PSEUDONYM, domain="employee")
    assert fields["paid_on"].deidentified == Deidentify(How.MONTH)
    assert fields["salary"].deidentified == Deidentify(How.BAND, step="1000000")
    assert fields["note"].retired


def test_what_a_file_does_not_say_is_the_careful_choice() -> None:
    bare = FILE
    for line in ("version = 3\n", 'subject = "employee"\n', 'deidentify = "month"\n'):
        assert line in bare
        bare = bare.replace(line, "")
    read = payroll("".join(line for line in bare.splitlines(True) if "retention" not in line))
    assert (read.version, read.subject_field, read.retention) == (1, "", None)
    assert read.fields["note"].deidentified == Deidentify(How.DROP)
    assert read.fields["paid_on"].deidentified == Deidentify(How.KEEP)
    assert read.fields["note"].index is None


def test_nothing_new_is_written_into_a_retired_field_or_an_attachment() -> None:
    with pytest.raises(InvalidInput, match="note: is retired"):
        parse_record(payroll(), {"employee": "nv-1", "note": "x"}, partial=False)
    # What is there may still be taken away.
    assert parse_record(payroll(), {"note": None}, partial=True) == {"note": None}
    with pytest.raises(InvalidInput, match="scan: is an attachment"):
        parse_record(payroll(), {"employee": "nv-1", "scan": {"attachment": "a"}}, partial=False)


WRONG = [
    ("version = 3", "version = 0", "version: must lie between 1 and"),
    ("version = 3", 'version = "3"', "version: must be a whole number"),
    ('subject = "employee"', 'subject = "salary"', "subject: must name a field"),
    ('subject = "employee"', 'subject = "note"', "subject: must name a field"),
    ("required = true\n", "", "subject: names employee, which a record may lack"),
    ("years = 10, months = 6", "years = 0", "retention: states no period"),
    ("years = 10", "years = 300", "retention.years: must lie between 0 and 200"),
    ("months = 6", "months = 12", "retention.months: must lie between 0 and 11"),
    ('from = "paid_on"', 'from = "born_on"', "retention.from: must be a date of class normal"),
    ('from = "paid_on"', 'from = "nothing"', "one of paid_on, created_at, updated_at"),
    ('reason = { en = "Law", vi = "Luật" }', 'reason = { vi = "Luật" }', "no English text"),
    (', reason = { en = "Law", vi = "Luật" }', "", "retention.reason: is missing"),
    ("months = 6", "days = 6", "retention.days: is not known"),
    ("exact = 32", "exact = 3", "index.exact: must lie between 4 and 256"),
    ("exact = 32", "exact = 257", "index.exact: must lie between 4 and 256"),
    ("exact = 32", "fuzzy = 32", "index.fuzzy: is not known"),
    ("length = 4, bits = 16", "length = 0, bits = 16", "prefix.length: must lie between 1"),
    ("length = 4, bits = 16", "length = 4", "prefix.bits: must be a whole number"),
    ('by = "month"', 'by = "week"', "range.by: must be one of day, month, quarter, year"),
    (
        'range = { by = "month", bits = 12 }',
        "last = { length = 4, bits = 12 }",
        "take one of exact, range",
    ),
    (
        'index = { range = { by = "1000000", bits = 16 } }',
        "index = { version = 2 }",
        "asks for no index",
    ),
    ('by = "1000000"', 'by = "0"', "must be a step as text"),
    ('by = "1000000"', "by = 1000000", "must be a step as text"),
    (
        'class = "normal"\nrequired',
        'class = "normal"\nindex = { exact = 32 }\nrequired',
        "not needed on a normal",
    ),
    ('deidentify = "month"', 'deidentify = "week"', "deidentify: must be one of drop, pseudonym"),
    ('deidentify = "month"', 'deidentify = "mask"', "mask has no meaning on a normal field"),
    (
        'deidentify = "month"',
        'deidentify = { how = "band", step = "5" }',
        "band does not fit the type date",
    ),
    ('how = "band", step = "1000000"', 'how = "band"', "deidentify.step: must be a step"),
    ('how = "band", step = "1000000"', 'how = "keep", step = "1"', "deidentify.step: is not known"),
    ('domain = "employee"', 'domain = "Employee!"', "deidentify.domain: must be a name"),
    ("retired = true", "retired = true\nrequired = true", "cannot be asked of a retired field"),
    ("retired = true", 'retired = "yes"', "retired: must be true or false"),
    (
        'type = "attachment"\nclass = "personal"\nmask = "hidden"',
        'type = "attachment"\nclass = "normal"',
        "of an attachment cannot be normal",
    ),
    (
        'type = "attachment"\n',
        'type = "attachment"\nindex = { exact = 32 }\n',
        "does not fit the type attachment; remove the index",
    ),
    ('type = "attachment"\n', 'type = "attachment"\nrequired = true\n', "comes after the record"),
    (
        'type = "integer"\n',
        'type = "integer"\nindex.range = { by = "0.5", bits = 8 }\n',
        "must be a whole step as text",
    ),
]


@pytest.mark.parametrize(("was", "becomes", "said"), WRONG, ids=range(len(WRONG)))
def test_what_is_said_wrongly_is_refused_with_its_key_and_the_mend(
    was: str, becomes: str, said: str
) -> None:
    assert was in FILE
    with pytest.raises(ConfigurationError) as refused:
        payroll(FILE.replace(was, becomes, 1))
    assert said in refused.value.detail
