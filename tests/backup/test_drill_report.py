"""The page of a drill: well-formed, complete, in both languages, and nothing in it is markup."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secvault.backup.finding import Finding, Step, document
from secvault.backup.report import WORDS, drill_page, duration, size

VOID = {"meta", "br", "hr", "img", "link", "input"}
ATTACK = "</td><script>alert(1)</script>\"' onload=x &lt; {{ 7 * 7 }}"

FINDING = Finding(
    id="drill:nightly:2026-11-24T04:00:00Z",
    plan="nightly",
    repository="local",
    snapshot="ab" * 32,
    requested_by="user:thu",
    started_at=1_790_000_000_000_000,
    finished_at=1_790_000_095_000_000,
    data_at=1_789_920_000_000_000,
    rpo_ms=80_000_000,
    rto_ms=12_345,
    audit_events_lost=17,
    files=4242,
    bytes=5_000_000,
    steps=(
        Step("restore", passed=True, finding="4242 files, 5000000 bytes"),
        Step("file hashes", passed=True, finding="4242 files hashed, all as they were"),
    ),
)


@dataclass
class Page(HTMLParser):
    """Reads a page: its text, its tags, and whether each tag that was opened was closed."""

    text: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    still_open: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        assert not [name for name, _ in attrs if name.startswith("on") or name in ("src", "href")]
        if tag not in VOID:
            self.still_open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.still_open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def words(self) -> str:
        return " ".join(" ".join(self.text).split())


def read(finding: Finding, language: str, note: str = "note") -> Page:
    page = Page()
    page.feed(drill_page(document(finding), note, language))
    page.close()
    assert page.still_open == []
    return page


@pytest.mark.parametrize(
    ("language", "words"),
    [
        (
            "en",
            ["Restore drill", "22 h 13 min", "12.3 s", "Every file as it was", "✓ Passed", "UTC"],
        ),
        (
            "vi",
            ["Diễn tập khôi phục", "22 giờ 13 phút", "12.3 giây", "Mọi tệp đúng như", "✓ Đạt"],
        ),
    ],
)
def test_the_page_shows_every_figure(language: str, words: list[str]) -> None:
    shown = read(FINDING, language, "— test/evidence c2ln").words()
    figures = ["17", "4242", "4.8 MiB (5,000,000 B)", "ab" * 32, FINDING.id, "user:thu", "local"]
    times = ["2026-09-21 14:13:20", "2026-09-21 14:14:55", "2026-09-20 16:00:00"]

    for word in (*words, *figures, *times, "— test/evidence c2ln"):
        assert word in shown, word


@pytest.mark.parametrize("language", WORDS)
def test_a_drill_that_did_not_pass_says_so_first(language: str) -> None:
    damaged = Step("decrypted sample", passed=False, finding="payroll/pay-7 does not open")
    shown = read(replace(FINDING, steps=(*FINDING.steps, damaged)), language).words()

    assert WORDS[language]["failed"] in shown
    assert WORDS[language]["passed"] not in shown
    assert shown.index("✗") < shown.index("RPO")
    assert "payroll/pay-7 does not open" in shown


@pytest.mark.parametrize("language", WORDS)
def test_nothing_that_is_told_becomes_markup(language: str) -> None:
    hostile = replace(
        FINDING,
        id=ATTACK,
        plan=ATTACK,
        repository=ATTACK,
        snapshot=ATTACK,
        requested_by=ATTACK,
        steps=(Step(ATTACK, passed=False, finding=ATTACK),),
    )
    page = read(hostile, language, ATTACK)

    assert "script" not in page.tags
    assert page.tags == read(replace(hostile, id="", plan="", repository=""), language).tags
    # Everywhere as it stands: id twice, the other values, the step's name and finding, the note.
    assert "".join(page.text).count(ATTACK) >= 8


@given(st.text(st.characters(codec="utf-8", exclude_characters="\r\0"), max_size=60))
def test_any_finding_is_shown_as_it_stands(finding: str) -> None:
    step = Step("restore", passed=True, finding=finding)
    page = read(replace(FINDING, steps=(step,)), "en")

    assert finding in "".join(page.text)


def test_both_languages_have_the_same_words() -> None:
    assert WORDS["en"].keys() == WORDS["vi"].keys()
    assert all(word for words in WORDS.values() for word in words.values())
    assert all(len(words["units"].split()) == 4 for words in WORDS.values())


@pytest.mark.parametrize(
    ("milliseconds", "words"),
    [
        (0, "0.0 s"),
        (950, "0.9 s"),
        (59_999, "60.0 s"),
        (60_000, "1 min 0 s"),
        (3_599_000, "59 min 59 s"),
        (3_600_000, "1 h 0 min"),
        (86_400_000 * 3 + 3_600_000, "3 d 1 h"),
    ],
)
def test_durations_read_as_people_say_them(milliseconds: int, words: str) -> None:
    assert duration(milliseconds, "d h min s") == words


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB (1,024 B)"),
        (1 << 50, "1024.0 TiB (" + f"{1 << 50:,} B)"),
    ],
)
def test_sizes_read_as_people_say_them(count: int, words: str) -> None:
    assert size(count) == words
