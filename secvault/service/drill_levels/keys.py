"""The keys of a copy: each opens where it belongs, and what does not is told apart.

All of them are looked at, not a sample: a key that does not open takes few microseconds to find and
all records of somebody with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import islice
from typing import NamedTuple

from sqlalchemy import Connection, select, tuple_

from secvault.backup.rejoin import Keyless
from secvault.crypto import datakey
from secvault.crypto.secret import Secret
from secvault.errors import Damaged
from secvault.keyring.keyring import RECORDS
from secvault.keyring.place import material_place
from secvault.keyring.roots import Roots
from secvault.service.drill_levels.findings import MOST_NAMED, Findings
from secvault.service.drill_levels.own_copy import OwnCopy
from secvault.store import Store, tables

_AT_ONCE = 1000
_CANDIDATES = 100_000
"""Among how many subjects the one is looked for whose key lies in another's place."""

Heed = Callable[[], None]


class _Version(NamedTuple):
    mount: str
    name: str
    version: int
    wrapped: bytes
    bound: bool

    @property
    def where(self) -> str:
        return f"key {self.mount}/{self.name}, version {self.version}"

    @property
    def place(self) -> bytes:
        return material_place(self.mount, self.name, self.version, bound=self.bound)


class _DataKey(NamedTuple):
    collection: str
    subject: str
    wrapped: bytes

    @property
    def where(self) -> str:
        return f"data key {self.collection}/{self.subject}"


def look_at_named_keys(copy: OwnCopy, found: Findings) -> None:
    """Open every version of every named key in its place, and miss those that are not there."""
    roots = Roots(copy.store, copy.root)
    with copy.store.read() as connection:
        versions = _versions(connection)
        missing = _missing_versions(connection, versions)
    strange = [one for one in versions if one.wrapped and not _opens(roots, one.wrapped, one.place)]
    for one in strange:
        other = next((it for it in versions if _opens(roots, one.wrapped, it.place)), None)
        if other is not None:
            found.fault("keys-swapped", one.where, f"there lies the one of {other.where}")
        else:
            found.fault("field-unreadable", one.where, "it does not open: it was changed")
    for where in missing:
        found.fault("keys-missing", where, "it is not in the copy")


def look_at_data_keys(copy: OwnCopy, found: Findings, heed: Heed) -> frozenset[tuple[str, str]]:
    """Open the data key of every subject; the (collection, subject) of those that do not open."""
    with copy.store.read() as connection:

        @cache
        def wrapping(collection: str, version: int) -> Secret | None:
            try:
                return copy.keyring.material(connection, RECORDS, collection, version)
            except Damaged:
                # Found among the named keys.
                return None

        strange = [one for one in _data_keys(connection, heed) if not _unwraps(wrapping, one)]
        for number, one in enumerate(strange):
            heed()
            # Those that are named are told apart.
            owner = _owner(connection, wrapping, one) if number < MOST_NAMED else None
            if owner is not None:
                words = f"there lies the one of {owner.where}"
                found.fault("keys-swapped", one.where, words)
            else:
                found.fault("field-unreadable", one.where, "it does not open: it was changed")
    return frozenset((one.collection, one.subject) for one in strange)


def tell_keyless_apart(live: Store, keyless: Sequence[Keyless], found: Findings) -> None:
    """A fault for each record that the live vault has, and that has lost its key.

    One that was erased, or deleted since, the live vault does not have any more: it says so itself,
    and that no key opens it is as it should be.
    """
    record, key = tables.record.c, tables.data_key.c
    rest = iter(keyless)
    while some := tuple(islice(rest, _AT_ONCE)):
        wanted = {(one.collection, one.id): one for one in some}
        with live.read() as connection:
            rows = connection.execute(
                select(record.collection, record.id, record.subject, record.created_at, key.wrapped)
                .join_from(
                    tables.record,
                    tables.data_key,
                    (key.collection == record.collection) & (key.subject == record.subject),
                    isouter=True,
                )
                .where(tuple_(record.collection, record.id).in_(list(wanted)))
            ).all()
        for row in rows:
            copied = wanted[row.collection, row.id]
            if (row.subject, row.created_at) != (copied.subject, copied.created_at):
                # Deleted and made anew, or handed to another subject, whose key is another.
                continue
            where = f"record {row.collection}/{row.id}"
            if row.wrapped is None:
                words = "its data key is gone, also in the live vault, without an erasure"
                found.fault("key-erased", where, words)
            else:
                words = "its data key is in the live vault, and in none of the saved files"
                found.fault("keys-missing", where, words)


def _versions(connection: Connection) -> list[_Version]:
    version, key = tables.named_key_version.c, tables.named_key.c
    rows = connection.execute(
        select(version.mount, version.name, version.version, version.wrapped, key.sealed_options)
        .join_from(tables.named_key_version, tables.named_key)
        .order_by(version.mount, version.name, version.version)
    )
    return [
        _Version(row.mount, row.name, row.version, row.wrapped, row.sealed_options is not None)
        for row in rows
    ]


def _missing_versions(connection: Connection, versions: Sequence[_Version]) -> list[str]:
    key = tables.named_key.c
    there = {(one.mount, one.name, one.version) for one in versions}
    rows = connection.execute(
        select(key.mount, key.name, key.min_available_version, key.latest_version)
    )
    return [
        f"key {row.mount}/{row.name}, version {number}"
        for row in rows
        for number in range(max(1, row.min_available_version), row.latest_version + 1)
        if (row.mount, row.name, number) not in there
    ]


def _opens(roots: Roots, wrapped: bytes, place: bytes) -> bool:
    try:
        roots.open(wrapped, place)
    except Damaged:
        return False
    return True


def _data_keys(connection: Connection, heed: Heed) -> Iterator[_DataKey]:
    key = tables.data_key.c
    rows = connection.execution_options(yield_per=_AT_ONCE).execute(
        select(key.collection, key.subject, key.wrapped).order_by(key.collection, key.subject)
    )
    for number, row in enumerate(rows):
        if number % _AT_ONCE == 0:
            heed()
        yield _DataKey(*row)


def _unwraps(
    wrapping: Callable[[str, int], Secret | None], key: _DataKey, place: _DataKey | None = None
) -> bool:
    """Whether the key opens in its own place, or in this one."""
    at = place or key
    try:
        with_key = wrapping(at.collection, datakey.wrapping_version(key.wrapped))
        if with_key is None:
            return False
        datakey.unwrap_data_key(key.wrapped, with_key, at.collection, at.subject)
    except Damaged:
        return False
    return True


def _owner(
    connection: Connection, wrapping: Callable[[str, int], Secret | None], key: _DataKey
) -> _DataKey | None:
    """Whose key it is that lies here; None when it is nobody's that is known."""
    candidates = islice(_data_keys(connection, lambda: None), _CANDIDATES)
    return next((one for one in candidates if _unwraps(wrapping, key, one)), None)
