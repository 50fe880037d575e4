"""Which breaches of the rules of separation are known, so that each is told once: rows."""

from __future__ import annotations

from sqlalchemy import Connection, delete, select

from secvault.store.engine import insert_unless_there
from secvault.store.tables import separation_finding

Known = tuple[str, str]
"""The id of a rule, and the subject; empty for too many holders of a role."""


def known_findings(connection: Connection) -> frozenset[Known]:
    """All that are known."""
    column = separation_finding.c
    rows = connection.execute(select(column.rule, column.subject))
    return frozenset((row.rule, row.subject) for row in rows)


def keep_finding(connection: Connection, finding: Known, at: int) -> bool:
    """Keep it; whether it was news. at: micros."""
    rule, subject = finding
    values = {"rule": rule, "subject": subject, "first_seen_at": at}
    return insert_unless_there(connection, separation_finding, values)


def forget_finding(connection: Connection, finding: Known) -> None:
    """Forget what is over, so that it is news when it comes again."""
    rule, subject = finding
    column = separation_finding.c
    connection.execute(
        delete(separation_finding).where(column.rule == rule, column.subject == subject)
    )
