"""A sign-in on its way is used up once, in whichever process, and only by who began it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from secvault.crypto.secret import Secret
from secvault.identity import federation_steps
from secvault.identity.federation_steps import Purpose, Step
from secvault.store import Store
from tests.identity.conftest import FakeTime

STEP = Step(Purpose.SIGN_IN, "corp", "http://localhost/callback", 60)
BROWSER = Secret(b"x" * 32)


def keep(store: Store, time: FakeTime, shown: str = "state") -> None:
    with store.write() as connection:
        federation_steps.keep(connection, time.clock, STEP, shown, BROWSER)


def test_of_many_at_once_one_uses_it_up(any_store: Store) -> None:
    time = FakeTime()
    keep(any_store, time)
    with ThreadPoolExecutor(20) as pool:
        taken = list(
            pool.map(
                lambda _: federation_steps.take(any_store, time.clock, "state", BROWSER, "corp"),
                range(20),
            )
        )
    (found,) = [each for each in taken if each is not None]
    assert found.step == STEP
    assert found.same_browser


def test_another_browser_or_provider_uses_it_up_without_a_use(sqlite_store: Store) -> None:
    time = FakeTime()
    for browser, provider in ((Secret(b"y" * 32), "corp"), (None, "corp"), (BROWSER, "other")):
        keep(sqlite_store, time)
        taken = federation_steps.take(sqlite_store, time.clock, "state", browser, provider)
        assert taken is not None
        assert not taken.same_browser
        assert not federation_steps.take(sqlite_store, time.clock, "state", BROWSER, "corp")


def test_it_is_over_after_ten_minutes_and_swept_by_the_next(sqlite_store: Store) -> None:
    time = FakeTime()
    keep(sqlite_store, time)
    time.pass_by(600)
    assert federation_steps.take(sqlite_store, time.clock, "state", BROWSER, "corp") is None
    keep(sqlite_store, time, "another")
    with sqlite_store.read() as connection:
        rows = connection.exec_driver_sql("SELECT * FROM federation_step").all()
    assert len(rows) == 1
    kept = str(rows)
    assert "another" not in kept
    assert str(BROWSER.expose()) not in kept
