"""Settings of what needs a second person."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class ApprovalSettings(BaseModel):
    """How long requests wait for approvals and their deed, and codes of resets for their people."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    request_hours: int = Field(24, ge=1, le=168)
    reset_hours: int = Field(24, ge=1, le=72)
