"""Into a snapshot and a file back out of it, on a real repository, without JavaScript."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from html import unescape
from pathlib import Path
from threading import Event

import pytest
from sqlalchemy import select

from secvault.service import authentication, backups
from secvault.service.spine import Caller
from secvault.store import tables
from tests.console.browsing import Browsing, signed_in
from tests.quick_repository import made_quickly
from tests.running_service import Api, Front, House, copied, furnish

pytestmark = [pytest.mark.real, pytest.mark.usefixtures("quick_repositories")]

HOSTILE = "<b>&'\" 100%+#?.txt"


@pytest.fixture(scope="module")
def saved_once(tmp_path_factory: pytest.TempPathFactory) -> House:
    """A vault with a snapshot of a folder with three files."""
    folder = tmp_path_factory.mktemp("pages")
    (folder / "share" / "Hợp đồng").mkdir(parents=True)
    (folder / "share" / "a.txt").write_text("this is a")
    (folder / "share" / HOSTILE).write_text("hostile")
    (folder / "share" / "Hợp đồng" / "lương.txt").write_text("lương")
    more = {
        "SECVAULT_BACKUP__PLANS__NIGHTLY__FOLDERS": json.dumps([str(folder / "share")]),
        "SECVAULT_BACKUP__PLANS__NIGHTLY__VAULT": "false",
    }
    house = furnish(folder / "house", more=more)
    with made_quickly(), house.open() as service:
        operator = Caller(authentication.local_operator(service))
        backups.run_backup(service, operator, "nightly", lambda _: None, Event())
    return house


@pytest.fixture
def house(saved_once: House, tmp_path: Path) -> House:
    """A vault of this test's own, with that snapshot."""
    return replace(copied(saved_once, tmp_path / "house"), more=saved_once.more)


@pytest.fixture
def api(front: Front, house: House) -> Iterator[Api]:
    """The application over it."""
    with front.serving(house) as served:
        yield served


def links(text: str, ending: str) -> list[str]:
    """Where the links of a page lead that hold this."""
    return [unescape(one) for one in re.findall(r'href="([^"]+)"', text) if ending in one]


def begins(browser: Browsing) -> str:
    """The page of the folder that the plan saves, by the links that lead there."""
    plan = browser.get("/backups/nightly").text
    root = browser.get(links(plan, "/snapshots/")[0]).text
    (at,) = [one for one in links(root, "folder=") if one.endswith("/share")]
    return browser.get(at).text


def test_one_comes_by_links_from_the_plan_into_every_folder(api: Api) -> None:
    browser = signed_in(api, "auditor")
    share = begins(browser)
    assert "a.txt" in share
    assert "<b>" not in share
    assert "&lt;b&gt;" in share
    # Whoever may only read is offered no way to restore.
    assert links(share, "/restore?") == []
    (deeper,) = [one for one in links(share, "folder=") if "%C4%91%E1%BB%93ng" in one]
    assert "lương.txt" in browser.get(deeper).text
    assert signed_in(api, "clerk").get(deeper).status_code == 403


def test_a_file_is_found_by_name_and_restored_beside_what_is_in_use(
    api: Api, house: House, saved_once: House
) -> None:
    browser = signed_in(api, "admin")
    found = browser.get("/backups/nightly/files?name=A.TXT").text
    (form,) = links(found, "/restore?")
    page = browser.get(form).text
    path = str(saved_once.folder.parent / "share" / "a.txt")
    assert path in page
    fields = {"csrf": browser.csrf(), "path_": path, "to": "restored", "existing": "refuse"}
    address = form.partition("?")[0]
    seen = browser.submit(address, **fields, step="look")
    assert seen.status_code == 200
    assert "Files: 1, 9 B." in seen.text
    with house.open() as service, service.store.read() as connection:
        assert connection.execute(select(tables.job.c.id)).all() == []
    asked = browser.submit(address, **fields, step="restore")
    assert asked.status_code == 303, asked.text
    run = browser.get(asked.headers["location"]).text
    assert "waits for the worker" in run
    assert "/restored/nightly-" in run
    listed = asked.headers["location"].replace(":", "%3A")
    assert listed in browser.get("/backups/restores").text
    stopped = browser.submit(f"{asked.headers['location']}/stop", csrf=browser.csrf())
    assert stopped.status_code == 303
    assert "being stopped" in browser.get(stopped.headers["location"]).text


def test_a_name_that_is_hostile_finds_its_way_through_links_and_forms(api: Api) -> None:
    browser = signed_in(api, "admin")
    share = begins(browser)
    (form,) = [one for one in links(share, "/restore?") if "100%25" in one]
    page = browser.get(form).text
    kept = re.search(r'name="path" value="([^"]+)"', page)
    assert kept is not None
    path = unescape(kept[1])
    assert path.endswith(HOSTILE)
    assert "<b>" not in page
    address = form.partition("?")[0]
    seen = browser.submit(address, csrf=browser.csrf(), path_=path, step="look")
    assert "Files: 1, 7 B." in seen.text


def test_who_may_not_restore_gets_neither_the_form_nor_its_answer(
    api: Api, saved_once: House
) -> None:
    with api.house.open() as service, service.store.read() as connection:
        snapshot = connection.execute(select(tables.backup_run.c.snapshot)).scalar_one()
    address = f"/backups/nightly/snapshots/{snapshot}/restore"
    path = str(saved_once.folder.parent / "share" / "a.txt")
    for who in ("auditor", "clerk"):
        browser = signed_in(api, who)
        assert browser.get(f"{address}?path={path}").status_code == 403
        for step in ("look", "restore"):
            answer = browser.submit(address, csrf=browser.csrf(), path_=path, step=step)
            assert answer.status_code == 403
    browser = signed_in(api, "admin")
    assert browser.submit(address, path_=path).status_code == 403
    wrong = browser.submit(address, csrf=browser.csrf(), path_="/nothing/of/it")
    assert wrong.status_code == 404
    assert browser.submit(address, csrf=browser.csrf(), path_=path, to="/etc").status_code == 422


def test_the_original_place_needs_a_second_person_who_is_told_why(
    api: Api, house: House, saved_once: House
) -> None:
    with house.open() as service, service.store.read() as connection:
        snapshot = connection.execute(select(tables.backup_run.c.snapshot)).scalar_one()
    browser = signed_in(api, "admin")
    path = str(saved_once.folder.parent / "share" / "a.txt")
    fields = {"csrf": browser.csrf(), "path_": path, "to": "original", "existing": "overwrite"}
    address = f"/backups/nightly/snapshots/{snapshot}/restore"
    seen = browser.submit(address, **fields, step="look", reason="the file was damaged").text
    assert "A second person has to approve it." in seen
    assert 'value="the file was damaged"' in seen
    assert "There already: 1." in seen
    unsaid = browser.submit(address, **fields, step="restore")
    assert unsaid.status_code == 422
    assert "Say why it has to go to where it came from" in unsaid.text
    with house.open() as service, service.store.read() as connection:
        assert connection.execute(select(tables.job.c.id)).all() == []
