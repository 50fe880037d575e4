"""Migrated PostgreSQL databases that are used again: to copy one takes longer than most tests.

One that comes back gets the rows that it had at first. Where more than rows has changed, by what
the server's own catalogues say, it is dropped.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import psycopg
from psycopg.sql import SQL, Composed, Identifier

from secvault.store import migrate, open_store

PATIENCE_SECONDS = 60
_OWN = "(SELECT oid FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema')"
# All but rows. The copies of a database have its object identifiers.
_SCHEMA = f"""
SELECT md5(string_agg(line, '|' ORDER BY line)) FROM (
    SELECT concat_ws(' ', 'relation', oid, relname, relkind, relowner, relacl, reloptions,
                     relrowsecurity, relreplident) AS line
    FROM pg_class WHERE relnamespace IN {_OWN}
    UNION ALL SELECT concat_ws(' ', 'column', attrelid, attnum, attname, atttypid, attnotnull,
                               attacl, attisdropped)
    FROM pg_attribute JOIN pg_class ON attrelid = pg_class.oid AND relnamespace IN {_OWN}
    UNION ALL SELECT concat_ws(' ', 'default', oid, pg_get_expr(adbin, adrelid)) FROM pg_attrdef
    UNION ALL SELECT concat_ws(' ', 'index', indexrelid, indisvalid, indisready) FROM pg_index
    UNION ALL SELECT concat_ws(' ', 'trigger', oid, tgname, tgrelid, tgenabled) FROM pg_trigger
    UNION ALL SELECT concat_ws(' ', 'rule', oid, rulename, ev_enabled) FROM pg_rewrite
    UNION ALL SELECT concat_ws(' ', 'constraint', oid, conname, convalidated) FROM pg_constraint
    UNION ALL SELECT concat_ws(' ', 'function', oid, proname, prosrc) FROM pg_proc
    WHERE pronamespace IN {_OWN}
    UNION ALL SELECT concat_ws(' ', 'type', oid, typname) FROM pg_type WHERE typnamespace IN {_OWN}
    UNION ALL SELECT concat_ws(' ', 'schema', oid, nspname, nspacl) FROM pg_namespace
    WHERE oid IN {_OWN}
    UNION ALL SELECT concat_ws(' ', 'extension', oid, extname) FROM pg_extension
    UNION ALL SELECT concat_ws(' ', 'settings', setrole, setconfig)
    FROM pg_db_role_setting JOIN pg_database ON setdatabase = pg_database.oid
    WHERE datname = current_database()
    UNION ALL SELECT concat_ws(' ', 'database', datacl, datconnlimit, datallowconn)
    FROM pg_database WHERE datname = current_database()
) AS lines"""
_FILLED = f"""
SELECT nspname, relname FROM pg_class JOIN pg_namespace ON relnamespace = pg_namespace.oid
WHERE relkind = 'r' AND relnamespace IN {_OWN} AND pg_relation_size(pg_class.oid) > 0"""
_SEQUENCES = f"SELECT count(*) FROM pg_class WHERE relkind = 'S' AND relnamespace IN {_OWN}"
_OTHERS = "FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()"


class SpareDatabases:
    """Databases of one server, all alike when they are lent. server: the URL of a superuser."""

    def __init__(self, server: str) -> None:
        self._server = server
        self._spare: list[str] = []
        self._made: list[str] = []
        self._first = self._new("template1")
        store = open_store(self.url(self._first))
        migrate.upgrade(store)
        store.close()
        with psycopg.connect(self.url(self._first)) as connection:
            # What a sequence has given is not a row.
            assert connection.execute(_SEQUENCES).fetchall() == [(0,)]
            self._schema = connection.execute(_SCHEMA).fetchall()
            self._rows: dict[tuple[str, str], bytes] = {}
            for table in _filled(connection):
                with connection.cursor().copy(SQL("COPY {} TO STDOUT").format(_named(table))) as it:
                    self._rows[table] = b"".join(bytes(part) for part in it)

    def url(self, name: str) -> str:
        """The URL of a database of the server."""
        return urlsplit(self._server)._replace(path=f"/{name}").geturl()

    @contextmanager
    def lent(self) -> Iterator[str]:
        """The URL of a database that nobody else uses meanwhile."""
        name = self._spare.pop() if self._spare else self._new(self._first)
        yield self.url(name)
        if self._as_at_first(name):
            self._spare.append(name)
        else:
            self._drop(name)

    def close(self) -> None:
        """Drop them all."""
        for name in tuple(self._made):
            self._drop(name)

    def _as_at_first(self, name: str) -> bool:
        with psycopg.connect(self.url(name), autocommit=True) as connection:
            _alone(connection, name)
            if connection.execute(_SCHEMA).fetchall() != self._schema:
                return False
            with connection.transaction():
                # Neither triggers nor references hold it up: the log is one that only grows.
                connection.execute("SET LOCAL session_replication_role = replica")
                tables = SQL(", ").join(_named(table) for table in _filled(connection))
                connection.execute(SQL("TRUNCATE {} CASCADE").format(tables))
                for table, rows in self._rows.items():
                    into = SQL("COPY {} FROM STDIN").format(_named(table))
                    with connection.cursor().copy(into) as it:
                        it.write(rows)
        return True

    def _new(self, template: str) -> str:
        name = f"test_{secrets.token_hex(6)}"
        with psycopg.connect(self._server, autocommit=True) as connection:
            connection.execute(
                SQL("CREATE DATABASE {} TEMPLATE {}").format(Identifier(name), Identifier(template))
            )
        self._made.append(name)
        return name

    def _drop(self, name: str) -> None:
        with psycopg.connect(self._server, autocommit=True) as connection:
            connection.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))
        self._made.remove(name)


def _alone(connection: psycopg.Connection, name: str) -> None:
    """End all other connections, of which killed programs leave some for a moment."""
    end = time.monotonic() + PATIENCE_SECONDS
    while connection.execute(f"SELECT pg_terminate_backend(pid) {_OTHERS}", [name]).fetchall():
        assert time.monotonic() < end, "a connection to the database does not end"
        time.sleep(0.01)


def _filled(connection: psycopg.Connection) -> list[tuple[str, str]]:
    return [(str(schema), str(name)) for schema, name in connection.execute(_FILLED).fetchall()]


def _named(table: tuple[str, str]) -> Composed | Identifier:
    return Identifier(*table)
