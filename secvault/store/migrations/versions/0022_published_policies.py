"""policies that are published in the store, and grants whose history cannot be rewritten

Revision: 0022
Before: 0021
"""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

# The order of the UTF-8 bytes, whatever the database's locale.
text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

_PUBLISHED = "published policies are append-only"
# An end that has not come may be put off or brought forward: no answer about the past changes.
_GRANTED = "of a grant only its end can be written: as-of answers rest on the rest"
_FIXED = (
    "id",
    "subject",
    "role",
    "department",
    "not_before",
    "granted_by",
    "created_at",
    "source",
)

_REWRITTEN = " OR ".join(f"OLD.{column} IS NOT NEW.{column}" for column in _FIXED)
_REWRITTEN_THERE = _REWRITTEN.replace("IS NOT", "IS DISTINCT FROM")

_SQLITE = (
    f"""CREATE TRIGGER policy_version_no_update BEFORE UPDATE ON policy_version
        BEGIN SELECT RAISE(ABORT, '{_PUBLISHED}'); END""",
    f"""CREATE TRIGGER policy_version_no_delete BEFORE DELETE ON policy_version
        BEGIN SELECT RAISE(ABORT, '{_PUBLISHED}'); END""",
    # INSERT OR REPLACE deletes without firing the trigger above.
    """CREATE TRIGGER policy_version_no_replace BEFORE INSERT ON policy_version
        WHEN EXISTS (SELECT 1 FROM policy_version WHERE number = NEW.number)
        BEGIN SELECT RAISE(ABORT, 'published policies are append-only'); END""",
    f"""CREATE TRIGGER role_grant_history BEFORE UPDATE ON role_grant
        WHEN OLD.revoked_at IS NOT NULL OR {_REWRITTEN}
        BEGIN SELECT RAISE(ABORT, '{_GRANTED}'); END""",
    f"""CREATE TRIGGER role_grant_no_delete BEFORE DELETE ON role_grant
        BEGIN SELECT RAISE(ABORT, '{_GRANTED}'); END""",
)
_POSTGRESQL = (
    f"""CREATE FUNCTION policy_version_refuse() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION '{_PUBLISHED}'; END $$""",
    """CREATE TRIGGER policy_version_append_only BEFORE UPDATE OR DELETE ON policy_version
        FOR EACH ROW EXECUTE FUNCTION policy_version_refuse()""",
    """CREATE TRIGGER policy_version_no_truncate BEFORE TRUNCATE ON policy_version
        FOR EACH STATEMENT EXECUTE FUNCTION policy_version_refuse()""",
    f"""CREATE FUNCTION role_grant_refuse() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION '{_GRANTED}'; END $$""",
    f"""CREATE TRIGGER role_grant_history BEFORE UPDATE ON role_grant FOR EACH ROW
        WHEN (OLD.revoked_at IS NOT NULL OR {_REWRITTEN_THERE})
        EXECUTE FUNCTION role_grant_refuse()""",
    """CREATE TRIGGER role_grant_no_delete BEFORE DELETE ON role_grant
        FOR EACH ROW EXECUTE FUNCTION role_grant_refuse()""",
    """CREATE TRIGGER role_grant_no_truncate BEFORE TRUNCATE ON role_grant
        FOR EACH STATEMENT EXECUTE FUNCTION role_grant_refuse()""",
)
_SQLITE_BACK = (
    "DROP TRIGGER role_grant_history",
    "DROP TRIGGER role_grant_no_delete",
    "DROP TABLE policy_version",
)
_POSTGRESQL_BACK = (
    "DROP TRIGGER role_grant_history ON role_grant",
    "DROP TRIGGER role_grant_no_delete ON role_grant",
    "DROP TRIGGER role_grant_no_truncate ON role_grant",
    "DROP FUNCTION role_grant_refuse()",
    "DROP TABLE policy_version",
    "DROP FUNCTION policy_version_refuse()",
)


def upgrade() -> None:
    op.create_table(
        "policy_version",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("digest", text, nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("published_at", sa.BigInteger(), nullable=False),
        sa.Column("published_by", text, nullable=False),
        sa.Column("note", text, nullable=False),
        sa.Column("proposal", text, nullable=True),
        sa.CheckConstraint("number > 0", name=op.f("ck_policy_version_numbered")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_policy_version")),
    )
    _run(_SQLITE, _POSTGRESQL)


def downgrade() -> None:
    _run(_SQLITE_BACK, _POSTGRESQL_BACK)


def _run(sqlite: tuple[str, ...], postgresql: tuple[str, ...]) -> None:
    for statement in sqlite if op.get_bind().dialect.name == "sqlite" else postgresql:
        op.execute(statement)
