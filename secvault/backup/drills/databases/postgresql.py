"""A scratch PostgreSQL: made by initdb, filled by a role that may make databases and no more.

What pg_dumpall saved of roles is read and not run: a role with a superuser's rights could run
programs. The roles are made by us, without rights and without passwords, so that policies and
owners of a dump have somebody to name.
"""

from __future__ import annotations

import re
import secrets
import signal
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from secvault.backup.drills.databases import processes, programs, sockets
from secvault.backup.drills.databases.place import Place, password
from secvault.backup.drills.databases.processes import Room, Server
from secvault.backup.drills.databases.programs import Installed, ServerMissing, major_of
from secvault.backup.sources import kinds, logins, postgresql_figures
from secvault.backup.sources.figures import SUMS, TABLES
from secvault.backup.sources.loading import Facts, Wish, databases, text_of
from secvault.backup.sources.names import file_name
from secvault.backup.sources.postgresql import GLOBALS, SCHEMA, listing
from secvault.backup.sources.postgresql_server import PostgresqlServer, tables
from secvault.backup.sources.source import SourceEntry
from secvault.config.backup_sources import PostgresqlSource
from secvault.crypto.secret import Secret
from secvault.errors import BackupFailed, Damaged, SecvaultError

if TYPE_CHECKING:
    from psycopg import Connection

PORT = 5432
"""In the name of the socket; there is no network."""
_ADMINISTRATOR = "secvault"
_START_SECONDS = 120.0
_MOST_ROLES = 2_000
_RESERVED = re.compile(r"pg_|secvault_drill_|secvault$|public$|none$|current_|session_user$")
_SETTINGS = {
    "listen_addresses": "''",
    "max_connections": "20",
    "shared_buffers": "64MB",
    "maintenance_work_mem": "64MB",
    "max_wal_size": "128MB",
    "min_wal_size": "32MB",
    # It is thrown away; a crash of the machine is the end of the drill.
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "autovacuum": "off",
    "jit": "off",
    "max_worker_processes": "4",
    "max_logical_replication_workers": "0",
    "shared_preload_libraries": "''",
    # What is logged may quote rows.
    "log_min_messages": "fatal",
    "log_min_error_statement": "panic",
}
_OWNER = re.compile(r'^ALTER [A-Z ]+ .* OWNER TO ("(?:[^"]|"")+"|[^\s";]+);$')
_GRANTED = re.compile(
    r'^(?:GRANT|REVOKE) .* (?:TO|FROM) ("(?:[^"]|"")+"|[^\s";]+)(?: WITH GRANT OPTION)?;$'
)
_POLICY = re.compile(r"^CREATE POLICY .* TO (.+?)(?: USING | WITH CHECK |;$)")
_NAME = re.compile(r'"(?:[^"]|"")+"|[^\s",;]+')
_WRAPPERS = "SELECT fdwname FROM pg_foreign_data_wrapper"
_EXTENSION = re.compile(r"^\d+; 3079 \d+ EXTENSION - (.+?) *$", re.MULTILINE)
_UNTRUSTED = """
SELECT v.name, bool_or(e.extname IS NOT NULL) FROM pg_available_extension_versions v
LEFT JOIN pg_extension e ON e.extname = v.name
WHERE v.name = ANY(%s) AND v.superuser AND NOT v.trusted GROUP BY v.name"""
_AVAILABLE = "SELECT name FROM pg_available_extensions WHERE name = ANY(%s)"
_NO_LOCALE = re.compile(
    r"invalid (LC_COLLATE |LC_CTYPE )?locale name|could not (create locale|open collator)"
    r"|ICU is not supported"
)
_LOG_LINES = 400_000


@dataclass(frozen=True)
class ScratchPostgresql:
    """A running scratch server. host: the folder of its socket. role: who fills its databases."""

    entry: SourceEntry
    place: Place
    host: str
    programs: Path
    role: str
    password: Secret
    administrator: Secret
    minutes: int
    process: Server
    _roles: set[str] = field(default_factory=set)

    def load(self, saved: Path, name: str) -> None:
        """See `ScratchServer`."""
        one = databases(self.entry.facts)[name]
        self._make_roles(saved, name, one)
        facts = {**self.entry.facts, "databases": {name: _uncounted(one)}}
        wish = Wish(
            names={name: name},
            replace=True,
            # Of a script, owners cannot be left out.
            owners=False,
            apart=True,
            prepare=lambda made: self._prepare(made, saved, name, one),
        )
        turn = self.place.turn(self.entry.name, self.password)
        entry = msgspec.structs.replace(self.entry, facts=facts)
        try:
            kinds.load(entry, saved, self._as(self.role), turn, wish)
        except BackupFailed as error:
            if _NO_LOCALE.search(error.detail):
                locale = one.get("locale") or one.get("collate")
                raise ServerMissing(
                    f"{name} needs the locale {locale}, which this machine does not have; make it "
                    "(locale-gen)"
                ) from None
            raise

    def measure(self, name: str) -> Facts:
        """See `ScratchServer`."""
        one = databases(self.entry.facts)[name]
        with self._session(name) as connection:
            if SUMS in one:
                found = postgresql_figures.look(connection, None).facts()
            elif TABLES in one:
                found = {TABLES: tables(connection, None)}
            else:
                found = {}
        return {"databases": {name: {**found, "as": name}}}

    def drop(self, name: str) -> None:
        """See `ScratchServer`."""
        from psycopg.sql import SQL, Identifier  # noqa: PLC0415 - not loaded without such a source

        where = "template1" if name == "postgres" else "postgres"
        with self._server().session(where, autocommit=True) as connection:
            connection.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))
            if name == "postgres":
                # Others are made from within it.
                connection.execute("CREATE DATABASE postgres TEMPLATE template0")

    def ask(self, name: str, sql: str, seconds: int) -> str:
        """See `ScratchServer`."""
        with self._session(name) as connection:
            connection.execute("SELECT set_config('statement_timeout', %s, true)", [f"{seconds}s"])
            # A prepared statement is one alone, so that none ends the transaction that only reads.
            row = connection.execute(sql, prepare=True).fetchone()
        if row is None:
            raise BackupFailed("the question gives no row")
        return "" if row[0] is None else str(row[0])

    def environment(self, name: str) -> Mapping[str, str]:
        """See `ScratchServer`."""
        return {
            "PGHOST": self.host,
            "PGPORT": str(PORT),
            "PGUSER": self.role,
            "PGPASSWORD": self.password.text(),
            "PGDATABASE": name,
            "PGOPTIONS": "-c default_transaction_read_only=on",
        }

    def create(self, name: str) -> None:
        """Make an empty database."""
        from psycopg.sql import SQL, Identifier  # noqa: PLC0415 - not loaded without such a source

        with self._server().session("postgres", autocommit=True) as connection:
            # The template that nobody has put anything into.
            connection.execute(
                SQL("CREATE DATABASE {} TEMPLATE template0").format(Identifier(name))
            )

    def url(self, name: str) -> str:
        """A URL of a database on this server, as the role that may make some."""
        from sqlalchemy.engine import URL  # noqa: PLC0415 - only for secvault's own copy

        made = URL.create(
            "postgresql",
            self.role,
            self.password.text(),
            database=name,
            query={"host": self.host, "port": str(PORT)},
        )
        return made.render_as_string(hide_password=False)

    def _as(self, user: str) -> PostgresqlSource:
        return PostgresqlSource(
            host=self.host, port=PORT, user=user, programs=self.programs, minutes=self.minutes
        )

    def _server(self, user: str = "", secret: Secret | None = None) -> PostgresqlServer:
        turn = self.place.turn(self.entry.name, secret or self.password)
        return PostgresqlServer(self._as(user or self.role), turn)

    @contextmanager
    def _session(self, name: str) -> Iterator[Connection[Any]]:
        with self._server().session(name) as connection:
            yield connection

    @contextmanager
    def _ruling(self, name: str) -> Iterator[Connection[Any]]:
        server = self._server(_ADMINISTRATOR, self.administrator)
        with server.session(name, autocommit=True) as connection:
            # What a dump has put into the database must not be called by a superuser.
            connection.execute("SET search_path = pg_catalog")
            yield connection

    def _make_roles(self, saved: Path, name: str, one: Mapping[str, Any]) -> None:
        """Make the roles that a dump may name, without any right."""
        from psycopg.sql import SQL, Identifier  # noqa: PLC0415

        wanted: set[str] = set()
        script = saved / GLOBALS
        if script.is_file() and not script.is_symlink():
            wanted |= logins.of_postgresql(script)[0]
        wanted |= self._named(saved, name, one)
        wanted = {role for role in wanted if not _RESERVED.match(role)} - self._roles
        with self._ruling("template1") as connection:
            for role in sorted(wanted)[:_MOST_ROLES]:
                made = {"role": Identifier(role), "us": Identifier(self.role)}
                connection.execute(SQL("CREATE ROLE {role} NOLOGIN").format(**made))
                connection.execute(SQL("GRANT {role} TO {us}").format(**made))
                self._roles.add(role)

    def _named(self, saved: Path, name: str, one: Mapping[str, Any]) -> set[str]:
        """Whom the schema of a dump names: owners, in grants and in policies."""
        server = self._server()
        script = server.turn.scratch / "schema.sql"
        archive = str(self._archive(saved, name, one))
        how = ["--schema-only", "--file=-", archive]
        server.run("pg_restore", f"reading the schema of {name}", how, stdout=script)
        try:
            return set(_named_in(script))
        finally:
            script.unlink()

    def _prepare(self, made: str, saved: Path, name: str, one: Mapping[str, Any]) -> None:
        """What only an administrator may put into the new database."""
        from psycopg.sql import SQL, Identifier  # noqa: PLC0415

        wanted = self._extensions(saved, name, one)
        us, here = Identifier(self.role), Identifier(made)
        with self._ruling(made) as connection:
            there = {row[0] for row in connection.execute(_AVAILABLE, [wanted]).fetchall()}
            missing = [extension for extension in wanted if extension not in there]
            if missing:
                raise ServerMissing(
                    f"{name} needs the extension {missing[0]}, which the PostgreSQL on this "
                    "machine does not have; install it"
                )
            for extension, is_there in connection.execute(_UNTRUSTED, [wanted]).fetchall():
                if not is_there:
                    connection.execute(
                        SQL("CREATE EXTENSION {} SCHEMA public CASCADE").format(
                            Identifier(extension)
                        )
                    )
            # Some have tables, whose rows are in the dump.
            connection.execute(SQL("GRANT ALL ON ALL TABLES IN SCHEMA public TO {}").format(us))
            if self.process.alone:
                # They reach nobody.
                for (wrapper,) in connection.execute(_WRAPPERS).fetchall():
                    connection.execute(
                        SQL("GRANT USAGE ON FOREIGN DATA WRAPPER {} TO PUBLIC").format(
                            Identifier(wrapper)
                        )
                    )
            # So that comments on them are no reason to stop.
            connection.execute("UPDATE pg_extension SET extowner = %s::regrole", [self.role])
            # So that anybody may own what a script gives away.
            connection.execute(SQL("GRANT ALL ON DATABASE {} TO PUBLIC").format(here))
            connection.execute("GRANT ALL ON SCHEMA public TO PUBLIC")
            connection.execute(
                SQL("ALTER DEFAULT PRIVILEGES FOR ROLE {} GRANT ALL ON SCHEMAS TO PUBLIC").format(
                    us
                )
            )

    def _extensions(self, saved: Path, name: str, one: Mapping[str, Any]) -> list[str]:
        return _EXTENSION.findall(listing(self._server(), self._archive(saved, name, one)))

    def _archive(self, saved: Path, name: str, one: Mapping[str, Any]) -> Path:
        """What is in custom format of a database: its dump, or its schema beside a script."""
        plain = one.get("format") != "custom"
        return _own(saved, file_name(name, SCHEMA) if plain else text_of(one, "file"))


@contextmanager
def started(
    entry: SourceEntry, settings: PostgresqlSource, place: Place
) -> Iterator[ScratchPostgresql]:
    """A scratch server, while the block runs. Raises as `servers.running`."""
    wanted = major_of(entry.facts.get("server", 0))
    installed = programs.postgresql(place.environment, wanted, settings.programs)
    folder = place.folder / "postgresql"
    with (
        processes.room(
            folder, place.clock, place.cancel, place.environment, gentle=place.gentle
        ) as room,
        sockets.short(folder / "data", f".s.PGSQL.{PORT}") as (socket, link),
    ):
        administrator, ours = password(), password()
        _initialise(room, installed, administrator)
        if link is not None:
            room.also_remove(link)
        argv = [str(installed.folder / "postgres"), "-D", f"{room.inside}/data"]
        argv += ["-c", f"unix_socket_directories={room.socket_folder('data', socket)}"]
        argv += ["-c", f"port={PORT}"]
        for name, value in _SETTINGS.items():
            argv += ["-c", f"{name}={value.strip(chr(39))}"]
        with room.serving("PostgreSQL", argv, signal.SIGQUIT) as process:
            server = ScratchPostgresql(
                entry,
                place,
                str(socket),
                installed.folder,
                f"secvault_drill_{secrets.token_hex(6)}",
                ours,
                administrator,
                settings.minutes,
                process,
            )
            _wait(server)
            yield server


def _initialise(room: Room, installed: Installed, administrator: Secret) -> None:
    room.give("data")
    file = room.folder / "password"
    file.touch(mode=0o600)
    file.write_text(administrator.text() + "\n", "ascii")
    room.hand_over(file)
    how = [f"--pgdata={room.inside}/data", f"--username={_ADMINISTRATOR}", "--encoding=UTF8"]
    how += ["--auth=scram-sha-256", f"--pwfile={room.inside}/password", "--locale=C", "--no-sync"]
    try:
        room.run("making a PostgreSQL", [str(installed.folder / "initdb"), *how], _START_SECONDS)
    finally:
        file.unlink()


def _wait(server: ScratchPostgresql) -> None:
    """Until it answers; then there is a role to fill it with, which passes policies of rows."""
    from psycopg.sql import SQL, Identifier, Literal  # noqa: PLC0415

    until = server.process.clock.monotonic() + _START_SECONDS
    while True:
        try:
            # No dump comes into this database.
            with server._ruling("template1") as connection:  # noqa: SLF001 - of this module
                connection.execute(
                    SQL("CREATE ROLE {} LOGIN CREATEDB BYPASSRLS PASSWORD {}").format(
                        Identifier(server.role), Literal(server.password.text())
                    )
                )
                # One of that name may be among those that are loaded.
                connection.execute(
                    SQL("ALTER DATABASE postgres OWNER TO {}").format(Identifier(server.role))
                )
        except SecvaultError:
            server.process.heed(until)
        else:
            return


def _uncounted(one: Mapping[str, Any]) -> dict[str, Any]:
    """The facts without what would be counted while loading: `measure` does that."""
    return {key: value for key, value in one.items() if key not in {TABLES, SUMS}}


def _named_in(script: Path) -> Iterable[str]:
    """Whom a script names as owners and in grants. Raises OSError."""
    with script.open(encoding="utf-8", errors="replace", newline="\n") as lines:
        for line in lines:
            found = _OWNER.match(line) or _GRANTED.match(line) or _POLICY.match(line)
            for name in _NAME.findall(found[1]) if found else ():
                yield name[1:-1].replace('""', '"') if name.startswith('"') else name


def _own(folder: Path, name: str) -> Path:
    file = folder / name
    if Path(name).name != name or file.is_symlink() or not file.is_file():
        raise Damaged(f"the snapshot does not hold {name}")
    return file
