"""Access reviews: when rules were last used, campaigns and their items; and break-glass."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Table, UniqueConstraint

from secvault.store.tables.schema import metadata
from secvault.store.written import BigInteger, Integer, LargeBinary, Text

rule_use = Table(
    "rule_use",
    metadata,
    # user:<id> or svc:<id>
    Column("subject", Text, primary_key=True),
    # The id of the rule that allowed something.
    Column("rule", Text, primary_key=True),
    Column("department", Text, primary_key=True),
    # The newest day: days since the epoch, UTC.
    Column("day", BigInteger, nullable=False),
)

use_cursor = Table(
    "use_cursor",
    metadata,
    Column("name", Text, primary_key=True),
    # The last event of the audit log that was looked at.
    Column("seq", BigInteger, nullable=False),
    # When the first one happened: what was used before is not known.
    Column("since", BigInteger, nullable=False),
)

review_campaign = Table(
    "review_campaign",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    # Who answers for it: user:<id>, or local:operator.
    Column("owner", Text, nullable=False),
    Column("started_by", Text, nullable=False),
    # What is reviewed, and by whom, JSON.
    Column("scope", Text, nullable=False),
    Column("reviewers", Text, nullable=False),
    # revoke or shorten, and to how many days.
    Column("overdue", Text, nullable=False),
    Column("overdue_days", Integer, nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("deadline", BigInteger, nullable=False),
    # What was true when it began, JSON: the policy, and systems that nobody answers for.
    Column("frozen", Text, nullable=False),
    # open, then finished, once
    Column("state", Text, nullable=False),
    Column("finished_at", BigInteger),
    Column("finished_by", Text),
    # The signed evidence, once it is finished.
    Column("document", LargeBinary),
    Column("note", LargeBinary),
    # The job that began it; each job begins one.
    Column("job", Text, unique=True),
    # Which are open?
    Index(None, "state"),
)

review_item = Table(
    "review_item",
    metadata,
    Column("id", Text, primary_key=True),
    Column("campaign", Text, ForeignKey("review_campaign.id"), nullable=False),
    Column("grant_id", Text, ForeignKey("role_grant.id"), nullable=False),
    Column("subject", Text, nullable=False),
    # The rest of the grant, and what was known of it when the campaign began, JSON.
    Column("facts", Text, nullable=False),
    # user:<id>; null while there is nobody who could.
    Column("reviewer", Text),
    # open or escalated; then kept, shortened, revoked, lapsed or void, once
    Column("state", Text, nullable=False),
    Column("decided_by", Text),
    Column("decided_at", BigInteger),
    Column("comment", Text),
    # When the grant ends by the decision.
    Column("new_end", BigInteger),
    UniqueConstraint("campaign", "grant_id"),
    # What is to be reviewed by this person?
    Index(None, "reviewer", "state"),
)

review_told = Table(
    "review_told",
    metadata,
    # What was told, and whom: told once, by whichever node is first.
    Column("cause", Text, primary_key=True),
    Column("told_at", BigInteger, nullable=False),
)

break_glass_incident = Table(
    "break_glass_incident",
    metadata,
    # The id of the grant that it is; of a recovery, an id of its own.
    Column("id", Text, primary_key=True),
    # emergency, drill or recovery
    Column("kind", Text, nullable=False),
    # user:<id>, or local:operator for a recovery.
    Column("subject", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger),
    Column("ended_by", Text),
    Column("review_by", BigInteger, nullable=False),
    # open; lapsed when nobody reviewed it in time; then reviewed
    Column("state", Text, nullable=False),
    Column("reviewed_at", BigInteger),
    Column("reviewed_by", Text),
    Column("findings", Text),
    # Which wait for a review?
    Index(None, "state"),
    # Which has this person?
    Index(None, "subject"),
)
