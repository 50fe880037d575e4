"""The schema's history: what may be opened, what is upgraded, and what is refused."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import insert, inspect, select, text

from secvault.errors import Conflict, StoreVersion, Unavailable
from secvault.store import Store, migrate, open_store, tables
from secvault.store.written import type_differs

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
HEAD = migrate.head()

# What a later program would bring: a parent table made anew, as SQLite needs it for most changes.
NEXT = '''"""the next schema"""

import sqlalchemy as sa
from alembic import op

revision = "later"
down_revision = "{head}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("record", recreate="auto") as batch:
        batch.add_column(sa.Column("colour", sa.Text(), nullable=True))
        batch.alter_column("version", new_column_name="edition")
    {more}
'''

UPGRADE = """
import sys
from pathlib import Path
from secvault.store import migrate, open_store
store = open_store(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
print(*migrate.upgrade(store, Path(sys.argv[2])), flush=True)
store.close()
"""


@pytest.fixture
def empty(any_store_url: str) -> Store:
    return open_store(any_store_url)


@pytest.fixture
def later_program(tmp_path: Path) -> Path:
    return later(tmp_path / "later")


def later(folder: Path, more: str = "") -> Path:
    shutil.copytree(migrate.MIGRATIONS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    program = NEXT.format(more=more, head=HEAD)
    (folder / "versions" / "later_the_next_schema.py").write_text(program)
    return folder


def keep_a_record(store: Store) -> None:
    with store.write() as connection:
        connection.execute(
            insert(tables.record).values(
                collection="payroll",
                id="pay-1",
                subject="pay-1",
                version=1,
                plain=b"{}",
                tag=bytes(32),
                created_at=1,
                updated_at=1,
            )
        )
        connection.execute(
            insert(tables.record_field).values(
                collection="payroll", record="pay-1", field="salary", envelope=b"sealed"
            )
        )


def kept(store: Store) -> tuple[int, int]:
    count = "SELECT (SELECT count(*) FROM record), (SELECT count(*) FROM record_field)"
    with store.read() as connection:
        records, fields = connection.execute(text(count)).one()
    return records, fields


def test_a_fresh_store_becomes_what_the_tables_say(empty: Store) -> None:
    assert migrate.schema_revision(empty) is None
    assert migrate.upgrade(empty) == (None, HEAD)
    migrate.require_current(empty)
    assert migrate.schema_revision(empty) == HEAD
    with empty.read() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": type_differs, "compare_server_default": True}
        )
        assert compare_metadata(context, tables.metadata) == []


def test_checks_of_the_tables_are_in_the_database_too(empty: Store) -> None:
    # Which Alembic does not compare.
    migrate.upgrade(empty)
    with empty.read() as connection:
        found = {
            (table, check["name"])
            for table in tables.metadata.tables
            for check in inspect(connection).get_check_constraints(table)
        }
    assert found == {
        ("vault", "ck_vault_one"),
        ("audit_archive", "ck_audit_archive_whole_bundles"),
        ("approval", "ck_approval_nobody_approves_their_own"),
        ("separation_exception", "ck_separation_exception_nobody_excepts_themselves"),
        ("separation_exception", "ck_separation_exception_ends_after_its_start"),
        ("policy_version", "ck_policy_version_numbered"),
        ("role_eligibility", "ck_role_eligibility_nobody_for_themselves"),
    }


def test_upgrading_again_changes_nothing(any_store: Store) -> None:
    keep_a_record(any_store)
    assert migrate.upgrade(any_store) == (HEAD, HEAD)
    assert kept(any_store) == (1, 1)


def test_an_empty_store_is_refused(empty: Store) -> None:
    with pytest.raises(StoreVersion, match=r"^the store is empty: run `secvault init`$"):
        migrate.require_current(empty)


def test_a_newer_store_is_refused_and_left_alone(any_store: Store) -> None:
    with any_store.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0099'"))
    for refused in (migrate.require_current, migrate.upgrade):
        with pytest.raises(StoreVersion, match=r"newer program .schema 0099.*upgrade the program"):
            refused(any_store)
    assert migrate.schema_revision(any_store) == "0099"


def test_an_older_store_is_refused_until_it_is_upgraded(
    any_store: Store, later_program: Path
) -> None:
    with pytest.raises(StoreVersion, match=r"older than this program: run `secvault db upgrade`"):
        migrate.require_current(any_store, later_program)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ("DROP TABLE audit_outbox", "half-migrated, it lacks audit_outbox: restore"),
        ("ALTER TABLE record DROP COLUMN tag", "half-migrated, it lacks record.tag: restore"),
        ("DELETE FROM alembic_version", "has tables but no schema version: restore"),
        ("DROP TABLE alembic_version", "has tables but no schema version: restore"),
        (
            "INSERT INTO alembic_version VALUES ('0000')",
            f"half-way between schemas 0000, {HEAD}",
        ),
    ],
)
def test_a_half_migrated_store_is_refused(any_store: Store, damage: str, words: str) -> None:
    with any_store.write() as connection:
        connection.execute(text(damage))
    with pytest.raises(StoreVersion, match=words):
        migrate.require_current(any_store)


@pytest.mark.parametrize(
    "damage", ["DROP TABLE alembic_version", "INSERT INTO alembic_version VALUES ('0000')"]
)
def test_a_half_migrated_store_is_not_upgraded(any_store: Store, damage: str) -> None:
    with any_store.write() as connection:
        connection.execute(text(damage))
    with pytest.raises(StoreVersion):
        migrate.upgrade(any_store)


def test_an_upgrade_keeps_the_rows_of_a_table_made_anew_and_those_that_refer_to_it(
    any_store: Store, later_program: Path
) -> None:
    keep_a_record(any_store)
    assert migrate.upgrade(any_store, later_program) == (HEAD, "later")
    assert kept(any_store) == (1, 1)
    with any_store.read() as connection:
        assert connection.execute(text("SELECT edition, colour FROM record")).one() == (1, None)
    # References are checked again, and lead to the new table.
    with pytest.raises(Conflict), any_store.write() as connection:
        connection.execute(text("UPDATE record_field SET record = 'none'"))
    with any_store.write() as connection:
        connection.execute(text("DELETE FROM record"))
    assert kept(any_store) == (0, 0)


def test_an_upgrade_that_fails_leaves_the_store_as_it_was(any_store: Store, tmp_path: Path) -> None:
    keep_a_record(any_store)
    program = later(tmp_path / "failing", "op.execute('INSERT INTO no_such_table VALUES (1)')")
    with pytest.raises(Exception, match="no_such_table"):
        migrate.upgrade(any_store, program)
    migrate.require_current(any_store)
    assert kept(any_store) == (1, 1)


def test_an_upgrade_that_breaks_references_is_undone(any_store: Store, tmp_path: Path) -> None:
    keep_a_record(any_store)
    program = later(tmp_path / "breaking", "op.execute(\"UPDATE record SET id = 'other'\")")
    with pytest.raises(Conflict):
        migrate.upgrade(any_store, program)
    migrate.require_current(any_store)
    assert kept(any_store) == (1, 1)


def test_programs_that_upgrade_at_once_wait_for_each_other(
    any_store: Store, any_url: str, later_program: Path
) -> None:
    keep_a_record(any_store)
    told = both_upgrade(any_url, later_program)
    assert all(line.endswith("later") for line in told)
    assert migrate.schema_revision(any_store) == "later"
    assert kept(any_store) == (1, 1)


def test_programs_that_make_a_store_at_once_make_one(empty: Store, any_store_url: str) -> None:
    both_upgrade(any_store_url, migrate.MIGRATIONS)
    migrate.require_current(empty)


def both_upgrade(url: str, migrations: Path) -> list[str]:
    """What two programs say that start at the same moment; both must succeed."""
    programs = [
        subprocess.Popen(
            [sys.executable, "-c", UPGRADE, url, str(migrations)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for one in programs:
        assert one.stdout is not None
        assert one.stdout.readline() == "ready\n"
    for one in programs:
        assert one.stdin is not None
        one.stdin.write("\n")
        one.stdin.flush()
    told = [one.communicate(timeout=300) for one in programs]
    assert [one.returncode for one in programs] == [0, 0], told
    return [said.strip() for said, _ in told]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "secvault.db"


@pytest.fixture
def store_in_file(file: Path) -> Store:
    store = open_store(f"sqlite:///{file}")
    migrate.upgrade(store)
    keep_a_record(store)
    return store


def test_a_sqlite_store_is_copied_beside_itself_before_an_upgrade(
    store_in_file: Store, file: Path, later_program: Path
) -> None:
    assert {path.name for path in file.parent.glob("*.before*")} == set()
    migrate.upgrade(store_in_file, later_program)
    copy = file.with_name(f"secvault.db.before-{HEAD}")
    assert set(file.parent.glob("*.before*")) == {copy}
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    store_in_file.close()
    old = open_store(f"sqlite:///{copy}")
    migrate.require_current(old)
    assert kept(old) == (1, 1)
    old.close()


def test_a_store_that_cannot_be_copied_is_not_upgraded(
    store_in_file: Store, file: Path, later_program: Path
) -> None:
    file.with_name(f"secvault.db.before-{HEAD}").mkdir()
    with pytest.raises(Unavailable, match="cannot be copied before the upgrade"):
        migrate.upgrade(store_in_file, later_program)
    migrate.require_current(store_in_file)
    left = {path.name for path in file.parent.iterdir()} - {"later"}
    assert left == {
        "secvault.db",
        "secvault.db-turn",
        "secvault.db-wal",
        "secvault.db-shm",
        f"secvault.db.before-{HEAD}",
    }


def test_the_second_of_two_upgrades_does_not_copy_the_new_schema_over_the_old(
    store_in_file: Store, file: Path, later_program: Path
) -> None:
    both_upgrade(f"sqlite:///{file}", later_program)
    with closing(sqlite3.connect(file.with_name(f"secvault.db.before-{HEAD}"))) as copy:
        assert copy.execute("SELECT version_num FROM alembic_version").fetchall() == [(HEAD,)]


def test_a_database_of_another_program_is_as_good_as_empty(file: Path) -> None:
    with closing(sqlite3.connect(file)) as other:
        other.execute("CREATE TABLE theirs (id INTEGER)")
        other.commit()
    store = open_store(f"sqlite:///{file}")
    with pytest.raises(StoreVersion, match="empty"):
        migrate.require_current(store)
    store.close()


def test_a_program_without_migrations_says_so(tmp_path: Path) -> None:
    shutil.copytree(migrate.MIGRATIONS, tmp_path / "none", ignore=shutil.ignore_patterns("0*"))
    with pytest.raises(StoreVersion, match="carries no migrations"):
        migrate.head(tmp_path / "none")


def test_the_names_of_the_migrations_say_which_revisions_they_are() -> None:
    assert migrate._history(migrate.MIGRATIONS) == migrate._read_history(migrate.MIGRATIONS)


def test_names_are_in_the_order_of_their_bytes_on_both_engines(any_store: Store) -> None:
    names = ["a-b", "a.b", "a_b", "ab", "B", "a", "Z", "é", "z"]
    with any_store.write() as connection:
        for name in names:
            connection.execute(
                insert(tables.mount).values(path=name, kind="k", department="d", created_at=1)
            )
    path = tables.mount.c.path
    with any_store.read() as connection:
        found = list(connection.execute(select(path).order_by(path)).scalars())
        after = list(connection.execute(select(path).where(path > "a.b").order_by(path)).scalars())
    assert found == sorted(names, key=lambda name: name.encode())
    assert after == found[found.index("a.b") + 1 :]
