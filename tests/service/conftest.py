"""An open service over a furnished vault."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from secvault.service import Service
from tests.running_service import House, copied, furnish


@pytest.fixture(scope="session")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> House:
    """The vault that each test gets a copy of."""
    return furnish(tmp_path_factory.mktemp("furnished"))


@pytest.fixture
def house(furnished: House, tmp_path: Path) -> House:
    """A vault of this test's own."""
    return copied(furnished, tmp_path / "house")


@pytest.fixture
def service(house: House) -> Iterator[Service]:
    """The open service of it."""
    with house.open() as opened:
        yield opened
