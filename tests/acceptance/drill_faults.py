"""Faults of backups, each put into a real repository in one of its many forms, by chance.

A kind of fault is named as docs/reference/drill-faults.md names it. Each seeder does its worst and
says in words what it did, so that a fault that no drill found can be made again.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import sqlite3
import stat
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from types import MappingProxyType

import msgspec
import psycopg
from psycopg.sql import SQL
from sqlalchemy import delete, insert

from secvault.backup import key_file, keys_apart, manifest
from secvault.store import tables
from tests.acceptance import rights
from tests.acceptance.drill_databases import (
    ROWS,
    copy_of_erp,
    copy_of_shop,
    dumped_erp,
    dumped_shop,
)
from tests.acceptance.drill_range import PLAN, Range, Ticking, dump_of
from tests.conftest import asked_of_mariadb

DAY = 86_400
_BLOCK = 512
Seeder = Callable[[Range, Random], str]


def flip_a_bit(at: Range, chance: Random) -> str:
    """One bit of what is saved, in one file of the repository's data.

    Not of the table of contents at the end of such a file, which repeats what the index says and
    is never read by a restore.
    """
    pack = chance.choice(at.packs())
    content = bytearray(pack.read_bytes())
    saved = len(content) - 4 - int.from_bytes(content[-4:], "little")
    place, bit = chance.randrange(saved), chance.randrange(8)
    content[place] ^= 1 << bit
    at.rewrite(pack, bytes(content))
    return f"bit {bit} of byte {place} of {len(content)} in the pack {pack.name}"


def lose_blocks(at: Range, chance: Random) -> str:
    """Zeros where data was, in one file of the repository's data: blocks that a disk lost, or all.

    Not in the table of contents alone: see `flip_a_bit`.
    """
    pack = chance.choice(at.packs())
    content = pack.read_bytes()
    saved = len(content) - 4 - int.from_bytes(content[-4:], "little")
    first, end = 0, len(content)
    if chance.random() < 0.5:
        # So many bytes are never zeros by themselves: everything is encrypted.
        first = _BLOCK * chance.randrange(max(1, (saved - 32) // _BLOCK))
        end = min(saved, first + _BLOCK * chance.randint(1, 16))
    at.rewrite(pack, content[:first] + bytes(end - first) + content[end:])
    return f"zeros from {first} to {end} of {len(content)} in the pack {pack.name}"


def delete_a_pack(at: Range, chance: Random) -> str:
    """One file of the repository's data is gone."""
    pack = chance.choice(at.packs())
    pack.unlink()
    return f"the pack {pack.name} is gone"


def truncate_a_dump(at: Range, chance: Random) -> str:
    """A dump ends before its end, as of a disk that was full, and was saved like that."""
    source = chance.choice(("erp", "shop", "notes"))
    share = chance.uniform(0.05, 0.95)
    # The disk was full while it was dumped, or afterwards.
    counted = source != "notes" and chance.random() < 0.5

    def cut(_staged: Path) -> None:
        dump = dump_of(at, source)
        # Of MariaDB's the comments around it are no loss.
        whole = dump.read_bytes()
        end = whole.rfind(b"INSERT INTO") + 20 if source == "shop" else len(whole)
        dump.write_bytes(whole[: int(end * share)])
        if counted:
            _count(at, source)

    at.back_up(staged=cut)
    return f"{share:.2f} of the dump of {source}{', so counted' if counted else ''}"


def spoil_a_login(at: Range, chance: Random) -> str:
    """The dump of the servers' logins has another password for one, or none."""
    how = chance.choice(("another", "none"))

    def spoil(_staged: Path) -> None:
        file = dump_of(at, "erp").parent / "globals.sql"
        text = file.read_text()
        verifier = "md5" + bytes(chance.randrange(256) for _ in range(16)).hex()
        other = f"PASSWORD '{verifier}'" if how == "another" else ""
        spoilt, count = re.subn(
            rf"(?m)^(ALTER ROLE {at.databases.role} .*?)PASSWORD '[^']*'", rf"\g<1>{other}", text
        )
        assert count == 1, text
        file.write_text(spoilt)

    at.back_up(staged=spoil)
    return f"{how} password of {at.databases.role}"


def lose_a_table(at: Range, chance: Random) -> str:
    """A table is not in the dump."""
    source = chance.choice(("erp", "shop", "notes"))
    table = chance.choice(
        {"erp": ("staff", "bill"), "shop": ("parts", "orders"), "notes": ("note", "tag")}[source]
    )
    _dump_spoilt(at, source, f"DROP TABLE {table}")
    return f"{table} of {source}"


def lose_rows(at: Range, chance: Random) -> str:
    """A table has some of its rows only: from all but one of them down to none."""
    source = chance.choice(("erp", "shop", "notes"))
    table = {"erp": "staff", "shop": "parts", "notes": "note"}[source]
    first = chance.randint(1, ROWS)
    _dump_spoilt(at, source, f"DELETE FROM {table} WHERE id >= {first}")
    return f"rows of {table} of {source} from {first} of {ROWS} on"


def hide_the_newest(at: Range, _chance: Random) -> str:
    """The newest snapshot is gone, so that an older one passes for it."""
    newest = at.back_up().snapshot
    assert newest is not None
    (at.repository / "snapshots" / newest).unlink()
    return newest


def save_old_data_as_new(at: Range, _chance: Random) -> str:
    """What is in the newest snapshot is of an older run."""
    older = at.house.folder / "older"
    at.back_up(listed=lambda staged: shutil.copytree(staged, older, symlinks=True))

    def exchange(staged: Path) -> None:
        shutil.rmtree(staged)
        shutil.copytree(older, staged, symlinks=True)
        shutil.rmtree(older)

    at.back_up(listed=exchange)
    return "of the run before"


def swap_keys(at: Range, chance: Random) -> str:
    """Two records' data keys are each in the other's place."""
    told: list[str] = []

    def swap(lines: list[key_file.Line]) -> None:
        keys = [n for n, one in enumerate(lines) if isinstance(one, key_file.Key)]
        one, other = chance.sample(keys, 2)
        first, second = lines[one], lines[other]
        assert isinstance(first, key_file.Key)
        assert isinstance(second, key_file.Key)
        lines[one] = msgspec.structs.replace(first, wrapped=second.wrapped)
        lines[other] = msgspec.structs.replace(second, wrapped=first.wrapped)
        told.append(f"the keys of {first.subject} and {second.subject}")

    _save_keys(at, swap)
    return told[0]


def erase_a_key(at: Range, chance: Random) -> str:
    """A record's data key is gone, and no erasure tells why: in the backup, or in the vault too."""
    told: list[str] = []
    how = chance.choice(("in the backup alone", "in the vault, too"))

    def erase(lines: list[key_file.Line]) -> None:
        keys = [n for n, one in enumerate(lines) if isinstance(one, key_file.Key)]
        gone = lines.pop(chance.choice(keys))
        assert isinstance(gone, key_file.Key)
        told.append(f"the key of {gone.collection}/{gone.subject} is gone {how}")
        if how == "in the vault, too":
            _lose_in_the_vault(at, gone)

    _save_keys(at, erase)
    return told[0]


def _lose_in_the_vault(at: Range, gone: key_file.Key) -> None:
    store, table = at.service.store, tables.data_key
    with store.write() as connection:
        connection.execute(
            delete(table).where(
                table.c.collection == gone.collection, table.c.subject == gone.subject
            )
        )

    def bring_back() -> None:
        with store.write() as connection:
            connection.execute(insert(table).values(msgspec.structs.asdict(gone)))

    at.undo.append(bring_back)


def change_a_mode(at: Range, chance: Random) -> str:
    """A file or folder has other permissions in the snapshot than when it was listed."""
    told: list[str] = []

    def change(staged: Path) -> None:
        entries = _entries(staged)
        modes = [n for n, one in enumerate(entries) if one.mode and not stat.S_ISLNK(one.mode)]
        place = chance.choice(modes)
        entry = entries[place]
        assert entry.mode is not None
        mode = entry.mode ^ chance.choice((0o001, 0o004, 0o020, 0o100, 0o222))
        entries[place] = msgspec.structs.replace(entry, mode=mode)
        told.append(f"{entry.path}: {entry.mode:o} and {mode:o}")
        _rewrite_entries(staged, entries)

    at.back_up(listed=change)
    return told[0]


def make_a_file_unreadable(at: Range, chance: Random) -> str:
    """A file comes back that whoever drills may not read, as it could not when it was saved."""
    victim = at.files / f"victim {chance.randrange(10**9)}.bin"
    victim.write_bytes(os.urandom(chance.randint(1, 200_000)))
    victim.chmod(chance.choice((0o000, 0o100, 0o011, 0o222)))
    try:
        at.back_up()
    finally:
        victim.unlink()
    # Root reads everything; without this right it is as anybody.
    at.undo.append(rights.give_up_reading())
    return f"{victim.name}"


def dump_another_database(at: Range, chance: Random) -> str:
    """The dump is whole, and of another database than it says."""
    source = chance.choice(("erp", "shop", "notes"))

    def exchange(_staged: Path) -> None:
        dump = dump_of(at, source)
        if source == "erp":
            dump.write_bytes(dumped_erp(at.databases, at.databases.other_erp))
        elif source == "shop":
            dump.write_bytes(dumped_shop(at.databases, at.databases.other_shop))
        else:
            dump.unlink()
            with closing(sqlite3.connect(dump)) as other:
                other.execute("CREATE TABLE visitor (id INTEGER PRIMARY KEY)")
                other.execute("INSERT INTO visitor VALUES (1)")
                other.commit()
        _count(at, source)

    at.back_up(staged=exchange)
    return f"the dump of {source}"


def skew_the_clock_of_the_storage(at: Range, chance: Random) -> str:
    """The snapshot's own time is one to come."""
    ahead = chance.randint(2 * DAY, 400 * DAY)
    then = datetime.now(UTC) + timedelta(seconds=ahead)
    at.back_up(options=(f"--time={then:%Y-%m-%d %H:%M:%S}",))
    return f"{ahead} seconds ahead"


def skew_the_clock_of_the_vault(at: Range, chance: Random) -> str:
    """The copy in the snapshot claims to be of a time to come."""
    ahead = chance.randint(2 * DAY, 400 * DAY)
    at.back_up(clock=Ticking(float(ahead)).clock())
    return f"{ahead} seconds ahead"


FAULTS: Mapping[str, Seeder] = MappingProxyType(
    {
        "bit flipped in a pack": flip_a_bit,
        "zeros in a pack": lose_blocks,
        "pack deleted": delete_a_pack,
        "dump truncated": truncate_a_dump,
        "wrong password in the dump": spoil_a_login,
        "table missing": lose_a_table,
        "rows lost": lose_rows,
        "newest snapshot gone": hide_the_newest,
        "old data passed for new": save_old_data_as_new,
        "keys swapped": swap_keys,
        "key erased": erase_a_key,
        "file mode changed": change_a_mode,
        "file unreadable": make_a_file_unreadable,
        "dump of another database": dump_another_database,
        "clock of the storage ahead": skew_the_clock_of_the_storage,
        "clock of the vault ahead": skew_the_clock_of_the_vault,
    }
)


def _dump_spoilt(at: Range, source: str, statement: str) -> None:
    """A run whose dump of this source is of a copy to which the statement was done."""

    def exchange(_staged: Path) -> None:
        dump = dump_of(at, source)
        if source == "erp":
            with copy_of_erp(at.databases) as name:
                with psycopg.connect(at.databases.postgresql, dbname=name) as connection:
                    connection.execute(SQL(statement))
                dump.write_bytes(_renamed(dumped_erp(at.databases, name), name, at.databases.erp))
        elif source == "shop":
            with copy_of_shop(at.databases) as name:
                asked_of_mariadb(at.databases.mariadb, f"USE {name}; {statement}")
                dump.write_bytes(_renamed(dumped_shop(at.databases, name), name, at.databases.shop))
        else:
            with closing(sqlite3.connect(dump)) as notes:
                notes.execute(statement)
                notes.commit()
        _count(at, source)

    at.back_up(staged=exchange)


def _renamed(dump: bytes, name: str, original: str) -> bytes:
    """The dump as one of the original; an archive stays sound, for both names are as long."""
    assert len(name) == len(original)
    return dump.replace(name.encode(), original.encode())


def _count(at: Range, source: str) -> None:
    """Let the manifest say how large this dump is, as if the server had given it so."""
    head = manifest.read(at.staged / manifest.NAME)
    size = dump_of(at, source).stat().st_size
    for entry in head.sources:
        if entry.name == source:
            for facts in entry.facts["databases"].values():
                if "bytes" in facts:
                    facts["bytes"] = size
    manifest.write(head, at.staged / manifest.NAME)


def _save_keys(at: Range, change: Callable[[list[key_file.Line]], object]) -> None:
    """A run whose file of data keys was changed."""

    def rewrite(_staged: Path) -> None:
        file = keys_apart.staged_file(at.service.backups, PLAN)
        lines = list(key_file.read(file))
        change(lines)
        whole = [*lines, key_file.End(len(lines))]
        file.write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in whole))

    at.back_up(staged=rewrite)


def _entries(staged: Path) -> list[manifest.FileEntry]:
    return list(manifest.entries(manifest.read(staged / manifest.NAME), staged))


def _rewrite_entries(staged: Path, entries: list[manifest.FileEntry]) -> None:
    """The manifest with other entries, sound in itself."""
    head = manifest.read(staged / manifest.NAME)
    lines = b"".join(msgspec.json.encode(one) + b"\n" for one in entries)
    (staged / manifest.ENTRIES).write_bytes(lines)
    total = sum(one.size for one in entries)
    listed = manifest.Listed(len(entries), total, hashlib.sha256(lines).hexdigest())
    manifest.write(msgspec.structs.replace(head, listed=listed), staged / manifest.NAME)
