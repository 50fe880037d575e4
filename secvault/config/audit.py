"""Settings of the audit log."""

from __future__ import annotations

from pydantic import Field

from secvault.config.audit_reports import AuditReportSettings
from secvault.config.audit_retention import AuditRetentionSettings
from secvault.config.detection import DetectionSettings
from secvault.config.publications import ShownSettings
from secvault.config.section import Name
from secvault.config.streams import StreamSettings
from secvault.config.witnesses import WitnessSettings


class AuditSettings(ShownSettings):
    """The audit log."""

    wait_seconds: float = Field(5.0, gt=0, le=60)
    checkpoint_seconds: int = Field(60, ge=1, le=86_400)
    reports: AuditReportSettings = AuditReportSettings()
    retention: AuditRetentionSettings = AuditRetentionSettings()
    streams: dict[Name, StreamSettings] = Field(default_factory=dict)
    detection: DetectionSettings = DetectionSettings()
    witnesses: dict[Name, WitnessSettings] = Field(default_factory=dict)
