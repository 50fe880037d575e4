"""A program that archives a log until all is archived or it is killed.

    archiving_process.py URL FOLDER

Archives are of one bundle each and few entries are removed at a time, so that it can be killed at
many places. It says `working` once it has begun, and `done` at the end.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from secvault.audit import archiving
from secvault.audit.archives import Archives
from secvault.audit.archiving import Archiving, Due
from secvault.audit.checkpoints import newest_checkpoint
from secvault.audit.entries import reaching
from secvault.audit.places import FolderPlace
from secvault.crypto.note import NoteSigner
from secvault.crypto.secret import Secret
from secvault.store import open_store

ORIGIN = "vault.example.com/audit"


def main(url: str, folder: str) -> None:
    archiving.BUNDLES, archiving.AT_ONCE = 1, 20
    archives = Archives(FolderPlace(Path(folder)), lambda: Secret(bytes(32)))
    store = reaching(open_store(url), archives)
    signed = newest_checkpoint(store)
    assert signed is not None
    verifier = NoteSigner(ORIGIN, Secret(bytes(range(32)))).verifier()
    making = Archiving(archives, signed, (verifier,), 2**60, 1, os.urandom)
    os.write(sys.stdout.fileno(), b"working\n")
    archiving.remove_archived(store)
    while (written := archiving.write_next(store, Due(before=2**60), making)) is not None:
        with store.write() as connection:
            archiving.keep(connection, written)
        archiving.remove_archived(store)
    os.write(sys.stdout.fileno(), b"done\n")
    store.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
