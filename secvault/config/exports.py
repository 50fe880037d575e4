"""Settings of exports of records."""

from __future__ import annotations

from pydantic import Field

from secvault.config.section import Section


class ExportSettings(Section):
    """What somebody must say, and whom they must ask, before they take many records away."""

    # An export of more records needs a reason; 0: every one that is not empty.
    reason_over: int = Field(0, ge=0, le=10_000_000)
    # More than this within a day by one person need the approval that obligations.toml asks for.
    approval_over: int = Field(1000, ge=0, le=10_000_000)
    # How many people must be alike in a de-identified export.
    least_k: int = Field(5, ge=2, le=1000)
