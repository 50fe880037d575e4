"""Reading archives: bundle by bundle, each compared with the leaf hashes that the store kept."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from threading import Lock

from secvault.audit import archive_file
from secvault.audit.archive_file import ArchiveHeader
from secvault.audit.archive_rows import Archive
from secvault.audit.places import Place
from secvault.crypto.merkle import leaf_hash
from secvault.crypto.secret import Secret
from secvault.crypto.tiles import WIDTH
from secvault.errors import Damaged, Unavailable

NAME = re.compile(r"entries-[0-9]{12,19}-[0-9]{12,19}-[0-9a-f]{16}(-[2-9])?\.sva")
"""What an archive is called: its first entry, the one after its last, and what they hash to."""

FILES = 2
BUNDLES = 64
"""What is kept in memory: so many sealed files, and so many open bundles."""


class MissingArchive(Damaged):
    """An archive is not where it was put."""


@dataclass(frozen=True, slots=True)
class OpenArchive:
    """A file in memory with its key. whole: its SHA-256 is that of the day it was made."""

    content: bytes
    header: ArchiveHeader
    key: Secret
    whole: bool


class Archives:
    """The archives of one log. Safe for several threads."""

    def __init__(self, place: Place | None, key: Callable[[], Secret]) -> None:
        """place: None where the settings name none. key: the keyring's key, asked for at need."""
        self.place = place
        self.key = key
        self._lock = Lock()
        self._files: OrderedDict[str, OpenArchive] = OrderedDict()
        self._bundles: OrderedDict[tuple[str, int], list[bytes]] = OrderedDict()

    def opened(self, archive: Archive) -> OpenArchive:
        """The archive's file. Raises MissingArchive, Damaged, Unavailable."""
        with self._lock:
            if archive.name in self._files:
                self._files.move_to_end(archive.name)
                return self._files[archive.name]
        if self.place is None:
            raise Unavailable(
                f"entries {archive.first} to {archive.stop - 1} of the audit log lie in archives; "
                "set audit.retention.place to where"
            )
        if not NAME.fullmatch(archive.name):
            # Whoever writes into the database shall not have the service read other files.
            raise Damaged(f"the database names an archive that cannot be one: {_named(archive)}")
        content = self.place.get(archive.name)
        if content is None:
            self.place.check()
            raise MissingArchive(f"{_named(archive)} is missing")
        try:
            header = archive_file.read_header(content)
            key = archive_file.open_key(header, self.key())
        except Damaged as error:
            raise Damaged(f"{_named(archive)} is damaged: {error.detail}") from None
        whole = sha256(content).digest() == archive.digest
        found = OpenArchive(content, header, key, whole)
        with self._lock:
            self._files[archive.name] = found
            while len(self._files) > FILES:
                self._files.popitem(last=False)
        return found

    def bundle(self, archive: Archive, n: int, hashes: bytes) -> list[bytes]:
        """The 256 entries of bundle `n`, which are those of these leaf hashes.

        Raises MissingArchive, Damaged, Unavailable.
        """
        # A file of other entries opens none of these: each bundle is bound to its place.
        at = (archive.name, n)
        with self._lock:
            if at in self._bundles:
                self._bundles.move_to_end(at)
                return self._bundles[at]
        found = self.opened(archive)
        span = f"{_named(archive)}: entries {n * WIDTH} to {n * WIDTH + WIDTH - 1}"
        try:
            entries = archive_file.open_bundle(found.content, found.header, found.key, n)
        except Damaged as error:
            raise Damaged(f"{span} are damaged: {error.detail}") from None
        if b"".join(map(leaf_hash, entries)) != hashes:
            raise Damaged(f"{span} are not those of the log")
        with self._lock:
            self._bundles[at] = entries
            while len(self._bundles) > BUNDLES:
                self._bundles.popitem(last=False)
        return entries

    def forget(self) -> None:
        """Keep nothing in memory, so that what is read next comes from the place."""
        with self._lock:
            self._files.clear()
            self._bundles.clear()


def bundles_of(archive: Archive, start: int, stop: int) -> range:
    """The numbers of the archive's bundles with entries from `start` to below `stop`."""
    first, last = max(start, archive.first), min(stop, archive.stop)
    return range(first // WIDTH, -(-last // WIDTH))


def _named(archive: Archive) -> str:
    return f"the archive {archive.name} of entries {archive.first} to {archive.stop - 1}"
