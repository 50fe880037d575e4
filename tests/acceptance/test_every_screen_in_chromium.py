"""Every page of the console in a real Chromium, in both languages, by day and night, wide and on a
phone: nothing keeps anybody out, nothing overflows, and what is hostile in a name stays a text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Browser, CDPSession, Page, Request

from tests.acceptance.barriers import beside, found_by_axe, found_by_tab
from tests.acceptance.company import Company, company, sign_in
from tests.acceptance.screens import NOBODY, SCREENS, Screen
from tests.acceptance.test_console_in_chromium import EXPECTED, PHONE, WIDE, is_too_wide

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(1200)]

LIGHTEST = 50_000
"""Bytes of a first page with all that it loads, beside fonts."""
VISITORS = tuple(dict.fromkeys(screen.who for screen in SCREENS))
# An element made of a name, or a name that turns what stands beside it: it must be in a box, or
# isolated, by itself.
_NOT_INERT = """(() => {
  const found = [...document.querySelectorAll(
    'img:not([src^="/assets/"]), [onerror], [onload], script:not([src])')];
  if (document.title.startsWith('taken')) found.push(document.head);
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    if (!/[\\u202a-\\u202e\\u2066-\\u2069]/.test(texts.currentNode.data)) continue;
    let one = texts.currentNode.parentElement;
    const alone = one => getComputedStyle(one).unicodeBidi.includes('isolate')
      || one.matches('option, textarea, input, title');
    const inline = one => getComputedStyle(one).display === 'inline';
    while (one && !alone(one) && inline(one)) one = one.parentElement;
    const text = texts.currentNode.data.trim();
    if (!one || !alone(one) && one.textContent.trim() !== text) found.push(one);
  }
  return found.map(one => 'is not inert: ' + one.outerHTML.slice(0, 200));
})()"""

# Forms that ask for something in writing; and one of them sent without it, past what the browser
# itself would say. It is refused then, and nothing is done. A script sends those of passkeys.
_FORMS = """[...document.querySelectorAll('form[method=post]:not([data-passkey])')]
  .map(form => [form, [...form.querySelectorAll('input, textarea')].filter(one => one.required
    && !['hidden', 'file', 'checkbox', 'radio'].includes(one.type))])
  .filter(([, fields]) => fields.length)"""
_ASKING = f"{_FORMS}.length"
_SENT_EMPTY = f"""number => {{
  const [form, fields] = {_FORMS}[number];
  for (const field of fields) field.value = '';
  form.submit();
}}"""
_STATUS = "the server responded with a status of 4"


@dataclass
class Looked:
    """A browser of somebody's, and what it complained about since that was read."""

    page: Page
    session: CDPSession
    complaints: list[str] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)

    def read(self) -> list[str]:
        """What it complained about, which is forgotten by that."""
        said, self.complaints[:] = list(self.complaints), []
        return [one for one in said if not any(each in one for each in EXPECTED)]


Look = Callable[[Screen, Looked, Company], Iterator[str]]


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    """The company, served."""
    with company(tmp_path_factory.mktemp("screens")) as made:
        yield made


@contextmanager
def looking(browser: Browser, address: str) -> Iterator[Looked]:
    """A browser of one person's own. address: of the service, and of nobody else."""
    context = browser.new_context(base_url=address, viewport=WIDE, locale="en-US")  # type: ignore[arg-type]
    context.set_default_timeout(60_000)
    page = context.new_page()
    looked = Looked(page, context.new_cdp_session(page))
    page.on("console", lambda said: looked.complaints.append(said.text))
    page.on("pageerror", lambda error: looked.complaints.append(str(error)))
    page.on("request", lambda asked: _asked(looked, address, asked))
    try:
        yield looked
    finally:
        context.close()


@pytest.mark.parametrize("who", VISITORS)
def test_nothing_on_any_screen_keeps_anybody_out(who: str, at: Company, browser: Browser) -> None:
    assert _found(_on, who, at, browser) == []


@pytest.mark.parametrize("who", VISITORS)
def test_no_page_that_refuses_a_form_keeps_anybody_out(
    who: str, at: Company, browser: Browser
) -> None:
    assert _found(_refused, who, at, browser) == []


def test_the_first_pages_are_light(at: Company, browser: Browser) -> None:
    with looking(browser, at.address) as looked:
        looked.page.goto("/sign-in")
        first = _weight(looked)
        looked.requests.clear()
        sign_in(looked.page, at.people["admin"])
    assert first < LIGHTEST
    with looking(browser, at.address) as looked:
        sign_in(looked.page, at.people["ngan"])
        looked.requests.clear()
        # As if it were the first time.
        looked.session.send("Network.clearBrowserCache")
        looked.page.goto("/")
        assert len(looked.requests) > 1
        assert _weight(looked) < LIGHTEST


def test_a_page_runs_no_script_of_a_text_and_the_browser_tells(
    at: Company, browser: Browser
) -> None:
    with looking(browser, at.address) as looked:
        looked.page.goto("/sign-in")
        world = beside(looked.session)
        assert found_by_axe(world) == []
        assert looked.read() == []
        # As a hostile name would, if it ever became an element.
        looked.page.evaluate(
            """document.body.insertAdjacentHTML('beforeend', '<img src="http://127.0.0.2/x"'
               + ' onerror="document.title=1">');
               document.body.append(Object.assign(document.createElement('script'),
                 {text: "document.title = 'taken'"}))"""
        )
        looked.page.wait_for_timeout(300)
        assert looked.page.title() == "Sign in · secvault"
        assert sum("Content Security Policy" in one for one in looked.read()) >= 2


def test_nothing_is_left_in_a_browser_after_signing_out(at: Company, browser: Browser) -> None:
    with looking(browser, at.address) as looked:
        page = looked.page
        sign_in(page, at.people["hoa"])
        record = f"/records/payroll/{at.facts['record']}"
        for path in ("/", "/records/payroll", record):
            page.goto(path)
        # Of a field's value; the record's id stands in addresses.
        assert "nv-0042" in page.locator("main").inner_text()
        page.locator('form[action="/sign-out"] button').click()
        page.wait_for_url("**/sign-in")
        for _ in range(3):
            page.go_back()
            assert page.locator("h1").inner_text() == "Sign in"
            assert "nv-0042" not in page.content()
        assert page.evaluate("caches.keys().then(those => those.length)") == 0
        assert page.evaluate("localStorage.length + sessionStorage.length") == 0


def test_no_page_is_shown_in_a_frame(at: Company, browser: Browser) -> None:
    with looking(browser, at.address) as looked:
        page = looked.page
        sign_in(page, at.people["binh"])
        approval = f"{at.address}/approvals/{at.facts['approval']}"
        # One of another site, and one of ours: neither may lay ours below what somebody clicks.
        for outside in ("http://127.0.0.1:9/", f"{at.address}/framing"):
            page.route(outside, lambda route: route.fulfill(content_type="text/html", body="<p>"))
            page.goto(outside)
            page.set_content(f'<iframe src="{approval}"></iframe><iframe src="{at.address}/">')
            page.wait_for_timeout(500)
            assert len(page.frames) == 3
            for frame in page.frames[1:]:
                assert "approv" not in frame.content().casefold()
                assert frame.locator("button").count() == 0
        assert sum("frame-ancestors" in one for one in looked.read()) >= 2


def _found(look: Look, who: str, at: Company, browser: Browser) -> list[str]:
    """What is wrong with the screens of this visitor."""
    with looking(browser, at.address) as looked:
        if who != NOBODY:
            sign_in(looked.page, at.people[who.format(**at.facts)])
        return [
            f"{screen.at(at.facts)}: {one}"
            for screen in SCREENS
            if screen.who == who
            for one in look(screen, looked, at)
        ]


def _on(screen: Screen, looked: Looked, at: Company) -> Iterator[str]:
    page, path = looked.page, screen.at(at.facts)
    for language, size, light in (("en", WIDE, "light"), ("vi", PHONE, "dark")):
        page.context.add_cookies(
            [{"name": "secvault-language", "value": language, "url": at.address}]
        )
        page.emulate_media(color_scheme=light)  # type: ignore[arg-type]
        page.set_viewport_size(size)  # type: ignore[arg-type]
        answer = page.goto(path)
        assert answer is not None
        # What is focused by itself is so with the first frame, and not after a key was pressed.
        page.evaluate("new Promise(done => requestAnimationFrame(() => setTimeout(done)))")
        if answer.status != 200:
            yield f"{language}: answered {answer.status}"
        if page.locator("html").get_attribute("lang") != language:
            yield f"is not in {language}"
        if page.locator("h1").count() != 1:
            yield f"has {page.locator('h1').count()} first headings"
        world = beside(looked.session)
        yield from (f"{language}, {light}: {one}" for one in found_by_axe(world))
        yield from world.say(_NOT_INERT)
        for width in (size, PHONE if size == WIDE else WIDE):
            page.set_viewport_size(width)  # type: ignore[arg-type]
            if is_too_wide(page):
                yield f"{language}: is too wide at {width['width']}"
        if language == "en":
            yield from found_by_tab(page, world)
        yield from (f"{language}: {one}" for one in looked.read())


def _refused(screen: Screen, looked: Looked, at: Company) -> Iterator[str]:
    page, path = looked.page, screen.at(at.facts)
    page.goto(path)
    for number in range(page.evaluate(_ASKING)):
        page.goto(path)
        with page.expect_navigation() as sent:
            page.evaluate(_SENT_EMPTY, number)
        refused = f"form {number}, sent empty"
        if not 400 <= sent.value.status < 500:
            yield f"{refused}, was answered {sent.value.status} {page.url}"
        yield from (f"{refused}: {one}" for one in found_by_axe(beside(looked.session)))
        if is_too_wide(page):
            yield f"{refused}: is too wide"
        yield from (f"{refused}: {one}" for one in looked.read() if _STATUS not in one)


def _asked(looked: Looked, address: str, asked: Request) -> None:
    looked.requests.append(asked)
    if not asked.url.startswith(f"{address}/"):
        looked.complaints.append(f"another host was asked: {asked.url}")


def _weight(looked: Looked) -> int:
    return sum(
        sizes["responseBodySize"] + sizes["responseHeadersSize"]
        for sizes in (one.sizes() for one in looked.requests if one.resource_type != "font")
    )
