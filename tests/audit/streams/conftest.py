"""A log with events in it, and who receives them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from secvault.audit import Event
from secvault.audit.leaf import Number, StoredEvent, decode, encode, event_id
from tests.audit.streams.receivers import Identity, identity


@pytest.fixture(scope="session")
def receiver_identity(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return identity(tmp_path_factory.mktemp("receiver"))


@pytest.fixture
def another_identity(tmp_path: Path) -> Identity:
    return identity(tmp_path)


@pytest.fixture
def stored(reading: Callable[[int], Event]) -> Callable[[int], StoredEvent]:
    """The event of this number, as the log has it."""

    def made(seq: int) -> StoredEvent:
        t = 1_790_000_000_000_000 + seq
        body = encode(reading(seq), id=event_id(t), t=t, number=Number("n", "start-1", seq))
        return decode(body, seq=seq)

    return made
