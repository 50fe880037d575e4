"""Reports of drills: complete in both languages, well-formed, and nothing in them is markup."""

from __future__ import annotations

import io
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, get_args

import pypdf
import pytest
from hypothesis import given
from hypothesis import strategies as st

from secvault.backup.drills import amounts, evidence, pages, words
from secvault.backup.drills.exercise import ExercisePhase, ScenarioName
from secvault.backup.drills.page import Page
from secvault.backup.drills.result import (
    DrillResult,
    Fault,
    FaultCode,
    LevelResult,
    Phase,
    Verdict,
)
from secvault.config.drills import LevelName
from secvault.errors import InvalidInput
from tests.backup.drills.results import (
    EARLIER,
    FAILED,
    PACK,
    PASSED,
    RANSOMWARE,
    REHEARSAL,
    VERSION_1,
)

VOID = {"meta", "br", "hr", "img", "link", "input", "col"}
ATTACK = '</td><script>alert(1)</script>"\' onload=x &lt; {{ 7 * 7 }} #eval("1") $x$'
NOTE = "secvault evidence v1\nrestore-drill\nsha256 00\n\n— acme/evidence c2ln\n"


@dataclass
class Read(HTMLParser):
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


def read(document: Mapping[str, Any], language: str) -> Read:
    page = Read()
    page.feed(pages.html_page(document, NOTE, language))
    page.close()
    assert page.still_open == []
    return page


def drilled(result: DrillResult, language: str) -> Read:
    return read(evidence.document(result, earlier=EARLIER), language)


ENGLISH = [
    "Restore drill",
    "Plan nightly · 2026-09-21 14:26:00 UTC",
    "✓ Passed: what was backed up comes back",
    "22 h 13 min RPO",
    "target 1 d: kept",
    "12 min 34 s RTO",
    "1,417 audited operations",
    "77.7 GiB (83,456,789,012 B)",
    "files compared: 48,211",
    "root key taken: from the shares of the recovery kit",
    "Databases: no program of MariaDB is installed here",
    "Other snapshots than this one",
    "Fetching from the repository 6 min 42 s 53%",
    "rising over 9 drills",
    "✓ proven",
    "— acme/evidence c2ln",
]
VIETNAMESE = [
    "Diễn tập khôi phục",
    "✓ Đạt: dữ liệu đã sao lưu khôi phục được",
    "22 giờ 13 phút RPO",
    "mục tiêu 1 ngày: đạt",
    "12 phút 34 giây RTO",
    "77,7 GiB (83.456.789.012 byte)",
    "tệp đã đối chiếu: 48.211",
    "khóa gốc lấy: từ các mảnh khóa của bộ khôi phục",
    "Tải từ kho sao lưu 6 phút 42 giây 53%",
    "✓ đã chứng minh",
    "tăng dần qua 9 lần diễn tập",
]


@pytest.mark.parametrize(("language", "said"), [("en", ENGLISH), ("vi", VIETNAMESE)])
def test_the_page_says_what_was_tested_and_with_what_figures(
    language: str, said: list[str]
) -> None:
    shown = drilled(PASSED, language).words()
    for part in (*said, "ab" * 32, PASSED.id, "user:thu", "2026-09-21 14:13:20 UTC"):
        assert part in shown, part


def test_a_drill_that_found_damage_says_so_first_and_names_each_fault() -> None:
    shown = drilled(FAILED, "vi").words()
    for part in (
        "✗ Không đạt: dữ liệu đã sao lưu không khôi phục được như yêu cầu.",
        "Số lỗi phát hiện: 3, lỗi đầu tiên: Một gói dữ liệu của kho sao lưu bị hỏng.",
        PACK,
        "pack-damaged",
        "/srv/payroll/2026/Bảng lương tháng 10 (bản cuối cùng).xlsx",
        "mode 0644, where 0755 was saved",
    ):
        assert part in shown, part
    assert shown.index("✗ Không đạt") < shown.index("RPO")
    assert "✓ Đạt" not in shown


def test_of_a_sample_the_estimate_is_held_against_the_target() -> None:
    shown = drilled(FAILED, "en").words()
    for part in (
        "≈ 1 h 23 min RTO of a whole restore, estimated; between 1 h 13 min and 1 h 38 min",
        "target 10 min: MISSED",
        "It took longer than promised: 1 h 23 min where 10 min was the target.",
        "299 of 48,211 files were drawn by chance. Damage to 1% of the files is found so with a",
        "probability of at least 95%. Damaged among them: 2. With the same confidence, at most",
        "2.09% of all files are damaged.",
    ):
        assert part in shown, part


def test_what_was_not_tested_is_listed_also_where_a_level_was_left_out() -> None:
    shown = drilled(FAILED, "en").words()
    assert "Not tested: 4; see below." in shown
    assert "Files: files outside of the sample: 47912" in shown
    for level in ("Databases", "Vault", "Service"):
        assert f"Level “{level}”: not asked for, or the snapshot holds nothing of it." in shown
    whole = replace(PASSED, levels=(LevelResult("files", "passed", 1.0),))
    shown = drilled(whole, "en").words()
    assert "Nothing was left out of what a drill can test. Other snapshots" in shown


def test_a_scenario_shows_who_did_what_and_what_came_of_it() -> None:
    shown = read(evidence.document(RANSOMWARE), "vi").words()
    for part in (
        "Diễn tập tình huống",
        "Mã độc tống tiền, cố xóa cả bản sao lưu",
        "14:13:22 3,3 giây Thử xóa bản sao lưu system:drill ✓ đã chứng minh",
        "Thử rút ngắn thời hạn khóa",
        "– chưa kiểm tra",
        "chưa đặt mục tiêu",
        "old versions of other plans in the same bucket",
    ):
        assert part in shown, part


def test_a_rehearsal_shows_what_came_back_and_what_was_passed_over() -> None:
    shown = read(evidence.document(REHEARSAL), "en").words()
    for part in (
        "Rehearsal of the recovery",
        "Công ty Sao Mai",
        "✗ Failed: from the kit, its shares and the repository alone",
        "Steps that failed: 1, first: Ask the service.",
        "The data was older than promised: 1 d where 12 h was the target.",
        "Passed over These came first and could not be used.",
        "repository local: it cannot be reached",
        "People 42",
        "mice 3",
        "6 min 40 s time that it took, without everything being back and proven",
        "target 1 h: not proven",
        "Shares given 3, 3 needed",
        "A sealed field does not decrypt field-unreadable payroll/pay-7",
    ):
        assert part in shown, part
    real = evidence.document(replace(REHEARSAL, mode="recovery"))
    assert "Khôi phục hệ thống" in read(real, "vi").words()


@pytest.mark.parametrize("language", pages.LANGUAGES)
def test_nothing_that_is_told_becomes_markup(language: str) -> None:
    level = LevelResult(
        "files",
        "failed",
        1.0,
        faults=(Fault("file-missing", ATTACK, ATTACK),),
        not_tested=(ATTACK,),
    )
    hostile = replace(
        PASSED,
        id=ATTACK,
        plan=ATTACK,
        repository=ATTACK,
        snapshot=ATTACK,
        requested_by=ATTACK,
        levels=(level,),
    )
    page = drilled(hostile, language)
    assert "script" not in page.tags
    assert "".join(page.text).count(ATTACK) >= 8


@given(st.text(st.characters(codec="utf-8", exclude_characters="\r\0"), max_size=60))
def test_any_finding_is_shown_as_it_stands(finding: str) -> None:
    level = LevelResult("files", "failed", 1.0, faults=(Fault("file-missing", "/a", finding),))
    assert finding in "".join(drilled(replace(PASSED, levels=(level,)), "en").text)


def pdf_text(document: Mapping[str, Any], language: str) -> str:
    found = pypdf.PdfReader(io.BytesIO(pages.pdf_page(document, NOTE, language)))
    text = "\n".join(page.extract_text() for page in found.pages)
    return " ".join(text.replace("\u200b", "").split())


def test_the_pdf_says_the_same_in_each_language() -> None:
    shown = pdf_text(evidence.document(FAILED, earlier=EARLIER), "vi")
    for part in (
        "Diễn tập khôi phục",
        "Không đạt: dữ liệu đã sao lưu không khôi phục được như yêu cầu.",
        "Một gói dữ liệu của kho sao lưu bị hỏng",
        "Những gì chưa kiểm tra",
        "Trang 1 trên",
    ):
        assert part in shown, part
    shown = pdf_text(evidence.document(REHEARSAL), "en")
    for part in ("Rehearsal of the recovery", "Công ty Sao Mai", "Passed over", "FAILED"):
        assert part in shown, part


def test_nothing_that_is_told_becomes_markup_of_the_pdf() -> None:
    level = LevelResult("files", "failed", 1.0, faults=(Fault("file-missing", "/a", ATTACK),))
    hostile = replace(PASSED, plan="#panic()", requested_by="*$x$ @a <b> \\", levels=(level,))
    shown = pdf_text(evidence.document(hostile), "en")
    assert "#panic()" in shown
    assert '#eval("1") $x$' in shown


def test_both_languages_have_words_for_the_same_things() -> None:
    folder = Path(words.__file__).parent
    english, vietnamese = (
        tomllib.loads((folder / f"{one}.toml").read_text("utf-8")) for one in pages.LANGUAGES
    )
    assert english.keys() == vietnamese.keys()
    for name, section in english.items():
        if isinstance(section, dict):
            assert section.keys() == vietnamese[name].keys(), name
            for key, said in section.items():
                holes = [
                    sorted(re.findall(r"\{\w+\}", one)) for one in (said, vietnamese[name][key])
                ]
                assert holes[0] == holes[1], (name, key)
                assert said.strip()
                assert vietnamese[name][key].strip()


@pytest.mark.parametrize(
    ("section", "names"),
    [
        ("faults", get_args(FaultCode)),
        ("levels", get_args(LevelName)),
        ("proofs", get_args(LevelName)),
        ("phases", (*get_args(Phase), *get_args(ExercisePhase))),
        ("scenarios", get_args(ScenarioName)),
        ("verdicts", get_args(Verdict)),
    ],
)
def test_there_are_words_for_everything_that_has_a_name(
    section: str, names: tuple[str, ...]
) -> None:
    for language in pages.LANGUAGES:
        assert set(names) <= words.load(language).book[section].keys()


def test_sentences_of_the_program_are_told_in_vietnamese_with_their_values() -> None:
    said = words.load("vi")
    patterns = replace(said, sentences=[(words.pattern_of("{1} of {2} rows"), "{2} dòng, có {1}")])
    assert patterns.told("7 of 9 rows") == "9 dòng, có 7"
    assert patterns.told("7 of 9 rows; unknown") == "9 dòng, có 7; unknown"
    assert patterns.told("nothing of it") == "nothing of it"
    named = replace(said, sentences=[(words.pattern_of("the rows of {1}"), "các dòng của {1}")])
    assert named.told("erp: books: the rows of a") == "erp: books: các dòng của a"
    # A sentence is told whole, or as it was written: never half in each language.
    begins = replace(said, sentences=[(words.pattern_of("{1} is damaged"), "{1} bị hỏng")])
    assert begins.told("salaries.db is damaged") == "salaries.db bị hỏng"
    assert begins.told("the third copy is damaged") == "the third copy is damaged"


def test_every_sentence_has_its_holes_in_order_and_uses_all_of_them() -> None:
    found = words.sentences_of("vi")
    assert found
    for english, said in found.items():
        holes = re.findall(r"\{(\d)\}", english)
        assert holes == [str(at) for at in range(1, len(holes) + 1)], english
        assert sorted(re.findall(r"\{(\d)\}", said)) == holes, english
        # A pattern without words of its own would take everything.
        assert len(re.sub(r"\{\d\}", "", english)) > 3, english


def test_evidence_of_something_else_and_other_languages_are_refused() -> None:
    with pytest.raises(InvalidInput):
        pages.html_page({"kind": "access-review", "version": 1}, NOTE, "en")
    with pytest.raises(InvalidInput, match="language"):
        pages.html_page(VERSION_1, NOTE, "de")  # type: ignore[arg-type]


def test_a_page_names_the_document_that_it_was_made_from() -> None:
    made: Page = pages.page_of(evidence.document(PASSED), NOTE, words.load("en"))
    (fact,) = made.signature.facts
    assert re.fullmatch(r"[0-9a-f]{64}", fact[1].text)
    assert made.checks[1].startswith("python3 verify.py drill-drill-nightly-")


ENGLISH_WORDS, VIETNAMESE_WORDS = words.load("en"), words.load("vi")


@pytest.mark.parametrize(
    ("milliseconds", "said"),
    [
        (0, "0.0 s"),
        (950, "0.9 s"),
        (59_999, "59.9 s"),
        (60_000, "1 min"),
        (61_000, "1 min 1 s"),
        (3_599_000, "59 min 59 s"),
        (3_600_000, "1 h"),
        (86_400_000 * 3 + 3_600_000, "3 d 1 h"),
    ],
)
def test_durations_read_as_people_say_them(milliseconds: int, said: str) -> None:
    assert amounts.duration(milliseconds, ENGLISH_WORDS) == said


def test_numbers_are_written_as_in_the_language() -> None:
    assert amounts.duration(12_345, VIETNAMESE_WORDS) == "12,3 giây"
    assert amounts.number(1_234_567, VIETNAMESE_WORDS) == "1.234.567"
    assert amounts.exact_size(1536, ENGLISH_WORDS) == "1.5 KiB (1,536 B)"
    assert amounts.size(1 << 50, VIETNAMESE_WORDS) == "1024,0 TiB"
    assert amounts.percent("0.0209347", VIETNAMESE_WORDS) == "2,09%"
    assert amounts.percent("0.95", ENGLISH_WORDS) == "95%"
