"""Reports on restore drills for people."""

from __future__ import annotations

from secvault.backup.drills import files
from secvault.backup.drills.files import Report
from secvault.service import drills
from secvault.service.service import Service
from secvault.service.spine import Caller


def read_report(
    service: Service, caller: Caller, drill_id: str, form: str, language: str
) -> Report:
    """The report on a drill. form: `html` or `pdf`. language: `en` or `vi`.

    Raises NotFound, InvalidInput, and Damaged where the evidence is not what was signed.
    """
    verified, _, note = drills.read_evidence(service, caller, drill_id)
    return files.report_of(verified, note, form, language)
