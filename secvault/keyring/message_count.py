"""How many messages each version of a key has sealed, so that none seals too many.

A nonce must not repeat under one key. Ours are random, so one key may seal at most 2**32 messages
(NIST SP 800-38D, section 8.3; for ChaCha20-Poly1305 the same nonce length gives the same bound;
XChaCha20-Poly1305 could seal far more, and is counted alike).
Keys derived by a context are counted with the key that they come from, which errs on the safe side.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from threading import Lock

from sqlalchemy import Connection, update

from secvault.crypto.key_kind import KeyKind
from secvault.errors import InvalidInput
from secvault.keyring.encryption import STATED_VERSION, ToDecrypt, ToEncrypt
from secvault.keyring.open_key import OpenKey
from secvault.store import Store, tables

MOST_MESSAGES = 2**32
FROM_ELSEWHERE = MOST_MESSAGES // 2
"""Where the count of restored or imported material begins: nobody here knows what it has sealed."""

FIRST_BLOCK = 256
LARGEST_BLOCK = 65_536

_Version = tuple[str, str, int]


def count_messages(
    connection: Connection, mount: str, name: str, version: int, messages: int
) -> None:
    """Add to the version's count, with the caller's transaction.

    Raises InvalidInput when it would pass `MOST_MESSAGES`.
    """
    if not _added(connection, (mount, name, version), messages):
        raise _used_up(name, version)


def counted_elsewhere(kind: KeyKind, stated: int = 0) -> int:
    """The count with which material begins that comes from a key backup or an import.

    stated: what the backup says. The original may go on sealing beside the copy: with three
    quarters for the original, until it is rotated, and the quarter from here to the rotation of
    the copy, the two stay within the limit together.
    """
    return max(stated, FROM_ELSEWHERE) if kind.symmetric else 0


class MessageCount:
    """Counts for one process, which takes blocks from the store ahead of need.

    A process that is killed loses what is left of its blocks: the count in the store is never
    less than what was sealed. Safe to use from many threads.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = Lock()
        self._left: dict[_Version, int] = {}
        self._block: dict[_Version, int] = {}

    def take(self, key: OpenKey, items: Sequence[ToEncrypt | ToDecrypt]) -> bool:
        """Count the sealing of these items, if that needs nothing of the store; else False."""
        return all(self._take(each, number) for each, number in _wanted(key, items).items())

    def spend(self, key: OpenKey, item: ToEncrypt | ToDecrypt) -> None:
        """Count the sealing of one item. Waits for a transaction of its own now and then: call it
        outside of one that writes. Raises InvalidInput when the version has sealed all it may.
        """
        for version, number in _wanted(key, [item]).items():
            while not self._take(version, number):
                self._reserve(version, number)

    def _take(self, version: _Version, number: int) -> bool:
        with self._lock:
            left = self._left.get(version, 0)
            if left < number:
                return False
            self._left[version] = left - number
            return True

    def _reserve(self, version: _Version, number: int) -> None:
        with self._lock:
            block = max(number, self._block.get(version, FIRST_BLOCK))
            self._block[version] = min(2 * block, LARGEST_BLOCK)
        with self._store.write() as connection:
            # Near the end there may be no whole block any more.
            sizes = (block, number)
            got = next((size for size in sizes if _added(connection, version, size)), None)
        if got is None:
            raise _used_up(*version[1:])
        with self._lock:
            self._left[version] = self._left.get(version, 0) + got


def _wanted(key: OpenKey, items: Sequence[ToEncrypt | ToDecrypt]) -> Mapping[_Version, int]:
    if not key.kind.symmetric:
        return {}
    latest, mount, name = key.key.latest_version, key.key.mount, key.key.name
    if not any(map(STATED_VERSION, items)):
        return {(mount, name, latest): len(items)}
    # What names a version that cannot be is refused when it is to be sealed.
    versions = Counter(item.key_version or latest for item in items)
    return {(mount, name, at): n for at, n in versions.items() if 0 < at <= latest}


def _added(connection: Connection, version: _Version, messages: int) -> bool:
    mount, name, number = version
    table = tables.named_key_version
    added = connection.execute(
        update(table)
        .where(
            table.c.mount == mount,
            table.c.name == name,
            table.c.version == number,
            table.c.messages <= MOST_MESSAGES - messages,
        )
        .values(messages=table.c.messages + messages)
    )
    return added.rowcount == 1


def _used_up(name: str, version: int) -> InvalidInput:
    return InvalidInput(
        f"version {version} of the key {name} has sealed as many messages as its cipher bears; "
        "rotate the key"
    )
