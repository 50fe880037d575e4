"""A vault in a temporary folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance.installation import Installation, new_installation
from tests.acceptance.takeover import Company, company
from tests.running_service import copied


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    """A vault with an administrator; the service is not running."""
    return new_installation(tmp_path)


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Company:
    """The company that each walk gets a copy of."""
    return company(tmp_path_factory.mktemp("company"))


@pytest.fixture
def made(template: Company, tmp_path: Path) -> Company:
    """A company of this walk's own."""
    return Company(copied(template.house, tmp_path / "house"), template.victim)
