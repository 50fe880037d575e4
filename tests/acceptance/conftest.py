"""A vault in a temporary folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance.installation import Installation, new_installation


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    """A vault with an administrator; the service is not running."""
    return new_installation(tmp_path)
