"""Settings of signing in that bound what it may cost."""

from __future__ import annotations

from pydantic import Field

from secvault.config.section import Section


class SignInSettings(Section):
    """How many sessions a person may have, and how many people may wait to be looked at."""

    sessions_per_person: int = Field(10, ge=1, le=1000)
    waiting: int = Field(16, ge=0, le=1000)
