"""Settings of the access report that is made by the calendar."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from secvault.config.section import Section, Zone


class AuditReportSettings(Section):
    """When the report on the month before is made, and where it goes. An empty schedule: never."""

    schedule: str = ""
    time_zone: Zone = "Asia/Ho_Chi_Minh"
    missed: Literal["latest", "all", "skip"] = "latest"
    languages: tuple[Literal["en", "vi"], ...] = Field(("vi", "en"), min_length=1, max_length=2)
    formats: tuple[Literal["pdf", "xlsx"], ...] = Field(("pdf", "xlsx"), min_length=1, max_length=2)
    # Empty: the folder `reports` in the data folder.
    folder: str = ""
