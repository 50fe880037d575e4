"""Settings of how decisions are made."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from secvault.config.section import Section


class AccessSettings(Section):
    """Who answers whether somebody may, and for how long memory may be believed.

    max_stale_seconds: for how long plain encryption goes on by what a process remembers while the
    store does not answer. With the fifth of a second between two looks it must stay below the
    second in which a revocation takes effect.
    """

    engine: Literal["table", "casbin", "verify"] = "table"
    max_stale_seconds: float = Field(0.8, ge=0.0, le=0.8)
