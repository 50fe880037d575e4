from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from msgspec.structs import replace

from secvault.audit.event import Event
from secvault.audit.gathering import Gathering
from secvault.audit.log import AuditLog
from secvault.audit.query import page
from secvault.clock import system_clock
from secvault.errors import AuditUnavailable, InvalidInput
from secvault.store import Store

Reading = Callable[[int], Event]


def _requests(store: Store) -> list[str]:
    return [event.event.request for event in page(store, newest_first=False, limit=500).events]


def test_each_of_many_at_once_returns_when_its_own_event_is_in_the_log(
    log: AuditLog, any_store: Store, reading: Reading
) -> None:
    async def main() -> None:
        gathering = Gathering(log)

        async def one(number: int) -> None:
            await gathering.record(reading(number))
            assert f"r-{number}" in _requests(any_store)

        await asyncio.gather(*(one(number) for number in range(60)))

    asyncio.run(main())
    assert sorted(_requests(any_store)) == sorted(f"r-{number}" for number in range(60))


def test_an_event_that_does_not_fit_fails_alone(
    log: AuditLog, any_store: Store, reading: Reading
) -> None:
    async def main() -> list[object]:
        gathering = Gathering(log)
        unfit = replace(reading(1), kind="record.stolen")
        return await asyncio.gather(
            gathering.record(reading(0)),
            gathering.record(unfit),
            gathering.record(reading(2)),
            return_exceptions=True,
        )

    first, second, third = asyncio.run(main())
    assert (first, third) == (None, None)
    assert isinstance(second, InvalidInput)
    assert _requests(any_store) == ["r-0", "r-2"]


def test_a_group_that_cannot_be_written_fails_all_in_it_and_the_next_is_written(
    any_store: Store, reading: Reading
) -> None:
    log = AuditLog(any_store, system_clock(), node="n", wait_seconds=20)

    async def main() -> None:
        gathering = Gathering(log)
        with any_store.write() as connection:
            connection.exec_driver_sql("ALTER TABLE audit_head RENAME TO elsewhere")
        failed = await asyncio.gather(
            gathering.record(reading(0)), gathering.record(reading(1)), return_exceptions=True
        )
        assert [type(each) for each in failed] == [AuditUnavailable, AuditUnavailable]
        with any_store.write() as connection:
            connection.exec_driver_sql("ALTER TABLE elsewhere RENAME TO audit_head")
        await gathering.record(reading(2))

    asyncio.run(main())
    log.close()
    assert "r-2" in _requests(any_store)
    assert "r-0" not in _requests(any_store)


def test_waiting_for_a_store_that_is_kept_busy_ends(any_store: Store, reading: Reading) -> None:
    log = AuditLog(any_store, system_clock(), node="n", wait_seconds=0.2)

    async def main() -> None:
        gathering = Gathering(log)
        with any_store.write() as connection:
            if any_store.dialect == "postgresql":
                connection.exec_driver_sql("LOCK TABLE audit_head, audit_outbox")
            with pytest.raises(AuditUnavailable, match="not on disk"):
                await gathering.record(reading(0))
        await gathering.record(reading(1))

    asyncio.run(main())
    log.close()
    assert "r-1" in _requests(any_store)


def test_a_closed_log_refuses(any_store: Store, reading: Reading) -> None:
    log = AuditLog(any_store, system_clock(), node="n")
    log.close()
    with pytest.raises(AuditUnavailable, match="closed"):
        asyncio.run(Gathering(log).record(reading(0)))
