"""A scratch MariaDB, filled by an account that may do as it likes in the databases of its own.

Nobody on it is called root: a dump may say who defined a view or a routine, and what that one may
do, it may. The administrator has a name that no dump can know. Events never run: the scheduler is
off, and only the administrator may turn it on.
"""

from __future__ import annotations

import re
import secrets
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from secvault.backup.drills.databases import processes, programs, sockets
from secvault.backup.drills.databases.place import Place, password
from secvault.backup.drills.databases.processes import Room, Server
from secvault.backup.drills.databases.programs import ServerMissing
from secvault.backup.sources import kinds, mariadb_figures
from secvault.backup.sources.figures import SUMS, TABLES
from secvault.backup.sources.loading import Facts, Wish, databases
from secvault.backup.sources.mariadb_client import CLIENTS, MariadbClient, opened, quoted
from secvault.backup.sources.source import SourceEntry
from secvault.config.backup_sources import MariadbSource
from secvault.crypto.secret import Secret
from secvault.errors import BackupFailed, SecvaultError

_SOCKET = "socket"
_PASSING = "passing"
_WRITTEN = re.compile(r"\\(.)")
_MEANT = {"t": "\t", "n": "\n", "0": "\0"}
_START_SECONDS = 120.0
_SETTINGS = (
    "--skip-networking",
    # Not DISABLED, by which nobody could count them. Who may turn it on, no dump can know.
    "--event-scheduler=OFF",
    "--local-infile=0",
    "--symbolic-links=0",
    "--skip-log-bin",
    "--skip-name-resolve",
    "--skip-ssl",
    "--lower-case-table-names=0",
    "--character-set-server=utf8mb4",
    "--max-allowed-packet=1G",
    "--max-connections=20",
    "--key-buffer-size=16M",
    "--aria-pagecache-buffer-size=16M",
    "--innodb-buffer-pool-size=128M",
    "--innodb-log-file-size=32M",
    # It is thrown away; a crash of the machine is the end of the drill.
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-doublewrite=0",
    "--innodb-flush-method=nosync",
    "--performance-schema=0",
    "--log-warnings=0",
)


@dataclass(frozen=True)
class ScratchMariadb:
    """A running scratch server. administrator, filler, asker: accounts, each with its password."""

    entry: SourceEntry
    place: Place
    socket: Path
    settings: MariadbSource
    process: Server
    administrator: tuple[str, Secret]
    filler: tuple[str, Secret]
    asker: tuple[str, Secret]
    _allowed: set[str] = field(default_factory=set)

    def load(self, saved: Path, name: str) -> None:
        """See `ScratchServer`."""
        one = databases(self.entry.facts)[name]
        self._allow(name)
        without = {key: value for key, value in one.items() if key not in {TABLES, SUMS}}
        facts = {**self.entry.facts, "databases": {name: without}}
        entry = msgspec.structs.replace(self.entry, facts=facts)
        user, secret = self.filler
        with self._opened(self.filler) as client:
            client.tell(f"DROP DATABASE IF EXISTS {quoted(name)}")
        turn = self.place.turn(self.entry.name, secret)
        kinds.load(entry, saved, self._as(user), turn, Wish(names={name: name}))

    def measure(self, name: str) -> Facts:
        """See `ScratchServer`."""
        one = databases(self.entry.facts)[name]
        with self._opened(self.filler) as client:
            found: dict[str, Any] = {"objects": client.objects(name)}
            if TABLES in one:
                tables = tuple(client.tables(name))
                figures = mariadb_figures.look(client, name, tables, with_sums=SUMS in one)
                found |= figures.facts()
        return {"databases": {name: {**found, "as": name}}}

    def drop(self, name: str) -> None:
        """See `ScratchServer`."""
        with self._opened(self.filler) as client:
            client.tell(f"DROP DATABASE {quoted(name)}")

    def ask(self, name: str, sql: str, seconds: int) -> str:
        """See `ScratchServer`."""
        turn = self.place.turn(self.entry.name, self.asker[1])
        question, answer = turn.scratch / "asked.sql", turn.scratch / "answer"
        limit = f"SET SESSION max_statement_time = {seconds}"
        question.write_text(
            f"{limit};\nSTART TRANSACTION READ ONLY;\n{sql.rstrip('; ')};\n", "utf-8"
        )
        source = self._as(self.asker[0])
        with opened(source, turn) as client:
            how = ["--batch", "--skip-column-names", "--binary-mode", f"--database={name}"]
            how.append("--default-character-set=utf8mb4")
            client.run(CLIENTS, "asking the scratch MariaDB", how, stdin=question, stdout=answer)
        lines = answer.read_bytes().splitlines()
        if not lines:
            raise BackupFailed("the question gives no row")
        return _plain(lines[0].split(b"\t", 1)[0].decode("utf-8", "replace"))

    def environment(self, name: str) -> Mapping[str, str]:
        """See `ScratchServer`."""
        user, secret = self.asker
        return {
            "MYSQL_UNIX_PORT": str(self.socket),
            "MYSQL_PWD": secret.text(),
            "DRILL_USER": user,
            "DRILL_DATABASE": name,
        }

    def _as(self, user: str) -> MariadbSource:
        return MariadbSource(
            socket=self.socket,
            user=user,
            programs=self.settings.programs,
            minutes=self.settings.minutes,
        )

    @contextmanager
    def _opened(self, account: tuple[str, Secret]) -> Iterator[MariadbClient]:
        user, secret = account
        with opened(self._as(user), self.place.turn(self.entry.name, secret)) as client:
            yield client

    def _allow(self, name: str) -> None:
        """Let the accounts into this database, and no other: `mysql` is one, too."""
        if name in self._allowed:
            return
        # In a grant these stand for any character and any number of them.
        which = quoted(name.replace("\\", "\\\\").replace("_", "\\_").replace("%", "\\%"))
        with self._opened(self.administrator) as client:
            client.tell(
                f"GRANT ALL ON {which}.* TO `{self.filler[0]}`@`localhost`",
                f"GRANT SELECT, SHOW VIEW, EXECUTE ON {which}.* TO `{self.asker[0]}`@`localhost`",
            )
        self._allowed.add(name)


@contextmanager
def started(entry: SourceEntry, settings: MariadbSource, place: Place) -> Iterator[ScratchMariadb]:
    """A scratch server, while the block runs. Raises as `servers.running`."""
    if str(entry.facts.get("server", "")).startswith("MySQL"):
        raise ServerMissing(
            f"{entry.name} was saved from MySQL, of which no drill can start a server; leave the "
            "level out, or restore it into a server of yours (restore_into)"
        )
    server, install = programs.mariadb(place.environment, settings.programs)
    administrator, filler, asker = accounts = [
        (f"secvault_{secrets.token_hex(8)}", password()) for _ in range(3)
    ]
    with (
        processes.room(
            place.folder / "mariadb",
            place.clock,
            place.cancel,
            place.environment,
            gentle=place.gentle,
            # Its tables of the kind Aria are opened by their real paths.
            mounted=True,
        ) as room,
        sockets.short(room.folder / "run", _SOCKET) as (socket, link),
    ):
        _install(room, install)
        first = room.folder / "first.sql"
        first.touch(mode=0o600)
        first.write_text(_first(accounts), "utf-8")
        room.hand_over(first)
        if link is not None:
            room.also_remove(link)
        argv = [str(server), "--no-defaults", *_paths(room), *_SETTINGS]
        argv += [f"--socket={room.socket_folder('run', socket)}/{_SOCKET}"]
        argv += [f"--pid-file={room.inside}/run/pid"]
        argv += [f"--init-file={room.inside}/first.sql"]
        with room.serving("MariaDB", argv, signal.SIGKILL) as process:
            one = ScratchMariadb(
                entry, place, socket / _SOCKET, settings, process, administrator, filler, asker
            )
            _wait(one)
            first.unlink()
            yield one


def _install(room: Room, install: Path) -> None:
    room.give("data", "run", _PASSING, "nothing")
    # From here no library is loaded, whatever a dump may have written.
    (room.folder / "nothing").chmod(0o500)
    how = ["--no-defaults", *_paths(room), "--auth-root-authentication-method=normal"]
    how += ["--skip-test-db", "--skip-name-resolve", "--innodb-flush-method=nosync"]
    how += ["--innodb-log-file-size=32M", "--innodb-buffer-pool-size=64M"]
    room.run("making a MariaDB", [str(install), *how], _START_SECONDS)


def _paths(room: Room) -> list[str]:
    return [
        f"--datadir={room.inside}/data",
        f"--tmpdir={room.inside}/{_PASSING}",
        f"--plugin-dir={room.inside}/nothing",
        # Nobody has the right to files; and this folder takes none, and holds no secret.
        "--secure-file-priv=/proc/sys",
    ]


def _first(accounts: list[tuple[str, Secret]]) -> str:
    """What the server executes before it lets anybody in, one statement a line."""
    made = [f"`{user}`@`localhost`" for user, _ in accounts]
    lines = [
        f"CREATE USER {who} IDENTIFIED BY '{secret.text()}'"
        for who, (_, secret) in zip(made, accounts, strict=True)
    ]
    names = ", ".join(f"'{user}'" for user, _ in accounts)
    lines += [
        f"GRANT ALL ON *.* TO {made[0]} WITH GRANT OPTION",
        f"GRANT SET USER ON *.* TO {made[1]}",
        f"DELETE FROM mysql.global_priv WHERE User NOT IN ({names})",  # noqa: S608 - our own
        "DELETE FROM mysql.db",
        "DELETE FROM mysql.tables_priv",
        "DELETE FROM mysql.proxies_priv",
        "FLUSH PRIVILEGES",
    ]
    return "".join(f"{line};\n" for line in lines)


def _wait(server: ScratchMariadb) -> None:
    until = server.process.clock.monotonic() + _START_SECONDS
    while not server.socket.is_socket():
        server.process.heed(until)
    while True:
        try:
            with server._opened(server.administrator) as client:  # noqa: SLF001 - of this module
                client.version()
        except SecvaultError:
            server.process.heed(until)
        else:
            return


def _plain(text: str) -> str:
    """A value as the client writes it in batches."""
    return _WRITTEN.sub(lambda found: _MEANT.get(found[1], found[1]), text)
