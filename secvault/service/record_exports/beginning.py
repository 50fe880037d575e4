"""The beginning of an export: decided, approved where the policy asks for it, and on record."""

from __future__ import annotations

from dataclasses import replace

import uuid_utils
from sqlalchemy import Connection

from secvault.crypto.canonical import JsonValue
from secvault.records.exports import register
from secvault.service.approval import Terms
from secvault.service.record_exports.reach import Reach
from secvault.service.record_exports.underway import Begun
from secvault.service.service import Service
from secvault.service.spine import Caller, Outcome
from secvault.store.engine import in_turn

_DIGITS = 2


def new_id() -> str:
    """The id of an export."""
    return uuid_utils.uuid7().hex


def begin(service: Service, caller: Caller, begun: Begun, within: Reach, count: int) -> Begun:
    """Put the export on record, and return it with how many records it may take away.

    count: as far as is known. More than `exports.approval_over` in a day by one person, this one
    among them, are what the policy may ask an approval for; de-identified ones only by themselves.
    Raises ApprovalRequired, Refused.
    """
    least, subject = service.settings.exports.approval_over, caller.principal.subject

    def left(connection: Connection) -> int:
        """How many more they may take away without an approval."""
        if begun.project:
            return least
        return max(0, least - register.taken(connection, subject, begun.at - register.DAY))

    def terms(connection: Connection) -> Terms | None:
        in_turn(connection, f"exports of {subject}")
        if count <= left(connection):
            return None
        told: dict[str, JsonValue] = {
            "collection": begun.collection.name,
            "records": _rounded_up(count),
            "filters": [*begun.filters],
            **begun.asked,
        }
        return {**told, "project": begun.project} if begun.project else told

    def act(connection: Connection) -> Outcome[int]:
        most = max(left(connection), _rounded_up(count))
        register.begin(
            connection,
            begun.id,
            collection=begun.collection.name,
            project=begun.project,
            requested_by=subject,
            at=begun.at,
            records=count,
        )
        # What left is another entry, at the end.
        detail: dict[str, str | int | bool] = {
            "export": begun.id,
            "format": str(begun.format),
            "version": begun.collection.version,
            "reason": "requested",
        }
        if begun.project:
            detail["project"] = begun.project
        if begun.filters:
            detail["searched"] = ",".join(begun.filters)
        return Outcome(most, fields=begun.shown, count=0, detail=detail)

    about = within.sorts[0].about if within.sorts else None
    operation = replace(begun.operation, about=None if about is None else lambda _: about)
    return replace(begun, most=service.spine.change(caller, operation, act, terms))


def _rounded_up(count: int) -> int:
    """Up to two digits and zeros, so that a few records more do not void an approval."""
    step: int = 10 ** max(0, len(str(count)) - _DIGITS)
    return -(-count // step) * step
