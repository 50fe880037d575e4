"""erasures, legal holds, runs of retention, and data keys apart from backups

Revision: 0031
Before: 0030
"""

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None

# The order of the UTF-8 bytes, whatever the database's locale.
text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def _texts(*names: str, nullable: bool = False) -> list[sa.Column[str]]:
    return [sa.Column(name, text, nullable=nullable) for name in names]


def _moments(*names: str, nullable: bool = False) -> list[sa.Column[int]]:
    return [sa.Column(name, sa.BigInteger(), nullable=nullable) for name in names]


def _counts(*names: str, nullable: bool = False) -> list[sa.Column[int]]:
    return [sa.Column(name, sa.Integer(), nullable=nullable) for name in names]


def _bytes(*names: str) -> list[sa.Column[bytes]]:
    return [sa.Column(name, sa.LargeBinary(), nullable=False) for name in names]


def upgrade() -> None:
    """Make the tables. What was deleted before they were there was not erased."""
    _erased()
    op.create_table(
        "legal_hold",
        *_texts("id", "kind", "collection", "target", "reason", "placed_by"),
        *_moments("placed_at"),
        *_texts("lifted_by", nullable=True),
        *_moments("lifted_at", nullable=True),
        *_texts("lift_reason", nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_legal_hold")),
    )
    op.create_index(op.f("ix_legal_hold_lifted_at"), "legal_hold", ["lifted_at"])
    _retention()
    here = op.create_table(
        "keys_here",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        *_moments("since"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_keys_here")),
    )
    # A store of before this has its keys, also one that came out of a backup of then.
    op.bulk_insert(here, [{"id": 1, "since": 0}])


def _erased() -> None:
    op.create_table(
        "erasure",
        *_texts("id", "kind", "asked_by"),
        *_moments("at"),
        *_counts("records", "keys"),
        *_bytes("document", "note"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_erasure")),
    )
    op.create_index(op.f("ix_erasure_at_id"), "erasure", ["at", "id"])
    op.create_table(
        "erased_record",
        *_texts("collection", "id", "erasure"),
        *_moments("erased_at"),
        sa.PrimaryKeyConstraint("collection", "id", "erasure", name=op.f("pk_erased_record")),
    )
    op.create_index(op.f("ix_erased_record_erasure"), "erased_record", ["erasure"])
    op.create_table(
        "erased_subject",
        *_texts("collection", "subject", "erasure"),
        *_bytes("reference"),
        *_moments("created_at", "erased_at"),
        sa.PrimaryKeyConstraint("collection", "subject", "erasure", name=op.f("pk_erased_subject")),
    )
    op.create_index(op.f("ix_erased_subject_erasure"), "erased_subject", ["erasure"])


def _retention() -> None:
    op.create_table(
        "retention_run",
        *_texts("id", "state", "proposed_by"),
        *_moments("proposed_at"),
        *_texts("digest"),
        *_counts("records", "damaged"),
        *_texts("approved_by", nullable=True),
        *_moments("approved_at", "finished_at", nullable=True),
        *_texts("erasure", "job", nullable=True),
        *_texts("approvals"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_retention_run")),
        sa.UniqueConstraint("job", name=op.f("uq_retention_run_job")),
    )
    op.create_index(op.f("ix_retention_run_proposed_at"), "retention_run", ["proposed_at"])
    op.create_table(
        "retention_item",
        *_texts("run", "collection", "id", "subject", "since", "due", "period", "state"),
        *_counts("keys", nullable=True),
        *_moments("decided_at", nullable=True),
        sa.PrimaryKeyConstraint("run", "collection", "id", name=op.f("pk_retention_item")),
        sa.ForeignKeyConstraint(["run"], ["retention_run.id"], name=op.f("fk_retention_item_run")),
    )
    op.create_index(
        op.f("ix_retention_item_run_state_collection_id"),
        "retention_item",
        ["run", "state", "collection", "id"],
    )


def downgrade() -> None:
    """Take the tables away, and with them the knowledge of what was erased."""
    for table in (
        *("keys_here", "retention_item", "retention_run", "legal_hold"),
        *("erased_subject", "erased_record", "erasure"),
    ):
        op.drop_table(table)
