"""Settings of how records that were kept for long enough are found."""

from __future__ import annotations

from typing import Literal

from secvault.config.section import Section, Zone


class RetentionSettings(Section):
    """When what is due is put on a list, for people to approve. An empty schedule: never."""

    schedule: str = "0 3 1 * *"
    time_zone: Zone = "Asia/Ho_Chi_Minh"
    missed: Literal["latest", "all", "skip"] = "latest"
