"""Reports on restore drills for people."""

from __future__ import annotations

from secvault.backup.drills import files, stored
from secvault.backup.drills.files import Report
from secvault.crypto.canonical import JsonValue
from secvault.service import drill_scenarios, drills
from secvault.service.service import Service
from secvault.service.spine import Caller


def read_report(
    service: Service, caller: Caller, drill_id: str, form: str, language: str
) -> Report:
    """The report on a drill or a scenario. form: `html` or `pdf`. language: `en` or `vi`.

    Raises NotFound, InvalidInput, and Damaged where the evidence is not what was signed.
    """
    verified, _, note = read_evidence(service, caller, drill_id)
    return files.report_of(verified, note, form, language)


def read_evidence(
    service: Service, caller: Caller, drill_id: str
) -> tuple[dict[str, JsonValue], bytes, bytes]:
    """The verified evidence of a drill or of a scenario, with its exact bytes and signed note.

    Raises NotFound, and Damaged.
    """
    if stored.find_drill(service.backups, drill_id) is not None:
        return drills.read_evidence(service, caller, drill_id)
    report = drill_scenarios.read_scenario(service, caller, drill_id)
    return report.document, report.signed.document, report.signed.note
