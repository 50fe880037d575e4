"""Ten real jobs in a real Chromium, step by step as docs/how-to/console/jobs.md says them.

Every click is counted, from the first page after signing in; typing is none. The document has a
step for each click, with the words that are clicked, in both languages.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser

from secvault.api.unseal_page import WORDS
from secvault.console.language import catalogue
from tests.acceptance.clicking import Click, Hand, Job
from tests.acceptance.company import Company, company, sign_in
from tests.acceptance.company_saved import FILE, PLAN
from tests.acceptance.company_work import COLLECTION, KEYS, RECORD
from tests.acceptance.sealed import under_shares, waiting_for_its_key

# Installing a browser takes longer than any test.
pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(1800)]

MOST = 7
PLACE = Path(__file__).parents[2] / "docs" / "how-to" / "console"
ENGLISH, VIETNAMESE = PLACE / "jobs.md", PLACE / "jobs.vi.md"
SECONDS = 300


@dataclass(frozen=True)
class Told:
    """A job as a document tells it. steps: each a click; total, second: the numbers it states."""

    title: str
    steps: tuple[Click, ...]
    total: int
    second: int


def told(document: Path) -> Mapping[int, Told]:
    """The jobs of the document, by their numbers."""
    found = {}
    parts = re.split(r"^## (\d+)\. (.+)$", document.read_text(), flags=re.M)
    for number, title, text in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
        steps = []
        for step in re.findall(r"^\d+\. (.+(?:\n   .+)*)", text, flags=re.M):
            words = re.search(r"\*\*(.+?)\*\*", step)
            second = step.startswith(("*The second person:*", "*Người thứ hai:*"))
            steps.append(Click(words[1] if words else "", second))
        numbers = re.search(
            r"^(?:Clicks|Số lần bấm): (\d+)(?:, (?:and of the second person|và của người thứ hai):"
            r" (\d+))?\.$",
            text,
            flags=re.M,
        )
        assert numbers is not None, (document, title)
        found[int(number)] = Told(title, tuple(steps), int(numbers[1]), int(numbers[2] or 0))
    return found


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    """The company, with what works by itself."""
    with company(tmp_path_factory.mktemp("jobs"), worker=True) as made:
        yield made


@contextmanager
def as_(job: Job, at: Company, name: str, *, second: bool = False) -> Iterator[Hand]:
    """Somebody who has signed in and sees the first page."""
    with job.hand(second=second) as hand:
        sign_in(hand.page, at.people[name])
        yield hand


def until(hand: Hand, is_so: Callable[[], bool]) -> None:
    """Wait for the worker, looking again and again."""
    deadline = time.monotonic() + SECONDS
    while not is_so():
        assert time.monotonic() < deadline, hand.page.locator("main").inner_text()
        time.sleep(1)
        hand.page.reload()


def find_who_saw_a_record(job: Job, at: Company) -> None:
    with as_(job, at, "ngan") as hand:
        hand.link("Audit")
        hand.link("Questions")
        hand.link("Who saw this record")
        hand.page.fill("#on", f"hr/{COLLECTION}/{RECORD}")
        hand.button("Ask")
        who = hand.page.locator("table.log tbody td:nth-child(3)").all_inner_texts()
        assert {"lan", "hoa"} <= set(who), who


def lock_a_lost_phone(job: Job, at: Company) -> None:
    page_of = "/people/lan"
    with as_(job, at, "admin") as hand:
        hand.link("People")
        hand.named(hand.page.locator(f'main a[href="{page_of}"]'))
        before = hand.page.locator(f'form[action^="{page_of}/factors/"][action$="/end"]').count()
        row = hand.page.locator("tr", has_text="It is lost").first
        hand.opened("It is lost", row)
        hand.button("End now", "tr:has(details[open])")
        left = hand.page.locator(f'form[action^="{page_of}/factors/"][action$="/end"]').count()
        assert left == before - 1
        assert "Nowhere." in hand.page.locator("main").inner_text()


def prove_last_nights_backup(job: Job, at: Company) -> None:
    with as_(job, at, "admin") as hand:
        hand.link("Backups")
        hand.named(hand.page.locator(f'main a[href="/backups/{PLAN}"]'))
        known = _drills(at)
        hand.button("Drill now")
        until(
            hand, lambda: any(one["passed"] for id_, one in _drills(at).items() if id_ not in known)
        )
        (new,) = set(_drills(at)) - set(known)
        hand.link("Drills")
        hand.named(hand.page.locator(f'main a[href="/drills/{quote(new)}"]'))
        assert "passed" in hand.page.locator("main").inner_text()
        with hand.page.expect_download() as report:
            hand.named(hand.page.locator('a[href*="format=pdf"]'))
        assert Path(report.value.path()).read_bytes().startswith(b"%PDF")


def _drills(at: Company) -> dict[str, dict[str, object]]:
    return {one["id"]: one for one in at.installation.json("drill", "list")["drills"]}


def approve_a_request(job: Job, at: Company) -> None:
    with as_(job, at, "binh") as hand:
        hand.link("Approvals")
        hand.named(hand.page.locator(f'main a[href="/approvals/{at.facts["approval"]}"]'))
        hand.button("Approve exactly this")
        hand.page.get_by_text("approved, to be carried out").first.wait_for()


def unseal(job: Job, at: Company) -> None:
    made, shares = under_shares(at.installation.folder / "under-shares")
    sealed = Job(job.browser, f"http://localhost:{made.port}", job.clicks)
    with waiting_for_its_key(made) as process:
        with sealed.hand() as hand:
            hand.page.goto("/")
            assert "The vault is sealed" in hand.page.locator("main").inner_text()
            hand.link("Unseal it")
            hand.page.fill("#key-en", shares[2])
            hand.button("Give it", 'section[lang="en"]')
            assert "Given so far: 1 of 2." in hand.page.locator("main").inner_text()
        with sealed.hand() as another:
            another.page.goto("/unseal")
            another.page.fill("#key-en", shares[0])
            another.button("Give it", 'section[lang="en"]')
            made.wait_until_ready(process)
            another.page.goto("/")
            assert another.page.locator("h1").inner_text() == "Sign in"


def rotate_a_key(job: Job, at: Company) -> None:
    name = KEYS[0][0]
    with as_(job, at, "admin") as hand:
        hand.link("Keys")
        hand.named(hand.page.locator(f'main a[href="/keys/transit/{name}"]'))
        hand.button("Rotate: add a version")
        hand.page.locator("tbody tr").first.get_by_text("Version 4").wait_for()


def restore_one_file(job: Job, at: Company) -> None:
    with as_(job, at, "admin") as hand:
        hand.link("Backups")
        hand.named(hand.page.locator(f'main a[href="/backups/{PLAN}"]'))
        hand.page.fill("#file", FILE)
        hand.button("Search")
        hand.link("Restore", "tbody")
        hand.button("Restore", "main")
        until(hand, lambda: "each as it was" in hand.page.locator("main").inner_text())
        restored = at.installation.data / "restored"
        assert any(one.name == FILE for one in restored.rglob("*"))


def export_a_month(job: Job, at: Company) -> None:
    with as_(job, at, "ngan") as hand:
        hand.link("Audit")
        hand.link("Exports and reports")
        with hand.page.expect_download() as report:
            hand.button("Make the report")
        assert Path(report.value.path()).read_bytes().startswith(b"%PDF")


def see_why_somebody_was_refused(job: Job, at: Company) -> None:
    with as_(Job(job.browser, job.address), at, "lan") as refused:
        refused.page.goto("/people")
        assert "You may not do this" in refused.page.locator("main").inner_text()
    with as_(job, at, "ngan") as hand:
        hand.link("People")
        hand.named(hand.page.locator('main a[href="/people/lan"]'))
        hand.link("Why?")
        assert "No, lan may not" in hand.page.locator("#verdict").inner_text()


def add_a_collection(job: Job, at: Company) -> None:
    with as_(job, at, "admin") as hand:
        hand.link("Records")
        hand.link("New collection")
        page = hand.page
        page.select_option("#department", "logistics")
        for field, text in (("en", "Vehicles"), ("vi", "Xe cộ"), ("name", "vehicles")):
            page.fill(f"#{field}", text)
        for field, text in (("n1", "plate"), ("e1", "Plate"), ("v1", "Biển số")):
            page.fill(f"#{field}", text)
        hand.button("See what it would do")
        page.fill("#why", "the car park opens on Monday")
        hand.button("Put it in force")
        with as_(job, at, "binh", second=True) as other:
            other.link("Approvals")
            asked = page.locator('main a[href^="/approvals/"]').first.get_attribute("href")
            other.named(other.page.locator(f'main a[href="{asked}"]'))
            other.button("Approve exactly this")
            other.page.get_by_text("approved, to be carried out").first.wait_for()
        hand.button("It is approved: do it now")
        assert page.locator("h1").inner_text() == "Vehicles"
        assert "The collection is in force" in page.locator("main").inner_text()


JOBS: Mapping[int, Callable[[Job, Company], None]] = {
    1: find_who_saw_a_record,
    2: lock_a_lost_phone,
    3: prove_last_nights_backup,
    4: approve_a_request,
    5: unseal,
    6: rotate_a_key,
    7: restore_one_file,
    8: export_a_month,
    9: see_why_somebody_was_refused,
    10: add_a_collection,
}


@pytest.mark.parametrize("number", JOBS)
def test_a_job_is_done_by_the_clicks_that_the_document_says(
    browser: Browser, at: Company, number: int
) -> None:
    job = Job(browser, at.address)
    JOBS[number](job, at)
    written = told(ENGLISH)[number]
    assert job.clicks == list(written.steps)
    own = [one for one in job.clicks if not one.second]
    assert (len(own), len(job.clicks) - len(own)) == (written.total, written.second)
    assert len(own) <= MOST


def test_both_documents_tell_the_same_jobs_in_the_words_of_the_screen() -> None:
    english, vietnamese = told(ENGLISH), told(VIETNAMESE)
    assert [*english] == [*vietnamese] == [*JOBS]
    words = {str(one.id): str(one.string) for one in catalogue("vi") if one.id}
    of_seal = dict(zip(WORDS["en"].values(), WORDS["vi"].values(), strict=True))
    for number, job in english.items():
        other = vietnamese[number]
        assert (job.total, job.second) == (other.total, other.second), job.title
        assert job.total + job.second == len(job.steps), job.title
        translated = [
            Click((words | of_seal).get(one.words, one.words), one.second) for one in job.steps
        ]
        assert translated == list(other.steps), job.title
