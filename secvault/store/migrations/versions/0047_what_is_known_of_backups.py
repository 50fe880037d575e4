"""what is known of backups: the catalogue, the numbers of runs, what is strange, pings

Revision: 0047
Before: 0046
"""

import sqlalchemy as sa
from alembic import op

revision = "0047"
down_revision = "0046"
branch_labels = None
depends_on = None

# The order of the UTF-8 bytes, whatever the database's locale.
text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

_TABLES = (
    "backup_snapshot",
    "backup_catalogue",
    "backup_measure",
    "backup_numbers",
    "backup_anomaly",
    "backup_watch",
    "backup_told",
    "backup_ping",
)


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "backup_snapshot",
        sa.Column("repository", text, nullable=False),
        sa.Column("id", text, nullable=False),
        sa.Column("plan", text, nullable=False),
        sa.Column("run", text, nullable=False),
        sa.Column("taken_at", sa.BigInteger(), nullable=False),
        sa.Column("host", text, nullable=False),
        sa.Column("paths", text, nullable=False),
        sa.Column("tags", text, nullable=False),
        sa.Column("files", sa.BigInteger(), nullable=True),
        sa.Column("bytes", sa.BigInteger(), nullable=True),
        sa.Column("bytes_added", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("repository", "id", name=op.f("pk_backup_snapshot")),
    )
    op.create_table(
        "backup_catalogue",
        sa.Column("plan", text, nullable=False),
        sa.Column("repository", text, nullable=False),
        sa.Column("refreshed_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("plan", "repository", name=op.f("pk_backup_catalogue")),
    )
    op.create_table(
        "backup_measure",
        sa.Column("plan", text, nullable=False),
        sa.Column("repository", text, nullable=False),
        sa.Column("measured_at", sa.BigInteger(), nullable=False),
        sa.Column("snapshots", sa.BigInteger(), nullable=False),
        sa.Column("stored_bytes", sa.BigInteger(), nullable=False),
        sa.Column("plain_bytes", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "plan", "repository", "measured_at", name=op.f("pk_backup_measure")
        ),
    )
    op.create_table(
        "backup_numbers",
        sa.Column("run", text, nullable=False),
        sa.Column("plan", text, nullable=False),
        sa.Column("snapshot", text, nullable=False),
        sa.Column("data_at", sa.BigInteger(), nullable=False),
        sa.Column("scope", text, nullable=False),
        sa.Column("files", sa.BigInteger(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("bytes_added", sa.BigInteger(), nullable=False),
        sa.Column("files_new", sa.BigInteger(), nullable=False),
        sa.Column("files_changed", sa.BigInteger(), nullable=False),
        sa.Column("sampled", sa.BigInteger(), nullable=False),
        sa.Column("random_looking", sa.BigInteger(), nullable=False),
        sa.Column("sources", text, nullable=False),
        sa.Column("judged_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("run", name=op.f("pk_backup_numbers")),
    )
    op.create_table(
        "backup_anomaly",
        sa.Column("run", text, nullable=False),
        sa.Column("rule", text, nullable=False),
        sa.Column("subject", text, nullable=False),
        sa.Column("plan", text, nullable=False),
        sa.Column("snapshot", text, nullable=False),
        sa.Column("found_at", sa.BigInteger(), nullable=False),
        sa.Column("percent", sa.BigInteger(), nullable=False),
        sa.Column("threshold", sa.BigInteger(), nullable=False),
        sa.Column("files", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("run", "rule", "subject", name=op.f("pk_backup_anomaly")),
    )
    op.create_table(
        "backup_watch",
        sa.Column("plan", text, nullable=False),
        sa.Column("first_seen_at", sa.BigInteger(), nullable=False),
        sa.Column("told_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("plan", name=op.f("pk_backup_watch")),
    )
    op.create_table(
        "backup_told",
        sa.Column("cause", text, nullable=False),
        sa.Column("told_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("cause", name=op.f("pk_backup_told")),
    )
    op.create_table(
        "backup_ping",
        sa.Column("run", text, nullable=False),
        sa.Column("event", text, nullable=False),
        sa.Column("plan", text, nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("state", text, nullable=False),
        sa.Column("attempts", sa.BigInteger(), nullable=False),
        sa.Column("next_try_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("reason", text, nullable=True),
        sa.PrimaryKeyConstraint("run", "event", name=op.f("pk_backup_ping")),
    )
    for table, columns in (
        ("backup_snapshot", ["plan", "taken_at"]),
        ("backup_numbers", ["plan", "data_at"]),
        ("backup_anomaly", ["plan", "found_at"]),
    ):
        op.create_index(op.f(f"ix_{table}_{'_'.join(columns)}"), table, columns)
    for name, table, column, where in (
        ("ix_backup_numbers_unjudged", "backup_numbers", "data_at", "judged_at IS NULL"),
        ("ix_backup_ping_waiting", "backup_ping", "next_try_at", "state = 'waiting'"),
    ):
        chosen = sa.text(where)
        op.create_index(name, table, [column], sqlite_where=chosen, postgresql_where=chosen)


def downgrade() -> None:
    """Take them away; their indexes go with them."""
    for table in reversed(_TABLES):
        op.drop_table(table)
