"""Reads of one moment: what is put together of many of them contradicts itself nowhere."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import ExceptionContext, event, func, insert, select, text

from secvault.errors import SecvaultError
from secvault.store import Store
from secvault.store.tables import use_cursor


def _count(store: Store) -> int:
    with store.read() as connection:
        return connection.scalar(select(func.count()).select_from(use_cursor)) or 0


def _add(store: Store, name: str) -> None:
    with store.write() as connection:
        connection.execute(insert(use_cursor).values(name=name, seq=1, since=1))


def test_reads_of_one_moment_see_nothing_of_what_is_written_meanwhile(any_store: Store) -> None:
    with ThreadPoolExecutor(1) as other:
        with any_store.one_moment():
            assert _count(any_store) == 0
            other.submit(_add, any_store, "by another").result()
            _add(any_store, "by itself")
            assert _count(any_store) == 0
            # It is this thread's moment alone.
            assert other.submit(_count, any_store).result() == 2
            with any_store.read(afresh=True) as connection:
                assert connection.scalar(select(func.count()).select_from(use_cursor)) == 2
            assert _count(any_store) == 0
        assert _count(any_store) == 2


def test_reads_of_one_moment_are_by_one_connection(any_store: Store) -> None:
    with any_store.one_moment(), any_store.read() as first, any_store.read() as second:
        with any_store.one_moment(), any_store.read() as third:
            assert first is second is third
        with any_store.read() as fourth:
            assert fourth is first
    with any_store.read() as one, any_store.read() as other:
        assert one is not other


def test_a_read_that_fails_keeps_none_of_the_others_from_being_read(any_store: Store) -> None:
    with any_store.one_moment():
        assert _count(any_store) == 0
        for _ in range(2):
            with pytest.raises(Exception), any_store.read() as connection:  # noqa: B017
                connection.execute(text("SELECT nothing FROM nowhere"))
            assert _count(any_store) == 0
    assert _count(any_store) == 0


def test_a_connection_that_is_lost_does_not_end_what_is_put_together(any_store: Store) -> None:
    def lost(context: ExceptionContext) -> None:
        context.is_disconnect = True

    event.listen(any_store.reader, "handle_error", lost)
    try:
        with any_store.one_moment():
            with pytest.raises(Exception), any_store.read() as connection:  # noqa: B017
                connection.execute(text("SELECT nothing FROM nowhere"))
            assert _count(any_store) == 0
    finally:
        event.remove(any_store.reader, "handle_error", lost)
    assert _count(any_store) == 0


def test_what_is_raised_between_the_reads_ends_the_moment(any_store: Store) -> None:
    with pytest.raises(SecvaultError), any_store.one_moment():
        raise SecvaultError("given up")
    with any_store.read() as one, any_store.read() as other:
        assert one is not other
