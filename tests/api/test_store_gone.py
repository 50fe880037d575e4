"""While the store does not say what is in force, nothing is answered: no administration at all."""

from __future__ import annotations

import sqlite3
import time

import pytest

from secvault.store.watch import FRESH_SECONDS
from tests.running_service import Api

PLAIN = "MTIz"


def _break(api: Api, *, mended: bool = False) -> None:
    names = ("elsewhere", "epoch") if mended else ("epoch", "elsewhere")
    with sqlite3.connect(api.house.settings.store_url.removeprefix("sqlite:///")) as connection:
        connection.execute("ALTER TABLE {} RENAME TO {}".format(*names))
    connection.close()


@pytest.mark.slow
def test_privileged_acts_are_unavailable_at_once_and_encryption_within_the_limit(api: Api) -> None:
    encrypt = ("POST", "/v1/transit/encrypt/payroll", "system", {"plaintext": PLAIN})
    assert api(*encrypt).is_success
    grant = {"subject": "user:clerk", "role": "role:hr.clerk", "department": "hr"}
    account = {"name": "x", "department": "it", "owner": "admin"}
    privileged = [
        ("POST", "/api/v1/grants", "admin", grant),
        ("POST", "/api/v1/systems", "admin", account),
        ("GET", "/api/v1/grants", "admin", None),
    ]
    _break(api)
    broken_at = time.monotonic()
    for asked in privileged:
        answer = api(*asked)
        assert answer.status_code == 503, (asked, answer.text)
    # What is plain may go on from memory for a moment, and then ends, too.
    while time.monotonic() - broken_at < FRESH_SECONDS:
        assert api(*encrypt).status_code in (200, 503)
    assert api(*encrypt).status_code == 503
    _break(api, mended=True)
    assert api("GET", "/api/v1/grants", "admin").is_success
    assert api(*encrypt).is_success
