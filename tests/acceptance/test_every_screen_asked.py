"""Every page of the console, asked for without a browser: looking changes nothing, the rights are
those of the API, every form carries the session's proof, and nothing is left after signing out.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, field
from functools import cache
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from secvault.api.browser import COOKIE_NAME
from secvault.console.page import POLICY
from secvault.service import Service
from tests.acceptance.company import Company, make
from tests.acceptance.company_people import Person
from tests.acceptance.installation import Installation
from tests.acceptance.screens import FILES, NOBODY, SCREENS, Screen
from tests.running_service import Api, Front, Hands, House

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(900)]

# In which looking may leave something: the log, that a session was used, and when a repository
# answered last: a page asks it for what a run has added.
OF_LOOKING = re.compile(r"audit|session$|object_actor$|^backup_catalogue$")
NO_ROLE = "giang"
# What somebody sees who holds no role at all: what is their own, and how to ask for more.
OPEN = {
    *("/", "/approvals", "/reviews", "/records", "/access", "/access/matrix", "/access/who-can"),
    *(screen.route for screen in SCREENS if screen.route.startswith("/account")),
    *("/account/passkeys/{passkey}/remove", "/account/devices/{device}/remove"),
    "/seal",
}
# By what the API answers the same question; what is asked for stands in `screens`.
SAME: Mapping[str, str] = {
    "/people": "/api/v1/people",
    "/people/{person}": "/api/v1/people/lan",
    "/systems": "/api/v1/systems",
    "/access/who-can": "/api/v1/access/who-can?action=record.read&department=hr&resource=payroll",
    "/approvals/{request_id}": "/api/v1/approvals/{approval}",
    "/reviews/{review}": "/api/v1/reviews/{review}",
    "/records/{collection}": "/api/v1/records/payroll",
    "/records/{collection}/{record}": "/api/v1/records/payroll/{record}",
    "/records/{collection}/{record}/history": "/api/v1/records/payroll/{record}/history",
    "/records/{collection}/-/imports/{import_id}": "/api/v1/imports/{import_id}",
    "/keys/{mount:path}/{name}": "/api/v1/keys/transit/{name}/usage",
    "/backups": "/api/v1/backups/status",
    "/backups/{plan}/buckets": "/api/v1/backups/plans/nightly/buckets",
    "/backups/runs/{run}": "/api/v1/backups/runs/{run}",
    "/backups/restores": "/api/v1/backups/restores",
    "/backups/restores/{restore}": "/api/v1/backups/restores/{restore}",
    "/backups/{plan}/snapshots/{snapshot}": (
        "/api/v1/backups/plans/nightly/snapshots/{snapshot}/entries"
    ),
    "/backups/{plan}/files": "/api/v1/backups/plans/nightly/files?name=*.xlsx",
    "/drills": "/api/v1/drills/status",
    "/drills/{drill}": "/api/v1/drills/{drill}",
    "/recovery": "/api/v1/recovery/kit",
    "/audit": "/api/v1/audit/events",
    "/audit/events/{seq}": "/api/v1/audit/events/{reveal}",
    "/audit/questions": "/api/v1/audit/questions",
    "/audit/alerts": "/api/v1/audit/alerts",
}
# Of the paths of pages, what no fact of the company is called.
_ANYTHING = {
    "person": "lan",
    "field": "document",
    "seq": "1",
    "request_id": "x",
}
ASKERS = ("admin", "ngan", "hoa", "lan", "phuoc", NO_ROLE)


@dataclass(frozen=True)
class Furnished(House):
    """The company as a house, which is served in this process."""

    installation: Installation = field(kw_only=True)

    def open(self) -> AbstractContextManager[Service]:
        """The open service."""
        return self.installation.opened()


@dataclass
class Visit:
    """Somebody's browser, that follows nothing."""

    api: Api
    cookie: str = ""

    def get(self, path: str) -> Any:
        """A page."""
        return self._ask("GET", path, {"Sec-Fetch-Site": "none"}, None)

    def submit(self, path: str, **fields: str) -> Any:
        """A form of a page of ours."""
        return self._ask("POST", path, {"Sec-Fetch-Site": "same-origin"}, fields)

    def _ask(self, method: str, path: str, said: Mapping[str, str], form: Any) -> Any:
        kept = {"Cookie": f"{COOKIE_NAME}={self.cookie}"} if self.cookie else {}
        answer = self.api.client.request(
            method, path, headers={**said, **kept}, data=form, follow_redirects=False
        )
        self.api.client.cookies.clear()
        return answer


@dataclass(frozen=True)
class Asked:
    """The company, and browsers of those who have signed in."""

    api: Api
    company: Company

    def __hash__(self) -> int:
        return id(self)

    @cache  # noqa: B019 - as long as the module's tests
    def of(self, name: str) -> Visit:
        """The browser of this person; nobody's without a name."""
        if not name:
            return Visit(self.api)
        return signed_in(self.api, self.company.people[name.format(**self.company.facts)])

    def screen(self, screen: Screen) -> Any:
        """What it answers to whom it is for."""
        return self.of(screen.who).get(screen.at(self.company.facts))


def signed_in(api: Api, who: Person) -> Visit:
    """Through the form."""
    visit = Visit(api)
    given = {"name": who.name, "password": who.password, "code": who.code()}
    answer = visit.submit("/sign-in", **given)
    assert answer.status_code == 303, answer.text
    found = re.search(rf"{COOKIE_NAME}=([^;]+)", answer.headers["set-cookie"])
    assert found is not None
    visit.cookie = found[1]
    return visit


@contextmanager
def answering(made: Company) -> Iterator[Asked]:
    """The company in this process, and everybody signed in who looks at a screen."""
    house = Furnished(made.installation.folder, Hands(), {}, {}, installation=made.installation)
    with Front().serving(house) as api:
        found = Asked(api, made)
        for screen in SCREENS:
            found.of(screen.who)
        yield found


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    """The company on SQLite."""
    with answering(make(tmp_path_factory.mktemp("asked"))) as found:
        yield found


def rows(company: Company) -> dict[str, set[tuple[Any, ...]]]:
    """All that is stored, by table, but for what looking may leave."""
    with closing(sqlite3.connect(company.installation.database)) as database:
        tables = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        return {
            name: {*database.execute(f'SELECT * FROM "{name}"')}
            for (name,) in tables
            if not OF_LOOKING.search(name)
        }


def test_no_page_changes_anything_by_being_looked_at(asked: Asked) -> None:
    before = rows(asked.company)
    for screen in SCREENS:
        assert asked.screen(screen).status_code == 200, screen
    # Streams of events do not end by themselves.
    for route in (one for one in FILES if not one.endswith("/live")):
        for who in ("hoa", "ngan"):
            asked.of(who).get(Screen(route, who).at({**_ANYTHING, **asked.company.facts}))
    after = rows(asked.company)
    assert {name for name in before if before[name] != after[name]} == set()


def test_every_page_is_there_on_postgresql(postgresql_url: str, tmp_path: Path) -> None:
    with answering(make(tmp_path / "made", SECVAULT_STORE__URL=postgresql_url)) as found:
        answers = {screen: found.screen(screen) for screen in SCREENS}
    assert {screen: one.text for screen, one in answers.items() if one.status_code != 200} == {}


def test_every_page_is_kept_by_no_cache_and_shown_in_no_frame(asked: Asked) -> None:
    for screen in SCREENS:
        headers = asked.screen(screen).headers
        assert headers["cache-control"] == "no-store", screen
        assert headers["content-security-policy"] == POLICY, screen
        assert headers["x-content-type-options"] == "nosniff", screen
    assert "frame-ancestors 'none'" in POLICY


def test_every_form_that_changes_something_carries_the_proof_and_no_address_does(
    asked: Asked,
) -> None:
    seen = set()
    for screen in SCREENS:
        text = asked.screen(screen).text
        for form in re.findall(r"<form\b.*?</form>", text, re.DOTALL):
            attributes = form.partition(">")[0]
            proof = re.search(r'name="csrf" value="([^"]{20,})"', form)
            action = re.search(r'action="([^"]*)"', attributes)
            assert action is not None, (screen, form)
            assert action[1].startswith("/"), (screen, form)
            if 'method="post"' in attributes:
                seen.add(action[1].partition("?")[0])
                assert proof or screen.who == NOBODY or action[1] == "/language", (screen, form)
            else:
                assert "csrf" not in form, (screen, form)
        assert not re.search(r'(href|action|src)="[^"]*csrf', text), screen
        assert "svs_" not in text, screen
    assert len(seen) > 40


def test_who_holds_no_role_sees_what_is_their_own_and_nothing_of_others(asked: Asked) -> None:
    stranger = asked.of(NO_ROLE)
    names = ("Phạm Thị Quỳnh Hoa", "Đặng Hữu Phước", "0071000123456", "payroll-sync", "bang-luong")
    shown = set()
    for screen in SCREENS:
        if screen.who == NOBODY:
            continue
        answer = stranger.get(screen.at(asked.company.facts))
        if answer.status_code == 200:
            shown.add(screen.route)
        else:
            assert answer.status_code in (303, 403, 404), screen
        # What they asked for by its name is said again.
        unasked = [one for one in names if one not in screen.at(asked.company.facts)]
        assert not [one for one in unasked if one in unescape(answer.text)], screen
    assert shown <= OPEN
    assert {"/", "/account", "/records"} <= shown


@pytest.mark.parametrize("who", ASKERS)
def test_whoever_sees_a_page_may_ask_the_api_for_the_same(asked: Asked, who: str) -> None:
    visit, facts = asked.of(who), asked.company.facts
    for screen in SCREENS:
        same = SAME.get(screen.route)
        if same is None or screen.at(facts) != Screen(screen.route, "").at({**_ANYTHING, **facts}):
            continue
        page, answer = visit.get(screen.at(facts)), visit.get(same.format(**facts))
        # A page may lead whoever may not see it to one beside it that they may.
        led = page.status_code == 303 and answer.status_code == 403
        assert led or page.status_code == answer.status_code, (screen, page.status_code)


def test_every_page_sends_a_stranger_and_whoever_signed_out_to_sign_in(asked: Asked) -> None:
    for screen in SCREENS:
        if screen.who != NOBODY and screen.route != "/seal":
            sent = Visit(asked.api).get(screen.at(asked.company.facts))
            assert sent.status_code == 303, screen
            assert sent.headers["location"].partition("?")[0] == "/sign-in", screen
    visit = signed_in(asked.api, asked.company.people["ngan"])
    found = re.search(r'name="csrf" value="([^"]+)"', visit.get("/").text)
    assert found is not None
    out = visit.submit("/sign-out", csrf=found[1])
    assert '"cache"' in out.headers["clear-site-data"]
    for screen in SCREENS:
        if screen.who == "ngan":
            # With the cookie that somebody has kept.
            sent = visit.get(screen.at(asked.company.facts))
            assert (sent.status_code, len(sent.text)) == (303, 0), screen
