"""archives of the audit log

Revision: 0039
Before: 0038
"""

import sqlalchemy as sa
from alembic import op

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None

# The order of the UTF-8 bytes, whatever the database's locale.
text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

_TABLES = ("audit_archive", "audit_leaves")


def upgrade() -> None:
    """Make the tables, and let entries go from the store that an archive holds, and no others."""
    op.create_table(
        "audit_archive",
        sa.Column("first", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("stop", sa.BigInteger(), nullable=False),
        sa.Column("name", text, nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("first_t", sa.BigInteger(), nullable=False),
        sa.Column("last_t", sa.BigInteger(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("keep_until", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "stop > first AND stop % 256 = 0 AND first % 256 = 0",
            name=op.f("ck_audit_archive_whole_bundles"),
        ),
        sa.PrimaryKeyConstraint("first", name=op.f("pk_audit_archive")),
    )
    op.create_table(
        "audit_leaves",
        sa.Column("n", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("hashes", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("n", name=op.f("pk_audit_leaves")),
    )
    op.create_table(
        "audit_archiving",
        sa.Column("first", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("stop", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("first", name=op.f("pk_audit_archiving")),
    )
    dialect = op.get_bind().dialect.name
    for statement in _SQLITE if dialect == "sqlite" else _POSTGRESQL:
        op.execute(statement)


def downgrade() -> None:
    """Take the tables away; only while nothing is archived, since entries would be lost."""
    if op.get_bind().scalar(sa.text("SELECT count(*) FROM audit_archive")):
        raise RuntimeError("entries of the audit log lie in archives; they cannot be given up")
    dialect = op.get_bind().dialect.name
    for statement in _SQLITE_BACK if dialect == "sqlite" else _POSTGRESQL_BACK:
        op.execute(statement)
    for name in ("audit_archiving", "audit_leaves", "audit_archive"):
        op.drop_table(name)
    if dialect == "postgresql":
        op.execute("DROP FUNCTION audit_event_archived()")
        op.execute("DROP FUNCTION audit_archive_follows()")


# An entry goes only where an archive that was read back holds it, and its own hash stays here.
_SQLITE = (
    "DROP TRIGGER audit_event_no_delete",
    """CREATE TRIGGER audit_event_no_delete BEFORE DELETE ON audit_event
        WHEN NOT coalesce((SELECT stop > OLD.seq FROM audit_archive
                WHERE first <= OLD.seq ORDER BY first DESC LIMIT 1), 0)
            OR NOT coalesce((SELECT substr(hashes, OLD.seq % 256 * 32 + 1, 32) = OLD.leaf_hash
                FROM audit_leaves WHERE n = OLD.seq / 256), 0)
        BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END""",
    """CREATE TRIGGER audit_archive_follows BEFORE INSERT ON audit_archive
        WHEN NEW.first <> (SELECT coalesce(max(stop), 0) FROM audit_archive)
        BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END""",
    """CREATE TRIGGER audit_leaves_no_replace BEFORE INSERT ON audit_leaves
        WHEN EXISTS (SELECT 1 FROM audit_leaves WHERE n = NEW.n)
        BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END""",
    *(
        f"""CREATE TRIGGER {table}_no_{verb} BEFORE {verb.upper()} ON {table}
            BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END"""
        for table in _TABLES
        for verb in ("update", "delete")
    ),
)
_SQLITE_BACK = (
    "DROP TRIGGER audit_event_no_delete",
    """CREATE TRIGGER audit_event_no_delete BEFORE DELETE ON audit_event
        BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END""",
)
_POSTGRESQL = (
    "DROP TRIGGER audit_event_append_only ON audit_event",
    """CREATE TRIGGER audit_event_append_only BEFORE UPDATE ON audit_event
        FOR EACH ROW EXECUTE FUNCTION audit_event_refuse()""",
    """CREATE FUNCTION audit_event_archived() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN
            IF coalesce((SELECT stop > OLD.seq FROM audit_archive
                    WHERE first <= OLD.seq ORDER BY first DESC LIMIT 1), false)
                AND coalesce((SELECT substring(hashes FROM (OLD.seq % 256 * 32 + 1)::int FOR 32)
                    = OLD.leaf_hash FROM audit_leaves WHERE n = OLD.seq / 256), false)
            THEN RETURN OLD; END IF;
            RAISE EXCEPTION 'the audit log is append-only';
        END $$""",
    """CREATE TRIGGER audit_event_only_archived BEFORE DELETE ON audit_event
        FOR EACH ROW EXECUTE FUNCTION audit_event_archived()""",
    """CREATE FUNCTION audit_archive_follows() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN
            IF NEW.first = (SELECT coalesce(max(stop), 0) FROM audit_archive)
            THEN RETURN NEW; END IF;
            RAISE EXCEPTION 'the audit log is append-only';
        END $$""",
    """CREATE TRIGGER audit_archive_follows BEFORE INSERT ON audit_archive
        FOR EACH ROW EXECUTE FUNCTION audit_archive_follows()""",
    *(
        f"""CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table}
            FOR EACH ROW EXECUTE FUNCTION audit_event_refuse()"""
        for table in _TABLES
    ),
    *(
        f"""CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table}
            FOR EACH STATEMENT EXECUTE FUNCTION audit_event_refuse()"""
        for table in _TABLES
    ),
)
_POSTGRESQL_BACK = (
    "DROP TRIGGER audit_event_only_archived ON audit_event",
    "DROP TRIGGER audit_event_append_only ON audit_event",
    """CREATE TRIGGER audit_event_append_only BEFORE UPDATE OR DELETE ON audit_event
        FOR EACH ROW EXECUTE FUNCTION audit_event_refuse()""",
)
