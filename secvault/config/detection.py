"""Settings of detection: when what the audit log holds raises an alert."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from secvault.config.section import Section

RuleName = Literal[
    "many_reads",
    "new_network",
    "weakened_control",
    "volume_drop",
    "many_refusals",
    "break_glass",
    "after_hours",
    "verification_failed",
]


class DetectionSettings(Section):
    """When an alert is raised. Counts are of ten minutes unless they say otherwise.

    many_*: this many are one too many, whatever is usual. usual_times: so many times what the same
    person or system has in its usual ten minutes, from unusual_from on. volume_percent: an hour
    with less of what the same hour of earlier days had, where that was at least volume_from events.
    after_hours: the collections that nobody should open outside `conditions.business_hours`.
    """

    enabled: bool = True
    off: tuple[RuleName, ...] = ()
    cool_down_minutes: int = Field(60, ge=1, le=10_080)
    many_reads_people: int = Field(2_000, ge=1, le=10_000_000)
    many_reads_systems: int = Field(1_000_000, ge=1, le=1_000_000_000)
    usual_times: int = Field(10, ge=2, le=1_000)
    unusual_from: int = Field(200, ge=1, le=10_000_000)
    many_refusals: int = Field(30, ge=1, le=1_000_000)
    many_refusals_all: int = Field(500, ge=1, le=10_000_000)
    volume_percent: int = Field(20, ge=1, le=90)
    volume_from: int = Field(200, ge=1, le=1_000_000_000)
    after_hours: tuple[str, ...] = Field(
        ("employees", "contracts", "payroll", "insurance", "formulas"), max_length=200
    )
