"""What is done when a backup run, or a check, has failed for good: nobody has to look for it."""

from __future__ import annotations

from secvault.backup import in_order
from secvault.backup.claims import TakenOver, reason_of
from secvault.service import backup_notices
from secvault.service.service import Service
from secvault.store import tables


def run_failed(service: Service, plan: str, run_id: str, error: BaseException) -> None:
    """End the run, which is not tried again, with all that is done after a failure."""
    in_order.failed(service.backups, plan, run_id, error)
    if not in_order.is_elsewhere(service.backups, run_id, error):
        backup_notices.tell_failed(service, plan, run_id, backup_notices.code_of(error))


def check_failed(service: Service, check_id: str, error: BaseException) -> None:
    """End the check, which is not tried again."""
    if not isinstance(error, TakenOver):
        service.backups.end(tables.backup_check, check_id, "failed", reason_of(error))
