"""What is taken for strange about a backup, in comparison with the runs before."""

from __future__ import annotations

from pydantic import Field

from secvault.config.section import Section


class AnomalySettings(Section):
    """Thresholds of the warnings about a run; see `backup.anomaly` for what each looks at."""

    # Whether anything is looked at at all.
    look: bool = True
    # A source, or all together, is so much smaller than the median of the runs before.
    smaller_percent: int = Field(50, ge=1, le=100)
    # So many of the files of the snapshot before were changed, renamed or deleted...
    changed_percent: int = Field(50, ge=1, le=100)
    # ... and at least so many.
    changed_files: int = Field(100, ge=1)
    # So many of the changed files that were looked into look like random data, as what was
    # encrypted does.
    random_percent: int = Field(50, ge=1, le=100)
    # How many changed files are looked into: at most 48 KiB of each. 0: none.
    sampled_files: int = Field(64, ge=0, le=1000)
