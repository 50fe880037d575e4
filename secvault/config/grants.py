"""Settings of how long roles last."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from secvault.config.section import Section


class GrantSettings(Section):
    """The longest times of roles, and when their end is told of beforehand."""

    # Of a grant, or of an eligibility, of a privileged role: nothing privileged is without an end.
    privileged_days: int = Field(365, ge=1, le=730)
    # Of one use of a role that somebody may activate; and where an eligibility does not say.
    activation_most_minutes: int = Field(480, ge=1, le=1440)
    activation_minutes: int = Field(60, ge=1, le=1440)
    # From the last approval on: how long what was asked for can be claimed.
    claim_hours: int = Field(24, ge=1, le=168)
    warn_days: tuple[Annotated[int, Field(ge=1, le=365)], ...] = Field((30, 14, 7, 1), max_length=8)

    @model_validator(mode="after")
    def _bounded(self) -> GrantSettings:
        if self.activation_minutes > self.activation_most_minutes:
            raise ValueError("activation_minutes must not be more than activation_most_minutes")
        return self
