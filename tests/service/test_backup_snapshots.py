"""Looking into snapshots: how many do it at a time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Event, Semaphore

import pytest

from secvault.backup.engine import LOOKS_AT_ONCE
from secvault.backup.looking import Found
from secvault.errors import Overloaded
from secvault.service import authentication, backup_snapshots
from secvault.service.spine import Caller
from tests.running_service import House


def test_whoever_looks_into_snapshots_again_and_again_leaves_the_server_to_others(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, over = Semaphore(0), Event()

    def slow(*_: object) -> Found:
        begun.release()
        assert over.wait(30)
        return Found((), more=False, looked_into=0)

    monkeypatch.setattr(backup_snapshots.catalogue, "present", lambda *_: ())
    monkeypatch.setattr(backup_snapshots.looking, "find", slow)
    with house.open() as service, ThreadPoolExecutor(LOOKS_AT_ONCE) as pool:
        who = Caller(authentication.local_operator(service))

        def look() -> Found:
            return backup_snapshots.find(service, who, "nightly", "*.xlsx")

        try:
            looks = [pool.submit(look) for _ in range(LOOKS_AT_ONCE)]
            for _ in looks:
                assert begun.acquire(timeout=30)
            with pytest.raises(Overloaded):
                look()
        finally:
            over.set()
        assert [one.result().looked_into for one in looks] == [0] * LOOKS_AT_ONCE
        assert look().looked_into == 0
