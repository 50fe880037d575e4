"""The pages over a furnished vault, in this process."""

from __future__ import annotations

from tests.api.conftest import api, front, furnished, house, log

__all__ = ["api", "front", "furnished", "house", "log"]
