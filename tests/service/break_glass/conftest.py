"""A vault with two administrators, an approver, and somebody prepared for an emergency."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from secvault.service.break_glass import operations
from secvault.service.break_glass.operations import View
from secvault.service.spine import Caller
from tests.running_service import House, copied, join
from tests.service.reviews.conftest import ADMIN, Office

PREPARED = ("role:it.break_glass_holder", "it")


class Station(Office):
    """An office in which somebody can break the glass."""

    def break_glass(self, who: Caller | None = None, reason: str = "it burns") -> View:
        return operations.start(self.service, who or self.come("mai"), reason)


@pytest.fixture(scope="session")
def prepared(furnished: House, tmp_path_factory: pytest.TempPathFactory) -> House:
    """`admin` and `binh` administer; `mai` is prepared and holds nothing else."""
    house = copied(furnished, tmp_path_factory.mktemp("prepared"))
    with house.open() as service:
        join(service, house, "binh", ADMIN)
        join(service, house, "mai", PREPARED)
    return house


@pytest.fixture
def station(prepared: House, tmp_path: Path) -> Iterator[Station]:
    """A copy of it, open."""
    house = copied(prepared, tmp_path / "house")
    with house.open() as service:
        yield Station(service, house)
