"""What reports say: the same in both languages, and every control has its evidence."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secvault.audit.catalogue import KINDS
from secvault.audit.questions.shipped import SHIPPED
from secvault.audit.reports import table
from secvault.audit.reports.controls import FRAMEWORKS, controls
from secvault.audit.reports.document import LOG
from secvault.audit.reports.period import month_before, month_of, told
from secvault.audit.reports.words import LANGUAGES, words
from secvault.clock import micros_of
from secvault.errors import InvalidInput

ALIKE = frozenset({"controls.pci", "report.question"})
"""What has the same name in both languages."""
_PLACES = re.compile(r"\{[a-z]+\}")
_VIETNAMESE = re.compile("[ăâđêôơưĂÂĐÊÔƠƯ\u1ea0-\u1ef9àáãèéìíòóõùúýÀÁÃÈÉÌÍÒÓÕÙÚÝ]")


def said(book: Mapping[str, Any], at: str = "") -> Iterator[tuple[str, str]]:
    for key, value in book.items():
        if isinstance(value, Mapping):
            yield from said(value, f"{at}{key}.")
        elif isinstance(value, list):
            yield from ((f"{at}{key}.{place}", one) for place, one in enumerate(value))
        else:
            yield f"{at}{key}", value


def test_every_text_has_its_vietnamese_with_the_same_places() -> None:
    english, vietnamese = (dict(said(words(language))) for language in LANGUAGES)
    assert english.keys() == vietnamese.keys()
    for key, text in english.items():
        assert text, key
        assert vietnamese[key], key
        assert sorted(_PLACES.findall(text)) == sorted(_PLACES.findall(vietnamese[key])), key
        if key not in ALIKE and len(text.split()) > 2:
            assert _VIETNAMESE.search(vietnamese[key]), key
            assert text != vietnamese[key], key
    with pytest.raises(InvalidInput):
        words("fr")


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_table_and_column_is_told(language: str) -> None:
    book = words(language)
    assert [*book["tables"]] == [*table.TABLES]
    columns = {
        *(name for names in table._SEEN_COLUMNS.values() for name in names),
        *(name for saved in table.ANSWERED.values() for name in SHIPPED[saved].columns),
        *(name for _, names in table._OF_EVENTS.values() for name in names),
    }
    assert columns - {"local_time"} <= book["columns"].keys()
    sheets = [one["sheet"] for one in book["tables"].values()]
    sheets += [book["report"]["summary"], book["log"]["title"]]
    sheets += [book["controls"]["title"], book["limits"]["title"]]
    assert len({sheet[:31].lower() for sheet in sheets}) == len(sheets)
    assert not [sheet for sheet in sheets if set(sheet) & set("[]:*?/\\'")]


def test_every_control_has_evidence_that_the_report_holds() -> None:
    found = controls()
    assert {one.framework for one in found} == {*FRAMEWORKS}
    assert len({(one.framework, one.id) for one in found}) == len(found)
    for one in found:
        assert one.evidence, one.id
        assert {*one.evidence} <= {*table.TABLES, LOG}, one.id
        assert {*one.title} == {*one.note} == {*LANGUAGES}, one.id
        assert all(_VIETNAMESE.search(text["vi"]) for text in (one.title, one.note)), one.id
    evidence = {key for one in found for key in one.evidence}
    assert evidence == {*table.TABLES, LOG}
    for language in LANGUAGES:
        assert {*FRAMEWORKS} <= words(language)["controls"].keys()


def test_the_tables_go_by_kinds_that_there_are() -> None:
    for question, _ in table._OF_EVENTS.values():
        assert {*question.kinds} <= KINDS.keys()


@given(
    st.datetimes(min_value=datetime(2001, 1, 1), max_value=datetime(2098, 1, 1)),  # noqa: DTZ001
    st.sampled_from(["Asia/Ho_Chi_Minh", "UTC", "America/New_York", "Pacific/Auckland"]),
)
def test_months_follow_each_other_without_a_gap(naive: datetime, zone: str) -> None:
    at = micros_of(naive.replace(tzinfo=ZoneInfo("UTC")))
    before = month_of(month_before(at, zone), zone)
    assert before.since is not None
    assert before.until is not None
    assert before.since < before.until <= at
    following = month_of(told(before.until, zone)["local"][:7], zone)
    assert following.since == before.until
    assert following.until is not None
    assert at < following.until


@pytest.mark.parametrize("text", ["2026-13", "2026-1", "26-10", "2026-10-01", "", "2026-10\n"])
def test_what_is_no_month_is_said_so(text: str) -> None:
    with pytest.raises(InvalidInput):
        month_of(text, "UTC")
