"""The settings of access reviews and of break-glass."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from secvault.config.section import Name, Section, Zone


class CampaignSettings(Section):
    """A campaign that begins again and again by itself."""

    schedule: str = "0 8 1 */3 *"
    time_zone: Zone = "Asia/Ho_Chi_Minh"
    missed: Literal["latest", "all", "skip"] = "latest"
    # Empty: all.
    departments: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    privileged_only: bool = False
    systems: bool = True
    heads: bool = True
    reviewers: tuple[str, ...] = ()
    fallback: str = ""
    owner: str = ""
    days: int = Field(30, ge=3, le=180)
    overdue: Literal["revoke", "shorten"] = "revoke"
    overdue_days: int = Field(7, ge=1, le=365)

    @model_validator(mode="after")
    def _somebody(self) -> CampaignSettings:
        if not (self.heads or self.reviewers or self.fallback):
            raise ValueError("nobody would review: set heads = true, reviewers, or fallback")
        return self


class ReviewSettings(Section):
    """Access reviews."""

    warn_days: tuple[Annotated[int, Field(ge=1, le=180)], ...] = Field((14, 7, 1), max_length=8)
    keeps_per_minute: int = Field(20, ge=1, le=1000)
    dormant_days: int = Field(90, ge=1, le=3650)
    campaigns: dict[Name, CampaignSettings] = Field(default_factory=dict)


class BreakGlassSettings(Section):
    """Emergency access."""

    minutes: int = Field(60, ge=5, le=60)
    review_hours: int = Field(72, ge=1, le=168)
    # After so long without one the administrators are reminded of a drill; 0: never.
    drill_days: int = Field(30, ge=0, le=365)
    # How long the way in for a new administrator is closed, so that those who are there can stop
    # it; and then open.
    recovery_wait_hours: int = Field(24, ge=1, le=168)
    recovery_open_hours: int = Field(24, ge=1, le=168)
