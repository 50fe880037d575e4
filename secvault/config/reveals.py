"""Settings of revealing values that are shown masked."""

from __future__ import annotations

from pydantic import Field

from secvault.config.section import Section


class RevealSettings(Section):
    """How much of what is masked anybody may have revealed."""

    # By one person, in any collection.
    per_hour: int = Field(60, ge=1, le=100_000)
