"""The languages of the pages: all of it is said in both, and chosen by the visitor."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po
from fastapi import Request
from hypothesis import given
from hypothesis import strategies as st

import secvault.console
from secvault.console.language import COOKIE, FOLDER, Language, catalogue, language_of
from secvault.console.page import _environment
from tests.console.browsing import Browsing, signed_in
from tests.running_service import Api

KEYWORDS = {"say": None, "gettext": None, "ngettext": (1, 2)}
PACKAGE = Path(secvault.console.__file__).parent


def said() -> Iterator[tuple[str, ...]]:
    """Every message of the pages, with its plural where it has one."""
    methods = [("**.py", "python"), ("templates/**.html", "jinja2.ext.babel_extract")]
    options = {"templates/**.html": {"trimmed": "true", "newstyle_gettext": "true"}}
    found = extract_from_dir(PACKAGE, methods, options, keywords=KEYWORDS)
    for _, _, message, _, _ in found:
        yield (message,) if isinstance(message, str) else tuple(message)


def _values(text: str) -> set[str]:
    return set(re.findall(r"%\(\w+\)s", text))


def test_every_message_is_there_in_vietnamese_and_none_is_left_over() -> None:
    wanted = {message[0] for message in said()}
    assert len(wanted) > 40
    translated = {}
    for message in catalogue("vi"):
        if not message.id:
            continue
        ids = message.id if isinstance(message.id, tuple) else (message.id,)
        known = ids[0]
        texts = message.string if isinstance(message.string, tuple) else (message.string,)
        assert all(texts), f"{known!r} is not translated"
        assert not message.fuzzy
        # The last is the one for many, which Vietnamese has alone.
        assert all(_values(text) == _values(ids[-1]) for text in texts), known
        translated[known] = texts
    assert wanted - set(translated) == set()
    assert set(translated) - wanted == set()


def test_parts_that_say_the_same_say_it_in_the_same_words() -> None:
    found: dict[Any, set[Any]] = {}
    for file in (FOLDER / "vi").glob("*.po"):
        with file.open("rb") as source:
            for message in read_po(source, locale="vi"):
                if message.id:
                    found.setdefault(message.id, set()).add(message.string)
    assert {said: words for said, words in found.items() if len(words) > 1} == {}


def test_a_page_speaks_what_the_browser_asks_for_until_the_visitor_chooses(api: Api) -> None:
    browser = Browsing(api)
    assert '<html lang="vi">' in browser.get("/sign-in", **{"Accept-Language": "vi-VN,vi"}).text
    assert '<html lang="en">' in browser.get("/sign-in", **{"Accept-Language": "de, fr"}).text
    chosen = browser.submit("/language", language="vi", next="/sign-in")
    assert (chosen.status_code, chosen.headers["location"]) == (303, "/sign-in")
    assert browser.cookies[COOKIE] == "vi"
    page = browser.get("/sign-in", **{"Accept-Language": "en"}).text
    assert "Đăng nhập" in page
    assert "set-cookie" not in browser.submit("/language", language="../../etc").headers


def test_the_first_page_is_whole_in_both_languages(api: Api) -> None:
    browser = signed_in(api, "admin")
    assert "<h1>Today</h1>" in browser.get("/").text
    browser.submit("/language", language="vi")
    assert "<h1>Hôm nay</h1>" in browser.get("/").text


@given(st.text(max_size=300))
def test_any_wish_of_a_browser_gives_a_language(asked: str) -> None:
    headers = [(b"accept-language", asked.encode("latin-1", "replace"))]
    request = Request({"type": "http", "headers": headers})
    assert language_of(request).code in {"en", "vi"}


def test_ages_are_said_in_words() -> None:
    hour = 3_600_000_000
    assert Language("en").ago(0, 2 * hour) == "2 hours ago"
    assert Language("vi").ago(0, 2 * hour) == "2 giờ trước"
    assert Language("vi").ago(2 * hour, 0) == "sau 2 giờ nữa"


def test_numbers_in_messages_are_written_as_the_language_writes_them() -> None:
    template = "{% trans count=many %}One thing{% pluralize %}{{ count }} things{% endtrans %}"
    for code, said in (("en", "12,345 things"), ("vi", "12.345 things")):
        assert _environment(code).from_string(template).render(many=12_345) == said
        assert _environment(code).from_string("{{ number(12345) }}").render() in said
    assert Language("vi").say("%(count)s of %(seq)s", count=1_234, seq=1_234) == "1.234 of 1234"
