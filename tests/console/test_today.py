"""Today: what wants a person, the worst first, to those who may know it."""

from __future__ import annotations

from secvault.backup import rpo
from secvault.service import authentication, recovery_kits
from secvault.service.spine import Caller
from tests.console.browsing import signed_in
from tests.running_service import Api

DAY = 24 * 3600


def with_a_kit(api: Api) -> None:
    """Somebody has the recovery kit in hand."""
    with api.house.open() as service:
        operator = Caller(authentication.local_operator(service))
        recovery_kits.issue_kit(service, operator)
        recovery_kits.take_kit(service, operator)


def test_a_plan_that_is_behind_is_told_with_its_way_out_to_who_answers_for_backups(
    api: Api,
) -> None:
    with_a_kit(api)
    admin, clerk = signed_in(api, "admin"), signed_in(api, "clerk")
    calm = admin.get("/").text
    assert "All is well" in calm
    assert "no backup yet" in calm
    with api.house.open() as service, service.store.write() as connection:
        rpo.first_seen(connection, ["nightly"], service.clock.micros())
    api.house.hands.seconds += 3 * DAY
    admin.sign_in("admin")
    clerk.sign_in("clerk")
    page = admin.get("/").text
    assert "One thing needs you." in page
    assert "The plan nightly is behind its promise" in page
    assert "secvault backup run nightly" in page
    of_clerk = clerk.get("/").text
    assert "nightly" not in of_clerk
    assert "All is well" in of_clerk


def test_the_first_page_is_small(api: Api) -> None:
    browser = signed_in(api, "admin")
    size = len(browser.get("/").content) + len(browser.get("/assets/console.css").content)
    assert size < 50_000
    assert browser.get("/assets/../page.py").status_code == 404
    assert browser.get("/assets/none.css").status_code == 404
