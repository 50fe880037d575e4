"""The saved vault, made once, and a copy of it for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from secvault.service import Service
from tests.running_service import House, copied
from tests.service.drill_levels.saved_house import Drilled, drilled, present, saved


@pytest.fixture(scope="session")
def saved_once(tmp_path_factory: pytest.TempPathFactory) -> House:
    return saved(tmp_path_factory.mktemp("saved"))


@pytest.fixture
def house(saved_once: House, tmp_path: Path) -> House:
    made = copied(saved_once, tmp_path / "house")
    made.hands.seconds = present().seconds
    return made


@pytest.fixture
def service(house: House) -> Iterator[Service]:
    with house.open() as opened:
        yield opened


@pytest.fixture
def drill(service: Service, tmp_path: Path) -> Iterator[Drilled]:
    """A drill of the one snapshot; without a kit, so by the running service's root key."""
    with drilled(service, tmp_path / "drill") as made:
        yield made
