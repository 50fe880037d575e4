"""How far each stream of the audit log has come, what detection has counted, and its alerts."""

from __future__ import annotations

from sqlalchemy import Column, Index, Table

from secvault.store.tables.schema import metadata
from secvault.store.written import BigInteger, Integer, Text

audit_stream = Table(
    "audit_stream",
    metadata,
    # Its name in the settings.
    Column("name", Text, primary_key=True),
    # The first event that it was to send; the last one that was acknowledged, first_seq - 1 for
    # none; the next one to send, which lies before that where something is sent once more.
    Column("first_seq", BigInteger, nullable=False),
    Column("acknowledged_seq", BigInteger, nullable=False),
    Column("next_seq", BigInteger, nullable=False),
    Column("acknowledged_at", BigInteger),
    # Since when nothing gets through, in how many attempts, why, and when the next one is due.
    Column("failing_since", BigInteger),
    Column("attempts", Integer, nullable=False),
    Column("reason", Text),
    Column("next_try_at", BigInteger, nullable=False),
    # When it was put on record that it stands still.
    Column("stalled_at", BigInteger),
)

audit_watch = Table(
    "audit_watch",
    metadata,
    # `events`: the last event that was looked at; `hour`: the last hour whose volume was compared.
    Column("name", Text, primary_key=True),
    Column("value", BigInteger, nullable=False),
)

audit_count = Table(
    "audit_count",
    metadata,
    # What is counted, of whom (empty for all), and in which slot of time.
    Column("measure", Text, primary_key=True),
    Column("subject", Text, primary_key=True),
    Column("slot", BigInteger, primary_key=True),
    Column("amount", BigInteger, nullable=False),
    # Which are too old to be kept?
    Index(None, "slot"),
)

audit_control = Table(
    "audit_control",
    metadata,
    # A control that the settings have, such as `stream:siem`, and how strong it was seen last.
    Column("name", Text, primary_key=True),
    Column("strength", BigInteger, nullable=False),
)

audit_alert = Table(
    "audit_alert",
    metadata,
    Column("id", Text, primary_key=True),
    Column("rule", Text, nullable=False),
    # Whom it is about, or what: `user:<id>`, `stream:siem`.
    Column("subject", Text, nullable=False),
    Column("first_at", BigInteger, nullable=False),
    # When it happened last, and how often since the first time, in the cool-down.
    Column("last_at", BigInteger, nullable=False),
    Column("times", BigInteger, nullable=False),
    # The event that raised it; null for one that no event did.
    Column("seq", BigInteger),
    # What was counted and what was too much; null where nothing is counted.
    Column("counted", BigInteger),
    Column("threshold", BigInteger),
    Column("acknowledged_at", BigInteger),
    Column("acknowledged_by", Text),
    # Was this raised of late?
    Index(None, "rule", "subject", "first_at"),
    # Which are open?
    Index(None, "acknowledged_at"),
)
