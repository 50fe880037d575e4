"""A vault in a temporary folder, and a browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright
from throwaway.programs import find, install_missing

from tests.acceptance.backed_up import backed_up
from tests.acceptance.installation import Installation, new_installation
from tests.acceptance.takeover import Company, company
from tests.quick_repository import made_quickly
from tests.running_service import copied


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    """A vault with an administrator; the service is not running."""
    return new_installation(tmp_path)


@pytest.fixture(scope="module")
def chromium() -> str:
    """Debian's Chromium; installed when it is missing."""
    install_missing(["chromium"])
    return find("chromium")


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    """A headless Chromium."""
    with sync_playwright() as playwright:
        # Tests run as root in containers, where Chromium's own sandbox cannot be.
        opened = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Company:
    """The company that each walk gets a copy of."""
    return company(tmp_path_factory.mktemp("company"))


@pytest.fixture(scope="session")
def backed_up_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a vault with one backup, for `backed_up` to copy."""
    folder = tmp_path_factory.mktemp("model")
    with made_quickly(), backed_up(folder):
        pass
    return folder


@pytest.fixture
def made(template: Company, tmp_path: Path) -> Company:
    """A company of this walk's own."""
    return Company(copied(template.house, tmp_path / "house"), template.victim)
