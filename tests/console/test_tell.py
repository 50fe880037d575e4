"""What errors say is said in the visitor's language, and marked as English where it cannot be."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from babel.messages.pofile import read_po
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import escape

from secvault.access.words import reason
from secvault.console.language import FOLDER
from secvault.console.tell import sentence, tell
from tests.console.browsing import signed_in
from tests.console.errors_said import FLOORS, Said, operations_of_pages, said_in, work_said
from tests.running_service import Api


def known() -> dict[str, str]:
    """The sentences that have words in Vietnamese."""
    with (FOLDER / "errors" / "vi.po").open("rb") as source:
        return {str(one.id): str(one.string) for one in read_po(source, locale="vi") if one.id}


def met() -> Iterator[Said]:
    """What the operations of pages say, and what stands below them."""
    for place in (*FLOORS, *sorted(operations_of_pages())):
        yield from said_in(place)


def test_every_sentence_that_pages_can_show_has_its_words() -> None:
    found = {one.text: f"{one.path}:{one.line}" for one in met()}
    assert len(found) > 300
    missing = {text: where for text, where in found.items() if text not in known()}
    assert missing == {}


def test_no_words_are_left_over_and_each_keeps_what_is_put_into_it() -> None:
    everything = {one.text for one in said_in("")} | set(work_said())
    for english, vietnamese in known().items():
        assert english in everything, english
        assert vietnamese, english
        holes = re.compile(r"\{\d+\}")
        assert sorted(set(holes.findall(english))) == sorted(set(holes.findall(vietnamese)))


def test_names_and_numbers_stay_as_they_are() -> None:
    said = sentence(
        "hr/employees/e-7 is at version 3, not 2: look at it again, then approve it", "vi"
    )
    assert said is not None
    assert said.startswith("hr/employees/e-7 đang ở phiên bản 3, không phải 2")
    assert sentence("title: must have at most 40 characters", "vi") == "title: dài tối đa 40 ký tự"
    several = sentence("name: is required; born: is not a day of the calendar", "vi")
    assert several == "name: bắt buộc phải có; born: không phải ngày có thật"


def test_why_a_backup_failed_is_said_whole() -> None:
    said = "the backup stopped: no space is left (/srv/backup); make room there and run it again"
    assert sentence(said, "vi") == (
        "lần sao lưu đã dừng: hết chỗ trống (/srv/backup); hãy dọn chỗ ở đó rồi chạy lại"
    )
    ended = "opening the repository stopped: restic was ended by signal 9; run it again"
    assert sentence(ended, "vi") == (
        "việc mở kho sao lưu đã dừng: restic bị kết thúc bởi tín hiệu 9; hãy chạy lại"
    )


def test_a_refusal_is_said_in_the_policys_own_words() -> None:
    for key, values in (("no_rule", {}), ("grant_expired", {"moment": "2026-11-03T10:00Z"})):
        assert sentence(reason(key, "en", **values), "vi") == reason(key, "vi", **values)


def test_what_is_not_known_is_shown_in_english_and_says_so() -> None:
    assert tell("the moon is not full", "vi") == '<bdi lang="en">the moon is not full</bdi>'
    assert tell("the moon is not full", "en") == "<bdi>the moon is not full</bdi>"
    assert tell("is required", "vi") == "<bdi>bắt buộc phải có</bdi>"


@given(st.text(max_size=60))
def test_what_is_put_into_a_sentence_is_text(name: str) -> None:
    for detail in (f"there is no grant {name}", name):
        for code in ("en", "vi"):
            assert escape(name) in tell(detail, code) or sentence(name, "vi")


def test_a_long_text_made_by_somebody_takes_no_time() -> None:
    hostile = "there is no grant " + " is at version 1, not 2" * 4_000
    assert tell(hostile, "vi").startswith('<bdi lang="en">')


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/people/nobody-of-this-name", "không có người nào"),
        ("/records/payroll/pay-9999", "không có payroll/pay-9999"),
        ("/keys", reason("wrong_department", "vi", department="it")),
    ],
)
def test_a_problem_page_speaks_vietnamese(api: Api, path: str, said: str) -> None:
    browser = signed_in(api, "head" if "records" in path or "keys" in path else "admin")
    browser.submit("/language", language="vi")
    page = browser.get(path)
    assert page.status_code in (403, 404)
    assert said in page.text
    assert 'lang="en">' not in page.text.partition('role="alert"')[2]
